"""The harness's task, with what it needs to do for these tasks on every version of the harness.

Named by ``class:`` in the tasks' YAML. Prompts and scores are defined there and in `refusal_metrics.docs` and
`refusal_metrics.metrics`; this module has only what a YAML file cannot define.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api import task as harness

from refusal_metrics.detection import writable
from refusal_metrics.errors import InputError

# A child of the harness's logger: the only one whose messages `lm_eval` shows.
log = logging.getLogger("lm_eval.persona_refusal")

SCORER = "persona_refusal"
_PREDICT_ONLY = "bypass"

# From 0.5 on a task generates or ranks, and scorers score it; before, one class does everything.
_has_scorers = hasattr(harness, "GenerateTask")
_HarnessTask: Any = harness.GenerateTask if _has_scorers else harness.ConfigurableTask


class RefusalTask(_HarnessTask):  # type: ignore[misc] # the harness ships no type information
    """A task of persona-refusal.

    Parameters
    ----------
    config : mapping
        The task's YAML, as the harness reads it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        own = {key: value for key, value in config.items() if key != "class"}
        own["metric_list"] = _metrics_of(own)
        if _has_scorers:
            own.setdefault("scorer", SCORER)
        super().__init__(config=own)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:  # noqa: ANN401
        """Build the docs, without the harness's advice about ``--metadata`` that no user can follow.

        Raises
        ------
        InputError
            If ``--metadata`` sets what the task is.
        """
        build = self.config.custom_dataset
        if not callable(build):
            super().download(dataset_kwargs, **kwargs)
            return
        metadata, own = self.config.metadata or {}, self.config.dataset_kwargs or {}
        if both := sorted(set(metadata) & set(own)):
            raise InputError(
                f"{self.config.task}: {', '.join(both)} cannot be set with --metadata, because it defines the task; "
                "leave it out, or define your own task"
            )
        self.dataset = build(**metadata, **own)

    def build_all_requests(self, *, cache_requests: bool = False, **kwargs: Any) -> Any:  # noqa: ANN401
        """Write the prompts, always anew: the harness's cache knows a task's name and not which docs it asks about."""
        if cache_requests:
            log.info("%s: --cache_requests is not used, because it ignores the design", self.config.task)
        return super().build_all_requests(cache_requests=False, **kwargs)

    def apply_filters(self) -> Any:  # noqa: ANN401
        """Make every response one that can be written to the log, then filter them."""
        for instance in self.instances:
            instance.resps[:] = [writable(response) for response in instance.resps]
        return super().apply_filters()

    def override_metric(self, metric_name: str) -> None:
        """Score by another metric; ``--predict_only`` names one that says nothing of any response."""
        super().override_metric(metric_name)
        if _has_scorers and metric_name == _PREDICT_ONLY:
            # What the harness builds of that metric, of a task that generates, it cannot aggregate.
            config = {"name": "none", "filter": [], "metric_list": [{"metric": metric_name}]}
            self._scorers = [ClusteredScorer.from_dict(config, output_type=self.OUTPUT_TYPE)]
            self.set_config("process_results", lambda *_: {metric_name: None})


def _metrics_of(config: Mapping[str, Any]) -> list[Any]:
    """List the metrics that a task has, of those in the YAML that all tasks share."""
    setting = (config.get("metadata") or {}).get("setting")
    kind = (config.get("dataset_kwargs") or {}).get("kind")
    present = {"persona_spread": setting in ("persona", "contrast"), "accuracy": kind == "nli"}
    return [metric for metric in config.get("metric_list") or [] if present.get(metric.get("metric"), True)]


if _has_scorers:
    from lm_eval.api.metrics import Metric
    from lm_eval.api.registry import register_scorer
    from lm_eval.scorers import GenScorer

    def _scored_before(*_: object) -> float:
        raise NotImplementedError("process_results gives the value of every metric")

    @register_scorer(SCORER)
    class ClusteredScorer(GenScorer):  # type: ignore[misc] # as above
        """A scorer whose errors are those of the task's metrics: no rows are resampled."""

        @classmethod
        def _resolve_metrics(cls, metric_cfg: Sequence[Any], output_type: str) -> list[Any]:
            """Take the metrics as they stand in YAML, without a warning that the harness does not know them."""
            return [
                Metric(
                    name=metric["metric"],
                    fn=_scored_before,
                    aggregation=metric["aggregation"],
                    higher_is_better=metric["higher_is_better"],
                    output_type={output_type},
                )
                if isinstance(metric, Mapping) and callable(metric.get("aggregation"))
                else super(ClusteredScorer, cls)._resolve_metrics([metric], output_type)[0]
                for metric in metric_cfg
            ]

        def aggregate(
            self,
            reduced_docs: Mapping[int, Mapping[str, Any]],
            bootstrap_iters: int | None = None,  # noqa: ARG002 - the harness passes it
            aggregation_overrides: dict[str, Any] | None = None,
        ) -> tuple[dict[str, Any], int]:
            """Aggregate all docs' values; a metric named after another and ``_stderr`` is that one's error."""
            scores, n_docs = super().aggregate(reduced_docs, 0, aggregation_overrides)
            return {name: score for name, score in scores.items() if "_stderr_stderr" not in name}, n_docs
