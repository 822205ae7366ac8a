"""The table of the page on how many prompts a study needs: detectable differences by its size and refusal rate.

Run in the checkout with the folder of POPQUORN's data: ``python docs/how_many.py ../shared/data/popquorn``.
"""
# ruff: noqa: INP001 - a script of the documentation
# ruff: noqa: T201 - prints its table

import sys
import tempfile
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


def detectable(data_dir: Path, rows_per_class: int, rate: float, n_studies: int = 5) -> tuple[int, float, float]:
    """Simulate one model on the offensiveness task under which no persona matters.

    Returns
    -------
    n_prompts : int
        Of the persona task and the neutral one.
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
        for setting in ("persona", "neutral")
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
    """Print the table in Markdown."""
    data_dir = Path(sys.argv[1])
    print("| `rows_per_class` | prompts | " + " | ".join(f"at {rate:.0%} refused" for rate in RATES) + " |")
    print("| ---: | ---: |" + " ---: |" * len(RATES))
    for size in SIZES:
        found = [detectable(data_dir, size, rate) for rate in RATES]
        cells = [f"{100 * neutral:.1f} ({100 * others:.1f})" for _, neutral, others in found]
        print(f"| {size} | {found[0][0]:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
