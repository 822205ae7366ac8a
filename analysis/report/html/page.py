"""The report's page: one file that opens offline, and runs no script but its own."""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path

from markupsafe import Markup

from ...display.html import embed, load_template, visible
from ...figures.export import VEGA_LITE
from ...figures.figure import theme
from .content import Content, below, first_screen

_TEMPLATES = Path(__file__).with_name("templates")


def write_html(content: Content) -> str:
    """Write the page.

    Parameters
    ----------
    content : Content

    Returns
    -------
    str
        HTML that holds all it needs: style, scripts, charts and data. Its content security policy
        allows its own scripts by their SHA-256 and no other, no request, and no evaluation of text as code.
        Styles in it are allowed, because charts set them on their marks.
    """
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    bundle = _bundle() if content.figures else ""
    template = load_template(
        _TEMPLATES,
        "page.html.jinja",
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    # What is marked as safe are this package's own files, the charts' library and what `embed` made safe.
    return template.render(
        policy=_policy(script, *[bundle] * bool(bundle)),
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - see above
        script=Markup(script),  # noqa: S704 - see above
        bundle=Markup(bundle),  # noqa: S704 - see above
        configs=embed({"light": theme(), "dark": theme(dark=True)}),
        **first_screen(content),
        **below(content),
    )


def _policy(*scripts: str) -> str:
    hashes = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@cache
def _bundle() -> str:
    """Make one script of Vega, Vega-Lite and Vega-Embed in the version that Altair's charts are written for."""
    import vl_convert  # noqa: PLC0415 - 60 MB of code, not needed while the estimates need their memory

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    # A script element ends there, wherever in the script that stands.
    return script.replace("</script", "<\\/script")
