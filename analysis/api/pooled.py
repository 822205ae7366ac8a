"""Persona effects over models and tasks in a notebook."""

from contextlib import ExitStack
from typing import TypeAlias

import pandas as pd

from ..columns import check_run_factors_only
from ..estimates import estimate_pool
from .arguments import AnyPath, Names, as_file, names_of
from .selection import Selection

AnyTable: TypeAlias = AnyPath | pd.DataFrame


class Pooled(Selection):
    """Responses, and the pooled differences between personas and neutral prompts."""

    def pool(
        self,
        by: Names = (),
        *,
        groups: bool = False,
        each: bool = False,
        models: AnyTable | None = None,
        detector: str | None = None,
    ) -> pd.DataFrame:
        """Pool the differences between personas and neutral prompts over models and tasks.

        Parameters
        ----------
        by : str or list of str
            ``task``, or settings of runs: pooled for each of their levels.
        groups : bool
            Whether to pool persona groups instead of personas.
        each : bool
            Whether to return each model's differences instead, shrunken towards those of all models.
        models : path or pandas.DataFrame, optional
            A table with the columns ``model`` and ``family``. By default the families of the paper's models.
        detector : str, optional

        Returns
        -------
        pandas.DataFrame
            One row a scope and persona: ``studied`` is the average over these models, ``similar`` the estimate for
            models like these, ``new`` the prediction for a new model.

        Raises
        ------
        InputError
            If there are fewer than two models or no neutral prompts, or the table cannot be read.

        Examples
        --------
        >>> study.pool()[["scope", "persona", "odds_ratio"]].round(1).values.tolist()
        [['studied', 'farmer', 1.2], ['studied', 'nurse', 6.5], ['studied', 'pilot', 5.4]]
        """
        factors = names_of(by, "by")
        check_run_factors_only("by", factors, "pool compares personas over models", besides="task")
        level = "persona_group" if groups else "persona"
        counts = self._counts([*factors, level], detector)
        with ExitStack() as stack:
            path = None if models is None else stack.enter_context(as_file(models, "models", ".csv"))
            found = estimate_pool(counts, level, path, factors, spread=False)
        return self._told(found.models if each else found.pooled, detector, found.notes)
