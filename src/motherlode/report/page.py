"""The frame that all reports share: one file, no script, nothing loaded, every string inert.

Templates are files of this package under `templates/`: `base.html` is the frame, `style.css` its look, `parts.html`
what pages are put together from. Whatever a template prints passes `visible` and is then escaped; only markup that the
charts made is printed as it is. The page's content security policy forbids scripts and all loading, so that even a
mistake here could not make mined text act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from motherlode import __version__
from motherlode.report.scatter import mark
from motherlode.report.svg import element, inert, join, number, short
from motherlode.report.text import visible

_COUNTED_OUT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def count(value: float) -> str:
    """Write a count: `13,296`."""
    return f"{value:,.0f}"


def percent(value: float, decimals: int = 1) -> str:
    """Write a share: `14.2%`."""
    return f"{value:.{decimals}%}"


def times(value: float) -> str:
    """Write a factor: `3,895`, `58.1`, `0.0123`."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def some(value: int, noun: str) -> str:
    """Write a count with its noun: `1 document`, `13,296 documents`."""
    return f"{value:,} {noun}" + ("" if value == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """Write names as a sentence does: `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def in_words(value: int) -> str:
    """Write a small number as a word."""
    return _COUNTED_OUT[value] if 0 <= value < len(_COUNTED_OUT) else f"{value:,}"


def ticked(text: str) -> Markup:
    """Write what stands between backticks as code; everything is made inert."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return inert(text)
    return join(element("code", part) if place % 2 else inert(part) for place, part in enumerate(parts))


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def environment() -> Environment:
    """Return the templates with their filters."""
    made = Environment(
        loader=PackageLoader("motherlode.report"),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"grouped": count, "percent": percent, "number": number, "short": short, "listed": listed}
    made.filters.update(filters | {"in_words": in_words, "some": some, "ticked": ticked, "times": times})
    made.globals.update({"mark": mark, "version": __version__})
    return made


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a page.

    Args:
        template: Name of a template that extends `base.html`.
        values: What it prints: text of any origin, numbers, charts.

    Returns:
        The page; the same values give the same text.
    """
    return environment().get_template(template).render(values)
