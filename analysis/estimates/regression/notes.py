"""Notes about a regression's estimates."""

import numpy as np
import pandas as pd

from ...arrays import CONFIDENCE
from ...statistics import Estimator, Separation
from .coefficients import Estimate
from .design_matrix import Data, label, some


def estimator_note(estimator: Estimator, penalty: float, *, chosen: bool) -> str:
    """Describe the estimator, and why it was chosen."""
    if estimator == "ridge":
        return (
            f"Coefficients are ridge estimates with penalty {penalty:g}, shrunk towards 0; "
            "their intervals do not account for this."
        )
    if estimator == "mle":
        return "Coefficients are maximum likelihood estimates."
    because = "" if chosen else ", because some have no finite maximum likelihood estimate"
    return f"Coefficients are Firth's penalised likelihood estimates{because}."


def estimate_notes(estimate: Estimate) -> list[str]:
    """Describe what limits the estimates."""
    notes = []
    n_columns = len(estimate.coef)
    if not estimate.converged:
        notes.append(
            f"The search for the estimates did not converge: the largest gradient is {estimate.gradient:.1e} per "
            "response, so do not use them."
        )
    if estimate.n_texts == 1:
        notes.append("All responses are about one text, so there are no standard errors.")
    elif 1 < estimate.n_texts <= n_columns:
        notes.append(
            f"There are no more texts ({estimate.n_texts:,}) than coefficients ({n_columns:,}), so standard errors are "
            "too small."
        )
    return notes


def separation_notes(data: Data, separation: Separation, table: pd.DataFrame, estimator: Estimator) -> list[str]:
    """Describe which levels are separated, and which estimates are shown for them."""
    if not separation.coefficients.any():
        return []
    labels = np.array([label(column) for column in data.columns], dtype=object)
    bounded = np.isfinite(table[["ci_low", "ci_high"]].to_numpy()).any(axis=1)
    source = "from ridge" if estimator == "ridge" else "Firth's"
    sentence = (
        f"No finite maximum likelihood estimate exists for {some(labels[separation.coefficients].tolist())}; "
        f"coefficients there are {source}, without standard errors, and are left out of joint tests."
    )
    notes = [sentence]
    if (separation.coefficients & bounded).any():
        notes.append(
            "Where an interval is open to one side, the other end is a one-sided "
            f"{CONFIDENCE * 100:.0f}% bound from the number of texts."
        )
    if (unbounded := separation.coefficients & ~bounded).any():
        notes.append(
            f"No bound is given for {some(labels[unbounded].tolist())}: it would rest on another coefficient without "
            "an estimate. If the reference level itself is the one without refusals, choose another: "
            "--reference FACTOR=LEVEL."
        )
    return notes
