"""The study that `load` returns."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refusal_metrics.detection import RULES
from refusal_metrics.errors import InputError

from ..columns import FACTORS, REGRESSED, STUDY_COLUMNS
from ..counts import count_by_text
from ..estimates import estimate_sensitivity, fit, parse_formula
from ..judging import make_detector
from ..labels import validate
from ..manifest import list_ours
from ..report import ReportOptions, find_report, write_report
from ..responses import note_unusable
from .arguments import AnyPath, Names, as_file, label_map, names_of
from .pooled import AnyTable
from .results import DetectorValidation, RegressionFit, SensitivityIndices
from .tables import AnyMap, Tables

if TYPE_CHECKING:
    import altair as alt


class Study(Tables):
    """The responses of a study, from `load`, and their estimates.

    A parameter that a command has as an option has the same name, meaning and default here: ``by`` is ``--by``.
    Tables are pandas data frames with the columns of the commands' CSV output; rates are proportions. Notes about a
    table are in its ``attrs["notes"]``.

    Examples
    --------
    >>> study
    Study of 240 responses
      models     owl, parrot
      tasks      nli, politeness
      settings   neutral, persona
      personas   farmer, nurse, pilot
      texts      20
      refusals   47 (19.58%) by given
      ...
    """

    def sensitivity(
        self,
        factors: Names = (),
        *,
        without: Names = (),
        replicates: int = 1000,
        seed: int = 0,
        detector: str | None = None,
    ) -> SensitivityIndices:
        """Estimate the sensitivity index (iota) of each factor and pair of factors.

        Parameters
        ----------
        factors : str or list of str
            Only these and their pairs; by default all.
        without : str or list of str
            Factors of prompts to leave out, e.g. ``template`` if it has too many levels.
        replicates : int
            Permutations, and bootstrap samples of whole texts.
        seed : int
            Random seed.
        detector : str, optional

        Returns
        -------
        SensitivityIndices
            With ``table``, ``levels``, ``notes`` and ``plot()``.

        Raises
        ------
        InputError
            For an unknown factor or detector, or if there are no prompts with personas.

        Examples
        --------
        >>> indices = study.sensitivity("persona", replicates=100)
        >>> indices.table.loc[indices.table["model"] == "", ["factor", "n_levels"]].values.tolist()
        [['persona', 3]]
        """
        named = names_of(factors, "factors")
        counts = self._counts(named, detector)
        asked = counts.where(setting="persona")
        run_factors = [name for name in (named or self._factors) if name not in {*STUDY_COLUMNS, *FACTORS}]
        found = estimate_sensitivity(
            asked,
            np.random.default_rng(seed),
            run_factors=run_factors,
            without=names_of(without, "without"),
            n_replicates=replicates,
        )

        def draw() -> "alt.VConcatChart":
            from .charts import draw_indices  # noqa: PLC0415 - Altair takes half a second

            return draw_indices(found, counts, self._responses.rule(detector))

        return SensitivityIndices(found, named, draw)

    def regression(
        self,
        formula: str | None = None,
        *,
        factors: Names = (),
        estimator: str | None = None,
        penalty: float = 1.0,
        reference: Mapping[str, str] | None = None,
        detector: str | None = None,
    ) -> RegressionFit:
        """Fit a logistic regression of refusal on factors, errors clustered by text.

        Parameters
        ----------
        formula : str, optional
            Terms and interactions, e.g. ``"persona * task + model"``.
        factors : str or list of str
            Instead of a formula: main effects of these factors, by default persona, template, task and model as far
            as the study has them.
        estimator : {"mle", "firth", "ridge"}, optional
            By default maximum likelihood, or Firth's penalised likelihood if some estimates are infinite.
        penalty : float
            For ridge: 1/C in scikit-learn.
        reference : mapping of str to str, optional
            Reference levels, e.g. ``{"persona": "man"}``.
        detector : str, optional

        Returns
        -------
        RegressionFit
            With ``table``, ``wald``, ``effects``, ``notes``, ``plot()`` and ``to_statsmodels()``.

        Raises
        ------
        InputError
            For a malformed formula, unknown names, or data without any, or with nothing but, refusals.

        Examples
        --------
        >>> fit = study.regression("persona", reference={"persona": "nurse"})
        >>> fit.table[["level", "coef"]].round(1).values.tolist()
        [['', -0.6], ['farmer', -1.6], ['pilot', 0.3]]
        """
        named = names_of(factors, "factors")
        if formula and named:
            raise InputError("formula and factors: mean different regressions; give one of them")
        words = names_of("".join(c if c.isalnum() or c in "_-." else "," for c in formula or ""), "formula")
        known = {*self.factors, *self._responses.columns}
        counts = self._counts(named or [word for word in words if word in known], detector)
        given = formula or named or [name for name in (*REGRESSED, *self._factors) if name in counts.levels]
        terms = parse_formula(given, list(counts.levels))
        used = list(dict.fromkeys(name for term in terms for name in term))
        fitted = fit(
            count_by_text(counts.where(setting="persona"), used),
            given,
            estimator=estimator,  # type: ignore[arg-type]  # checked by fit
            references=reference or {},
            penalty=penalty,
        )

        def draw(*, effects: bool) -> "alt.VConcatChart":
            from .charts import draw_fit  # noqa: PLC0415 - Altair takes half a second

            return draw_fit(fitted, counts, self._responses.rule(detector), effects=effects)

        return RegressionFit(fitted, draw)

    def validate(
        self,
        labels: AnyTable,
        detector: Names = (),
        *,
        by: Names = (),
        preset: str | None = None,
        columns: AnyMap = "",
        values: AnyMap = "",
        seed: int = 0,
    ) -> DetectorValidation:
        """Estimate how well detectors find the refusals that people see.

        Parameters
        ----------
        labels : path or pandas.DataFrame
            One row an item and annotator, with the columns ``response`` and ``refusal`` (yes or no), and ``id``,
            ``annotator``, ``probability``, ``persona``, ... if known.
        detector : str or list of str
            Rules, ``hf:MODEL`` or ``judge:ADDRESS``; by default all rules. Other detectors whose verdicts the responses
            contain are compared too.
        by : str or list of str
            Columns of the labels to break errors down by.
        preset, columns, values
            Names and values of another tool's label file, as for ``persona-refusal validate``.
        seed : int
            Random seed of the permutations of personas.

        Returns
        -------
        DetectorValidation
            With ``table``, ``confusion``, ``gaps`` and ``notes``.

        Raises
        ------
        InputError
            If the labels cannot be read or used, or a detector is unknown.

        Examples
        --------
        >>> labels = pd.DataFrame({"response": ["I'm sorry, I can't.", "It is polite."], "refusal": ["yes", "no"]})
        >>> study.validate(labels).table["detector"].unique().tolist()
        ['answer_aware', 'prefix', 'prefix_strict']
        """
        asked = names_of(detector, "detector") or list(RULES)
        # Verdicts in the responses are compared as they are.
        carried = {*self.detectors} - RULES.keys()
        made = [make_detector(name) for name in asked if name not in carried]
        with as_file(labels, "labels") as path:
            found = validate(
                path,
                made,
                by=names_of(by, "by") or None,
                preset=preset,
                seed=seed,
                responses=self._responses,
                names=label_map(columns, values),
            )
        return DetectorValidation(found)

    def report(
        self,
        out: AnyPath,
        *,
        force: bool = False,
        paper: bool = False,
        compare_published: bool = False,
        labels: AnyTable | None = None,
        columns: AnyMap = "",
        values: AnyMap = "",
        figures: Names = "svg",
        no_texts: bool = False,
        tables_only: bool = False,
        column: str = "released",
        models: AnyTable | None = None,
        replicates: int = 1000,
        seed: int = 0,
        detector: str | None = None,
    ) -> list[Path]:
        """Write the report: a page that opens offline, its tables, figures and responses.

        Parameters
        ----------
        out : path
            The folder to write.
        force : bool
            Whether to replace a report in an existing folder.
        paper, compare_published : bool
            Whether to add the paper's tables in its layout, and the paper's numbers beside the measured ones.
        labels, columns, values
            Labels of a sample of responses, with which detectors are compared.
        figures : str or list of str
            ``svg``, ``png``, ``pdf``, or ``none``.
        no_texts : bool
            Whether to leave prompts and responses out.
        tables_only : bool
            Whether to write only the tables and ``report.md``, which is faster.
        column, models
            The property of models for the trend, as of `trend`.
        replicates, seed
            As of `sensitivity`.
        detector : str, optional

        Returns
        -------
        list of Path
            The files written, ``report.html`` among them.

        Raises
        ------
        InputError
            If the folder contains something and `force` is not set, or cannot be written.

        Examples
        --------
        >>> written = study.report(folder / "report", tables_only=True, replicates=100)
        >>> sorted(path.name for path in written if path.name.startswith("rates"))
        ['rates.csv', 'rates_by_model.csv', 'rates_by_persona.csv']
        """
        folder = Path(out)
        formats = [] if figures == "none" else names_of(figures, "figures")
        if tables_only and formats not in ([], ["svg"]):
            raise InputError("figures: are not written with tables_only; leave out one of them")
        with ExitStack() as stack:
            files = {
                "labels": None if labels is None else stack.enter_context(as_file(labels, "labels")),
                "models": None if models is None else stack.enter_context(as_file(models, "models", ".csv")),
            }
            write_report(
                note_unusable(self._responses, detector),
                folder,
                ReportOptions(detector, self._factors, replicates, seed, column, files["models"]),
                force=force,
                paper=paper,
                compare_published=compare_published,
                labels=files["labels"],
                formats=formats,
                names=label_map(columns, values),
                texts=not (no_texts or tables_only),
                page=not tables_only,
            )
        return [folder / name for name in list_ours(folder, find_report) or ()]

    def plot(self, kind: str = "contrasts", *, detector: str | None = None) -> "alt.VConcatChart":
        """Draw a figure of the report.

        Parameters
        ----------
        kind : {"contrasts", "detectable", "heat_map", "personas", "rates", "settings"}
            Each persona's difference from neutral prompts (or, without these, from the other personas); the
            smallest differences that could be detected; each persona's rate; rates by model and task; or persona
            prompts compared with neutral and persona-free ones.
        detector : str, optional

        Returns
        -------
        altair.VConcatChart

        Raises
        ------
        InputError
            For an unknown kind or detector, or if the study has nothing to draw.

        Examples
        --------
        >>> chart = study.filter(task="nli").plot("contrasts")
        >>> chart.save("contrasts.svg")  # doctest: +SKIP
        """
        from .charts import draw_study  # noqa: PLC0415 - Altair takes half a second

        return draw_study(kind, self._counts((), detector), self._responses.rule(detector))
