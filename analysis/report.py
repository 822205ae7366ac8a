"""The report: tidy tables as CSV, and one Markdown page that shows and explains them."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from refusal_metrics.detectors import RULES
from refusal_metrics.errors import InputError

from .cells import STUDY_COLUMNS, count_by_text
from .logs import Responses
from .rates import estimate_contrasts, estimate_rates
from .tables import interval, percent, plain, readable, to_markdown

_TASKS = {"nli": "NLI", "politeness": "Politeness", "offensiveness": "Offensiveness"}
_ORDER = {
    "task": tuple(_TASKS),
    "response_type": ("unforced", "semi-forced", "forced"),
    "setting": ("persona", "neutral", "persona-free"),
}
_BASELINES = ("neutral", "persona-free")

_READING = """\
- A **rate** is the share of prompts that a rule took for a refusal, in percent, with a 95 % interval. One text is
  asked many times, so its answers go together: the intervals take texts, not prompts, as the independent units.
  No interval stands at exactly 0 or 100 %, where this estimator says nothing; it does **not** mean that the rate is
  known.
- **prefix** is the paper's rule: the answer starts with one of 22 phrases. **prefix_strict** leaves out "no," and
  "no.". Most templates ask "would ...?", and "No, a Black person would not classify it as offensive." answers that
  question. Where the two rules differ, trust neither before you have read responses.
- The prefix rules recognise no answers. What they do not flag may be an answer, babble, or a refusal in other words;
  responses with no text at all are counted as **empty**.
- **neutral** prompts name a person of no group ("a person", "an individual", "a human annotator") in the same
  templates about the same texts: the difference to them is the persona's. **persona-free** prompts also differ in
  their wording.
- With many personas some differences from the neutral ones leave 0 out of their interval by chance: the intervals
  are not corrected for the number of comparisons.
"""


def build_tables(responses: Responses) -> dict[str, pd.DataFrame]:
    """Compute every table of the report.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    dict
        File stem to tidy table. Tables of estimates hold both rules, in the column ``rule``.
    """
    study = list(STUDY_COLUMNS)
    factors = {
        "rates": [],
        "rates_by_persona": ["persona_group", "persona"],
        "rates_by_response_type": ["response_type"],
        "rates_by_template": ["template"],
        "rates_by_stratum": ["stratum"],
    }
    tables = {}
    for name, extra in factors.items():
        tables[name] = _for_rules(responses, [*study, *extra])
    for name, extra in {"contrasts": [], "contrasts_by_persona": ["persona"]}.items():
        counts = {rule: count_by_text(responses, [*study, *extra], rule) for rule in RULES}
        parts = [
            estimate_contrasts(counts[rule], extra, baseline).assign(rule=rule)
            for rule in RULES
            for baseline in _BASELINES
        ]
        tables[name] = _rule_first(pd.concat(parts, ignore_index=True), ["model", "task", *extra, "baseline"])
    for name, factor in {"counts_by_persona": "persona", "counts_by_template": "template"}.items():
        tables[name] = responses.query(
            f"SELECT model, task, setting, {factor}, count(*) AS n FROM responses "
            f"WHERE {factor} IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).df()
    tables["empty"] = responses.query(
        "SELECT model, task, setting, count_if(empty)::BIGINT AS n_empty, count(*) AS n "
        "FROM responses GROUP BY ALL ORDER BY ALL"
    ).df()
    return tables


def _for_rules(responses: Responses, by: list[str]) -> pd.DataFrame:
    parts = [estimate_rates(count_by_text(responses, by, rule), by).assign(rule=rule) for rule in RULES]
    return _rule_first(pd.concat(parts, ignore_index=True), by)


def _rule_first(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Put the rule beside the other factors, before the estimates."""
    rest = [c for c in table.columns if c not in (*by, "rule")]
    return table[[*by, "rule", *rest]]


def write_report(responses: Responses, out: Path, *, force: bool = False) -> dict[str, pd.DataFrame]:
    """Write ``report.md`` and ``tables/*.csv``.

    Parameters
    ----------
    responses : Responses
    out : Path
        The folder; all files are made elsewhere and moved here when they are complete.
    force : bool
        Whether to write into a folder that holds something already. Other files there stay.

    Returns
    -------
    dict
        The tables, see `build_tables`.

    Raises
    ------
    InputError
        If the folder holds something and `force` is not set, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise InputError(f"{out}: is there already; name another folder, or add --force to write into it")
    tables = build_tables(responses)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
            made = Path(name)
            (made / "tables").mkdir()
            for stem, table in tables.items():
                table.to_csv(made / "tables" / f"{stem}.csv", index=False)
            (made / "report.md").write_text(_page(responses, tables), encoding="utf-8")
            (out / "tables").mkdir(parents=True, exist_ok=True)
            for file in sorted((made / "tables").iterdir()):
                file.replace(out / "tables" / file.name)
            (made / "report.md").replace(out / "report.md")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); name a folder that can be") from error
    return tables


def main_table(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Lay out the rates of the persona setting, both rules side by side, as texts for people.

    Parameters
    ----------
    tables : dict
        Of `build_tables`.

    Returns
    -------
    pandas.DataFrame
        One row a model and task, the paper's Table 1 lengthwise.
    """
    rates = tables["rates"]
    return _side_by_side(rates[rates["setting"] == "persona"], ["model", "task"])


