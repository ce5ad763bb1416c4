"""Intervals one below the other, each with its name at the left: which exclude 0 is seen at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from motherlode.report.charts import RIGHT, WIDTH, colour_class, figure
from motherlode.report.svg import Scale, clamp, element, number, path, short
from motherlode.report.text import excerpt

_TOP, _BOTTOM, _ROW = 20.0, 34.0, 19.0
_NAMES = 122.0  # units at the left
_CHARACTERS = 21  # of a name
_BETTER, _WORSE = 2, 1


@dataclass(frozen=True)
class Interval:
    """A value with its limits.

    Attributes:
        name: What it is of.
        value: The value.
        low: Lower limit; may be infinite.
        high: Upper limit; may be infinite.
    """

    name: str
    value: float
    low: float
    high: float


def intervals(key: str, title: str, rows: Sequence[Interval], *, x_label: str, zero: bool = True) -> Markup:
    """Draw intervals.

    Args:
        key: See `motherlode.report.charts.figure`.
        title: See there.
        rows: The intervals, from above; a value that is not finite is left out.
        x_label: What the horizontal axis shows.
        zero: Whether 0 is marked, and intervals that exclude it have a colour.

    Returns:
        The image; its height grows with the number of rows.
    """
    kept = [row for row in rows if clamp(row.value) is not None]
    known = [limit for row in kept for limit in (row.low, row.value, row.high) if clamp(limit) is not None]
    across = Scale.over(known, _NAMES, WIDTH - RIGHT, from_zero=zero)
    floor = _TOP + _ROW * max(1, len(kept))
    drawn = []
    for value in across.ticks(5):
        x = across(value)
        drawn.append(element("path", d=path([(x, _TOP - 6), (x, floor)]), class_="grid"))
        drawn.append(element("text", short(value), x=x, y=floor + 13, text_anchor="middle", class_="tick"))
    if zero:
        x = across(0.0)
        drawn.append(element("path", d=path([(x, _TOP - 6), (x, floor)]), class_="marker"))
    said = []
    for place, row in enumerate(kept):
        y = _TOP + _ROW * (place + 0.5)
        low, high = (across(limit) for limit in (row.low, row.high))
        told = f"{row.name}: {signed(row.value)}, 95 %: {signed(row.low)} to {signed(row.high)}"
        line = f"M{number(low)},{number(y - 1.1)}H{number(high)}V{number(y + 1.1)}H{number(low)}Z"
        mark = element("circle", element("title", told), cx=across(row.value), cy=y, r=3.4)
        certain = colour_class(_BETTER if row.low > 0 else _WORSE) if row.low > 0 or row.high < 0 else "below"
        bar = element("path", element("title", told), d=line)
        name = element("text", excerpt(row.name, _CHARACTERS), x=_NAMES - 6, y=y + 3.5, text_anchor="end")
        drawn.append(element("g", bar, mark, name, class_=f"bars {certain if zero else colour_class(0)}"))
        said.append(told)
    drawn.append(element("text", x_label, x=(_NAMES + WIDTH - RIGHT) / 2, y=floor + 29, text_anchor="middle"))
    return figure(key, title, "; ".join(said), drawn, WIDTH, floor + _BOTTOM)


def signed(value: float) -> str:
    """Write a difference: `+0.012`, `-0.3`, `unknown` if it is not finite."""
    return "unknown" if clamp(value) is None else f"{value:+.3g}"
