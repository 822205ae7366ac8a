"""The report in Markdown: findings, tables, and how to read them."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ..arrays import ALPHA
from ..columns import STUDY, name_rule
from ..contracts import CONTRASTS, INTERACTIONS, OUTCOMES, PUBLISHED, REGRESSION, SENSITIVITY, SPREAD, TREND, WALD
from ..display import counted, escape, readable, show_selected, to_markdown
from ..labels import Validation, readable_confusion, readable_gaps, readable_slices, readable_validation
from ..responses import Origin
from .findings import name_personas
from .layout import are_standardised, cell_list, drawn, grid, headline_rates, side_by_side
from .reading import READING, READING_ON, RULES
from .study_tables import StudyEstimates
from .undetermined import undetermined_parts
from .wordings import describe_wordings, mark_beyond

_MOST, _FEW = 20, 5
"""Rows shown of personas that differ, and of interactions."""


def write_markdown(
    origin: Origin, estimates: StudyEstimates, extra: Mapping[str, pd.DataFrame], validation: Validation | None = None
) -> str:
    """Write the report in Markdown.

    Parameters
    ----------
    origin : Origin
        What was read, and how it was run.
    estimates : StudyEstimates
    extra : mapping of str to pandas.DataFrame
        ``published`` and the paper's tables, if requested.
    validation : Validation, optional
        The detectors compared with labels, if there are any.

    Returns
    -------
    str
        Markdown, ending in a line break.
    """
    tables = estimates.tables
    rates = tables["rates"]
    asked = ((rates["setting"] == "persona") & (rates["rule"] == estimates.rule)).any()
    # A detector may have judged only some of them.
    n_responses, models = int(rates.groupby("rule")["n"].sum().max()), rates["model"].unique()
    n_files = len(origin.files)
    parts = [
        "# False refusals under persona prompts\n",
        f"{n_responses:,} responses ({cell_list(models)}), read from {counted(n_files, 'file')}.\n",
        "How to read the numbers is explained at the end.\n",
        _list(origin.notes),
    ]
    if asked:
        parts += ["## In short\n", _list(estimates.findings)]
    parts += ["## Refusal rates\n", *_rates_parts(estimates)]
    if asked and "undetermined_contrasts" in tables:
        parts += ["## Truncated and unjudged responses\n", *undetermined_parts(estimates)]
    if asked:
        parts += _persona_parts(estimates)
        parts += ["## Which factor matters how much\n", *_sensitivity_parts(estimates)]
        parts += ["## Logistic regression\n", *_regression_parts(estimates)]
        parts += ["## Across models\n", *_trend_parts(estimates)]
        parts += [*_level_parts(estimates), *_drawn_parts(tables)]
    if extra:
        parts += ["## The paper's tables and numbers\n", *_paper_parts(extra)]
    if "outcomes" in tables:
        parts += [f"## Types of responses\n\nDetector: {escape(name_rule(estimates.rule))}.\n"]
        parts += [to_markdown(readable(tables["outcomes"], OUTCOMES))]
    if len(origin.studies):
        parts += [
            "## How it was run\n",
            "From the record of `persona-refusal run`.\n",
            to_markdown(readable(origin.studies)),
            to_markdown(readable(origin.asked)),
        ]
    if validation:
        parts += ["## Accuracy of detectors\n", *_validation_parts(validation)]
    rules = (text for rule, text in RULES.items() if rule in estimates.rules)
    parts += ["## How to read the numbers\n", "".join([READING, *rules, READING_ON])]
    return "\n".join(part for part in parts if part)


def _validation_parts(validation: Validation) -> Iterable[str]:
    yield "Compared with the labels of a sample; all rows: `tables/validation.csv`.\n"
    yield _list(validation.notes)
    shown = (
        readable_validation(validation.table),
        readable_confusion(validation.confusion),
        readable_slices(validation.table),
        readable_gaps(validation.gaps),
    )
    yield from (to_markdown(table) for table in shown if len(table))


def main_table(tables: Mapping[str, pd.DataFrame], run_factors: Sequence[str] = ()) -> pd.DataFrame:
    """Format the rates of the persona setting for people, with detectors side by side.

    They are class-standardised if the classes of all texts are known; see `describe_main_table`.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `refusal_metrics.analysis.report.study_tables.StudyEstimates`.
    run_factors : sequence of str
        Settings of runs that they are broken down by.

    Returns
    -------
    pandas.DataFrame
        One row per model and task.
    """
    rates = tables["rates"]
    return side_by_side(headline_rates(rates[rates["setting"] == "persona"]), [*STUDY, *run_factors])


def describe_main_table(tables: Mapping[str, pd.DataFrame]) -> str:
    """Describe which rates `main_table` has, in a sentence.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame

    Returns
    -------
    str
        Empty without persona prompts.
    """
    asked = tables["rates"][tables["rates"]["setting"] == "persona"]
    if asked.empty:
        return ""
    if are_standardised(asked):
        return "Rates are class-standardised: every class of texts (rating or label) has the same weight."
    return (
        "Rates are raw: every response has the same weight. Class-standardised rates need the class of every text, and "
        "two texts of each class."
    )


def _rules_in(table: pd.DataFrame) -> list[str]:
    return list(table["rule"].unique())


def _rates_parts(estimates: StudyEstimates) -> Iterable[str]:
    rates = estimates.tables["rates"]
    asked = rates[rates["setting"] == "persona"]
    if asked.empty:
        yield "No persona task was run.\n"
        yield from _settings_parts(estimates)
        return
    yield f"Persona prompts, by detector (`tables/rates.csv`). {describe_main_table(estimates.tables)}\n"
    for rule in estimates.rules:
        if not (asked["rule"] == rule).any():
            yield f"{escape(name_rule(rule))} has no verdicts on persona prompts.\n"
    yield to_markdown(main_table(estimates.tables, estimates.run_factors))
    for rule in _rules_in(asked):
        yield f"Raw rates, models by task, as in the paper's Table 1, detector {escape(name_rule(rule))}:\n"
        yield to_markdown(grid(asked, ["model", *estimates.run_factors], "task", rule))


def _settings_parts(estimates: StudyEstimates) -> Iterable[str]:
    rates = estimates.tables["rates"]
    yield "Rates by setting, in percent:\n"
    for rule in _rules_in(rates):
        yield f"Detector {escape(name_rule(rule))}:\n"
        yield to_markdown(grid(rates, [*STUDY, *estimates.run_factors], "setting", rule))


def _persona_parts(estimates: StudyEstimates) -> Iterable[str]:
    tables = estimates.tables
    yield "## Persona against neutral and persona-free prompts\n"
    yield from _contrast_parts(estimates)
    if "rates_by_persona" not in tables:
        return
    yield "## By persona\n"
    yield from _difference_parts(estimates)
    yield "Rates; all rows: `tables/rates_by_persona.csv`.\n"
    by_persona = tables["rates_by_persona"]
    by_persona = by_persona[(by_persona["setting"] == "persona") & by_persona["persona"].notna()]
    rows = [name for name in ("persona_group", "persona", *estimates.run_factors) if name in by_persona]
    for model in by_persona["model"].unique():
        of_model = by_persona[by_persona["model"] == model]
        for rule in _rules_in(of_model):
            yield f"{cell_list([model])}, detector {escape(name_rule(rule))}:\n"
            yield to_markdown(grid(of_model, rows, "task", rule))


def _difference_parts(estimates: StudyEstimates) -> Iterable[str]:
    tables = estimates.tables
    for rule in estimates.rules:
        if found := name_personas(tables["contrasts_by_persona"], rule, estimates.run_factors):
            sentence, named = found
            yield from _named_parts(sentence, mark_beyond(named, estimates, rule))
    if said := describe_wordings(estimates):
        yield f"{_sentence(said)}{' All rows: `tables/wordings.csv`.' * ('wordings' in tables)}\n"
    if tables["persona_spread"].empty:
        return
    yield (
        "Between-persona variation: the standard deviation of the personas' rates beyond noise, in percentage "
        "points (all "
        "rows: `tables/persona_spread.csv`). **SD under null** is the mean of the observed one without any effect:\n"
    )
    spread = tables["persona_spread"].drop(columns=["n_levels", "n", "n_texts", "n_refused"])
    yield to_markdown(readable(spread, SPREAD))


def _named_parts(sentence: str, named: pd.DataFrame) -> Iterable[str]:
    yield f"{_sentence(sentence)}\n"
    if len(named):
        some = f"The {_MOST} largest; all" if len(named) > _MOST else "All"
        yield f"{some} rows: `tables/contrasts_by_persona.csv`.\n"
        left_out = {"rule", "baseline", "or_low", "or_high", "p_value", "mde_up", "mde_down", "within_texts"}
        columns = [c for c in named.columns if c not in left_out and not c.startswith(("equiv_", "n"))]
        yield to_markdown(readable(show_selected(named[columns].head(_MOST)), CONTRASTS))


def _level_parts(estimates: StudyEstimates) -> Iterable[str]:
    tables = estimates.tables
    rows = [*STUDY, *estimates.run_factors]
    for name, heading in {"response_type": "response type", "stratum": "rating or class of the text"}.items():
        if f"rates_by_{name}" not in tables:
            continue
        table = tables[f"rates_by_{name}"]
        asked = table[(table["setting"] == "persona") & table[name].notna()]
        yield f"## By {heading}\n"
        if name == "stratum" and (asked["task"] == "offensiveness").any():
            yield "Refusals of texts rated 1 (not offensive at all) are clearly false.\n"
        yield f"All rows: `tables/rates_by_{name}.csv`.\n"
        for rule in _rules_in(asked):
            yield f"Detector {escape(name_rule(rule))}:\n"
            yield to_markdown(grid(asked, rows, name, rule))


def _drawn_parts(tables: Mapping[str, pd.DataFrame]) -> Iterable[str]:
    counts = {f: tables[f"counts_by_{f}"] for f in ("persona", "template") if f"counts_by_{f}" in tables}
    if counts:
        yield "## Prompts per persona and template\n"
        yield "Prompts of the persona tasks, as in the paper's Tables 5 and 6.\n"
    for factor, table in counts.items():
        yield to_markdown(drawn(table, factor))


def _contrast_parts(estimates: StudyEstimates) -> Iterable[str]:
    contrasts = estimates.tables["contrasts"]
    if contrasts.empty:
        yield (
            "There is no baseline: add `persona_refusal_neutral` and "
            "`persona_refusal_persona_free` to `lm_eval --tasks`.\n"
        )
        return
    yield "Differences in percentage points; by persona in `tables/contrasts_by_persona.csv`.\n"
    yield to_markdown(side_by_side(contrasts, [*STUDY, *estimates.run_factors, "baseline"], signed=True))
    yield from _settings_parts(estimates)


def _sensitivity_parts(estimates: StudyEstimates) -> Iterable[str]:
    yield _list(estimates.notes["sensitivity"])
    table = estimates.tables.get("sensitivity")
    if table is None:
        return
    yield (
        f"By {escape(name_rule(estimates.rule))}, for the whole study. By model and task: "
        "`tables/sensitivity.csv`; deviation "
        "of each level from the overall rate: `tables/deviations.csv`.\n"
    )
    whole = table[table["model"] == ""].drop(columns=["model", "task"])
    yield to_markdown(readable(whole, SENSITIVITY)) if len(whole) else ""
    interactions = estimates.tables["interactions"]
    named = interactions[interactions["p_adjusted"] <= ALPHA]
    if interactions.empty:
        return
    yield (
        f"Two-way interactions: {len(named)} of {len(interactions):,} are significant after correction; all rows, in "
        "percentage points: `tables/interactions.csv`.\n"
    )
    if len(named):
        largest = named.reindex(named["estimate"].abs().sort_values(ascending=False, kind="stable").index).head(_FEW)
        yield f"The {_FEW} largest:\n" if len(named) > _FEW else ""
        yield to_markdown(readable(show_selected(largest.drop(columns=["p_value", "n_texts"])), INTERACTIONS))


def _regression_parts(estimates: StudyEstimates) -> Iterable[str]:
    yield f"Detector {escape(name_rule(estimates.rule))}, errors clustered by text.\n"
    yield _list(estimates.notes["regression"])
    if estimates.fit is None:
        return
    fitted = estimates.fit
    compared = ", ".join(f"{factor} {level}" for factor, level in fitted.references.items())
    yield f"Compared with {escape(compared)}. Pseudo R2 {fitted.pseudo_r2:.4f}.\n"
    yield to_markdown(readable(fitted.wald, WALD))
    yield "Coefficients (log odds ratios; in points: `tables/regression_effects.csv`):\n"
    yield to_markdown(readable(fitted.table.drop(columns=["p_value", "estimator"]), REGRESSION))


def _trend_parts(estimates: StudyEstimates) -> Iterable[str]:
    yield _list(estimates.notes["trend"])
    if "trend" not in estimates.tables:
        return
    table = estimates.tables["trend"]
    column = escape(table["column"].iloc[0])
    yield (
        f"Trends over models by {column} ({escape(name_rule(estimates.rule))}). **variance** is the variance of a "
        "model's "
        "persona effects on the log-odds scale beyond noise; **log_odds** is its log-odds of refusal. Slopes are "
        "per unit, "
        "or per year for dates (`tables/trend.csv`, models: `tables/trend_models.csv`).\n"
    )
    shown = table.assign(family=table["family"].replace("", "all")).drop(columns="column")
    yield to_markdown(readable(shown, TREND))


def _paper_parts(extra: Mapping[str, pd.DataFrame]) -> Iterable[str]:
    if set(extra) - {"published"}:
        yield "The data of its figures are in `tables/paper/figure*.csv`.\n"
    for name, table in extra.items():
        if name != "published":
            yield f"`tables/paper/{name}.csv`:\n"
            yield to_markdown(table.fillna(""))
        elif table.empty:
            yield "None of the models is in the paper, so there are no published numbers to compare with.\n"
        else:
            yield from _published_parts(table)


def _published_parts(table: pd.DataFrame) -> Iterable[str]:
    # The paper has one rule; if its own was measured, the others are not compared with its numbers.
    rules = table["rule"]
    own = table[(rules == "prefix") | rules.isna()] if (rules == "prefix").any() else table
    judged = own[own["agrees"].notna()]
    yield (
        f"{int(judged['agrees'].astype(bool).sum())} of {len(judged)} published numbers are within the confidence "
        "intervals of "
        "the measured ones (`tables/published.csv`, which marks contradictions in the paper). The published "
        "numbers also "
        "have errors, so even a perfect reproduction agrees with fewer than 95% of them. Table 1:\n"
    )
    of_table = own[own["source"] == "Table 1"].drop(columns=["source", "response_type", "term"])
    yield to_markdown(readable(of_table, PUBLISHED))


def _list(sentences: Iterable[str]) -> str:
    return "".join(f"- {_sentence(sentence)}\n" for sentence in sentences)


def _sentence(text: str) -> str:
    """Escape a sentence that may begin with a name, so that it is no heading, list, quotation or link."""
    return re.sub(r"^(\d+)([.)])(?=\s|$)|^()([#>+\-=\[])", r"\1\3\\\2\4", escape(text))
