"""Measure false refusals of language models under persona prompts.

The modules follow the data: `texts` and `design` feed `sampler` and `docs`, which give the
harness its prompts; `detectors` and `metrics` judge the responses; `refusal_metrics.analysis`
turns logged samples into estimates.
"""
