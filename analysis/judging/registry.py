"""Detectors by their names."""

from refusal_metrics.detection import RULES
from refusal_metrics.errors import unknown_name

from ..responses import CLASSIFIER, JUDGE, Detector, DetectorOptions, RuleDetector
from .classifier import load_classifier
from .judge import find_judge


def make_detector(spec: str, options: DetectorOptions | None = None) -> Detector:
    """Create a detector from its name.

    Parameters
    ----------
    spec : str
        A rule of `refusal_metrics.detection.rules.RULES`; ``hf:`` and the name or folder of a transformers
        text classifier; or ``judge:`` and the address of an OpenAI-compatible server.
    options : DetectorOptions, optional

    Returns
    -------
    Detector

    Raises
    ------
    InputError
        For an unknown name, or a model or server that cannot be used.
    """
    options = options or DetectorOptions()
    if spec.startswith(CLASSIFIER):
        return load_classifier(spec.removeprefix(CLASSIFIER), options)
    if spec.startswith(JUDGE):
        return find_judge(spec.removeprefix(JUDGE), options)
    if spec not in RULES:
        raise unknown_name("detector", spec, [*RULES, f"{CLASSIFIER}MODEL", f"{JUDGE}http://HOST:PORT/v1"])
    return RuleDetector(spec)
