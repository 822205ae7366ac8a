import numpy as np
import pandas as pd
import pytest

PERSONAS = ("asian", "atheist", "black", "man")


@pytest.fixture(scope="session")
def draw_responses():
    """Draw the responses of some models to prompts about each text as each of four personas and two neutral ones."""

    def draw(models, effects=(0.0, 0.0, 0.0, 0.0), *, tasks=("nli",), n_texts=60, seed=0, rate=0.3):
        rng = np.random.default_rng(seed)
        logits = np.log(rate / (1 - rate)) + np.array([*effects, 0.0, 0.0])
        names = [*PERSONAS, "person", "individual"]
        parts = []
        for task in tasks:
            text = rng.normal(0, 1, n_texts)
            for model in models:
                refused = rng.random((n_texts, 6)) < 1 / (1 + np.exp(-(text[:, None] + logits)))
                at, of = np.divmod(np.arange(n_texts * 6), 6)
                parts.append(
                    pd.DataFrame({
                        "model": model,
                        "task": task,
                        "setting": np.where(of < 4, "persona", "neutral"),
                        "persona": np.array(names)[of],
                        "persona_group": np.where(of < 4, np.where(of % 2, "g2", "g1"), "neutral"),
                        "template": "p1",
                        "text_id": [f"{task}{x}" for x in at],
                        "refused": refused.ravel(),
                    })
                )  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    return draw