def _side_by_side(table: pd.DataFrame, by: list[str], *, signed: bool = False) -> pd.DataFrame:
    """Set the rules' estimates beside each other, one row for each combination of `by`."""
    parts = {rule: table[table["rule"] == rule].reset_index(drop=True) for rule in RULES}
    first = next(iter(parts.values()))
    wide = first[by].rename(columns=lambda name: str(name).replace("_", " "))
    for rule, part in parts.items():
        wide[f"{rule} {'points' if signed else '%'}"] = [percent(v, signed=signed) for v in part["estimate"]]
        wide[f"{rule} 95 %"] = [
            interval(low, high, signed=signed) for low, high in zip(part["ci_low"], part["ci_high"], strict=True)
        ]
    for column, heading in {"n": "n", "n_texts": "texts"}.items():
        wide[heading] = first[column].map("{:,}".format)
    return wide


def _grid(table: pd.DataFrame, rows: list[str], column: str, rule: str) -> pd.DataFrame:
    """Lay rates out in rows and columns, each with its interval."""
    part = table[table["rule"] == rule]
    cells = [
        f"{percent(value)} {interval(low, high)}".strip()
        for value, low, high in zip(part["estimate"], part["ci_low"], part["ci_high"], strict=True)
    ]
    return _spread(part.assign(cell=cells), rows, column, "cell")


def _spread(table: pd.DataFrame, rows: list[str], column: str, value: str) -> pd.DataFrame:
    levels = [c for c in _ORDER.get(column, table[column].unique()) if c in set(table[column])]
    wide = table.pivot_table(index=rows, columns=column, values=value, aggfunc="first")[levels]
    wide = wide.rename(columns=_TASKS).reset_index()
    return wide.rename(columns=lambda name: str(name).replace("_", " ")).fillna("")


def _drawn(counts: pd.DataFrame, factor: str) -> pd.DataFrame:
    """Lay out how often each level was drawn; a range where the models differ."""
    asked = counts[counts["setting"] == "persona"]
    drawn = asked.groupby([factor, "task"], as_index=False)["n"].agg(["min", "max"])
    same = drawn["min"] == drawn["max"]
    drawn["cell"] = (
        drawn["min"].map("{:,}".format).where(same, [f"{a:,}-{b:,}" for a, b in drawn[["min", "max"]].to_numpy()])
    )
    return _spread(drawn, [factor], "task", "cell")


def _page(responses: Responses, tables: dict[str, pd.DataFrame]) -> str:
    rates, of_persona = tables["rates"], {n: t[t["setting"] == "persona"] for n, t in tables.items() if "setting" in t}
    n_responses = int(rates[rates["rule"] == next(iter(RULES))]["n"].sum())
    models, n_files = rates["model"].unique(), len(responses.files)
    parts = [
        "# False refusals under persona prompts\n",
        f"{n_responses:,} responses ({_cell_list(models)}), read from {n_files} log file{'s' * (n_files != 1)}.\n",
        "".join(f"- {note}\n" for note in responses.notes),
        "## How to read the numbers\n",
        _READING,
    ]
    if of_persona["rates"].empty:
        parts += ["## Refusal rates\n", "No persona task was run.\n", *_settings_parts(tables)]
    else:
        parts += ["## Refusal rates\n", "Persona prompts, both rules side by side (`tables/rates.csv`).\n"]
        parts += [to_markdown(main_table(tables))]
        for rule in RULES:
            parts += [f"Models by task, as in the paper's Table 1, rule {rule}:\n"]
            parts += [to_markdown(_grid(of_persona["rates"], ["model"], "task", rule))]
        parts += ["## Persona against neutral and persona-free prompts\n", *_contrast_parts(tables)]
        parts += ["## By persona\n", "All rows: `tables/rates_by_persona.csv`.\n"]
        for model in of_persona["rates"]["model"].unique():
            for rule in RULES:
                table = of_persona["rates_by_persona"]
                grid = _grid(table[table["model"] == model], ["persona_group", "persona"], "task", rule)
                parts += [f"{_cell_list([model])}, rule {rule}:\n", to_markdown(grid)]
        parts += ["## By response type\n", "All rows: `tables/rates_by_response_type.csv`.\n"]
        for rule in RULES:
            grid = _grid(of_persona["rates_by_response_type"], ["model", "task"], "response_type", rule)
            parts += [f"Rule {rule}:\n", to_markdown(grid)]
        parts += ["## Counts drawn\n", "Prompts of the persona tasks, as in the paper's Tables 5 and 6.\n"]
        parts += [to_markdown(_drawn(tables[f"counts_by_{f}"], f)) for f in ("persona", "template")]
    empty = tables["empty"][tables["empty"]["n_empty"] > 0]
    parts += ["## Empty responses\n", to_markdown(readable(empty)) if len(empty) else "None.\n"]
    return "\n".join(part for part in parts if part)


def _contrast_parts(tables: dict[str, pd.DataFrame]) -> Iterable[str]:
    if tables["contrasts"].empty:
        yield "Neither baseline was run beside a persona task: add `persona_refusal_neutral` and "
        yield "`persona_refusal_persona_free` to `lm_eval --tasks`.\n"
        return
    yield "Differences in percentage points; by persona in `tables/contrasts_by_persona.csv`.\n"
    yield to_markdown(_side_by_side(tables["contrasts"], ["model", "task", "baseline"], signed=True))
    yield from _settings_parts(tables)


def _settings_parts(tables: dict[str, pd.DataFrame]) -> Iterable[str]:
    yield "Rates by setting, in percent:\n"
    for rule in RULES:
        yield f"Rule {rule}:\n"
        yield to_markdown(_grid(tables["rates"], ["model", "task"], "setting", rule))


def _cell_list(names: Iterable[str]) -> str:
    return ", ".join(f"`{plain(name).replace('`', '')}`" for name in names)
