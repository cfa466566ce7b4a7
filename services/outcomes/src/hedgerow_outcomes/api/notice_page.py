"""A draft Contract Performance Notice as a page to print: no script, nothing loaded from elsewhere."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_PAGES = Environment(
    loader=PackageLoader("hedgerow_outcomes", "api/pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(notice: dict[str, Any]) -> str:
    """The page of a notice as `NoticeView` gives it; every text in it is escaped."""
    return _PAGES.get_template("notice.html").render(**notice)
