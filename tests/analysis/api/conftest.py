import numpy as np
import pandas as pd
import pytest

import refusal_metrics as rm


@pytest.fixture(scope="session")
def responses():
    """Simulate 240 responses: 2 models, 2 tasks, 10 texts each, 3 personas and 3 neutral prompts."""
    rng = np.random.default_rng(1)
    rates = {"farmer": 0.1, "nurse": 0.3, "pilot": 0.5, "person": 0.15}
    rows = [
        {
            "model": model,
            "task": task,
            "setting": "neutral" if persona == "person" else "persona",
            "persona": persona,
            "text_id": f"{task}/{text}",
            "refused": bool(rng.random() < rates[persona]),
        }
        for model in ("owl", "parrot")
        for task in ("nli", "politeness")
        for text in range(10)
        for persona in ("farmer", "nurse", "pilot", "person", "person", "person")
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def study(responses):
    return rm.load(responses)
