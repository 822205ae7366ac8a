"""The report's page: one file that opens offline and runs only its own scripts."""

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path

from markupsafe import Markup

from ...display import embed, load_template, visible
from ...figures import VEGA_LITE, theme
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
        Self-contained HTML: style, scripts, charts and data. Its content security policy allows only its own scripts,
        by their SHA-256, no requests, and no evaluation of text as code. Inline styles are allowed, because charts set
        them on their marks.
    """
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    bundle = _bundle() if content.figures else ""
    template = load_template(
        _TEMPLATES,
        "page.html.jinja",
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    # Marked as safe: this package's own files, the chart library, and the output of `embed`.
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
    """Bundle Vega, Vega-Lite and Vega-Embed in the version of Altair's charts into one script."""
    import vl_convert  # noqa: PLC0415 - 60 MB of code, not needed while the estimates need their memory

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    # This would end the script element anywhere in the script.
    return script.replace("</script", "<\\/script")
