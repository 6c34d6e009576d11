"""The templates of pages, and how text gets into them."""

from __future__ import annotations

import jinja2

from pytest_robustness.report.text import printable


def environment() -> jinja2.Environment:
    """Return what renders the templates: text is escaped, and what a terminal or a browser would obey is taken out."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("pytest_robustness.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
