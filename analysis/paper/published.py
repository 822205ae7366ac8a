"""The paper's published numbers, and the names of its models."""

import re
from functools import cache
from importlib.resources import files

import pandas as pd

from refusal_metrics.errors import unknown_name

from . import data as published

REFERENCES = {"persona": "atheist", "template": "p1", "task": "nli", "model": "Llama2-13B"}
"""Table 7's reference level of each factor, in the order of the table."""


def load_published(name: str) -> pd.DataFrame:
    """Load a table of the paper as published.

    Parameters
    ----------
    name : {"figures_4_10_11", "models", "table1", "table5", "table6", "table7"}

    Returns
    -------
    pandas.DataFrame
        Rates (``refusal_pct``) in percent, nan if the paper is blank; coefficients in log-odds. The column ``note``
        describes doubts about a number and is otherwise empty.

    Raises
    ------
    InputError
        For any other name.

    References
    ----------
    Plaza-del-Arco et al. 2025, arXiv:2509.08075; ``published/README.md`` describes each file.
    """
    folder = files(published)
    names = sorted(file.name.removesuffix(".csv") for file in folder.iterdir() if file.name.endswith(".csv"))
    if name not in names:
        raise unknown_name("published table", name, names)
    with folder.joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype={"version": str, "released": str, "note": str})
    return table.fillna({"note": ""}) if "note" in table else table


def match_model(name: str) -> str | None:
    """Find the model of the paper that a logged name refers to.

    Parameters
    ----------
    name : str
        A name on the hub, the path or name of a folder with such a name, or the paper's own name.

    Returns
    -------
    str or None
        The paper's name, e.g. ``"Llama2-7B"``. None for other sizes and versions, quantised variants
        and base models. "Qwen2-7B" alone is the paper's name, "Qwen/Qwen2-7B" a base model; the
        paper's names match only as they are written, because "gemma-2b" is a base model too.
    """
    name = name.strip()
    patterns = _hub_patterns()
    if name in patterns:
        return name
    # A cache folder of the hub: models--google--gemma-2b-it/snapshots/<commit>.
    folder = re.sub(r"(?:[/\\]|__)snapshots(?:[/\\]|__)\w+$", "", name.rstrip("/\\"))
    # The harness replaces "/" by "__" in names of folders.
    last = re.split(r"[/\\]|__|--", folder)[-1].lower().replace("_", "-")
    return next((model for model, pattern in patterns.items() if pattern.fullmatch(last)), None)


@cache
def _hub_patterns() -> dict[str, re.Pattern[str]]:
    patterns = {}
    for row in load_published("models").astype(str).to_dict("records"):
        maker = "(?:meta-)?" if row["family"] == "Llama" else ""
        # The first Gemma has no version.
        version = "" if row["model"].startswith("Gemma-") else f"-?{re.escape(row['version'])}"
        tuned = row["hub"].lower().removesuffix("-hf").rpartition("-")[2]
        pattern = f"{maker}{row['family'].lower()}{version}-{row['parameters_b']}b-{tuned}(?:-hf)?"
        patterns[row["model"]] = re.compile(pattern)
    return patterns
