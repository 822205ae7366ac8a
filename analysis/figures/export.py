"""Figures as files for a paper, and as specifications for a page."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from refusal_metrics.errors import InputError

from ..display.spreadsheets import to_csv
from ..files import reason, write_file
from .figure import Figure, check_formats, theme

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""The version that Altair's charts are written for, in files and in the page."""

_SCALE = 3
"""Pixels of a PNG for one of the figure: 640 across a column of 16 cm are 300 dpi."""


def write_figures(figures: Iterable[Figure], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write figures and the rows that they draw.

    Parameters
    ----------
    figures : iterable of Figure
    folder : Path
        Made if it is not there. What is there under the same names is replaced, each file at once.
    formats : sequence of {"svg", "png", "pdf"}

    Returns
    -------
    list of Path
        ``NAME.csv`` and ``NAME.FORMAT`` of each figure, in order.

    Raises
    ------
    InputError
        For an unknown format, before anything is written, or if the folder cannot be written.
    """
    check_formats(formats)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            written.append(_write(folder / f"{figure.name}.csv", to_csv(figure.table).encode()))
            if formats:
                spec = to_spec(figure)
                spec["background"] = "white"
                contents = ((form, _CONVERTERS[form](spec)) for form in dict.fromkeys(formats))
                written += [_write(folder / f"{figure.name}.{form}", content) for form, content in contents]
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({reason(error)}); name a folder that can be") from error
    return written


def to_spec(figure: Figure, *, dark: bool = False) -> dict[str, Any]:
    """Give a figure's Vega-Lite specification.

    Parameters
    ----------
    figure : Figure
    dark : bool
        Whether its colours are for a dark ground, see `refusal_metrics.analysis.figures.figure.theme`.

    Returns
    -------
    dict
        JSON: the rows once, in ``datasets``, no address, not even that of a schema; all colours are
        in ``config``. It is Vega-Lite 6. What is nested in it is the figure's own and not to be changed.
    """
    # Read out for who cannot see it.
    return figure.vega_lite | {"config": theme(dark=dark), "description": f"{figure.title}. {figure.caption}"}


def _to_svg(spec: dict[str, Any]) -> bytes:
    import vl_convert  # noqa: PLC0415 - 60 MB of code, only for who wants files

    return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE).encode()


def _to_png(spec: dict[str, Any]) -> bytes:
    import vl_convert  # noqa: PLC0415 - the same

    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=_SCALE))


def _to_pdf(spec: dict[str, Any]) -> bytes:
    import vl_convert  # noqa: PLC0415 - the same

    return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=VEGA_LITE))


_CONVERTERS: dict[str, Callable[[dict[str, Any]], bytes]] = {"svg": _to_svg, "png": _to_png, "pdf": _to_pdf}


def _write(path: Path, content: bytes) -> Path:
    write_file(path, content)
    return path
