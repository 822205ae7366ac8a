"""The columns of a regression from a formula and counts: treatment coding."""

import itertools
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from refusal_metrics.errors import InputError, unknown_name
from refusal_metrics.prompts import fold_name

from ...arrays import Bools, Floats
from ...counts import TextCounts
from ...paper import REFERENCES, match_model
from ...statistics import independent_columns

COUNTS = ("n", "n_refused", "n_texts")
"""The columns of a table of cells that are not factors."""

MOST_COEFFICIENTS = 3_000
"""The largest number of coefficients: their covariance has as many rows and columns."""

_NAME = re.compile(r"[\w.-]*\w")
_PARTS = re.compile(r"[\w.-]*\w|\s+|[*]+|.", re.DOTALL)
"""A factor's name; and the parts of a formula, of which each that is allowed is a name, a space or one sign."""

Term: TypeAlias = tuple[str, ...]
Codes: TypeAlias = Mapping[str, NDArray[np.int64]]


def parse_formula(formula: str | Sequence[str], factors: Sequence[str]) -> tuple[Term, ...]:
    """Parse a formula such as ``"persona * task + model"`` with formulaic.

    ``+`` joins terms, ``a:b`` is an interaction, ``a * b`` is short for ``a + b + a:b``, and parentheses group. An
    interaction always brings the terms that it contains: ``a:b`` alone is the same model as ``a * b``.

    Formulas are never evaluated, because formulaic would run any Python code in them: only names of factors and the
    signs above are accepted, formulaic sees placeholders of the names, and only its parser is used.

    Parameters
    ----------
    formula : str or sequence of str
        A formula, or terms to be joined by ``+``.
    factors : sequence of str
        The factors that exist.

    Returns
    -------
    tuple of tuple of str
        The factors of each term, main effects first.

    Raises
    ------
    InputError
        For a malformed formula or an unknown factor.
    """
    from formulaic.errors import FormulaicError  # noqa: PLC0415 - only a regression needs it
    from formulaic.parser import DefaultFormulaParser  # noqa: PLC0415 - the same

    text = formula if isinstance(formula, str) else " + ".join(formula)
    parts = _PARTS.findall(text)
    for part in parts:
        if not (_NAME.fullmatch(part) or part.isspace() or part in {"+", "*", ":", "(", ")"}):
            raise _malformed(text, f" at {part!r}")
    names = list(dict.fromkeys(part for part in parts if _NAME.fullmatch(part)))
    for name in names:
        if name not in factors:
            raise unknown_name("factor", name, factors)
    hidden = {name: f"f{i}" for i, name in enumerate(names)}
    try:
        parsed = DefaultFormulaParser(include_intercept=False).get_terms("".join(hidden.get(p, p) for p in parts))
    except (FormulaicError, RecursionError) as error:
        raise _malformed(text) from error
    terms = [tuple(names[int(str(factor)[1:])] for factor in term.factors) for term in parsed]
    if not terms:
        raise _malformed(text)
    position = {name: i for i, name in enumerate(dict.fromkeys(itertools.chain(*terms)))}
    contained = (
        part for term in terms for size in range(1, len(term) + 1) for part in itertools.combinations(term, size)
    )
    unique = dict.fromkeys(tuple(sorted(term, key=position.__getitem__)) for term in contained)
    return tuple(sorted(unique, key=len))


def _malformed(formula: str, place: str = "") -> InputError:
    return InputError(
        f"the formula {formula!r} is malformed{place}: "
        "write factors joined by +, * or :, as in 'persona * task + model'"
    )


def without_factors(terms: Sequence[Term], dropped: Sequence[str]) -> tuple[Term, ...]:
    """Remove factors from all terms; the rest of each term stays."""
    left = (tuple(name for name in term if name not in dropped) for term in terms)
    return tuple(dict.fromkeys(term for term in left if term))


