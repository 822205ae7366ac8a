"""The tables of the page on how many prompts a study needs: detectable differences by its size and refusal rate.

Run in the checkout with the folder of POPQUORN's data: ``python docs/how_many.py ../shared/data/popquorn``; names of
tasks behind it print their tables only.
"""
# ruff: noqa: INP001 - a script of the documentation
# ruff: noqa: T201 - prints its table

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from refusal_metrics.analysis.estimates.contrasts import estimate_contrasts  # noqa: TID251 - the same
from refusal_metrics.analysis.responses.count import count_responses  # noqa: TID251 - it measures the analysis
from refusal_metrics.analysis.responses.table import read_responses  # noqa: TID251 - the same
from scipy.special import expit, logit

from refusal_metrics.docs import build_docs

SIZES = (20, 50, 100, 200, 500, 1000)
RATES = (0.01, 0.05, 0.2)
SD_TEXT = 1.5
"""Standard deviation of texts' log odds of being refused, as in studies of real models."""


SETTINGS = {
    "persona_refusal_offensiveness": ("persona", "neutral"),
    "persona_refusal_offensiveness_contrast": ("contrast",),
}
"""The settings of the tasks of each table; the first task needs its neutral baseline."""


def detectable(
    data_dir: Path,
    rows_per_class: int,
    rate: float,
    settings: Sequence[str] = ("persona", "neutral"),
    n_studies: int = 5,
) -> tuple[int, float, float]:
    """Simulate one model on the offensiveness task under which no persona matters.

    Returns
    -------
    n_prompts : int
        Of all settings.
    against_neutral : float
        The median smallest detectable difference of a persona, as a proportion.
    against_others : float
    """
    parts = [
        build_docs(
            kind="offensiveness",
            labels=["offensive", "not offensive"],
            setting=setting,
            data_dir=str(data_dir),
            rows_per_class=rows_per_class,
        )["test"].to_pandas()
        for setting in settings
    ]
    docs = pd.concat(parts, ignore_index=True).assign(model="simulated", task="offensiveness")
    text, texts = pd.factorize(docs["text_id"])
    medians = []
    for seed in range(n_studies):
        rng = np.random.default_rng(seed)
        odds = rng.normal(0, SD_TEXT, len(texts))
        # The intercept that gives the rate, found by halving: texts push the mean towards a half.
        low, high = logit(rate) - 5, logit(rate) + 5
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if expit(middle + odds)[text].mean() < rate else (low, middle)
        docs["refused"] = rng.random(len(docs)) < expit(low + odds)[text]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "responses.parquet"
            docs.drop(columns=["labels", "text", "label"]).to_parquet(file, index=False)
            counts = count_responses(read_responses([file]))["given"]
        table = estimate_contrasts(counts, "neutral", "others")
        medians.append(table.groupby("baseline")["mde_up"].median())
    median = pd.concat(medians, axis=1).median(axis=1)
    return len(docs), float(median["neutral"]), float(median["others"])


def main() -> None:
    """Print the tables in Markdown."""
    data_dir = Path(sys.argv[1])
    for task in sys.argv[2:] or SETTINGS:
        print(f"\n{task}\n")
        print("| `rows_per_class` | prompts | " + " | ".join(f"refusal rate {rate:.0%}" for rate in RATES) + " |")
        print("| ---: | ---: |" + " ---: |" * len(RATES))
        n_before = 0
        for size in SIZES:
            found = [detectable(data_dir, size, rate, SETTINGS[task]) for rate in RATES]
            if found[0][0] == n_before:
                break  # a contrast task has used all texts
            n_before = found[0][0]
            cells = [f"{100 * neutral:.1f} ({100 * others:.1f})" for _, neutral, others in found]
            print(f"| {size} | {n_before:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
