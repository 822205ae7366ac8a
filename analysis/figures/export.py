"""Figures as files for a paper, and as specifications for a page."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from refusal_metrics.errors import InputError

from ..display import to_csv
from ..files import reason, write_file
from .figure import Figure, check_formats, theme

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""The version of Vega-Lite in Altair's charts, in files and in the page."""

_SCALE = 3
"""Scale of a PNG: 640 pixels of a figure across a column of 16 cm are 300 dpi."""


def write_figures(figures: Iterable[Figure], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write figures and their data.

    Parameters
    ----------
    figures : iterable of Figure
    folder : Path
        Created if it does not exist. Existing files of the same names are replaced.
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


def to_spec(figure: Figure, *, dark: bool = False, on_page: bool = False) -> dict[str, Any]:
    """Return a figure's Vega-Lite specification.

    Parameters
    ----------
    figure : Figure
    dark : bool
        Whether its colours are for a dark background, see `refusal_metrics.analysis.figures.figure.theme`.

    on_page : bool
        Whether it is for a page, where a figure of many models can have a menu.

    Returns
    -------
    dict
        JSON of Vega-Lite 6: the rows once, in ``datasets``; no URL, not even that of a schema; all colours in
        ``config``. What is nested in it belongs to the figure and must not be changed.
    """
    # The text for screen readers.
    spec = figure.vega_lite_on_page if on_page else figure.vega_lite
    return spec | {"config": theme(dark=dark), "description": f"{figure.title}. {figure.caption}"}


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
