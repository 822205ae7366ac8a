"""Studies in strata, and what tests read of their sensitivity."""

import numpy as np
import pandas as pd
import pytest
from refusal_metrics.analysis.estimates.sensitivity.estimate import estimate_sensitivity

GROUPS = {"x": "g", "y": "g", "z": "h"}


@pytest.fixture(scope="session")
def study():
    """Draw a study of independent verdicts, of texts with one or two rows, in strata."""

    def make(rate=lambda **_: 0.3, models="MN", n_texts=24, tasks="tu", is_asked=lambda **_: True, seed=0):
        rng = np.random.default_rng(seed)
        rows = []
        for text in range(n_texts):
            for row in range(1 + text % 2):
                for variation in range(6):
                    persona, template = "xyz"[(text + variation) % 3], f"p{1 + variation % 2}"
                    prompt = {
                        "task": tasks[text % len(tasks)], "setting": "persona", "persona": persona,
                        "persona_group": GROUPS[persona], "template": template,
                        "response_type": {"p1": "unforced", "p2": "forced"}[template], "stratum": str((text + row) % 3),
                        "text_id": str(text), "row_id": f"{text}/{row}", "design_id": "d", "index": len(rows),
                    }  # fmt: skip
                    for model in models:
                        if is_asked(model=model, text=text):
                            p = rate(model=model, **prompt)
                            rows.append(prompt | {"model": model, "refused": int(rng.random() < p)})
        return pd.DataFrame(rows)

    return make


@pytest.fixture(scope="session")
def estimate():
    """Estimate the sensitivity of counts, with few replicates unless another number is named."""

    def make(counts, seed=0, **options):
        return estimate_sensitivity(counts, np.random.default_rng(seed), **{"n_replicates": 99, **options})

    return make


@pytest.fixture(scope="session")
def row_of():
    """Give the one row that is asked for."""

    def make(table, factor, model="", task="", **level):
        of = (table["factor"] == factor) & (table["model"] == model) & (table["task"] == task)
        for name, value in level.items():
            of &= table[name] == value
        (found,) = table[of].itertuples()
        return found

    return make