def choose_reference(
    factor: str, frequency: Mapping[str, float], chosen: str | None = None, mixed: Collection[str] | None = None
) -> str:
    """Choose the reference level of a factor.

    Parameters
    ----------
    factor : str
    frequency : mapping of str to float
        How many responses each level has.
    chosen : str, optional
        The user's choice, in any spelling of a level.
    mixed : collection of str, optional
        Levels at which some responses refuse and some do not. By default all.

    Returns
    -------
    str
        The user's choice, else the paper's if it occurs, else the most frequent level; of equally frequent ones the
        first by name, among those that are `mixed` if there are any: compared with a level that never refuses, no other
        has a finite coefficient.

    Raises
    ------
    InputError
        If the chosen level does not occur.
    """
    mixed = frequency if mixed is None else mixed
    levels = sorted(frequency, key=lambda level: (-frequency[level], level not in mixed, level))
    if chosen is not None:
        if chosen in frequency:
            return chosen
        for level in levels:
            if fold_name(level) == fold_name(chosen):
                return level
        raise unknown_name(f"reference level of {factor}", chosen, sorted(frequency))
    wanted = REFERENCES.get(factor)
    known = match_model if factor == "model" else fold_name
    return next((level for level in levels if wanted and known(level) == wanted), levels[0])


