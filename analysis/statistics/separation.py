"""Complete separation: which coefficients of a logistic regression have no finite estimate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from ..arrays import Bools, Floats
from .logit import independent_columns


@dataclass(frozen=True)
class Separation:
    """The coefficients and cells without a finite maximum likelihood estimate.

    Attributes
    ----------
    coefficients : (n_columns,) array of bool
        The coefficients without a finite estimate.
    sign : (n_columns,) array of float
        1 or -1 if such a coefficient goes to infinity or minus infinity, 0 if it can go either way, and for all others.
    cells : (n_cells,) array of bool
        The cells whose counts are fitted completely in the limit.
    direction : (n_columns,) array of float
        The direction in which the likelihood increases without bound: the log-odds of such cells go to plus or minus
        infinity, each by at least 1, and those of the others stay.
    """

    coefficients: Bools
    sign: Floats
    cells: Bools
    direction: Floats


def find_separation(x: sparse.csr_array, n: Floats, k: Floats) -> Separation:
    r"""Find which coefficients have no finite maximum likelihood estimate.

    The estimate is infinite along d if no cell contradicts it: :math:`x_c d \le 0` where nothing
    was refused, :math:`\ge 0` where everything was, 0 elsewhere. The linear programme
    :math:`\max \sum_c t_c` with :math:`0 \le t_c \le 1` and :math:`t_c \le \pm x_c d` marks all cells
    that some such d separates at once. Only coefficients that the mixed cells do not determine enter it,
    so it is small, and usually empty.

    Parameters
    ----------
    x : (n_cells, n_columns) sparse array of float
        Linearly independent columns.
    n, k : (n_cells,) array of float
        Responses and refusals.

    Returns
    -------
    Separation

    References
    ----------
    Albert and Anderson 1984, doi:10.1093/biomet/71.1.1. Konis 2007, Linear programming algorithms
    for detecting separated data in binary logistic regression models, DPhil thesis, Oxford, with a
    like programme. Geyer 2009, doi:10.1214/08-EJS349, for the limit.
    """
    sides = np.where(k == 0, -1.0, np.where(k == n, 1.0, 0.0))
    direction, cells = np.zeros(x.shape[1]), np.zeros(len(n), dtype=bool)
    (open_,) = np.nonzero(undetermined(x[sides == 0]))
    if len(open_):
        direction[open_], cells = _separate(x[:, open_].toarray(), sides)
    if not cells.any():
        return Separation(np.zeros(x.shape[1], dtype=bool), np.zeros(x.shape[1]), cells, np.zeros(x.shape[1]))
    coefficients = undetermined(x[~cells])
    direction[~coefficients] = 0.0
    sign = np.zeros(x.shape[1])
    sign[coefficients] = _signs(x[:, coefficients].toarray(), sides, cells, direction[coefficients])
    return Separation(coefficients, sign, cells, direction)


def undetermined(x: sparse.csr_array) -> Bools:
    """Find the coefficients that rows do not determine: they can differ between vectors with the same ``x @ coef``."""
    independent, combination = independent_columns(x)
    found = ~independent
    found[independent] = (np.abs(combination) > 1e-7).any(axis=1)
    return found


def _separate(x: Floats, sides: Floats) -> tuple[Floats, Bools]:
    """Solve the linear programme: return the direction, (n_columns,), and the cells it separates, (n_cells,) bool."""
    rows, row = np.unique(x * sides[:, None], axis=0, return_inverse=True)
    fixed = np.unique(x[sides == 0], axis=0)
    n_columns, n_rows = x.shape[1], len(rows)
    # Of any type, because the type stubs do not support sparse constraints.
    at_most: Any = sparse.hstack([sparse.csr_array(-rows), sparse.eye_array(n_rows)], format="csr")
    equal: Any = sparse.csr_array(np.hstack([fixed, np.zeros((len(fixed), n_rows))]))
    result: Any = optimize.linprog(
        np.concatenate([np.zeros(n_columns), -np.ones(n_rows)]),
        A_ub=at_most,
        b_ub=np.zeros(n_rows),
        A_eq=equal,
        b_eq=np.zeros(len(fixed)),
        bounds=[(None, None)] * n_columns + [(0.0, 1.0)] * n_rows,
        method="highs",
    )
    # At the optimum each t is 0 or 1: a direction that separates a cell a little can be lengthened.
    separated = result.x[n_columns:] > 0.5
    return result.x[:n_columns], separated[row.ravel()] & (sides != 0)


def _signs(x: Floats, sides: Floats, cells: Bools, direction: Floats) -> Floats:
    """Return the direction of each of some coefficients, if all separating directions agree."""
    rows = np.unique((x * sides[:, None])[cells], axis=0)
    fixed = np.unique(x[~cells], axis=0)
    # A cell that contains no other of them determines the direction.
    alone = rows[np.count_nonzero(rows, axis=1) == 1]
    sign = np.zeros(x.shape[1])
    for j, towards in enumerate(np.sign(np.where(np.abs(direction) > 1e-7, direction, 0.0))):
        if towards and not (alone[:, j] * towards > 0).any():
            goal = np.zeros(x.shape[1])
            goal[j] = towards
            result: Any = optimize.linprog(
                goal,
                A_ub=-rows,
                b_ub=np.zeros(len(rows)),
                A_eq=fixed,
                b_eq=np.zeros(len(fixed)),
                bounds=(-1.0, 1.0),
                method="highs",
            )
            sign[j] = towards if goal @ result.x > -1e-7 else 0.0
        else:
            sign[j] = towards
    return sign
