"""Differences in points, averaged over models and tasks: by hand."""

import numpy as np
import pytest
from refusal_metrics.analysis.estimates import average_differences, estimate_contrasts
from scipy import stats


def rows(model, verdicts, task="nli"):
    """Make responses from {persona: a verdict for each text}; None are neutral prompts."""
    return [
        {
            "model": model,
            "task": task,
            "setting": "persona" if persona else "neutral",
            "persona": persona,
            "text_id": f"{task} {text}",
            "refused": refused,
        }
        for persona, refusals in verdicts.items()
        for text, refused in enumerate(refusals)
    ]


def test_models_that_never_refuse_count_as_much_as_others(make_counts):
    refuses = {"man": [1, 1, 1, 0], None: [1, 0, 0, 0]}
    never = {"man": [0] * 4, None: [0] * 4}
    (row,) = average_differences(make_counts([*rows("a", refuses), *rows("b", never)]), "neutral").to_dict("records")
    # The differences are 2/4 and 0. Text g adds (d_g - .5) / 4 to the error of the first, d = 0, 1, 1, 0: half of it to
    # the mean. The variance is 4/3 of the sum of squares, 4 * .0625^2; independent responses without an effect add more
    # only for b, whose verdicts have no spread.
    assert row["estimate"] == pytest.approx(0.25)
    assert (row["n_models"], row["n_tasks"]) == (2, 1)
    error = np.sqrt(4 / 3 * 4 * 0.0625**2)
    assert row["ci_high"] - row["ci_low"] >= 2 * stats.t.ppf(0.975, 3) * error


def test_tasks_count_alike_within_a_model_and_models_alike(make_counts):
    made = [
        *rows("a", {"man": [1, 1], None: [0, 0]}),
        *rows("a", {"man": [0, 0, 1, 1], None: [0, 0, 0, 1]}, "politeness"),
        *rows("b", {"man": [0, 0], None: [1, 1]}),
    ]
    (row,) = average_differences(make_counts(made), "neutral").to_dict("records")
    # Model a: (1 + 1/4) / 2; model b: -1.
    assert row["estimate"] == pytest.approx((0.625 - 1) / 2)


def test_the_difference_from_the_others_is_that_of_the_contrasts(make_counts):
    rng = np.random.default_rng(1)
    made = [
        row for model in "ab" for row in rows(model, {p: rng.integers(0, 2, 30) for p in ("man", "woman", "black")})
    ]
    counts = make_counts(made)
    average = average_differences(counts, "others").set_index("persona")["estimate"]
    contrasts = estimate_contrasts(counts, "others").groupby("persona")["estimate"].mean()
    assert average.to_dict() == pytest.approx(contrasts.to_dict())


def test_the_interval_grows_with_the_level(make_counts):
    rng = np.random.default_rng(2)
    counts = make_counts(
        [row for model in "ab" for row in rows(model, {p: rng.integers(0, 2, 30) for p in ("man", None)})]
    )
    usual, wide = (average_differences(counts, "neutral", level).iloc[0] for level in (0.95, 0.99))
    assert wide["ci_low"] < usual["ci_low"] < usual["estimate"] < usual["ci_high"] < wide["ci_high"]


def test_without_different_verdicts_about_a_text_other_texts_may_have_some(make_counts):
    # Texts are refused always or never: nothing differs in 4 texts.
    made = [row for model in "ab" for row in rows(model, {p: [1, 0, 0, 1] for p in ("man", None)})]
    (row,) = average_differences(make_counts(made), "neutral").to_dict("records")
    bound = 1 - 0.025 ** (1 / 4)
    assert [row[name] for name in ("estimate", "ci_low", "ci_high")] == pytest.approx([0, -bound, bound])
