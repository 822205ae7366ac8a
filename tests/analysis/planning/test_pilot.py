"""What a pilot says of the assumptions of a plan."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.planning import OVERDISPERSION, TEXT_SD, Truth, assume_rate, read_pilot, read_speeds
from scipy import stats

from refusal_metrics.errors import InputError


def rows(setting, refusals, n, model="m", task="nli", persona="man"):
    """Responses about texts: `refusals` of each text among its first of `n`."""
    return [
        {"model": model, "task": task, "setting": setting, "persona": persona, "text_id": f"t{g}", "refused": i < k}
        for g, k in enumerate(refusals)
        for i in range(n)
    ]


def test_the_limits_of_a_rate_by_hand(make_counts):
    # 20 neutral responses about each of 6 texts: one text is always refused, one half, four never; none to personas.
    pilot = read_pilot(make_counts(rows("neutral", [20, 10, 0, 0, 0, 0], 20)))["nli"]
    assert (pilot.n, pilot.n_refused, pilot.n_texts, pilot.setting) == (120, 30, 6, "neutral")
    assert pilot.rate == 0.25
    # Variance within texts: 20 / 19 * 1/4 in one text of six, so a correlation of 1 - (1/6 * 20/76) / (3/16) = .766.
    # Two texts have a refusal, which weigh 2 / 22 against a text SD of 1.5; the largest text SD is 4, with a
    # correlation of .61.
    own = 1 - (20 / 19 / 4 / 6) / (0.25 * 0.75)
    assert own > Truth(0.25, 4.0).correlation
    text_sd = 2 / 22 * 4.0 + 20 / 22 * TEXT_SD
    effective = 120 / (1 + 19 * Truth(0.25, text_sd).correlation)
    # Clopper and Pearson's upper 80% limit.
    limit = stats.beta.ppf(0.8, 0.25 * effective + 1, 0.75 * effective)
    assert pilot.truth.rate == pytest.approx(limit)
    assert pilot.truth.text_sd == pytest.approx(text_sd)


def test_the_limit_of_the_overdispersion_without_any_information(make_counts):
    # No text has both verdicts, so the prior alone counts: 1.15 as of 200 texts; the 20% point of chi-squared with 200
    # degrees of freedom is 183.0.
    pilot = read_pilot(make_counts(rows("neutral", [0, 0, 0], 5) + rows("persona", [0, 0, 0], 5)))["nli"]
    assert (pilot.phi, pilot.truth.text_sd) == (1, TEXT_SD)
    assert pilot.truth.overdispersion == pytest.approx(OVERDISPERSION * 200 / 183.0, rel=1e-3)
    # No refusal in 3 texts; at most 15 independent responses would exclude more than 1 - .2^(1/15) = 10%.
    assert 0.101 < pilot.truth.rate < 0.42


def test_a_persona_that_differs_in_some_texts_raises_the_overdispersion(make_counts):
    # In half of 40 texts the persona is always refused and neutral prompts never, in the others the reverse.
    opposite = rows("persona", [8, 0] * 20, 8) + rows("neutral", [0, 8] * 20, 8)
    alike = rows("persona", [4, 4] * 20, 8) + rows("neutral", [4, 4] * 20, 8)
    phi, flat = (read_pilot(make_counts(study))["nli"] for study in (opposite, alike))
    # Scores are +-4 in each text, and the variance of 8 of 16 drawn with 8 refusals is 8 * 8 * 8 * 8 / (16^2 * 15) =
    # 1.07: 16 / 1.07 = 15, times 40 / 39.
    assert phi.phi == pytest.approx(15 * 40 / 39)
    assert flat.phi == 1
    assert phi.truth.overdispersion > 2 > flat.truth.overdispersion


def test_verdicts_of_a_pilot_in_blocks_are_compared_within_blocks(make_counts):
    # Each of 20 texts has two blocks; in one everything is refused, in the other nothing. Within blocks no verdicts
    # differ, within texts half of them would.
    responses = [
        row | {"block": f"{row['text_id']}-{block}", "refused": block == 0}
        for setting in ("neutral", "persona")
        for row in rows(setting, [0] * 20, 3)
        for block in range(2)
    ]
    blocks = read_pilot(make_counts(responses))["nli"]
    plain = read_pilot(make_counts([{k: v for k, v in row.items() if k != "block"} for row in responses]))["nli"]
    assert (blocks.n_texts, blocks.rate) == (20, 0.5)
    # The whole variance is between blocks: the text SD is the largest, 4, with the weight 20 / (20 + 20) of the 20
    # blocks of the rarer verdict against 1.5. Within texts the correlation is negative, and the text SD 0.
    assert blocks.truth.text_sd == pytest.approx(1 / 2 * 4.0 + 1 / 2 * TEXT_SD)
    assert plain.truth.text_sd == pytest.approx(1 / 2 * TEXT_SD)


def test_the_limits_of_the_rate_are_kept(make_counts):
    low, high = read_pilot(make_counts(rows("neutral", [1] * 30, 10)))["nli"].truth.limits
    # The plan assumes the upper limit of a rate below one half, and a decrease is possible down from the lower one.
    assert low < 0.1 < high
    assert read_pilot(make_counts(rows("neutral", [1] * 30, 10)))["nli"].truth.rate == high


def test_the_rate_nearest_to_a_half_is_planned_for(make_counts):
    low, high = (read_pilot(make_counts(rows("neutral", ks, 10)))["nli"] for ks in ([1] * 30, [9] * 30))
    assert low.truth.rate > low.rate
    assert high.truth.rate < high.rate
    assert low.truth.rate == pytest.approx(1 - high.truth.rate)
    middle = read_pilot(make_counts(rows("neutral", [5] * 30, 10)))["nli"]
    assert middle.truth.rate == 0.5


def test_of_several_models_the_one_that_needs_most(make_counts):
    both = rows("neutral", [1] * 20, 10, "timid") + rows("neutral", [0] * 20, 10, "bold")
    assert read_pilot(make_counts(both))["nli"].model == "timid"


def test_without_neutral_responses_those_to_personas_count(make_counts):
    pilot = read_pilot(make_counts(rows("persona", [1] * 20, 10)))["nli"]
    assert (pilot.setting, pilot.rate) == ("persona", 0.1)
    assert "20 of 200 persona responses of m are refusals (10.0%)" in str(pilot)


def test_what_is_no_pilot_is_refused(make_counts):
    with pytest.raises(InputError, match="no responses in the settings neutral or persona"):
        read_pilot(make_counts(rows("persona-free", [1, 1], 3, persona=None)))
    with pytest.raises(InputError, match="neutral responses about one text only"):
        read_pilot(make_counts(rows("neutral", [1], 3)))
    for rate in (0, 1, None, float("nan")):
        with pytest.raises(InputError, match="give a number between 0 and 1"):
            assume_rate(rate)


def test_speeds_are_those_that_were_measured():
    runs = pd.DataFrame({"model": ["a", "b", "c"], "prompts_per_second": [12.5, np.nan, 0.0]})
    assert read_speeds(runs) == {"a": 12.5}
    assert read_speeds(pd.DataFrame()) == {}


def test_a_plan_from_a_small_pilot_is_large_enough(load_script):
    # A small version of `scripts/calibrate_plan --only assurance`: 40 pilots of 300 prompts at a rate of 10%, whose
    # personas have effects that vary between texts. Fewer than 25 of 40 happen in 4% of trials at an assurance of .7.
    script = load_script("calibrate_plan")
    script.PILOTS = (("txp", 0.1),)
    given = script.argparse.Namespace(texts=None, pilots=40, seed=0)
    (row,) = script.measure_assurance(script.read_source(None), given)
    assert float(row["assurance"].split()[0]) >= 25 / 40
    # By the estimates alone, about half of the plans are too small.
    assert float(row["by the estimate instead"].split()[0]) < 0.8
