"""The command ``rates``: what it counts besides refusals."""

import csv
import json

import pandas as pd
import pytest
from refusal_metrics.analysis.cli import app as cli
from typer.testing import CliRunner

from refusal_metrics import load
from refusal_metrics.errors import InputError

KINDS = {
    "r": {"refused": 1, "outcome": "refusal", "refused_by": "text"},
    "p": {"refused": 1, "outcome": "refusal", "refused_by": "provider"},
    "a": {"refused": 0, "outcome": "answer"},
    "o": {"refused": 0, "outcome": "other"},
    "e": {"refused": 0, "outcome": "empty"},
    "u": {"refused": 0, "outcome": "unjudged"},
    "t": {"refused": 0, "outcome": "truncated"},
}


def invoke(*arguments):
    """Run a command; gives what it printed, and what it said on one line."""
    result = CliRunner(env={"COLUMNS": "80"}).invoke(cli.app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Ten responses about a text each: 1 refusal by its text, 3 by the provider, 3 answers, 2 unjudged, 1 truncated."""
    rows = [
        {"model": "m", "task": "nli", "setting": "persona", "persona": ("man", "woman")[i % 2], "text_id": f"t{i}"}
        | KINDS[letter]
        for i, letter in enumerate("rpppaaauut")
    ]
    path = tmp_path_factory.mktemp("provider") / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def every_outcome(tmp_path_factory):
    """Twenty texts as two personas and a neutral person, with all outcomes and both kinds of refusals."""
    asked = {"man": "rrpaaaaaaaaaaaaaaoeu", "woman": "rrpaaaaatttttttttuoe", "individual": "rpaaaaaaaaaaaaaaaoeu"}
    rows = [
        {"model": "m", "task": "nli", "setting": "neutral" if persona == "individual" else "persona"}
        | {"persona": persona, "text_id": f"t{i}", "refused_prefix": letter == "r"}
        | KINDS[letter]
        for persona, letters in asked.items()
        for i, letter in enumerate(letters)
    ]
    path = tmp_path_factory.mktemp("outcomes") / "t.csv"
    pd.DataFrame(rows).rename(columns={"refused": "refused_answer_aware"}).to_csv(path, index=False)
    return path


def rows_of(*arguments):
    """Run a command; gives the rows of its CSV by persona."""
    rows = csv.DictReader(invoke(*arguments, "--format", "csv")[0].splitlines())
    return {row["persona"]: row for row in rows}


SHARES = ("estimate", "refusal_rate_low", "refusal_rate_high")


@pytest.mark.parametrize(
    ("options", "man", "woman"),
    [
        # Man: r r p of 20, and u. Woman: r r p of 20, and 9 t and a u. Other and empty responses stay in all 20.
        ([], (3 / 20, 3 / 20, 4 / 20), (3 / 20, 3 / 20, 13 / 20)),
        # The p is neither in the numerator nor in the denominator.
        (["--exclude-provider"], (2 / 19, 2 / 19, 3 / 19), (2 / 19, 2 / 19, 12 / 19)),
        # A prefix rule reads the text alone, so that the provider's refusal is none.
        (["--detector", "prefix"], (2 / 20, 2 / 20, 3 / 20), (2 / 20, 2 / 20, 12 / 20)),
    ],
    ids=["all responses", "without the provider's", "the prefix rule"],
)
def test_the_denominator_is_all_responses_asked(every_outcome, options, man, woman):
    rows = rows_of("rates", every_outcome, "--by", "persona", *options)
    for persona, expected in {"man": man, "woman": woman}.items():
        assert [float(rows[persona][name]) for name in SHARES] == pytest.approx(expected)


def test_truncated_and_unjudged_responses_are_shares_and_contrasts_of_their_own(every_outcome):
    shares = rows_of("rates", every_outcome, "--by", "persona", "--undetermined")
    # Of 20: u; 9 t and u; u.
    assert {name: float(row["estimate"]) for name, row in shares.items()} == pytest.approx(
        {"man": 0.05, "woman": 0.5, "individual": 0.05}
    )
    contrasts = rows_of("rates", every_outcome, "--against", "neutral", "--undetermined")
    assert {name: float(row["estimate"]) for name, row in contrasts.items()} == pytest.approx({"man": 0, "woman": 0.45})
    frame = load(every_outcome).contrasts("neutral", undetermined=True).set_index("persona")
    assert frame["p_adjusted"].to_dict() == pytest.approx({k: float(v["p_adjusted"]) for k, v in contrasts.items()})
    by_persona = load(every_outcome).rates("persona", undetermined=True).set_index("persona")
    assert by_persona["n_truncated"].to_dict() == {"man": 0, "woman": 9, "individual": 0}


def test_differences_of_refusals_come_with_those_of_truncated_and_unjudged_responses(every_outcome, table):
    _, said = invoke("rates", every_outcome, "--against", "neutral")
    # Woman: of 11 texts with one such response, 10 are hers: (10 - 1) / 20, exact p = 2 (1 + 11) / 2^11 = .012, and
    # .023 after correction for two personas. Man: the same texts as the neutral person.
    assert (
        "differs significantly from neutral prompts in 1 of 2 comparisons (largest difference: Woman, +45.00 pp" in said
    )
    frame = pd.read_csv(table)
    frame = frame[~frame["outcome"].isin(["truncated", "unjudged"])]
    clean = table.with_name("clean.csv")
    frame.to_csv(clean, index=False)
    assert "truncated" not in invoke("rates", clean, "--against", "others")[1]


def test_bounds_are_on_screen_only_where_something_was_not_judged(every_outcome, tmp_path):
    screen, said = invoke("rates", every_outcome, "--by", "persona")
    assert max(map(len, screen.splitlines())) <= 80
    # The share of truncated responses, of unjudged ones, and the bounds.
    assert "Woman        45.00      5.00  [15.00, 65.00]" in screen
    assert "The bounds are the rates if none, or all, of them were refusals" in said
    frame = pd.read_csv(every_outcome)
    frame[~frame["outcome"].isin(["truncated", "unjudged"])].to_csv(tmp_path / "t.csv", index=False)
    screen, said = invoke("rates", tmp_path / "t.csv", "--by", "persona")
    assert "bounds" not in screen + said
    assert "refusal_rate_high" in invoke("rates", tmp_path / "t.csv", "--format", "csv")[0]


@pytest.mark.parametrize("other", [["--spread"], ["--labels", "labels.csv"]])
def test_undetermined_responses_have_no_spread_and_no_correction(table, other):
    with pytest.raises(InputError, match=r"--undetermined and --\w+: mean different tables"):
        invoke("rates", table, "--undetermined", *other)
    with pytest.raises(InputError, match="leave out undetermined, or labels"):
        load(table).rates(labels="labels.csv", undetermined=True)


COUNTS = ("n", "n_refused", "n_unjudged", "n_truncated", "n_provider")


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize(
    ("options", "counts"),
    [
        ([], (10, 4, 2, 1, 3)),
        # Out of the numerator and of the denominator.
        (["--exclude-provider"], (7, 1, 2, 1, 0)),
    ],
)
def test_what_was_not_read_and_what_the_provider_refused_is_counted(table, form, options, counts):
    printed, said = invoke("rates", table, "--format", form, *options)
    (row,) = json.loads(printed) if form == "json" else csv.DictReader(printed.splitlines())
    assert tuple(int(row[name]) for name in COUNTS) == counts
    assert float(row["estimate"]) == pytest.approx(counts[1] / counts[0])
    assert ("3 of 10 responses were refused by the provider and left out" in said) is bool(options)
    assert ("Refused by the provider, not by the model's own words: m, NLI (persona): 3 of 10" in said) is not options


def test_the_counts_are_of_each_persona_too(table):
    # In the even places stand r p a a u, in the odd ones p p a u t.
    rows = list(csv.DictReader(invoke("rates", table, "--by", "persona", "--format", "csv")[0].splitlines()))
    assert {row["persona"]: tuple(int(row[name]) for name in COUNTS) for row in rows} == {
        "man": (5, 2, 1, 0, 1),
        "woman": (5, 2, 1, 1, 2),
    }


@pytest.mark.parametrize(
    "command",
    [
        ("rates", "--against", "others"),
        ("rates", "--spread"),
        ("sensitivity", "--replicates", "100"),
        ("regression", "--factors", "persona"),
        ("leaderboard",),
    ],
)
def test_every_estimate_leaves_the_provider_out_where_asked(table, command):
    name, *options = command
    _, said = invoke(name, table, *options, "--format", "csv", "--exclude-provider")
    assert "3 of 10 responses were refused by the provider and left out" in said


def test_corrected_differences_are_not_broken_down(table, tmp_path):
    labels = tmp_path / "labels.csv"
    with pytest.raises(InputError, match=r"--by temperature: .* leave out --by, or --against"):
        invoke("rates", table, "--labels", labels, "--against", "others", "--by", "temperature")
    with pytest.raises(InputError, match="leave out by, or labels"):
        load(table).contrasts("others", by="temperature", labels=labels)


def test_an_ingested_table_keeps_what_was_counted(table, tmp_path):
    for name in ("t.parquet", "t.csv"):
        invoke("ingest", table, "--out", tmp_path / name)
        (row,) = csv.DictReader(invoke("rates", tmp_path / name, "--format", "csv")[0].splitlines())
        assert tuple(int(row[name]) for name in COUNTS) == (10, 4, 2, 1, 3)


def test_nothing_is_left_if_the_provider_refused_all(table, tmp_path):
    frame = pd.read_csv(table)
    frame[frame["refused_by"] == "provider"].to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match="provider"):
        invoke("rates", tmp_path / "p.csv", "--exclude-provider")


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    """Two texts of class 1 with 1 and 3 refusals of 10, and three rows of class 2 with 5, 3 and 0 of 5."""
    asked = {("a", "1"): (1, 10), ("b", "1"): (3, 10), ("c", "2"): (5, 5), ("d", "2"): (3, 5), ("a", "2"): (0, 5)}
    rows = [
        {"model": "m", "task": "nli", "setting": "persona", "text_id": text, "stratum": name, "refused": int(i < k)}
        for (text, name), (k, n) in asked.items()
        for i in range(n)
    ]
    path = tmp_path_factory.mktemp("classes") / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("options", "rate"),
    # The mean of 4/20 and 8/15, and with weights of 3 to 1.
    [([], 11 / 30), (["--class-weights", "equal"], 11 / 30), (["--class-weights", "1=3, 2=1"], 17 / 60)],
)
def test_rates_are_standardised_with_the_weights_given(two_classes, options, rate):
    (row,) = csv.DictReader(invoke("rates", two_classes, "--format", "csv", *options)[0].splitlines())
    assert float(row["estimate_standardised"]) == pytest.approx(rate)
    assert float(row["estimate"]) == pytest.approx(12 / 35)
    screen = " ".join(invoke("rates", two_classes, *options)[0].split())
    assert (f"{100 * rate:.2f}" in screen) is bool(options)


def test_a_class_without_responses_is_reported(two_classes, tmp_path):
    rows = pd.read_csv(two_classes).assign(persona="one")
    pd.concat([rows, rows[rows["stratum"] == 1].assign(persona="two")]).to_csv(tmp_path / "t.csv", index=False)
    _, said = invoke("rates", tmp_path / "t.csv", "--by", "persona", "--class-weights", "equal")
    assert "1 of 2 rates have no class-standardised rate" in said


def test_a_finite_population_has_narrower_intervals_and_is_reported(two_classes):
    printed, said = invoke("rates", two_classes, "--population", "nli=4", "--format", "json")
    (finite,), (whole,) = json.loads(printed), json.loads(invoke("rates", two_classes, "--format", "json")[0])
    assert finite["estimate"] == whole["estimate"]
    for low, high in (("ci_low", "ci_high"), ("ci_low_standardised", "ci_high_standardised")):
        assert whole[low] < finite[low] < finite[high] < whole[high]
    assert "Intervals are for the rate over the texts of the source" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--population", "finite"], "the number of texts of the task nli is unknown"),
        (["--population", "finit"], "finit is not NAME=NUMBER; give finite, or numbers of texts"),
        (["--population", "nli=3.5"], "nli=3.5 is not a number of texts"),
        (["--population", "nli=4", "--against", "neutral"], "--population and --against: mean different tables"),
        (["--class-weights", "equal", "--spread"], "--class-weights and --spread: mean different tables"),
        (["--class-weights", "1=2,1=3"], "names 1 twice"),
        (["--class-weights", "1=2,2=inf"], "2=inf is not NAME=NUMBER; give equal, or weights"),
        (["--class-weights", "1=2"], "lack 2; give each of 1, 2"),
        (["--class-weights", "equal", "--by", "stratum"], "a rate by stratum is of one class"),
    ],
)
def test_weights_and_populations_that_cannot_be_used_are_one_sentence(two_classes, options, said):
    with pytest.raises(InputError, match=said):
        invoke("rates", two_classes, *options)


def test_weights_need_the_classes(table):
    with pytest.raises(InputError, match="--class-weights: needs the column stratum"):
        invoke("rates", table, "--class-weights", "equal")


def test_a_notebook_takes_the_same_weights_and_populations(two_classes):
    study = load(two_classes)
    (row,) = study.rates(class_weights={"1": 3, "2": 1}, population={"nli": 4}).to_dict("records")
    printed, _ = invoke("rates", two_classes, "--class-weights", "1=3,2=1", "--population", "nli=4", "--format", "json")
    assert row["ci_high_standardised"] == pytest.approx(json.loads(printed)[0]["ci_high_standardised"])
    for options in ({"class_weights": {"1": 1}}, {"population": {"nli": 4}}):
        with pytest.raises(InputError, match=r"leave out [a-z_]+, undetermined and labels"):
            study.rates(undetermined=True, **options)


@pytest.fixture(scope="module")
def phrased(tmp_path_factory):
    """Two personas with two phrases each, and two neutral ones: a nurse is refused about 5 of 6 texts, others never."""
    rows = [
        {"model": "m", "task": "nli", "setting": "neutral" if persona == "person" else "persona", "persona": persona}
        | {"phrase": f"{persona} {i}", "text_id": f"t{text}", "refused": int(persona == "nurse" and text != i)}
        for persona in ("nurse", "pilot", "person")
        for i in range(2)
        for text in range(6)
    ]
    path = tmp_path_factory.mktemp("phrases") / "t.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_personas_beyond_their_wordings_are_printed_with_the_noise_band(phrased):
    row = rows_of("rates", phrased, "--against", "neutral", "--beyond-wording")["nurse"]
    assert float(row["estimate"]) == pytest.approx(5 / 6)
    assert (row["df"], row["n_phrases"], row["n_phrases_baseline"], row["n_refused"]) == ("3", "2", "2", "10")
    shown, _ = invoke("rates", phrased, "--against", "neutral", "--beyond-wording")
    assert "noise" in shown
    assert "band" in shown
    assert "+83.33" in shown
    (own,) = load([phrased]).wordings().query("persona == 'nurse'").to_dict("records")
    for name in ("estimate", "ci_low", "noise_band", "p_adjusted", "sd_wordings"):
        assert float(row[name]) == pytest.approx(own[name])


def test_differences_without_the_spread_of_wordings_are_said_to_be_of_this_wording(phrased, every_outcome):
    beyond = "Add --beyond-wording to compare personas with the spread of wordings."
    assert beyond in invoke("rates", phrased, "--against", "neutral")[1]
    said = invoke("rates", every_outcome, "--against", "neutral")[1]
    assert "a difference is one of this wording of the persona" in said
    assert "wording" not in invoke("rates", every_outcome, "--against", "others")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--against is missing; use --against neutral"),
        (["--against", "others"], "--against is others; use --against neutral"),
        (["--against", "neutral", "--undetermined"], "--beyond-wording"),
        (["--against", "neutral", "--labels", "labels.csv"], "--beyond-wording"),
        (["--against", "neutral"], "the responses have no phrases of personas"),
    ],
)
def test_beyond_wording_without_phrases_or_neutral_prompts_is_an_error_of_one_sentence(every_outcome, options, message):
    with pytest.raises(InputError, match=message) as error:
        invoke("rates", every_outcome, "--beyond-wording", *options)
    assert "\n" not in str(error.value)
