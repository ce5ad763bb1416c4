"""Scores with their intervals, one above the other, each beside what it must be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from motherlode.report.charts import RIGHT, WIDTH, colour_class, figure
from motherlode.report.scatter import shape
from motherlode.report.svg import Scale, clamp, element, finite, number, path, short

_TOP, _PITCH, _BOTTOM = 26.0, 34.0, 36.0
_START = 12.0
_NAME = 58  # characters


@dataclass(frozen=True)
class Interval:
    """One line of the chart.

    Attributes:
        name: What was measured.
        value: The score.
        low: Lower limit.
        high: Upper limit.
        marks: Names and values of what it is compared with, e.g. chance.
        colour: Which of the style sheet's colours.
        word: What is written after the name.
    """

    name: str
    value: float
    low: float
    high: float
    marks: Sequence[tuple[str, float]] = field(default_factory=tuple)
    colour: int = 0
    word: str = ""


def intervals(
    key: str,
    title: str,
    rows: Sequence[Interval],
    *,
    x_label: str,
    limits: tuple[float, float] | None = None,
    description: str = "",
) -> Markup:
    """Draw scores as dots with bars, and a tick for each thing they are compared with.

    Args:
        key: See `motherlode.report.charts.figure`.
        title: See there.
        rows: The scores; limits that are not finite are drawn at the ends.
        x_label: What the axis shows.
        limits: Ends of the axis; by default those of the values.
        description: What there is to see.

    Returns:
        The image.
    """
    height = _TOP + _PITCH * len(rows) + _BOTTOM
    ends = [value for row in rows for value in (row.value, row.low, row.high, *(mark for _, mark in row.marks))]
    across = Scale.over(limits or finite(ends), _START, WIDTH - RIGHT)
    floor = height - _BOTTOM
    drawn = []
    for tick in across.ticks(5):
        x = across(tick)
        drawn.append(element("path", d=path([(x, _TOP - 12), (x, floor)]), class_="grid"))
        drawn.append(element("text", short(tick), x=x, y=floor + 13, text_anchor="middle", class_="tick"))
    middle = (_START + WIDTH - RIGHT) / 2
    drawn.append(element("text", x_label, x=middle, y=height - 5, text_anchor="middle", class_="axis-label"))
    for place, row in enumerate(rows):
        y = _TOP + _PITCH * place + 17
        name = row.name if len(row.name) <= _NAME else row.name[: _NAME - 1] + "…"
        label = f"{name}: {row.word}" if row.word else name
        drawn.append(element("text", label, x=_START, y=y - 10, text_anchor="start", class_="tick"))
        low = across(clamp(row.low) if clamp(row.low) is not None else across.low)  # type: ignore[arg-type]
        high = across(clamp(row.high) if clamp(row.high) is not None else across.high)  # type: ignore[arg-type]
        told = "; ".join(f"{mark} {number(value, 3)}" for mark, value in row.marks)
        hover = f"{row.name}: {number(row.value, 3)}, {number(row.low, 3)} to {number(row.high, 3)}"
        bar = element("path", d=f"M{number(low)},{number(y - 1.5)}H{number(high)}V{number(y + 1.5)}H{number(low)}Z")
        drawn.append(element("g", bar, class_=f"bars {colour_class(row.colour)}"))
        dot = element(
            "path", element("title", f"{hover}; {told}" if told else hover), d=shape(0, across(row.value), y, 4)
        )
        for mark, value in row.marks:
            x = across(value)
            tick_title = element("title", f"{mark}: {number(value, 3)}")
            drawn.append(element("path", tick_title, d=path([(x, y - 6), (x, y + 6)]), class_="marker"))
        drawn.append(element("g", dot, class_=f"dots seeds {colour_class(row.colour)}"))
    said = description or "; ".join(f"{row.name}: {number(row.value, 3)}" for row in rows)
    return figure(key, title, said, drawn, height=height)