@dataclass(frozen=True)
class DesignMatrix:
    """The columns of a regression: an intercept, then a column for each combination of other levels of a term.

    Attributes
    ----------
    terms : tuple of tuple of str
        The factors of each term.
    levels : mapping of str to tuple of str
        The levels of each factor, the reference first.
    """

    terms: tuple[Term, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors of all terms."""
        return tuple(dict.fromkeys(itertools.chain(*self.terms)))

    @property
    def columns(self) -> list[tuple[Term, tuple[str, ...]]]:
        """The term and levels of each column; the intercept's are empty."""
        found: list[tuple[Term, tuple[str, ...]]] = [((), ())]
        for term in self.terms:
            found += [(term, names) for names in itertools.product(*(self.levels[factor][1:] for factor in term))]
        return found

    def code(self, cells: pd.DataFrame) -> dict[str, NDArray[np.int64]]:
        """Return the number of each cell's level, the reference 0: (n_cells,) int for each factor."""
        return {
            factor: np.asarray(
                pd.Categorical(cells[factor].astype(str), categories=list(self.levels[factor])).codes, dtype=np.int64
            )
            for factor in self.factors
        }

    def matrix(self, codes: Codes) -> sparse.csr_array:
        """Build the columns of zeros and ones: (n_cells, n_columns) sparse array of float.

        Parameters
        ----------
        codes : mapping of str to (n_cells,) array of int
            From `code`, or changed to compute the effect of a level.
        """
        n_cells = len(next(iter(codes.values())))
        rows, columns = [np.arange(n_cells)], [np.zeros(n_cells, dtype=np.int64)]
        start = 1
        for term in self.terms:
            # A cell at the reference level of any factor has no column in this term.
            (inside,) = np.nonzero(np.all([codes[factor] > 0 for factor in term], axis=0))
            column = np.zeros(len(inside), dtype=np.int64)
            size = 1
            for factor in term:
                n_levels = len(self.levels[factor]) - 1
                column = column * n_levels + codes[factor][inside] - 1
                size *= n_levels
            rows.append(inside)
            columns.append(start + column)
            start += size
        row, column = np.concatenate(rows), np.concatenate(columns)
        return sparse.coo_array((np.ones(len(row)), (row, column)), shape=(n_cells, start)).tocsr()


@dataclass(frozen=True)
class Data:
    """What is fitted.

    Attributes
    ----------
    design : DesignMatrix
    codes : mapping of str to (n_cells,) array of int
        The levels of each cell, as numbered by the design.
    x : (n_cells, n_columns) sparse array of float
        Linearly independent columns of the design.
    kept : (n_design_columns,) array of bool
        Which of the design's columns these are.
    combination : (n_columns, n_dropped) array of float
        The others as combinations of them.
    n, k : (n_cells,) array of float
        Responses and refusals.
    text_n, text_k : (n_texts, n_cells) sparse array of float
        The same by text.
    """

    design: DesignMatrix
    codes: Codes
    x: sparse.csr_array
    kept: Bools
    combination: Floats
    n: Floats
    k: Floats
    text_n: sparse.csr_array
    text_k: sparse.csr_array

    @property
    def columns(self) -> list[tuple[Term, tuple[str, ...]]]:
        """The term and levels of each column."""
        return [column for column, kept in zip(self.design.columns, self.kept, strict=True) if kept]


def prepare(counts: TextCounts, formula: str | Sequence[str], references: Mapping[str, str]) -> tuple[Data, list[str]]:
    """Build the columns of a regression, without those that cannot be estimated.

    Parameters
    ----------
    counts : TextCounts
    formula : str or sequence of str
        See `parse_formula`.
    references : mapping of str to str
        Chosen reference levels; the others by `choose_reference`.

    Returns
    -------
    data : Data
        Without cells that lack a level, factors of one level, and columns that are combinations of
        earlier ones.
    notes : list of str
        A sentence for each thing left out.

    Raises
    ------
    InputError
        For a malformed formula, unknown names, data without any, or with nothing but, refusals, or more
        coefficients than `MOST_COEFFICIENTS`.
    """
    notes: list[str] = []
    allowed = [str(name) for name in counts.cells.columns if name not in COUNTS]
    terms = parse_formula(formula, allowed)
    factors = [term[0] for term in terms if len(term) == 1]
    for factor in references:
        if factor not in factors:
            raise unknown_name("factor with a reference level", factor, factors)
    missing = counts.cells[factors].isna().any(axis=1).to_numpy()
    if missing.any():
        left_out = int(counts.cells["n"][missing].sum())
        notes.append(f"{left_out:,} responses without a level of every factor are left out.")
    keep = ~missing & (counts.cells["n"].to_numpy() > 0)
    cells, text_n, text_k = counts.cells, counts.n, counts.n_refused
    if not keep.all():
        cells, text_n, text_k = cells[keep], text_n[:, keep], text_k[:, keep]
    n, k = (cells[name].to_numpy(dtype=np.float64) for name in ("n", "n_refused"))
    _check_outcomes(int(n.sum()), int(k.sum()))
    levels = {}
    for factor in factors:
        sizes = cells.groupby(factor)[["n", "n_refused"]].sum()
        frequency = {str(level): float(total) for level, total in sizes["n"].items()}
        mixed = {str(level) for level in sizes.index[sizes["n_refused"].between(0, sizes["n"], inclusive="neither")]}
        reference = choose_reference(factor, frequency, references.get(factor), mixed)
        levels[factor] = (reference, *sorted(set(frequency) - {reference}))
    constant = [factor for factor in factors if len(levels[factor]) == 1]
    notes += [f"The factor {factor} has one level, {levels[factor][0]}, and is dropped." for factor in constant]
    design = DesignMatrix(
        without_factors(terms, constant), {f: names for f, names in levels.items() if f not in constant}
    )
    if not design.terms:
        raise InputError(f"no factor has more than one level in these responses: {', '.join(factors)}")
    _check_size(design)
    codes = design.code(cells)
    x = design.matrix(codes)
    kept, combination = independent_columns(x)
    dropped = [label(column) for column, stays in zip(design.columns, kept, strict=True) if not stays]
    if dropped:
        notes.append(f"Dropped as combinations of the others or never observed: {some(dropped)}.")
    return Data(design, codes, x[:, kept], kept, combination, n, k, text_n, text_k), notes


def _check_size(design: DesignMatrix) -> None:
    """Refuse a regression with too many coefficients to compute their covariance."""
    n_new = {name: len(levels) - 1 for name, levels in design.levels.items()}
    n = 1 + sum(math.prod(n_new[name] for name in term) for term in design.terms)
    if n > MOST_COEFFICIENTS:
        largest = max(n_new, key=lambda name: n_new[name])
        raise InputError(
            f"a regression on {' + '.join(':'.join(term) for term in design.terms)} has {n:,} coefficients, and at "
            f"most {MOST_COEFFICIENTS:,} are possible; {largest} has {n_new[largest] + 1:,} levels: merge some, or "
            "leave out a factor or an interaction (--factors, --formula)"
        )


def _check_outcomes(n: int, n_refused: int) -> None:
    if not n:
        raise InputError("there are no responses to fit a regression to")
    if n_refused in {0, n}:
        what = "none" if not n_refused else "each"
        raise InputError(f"{what} of the {n:,} responses is a refusal: a regression needs refusals and other responses")


def label(column: tuple[Term, tuple[str, ...]]) -> str:
    """Name a column in a sentence: ``"persona:task Black:nli"``."""
    term, levels = column
    return f"{':'.join(term)} {':'.join(levels)}" if term else "the intercept"


def some(names: Sequence[str], limit: int = 10) -> str:
    """List a limited number of names in a sentence."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
