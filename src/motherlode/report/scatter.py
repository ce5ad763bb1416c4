"""A scatter of marks that differ by colour and by shape, each with its hover text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from motherlode.report.charts import COLOURS, colour_class, figure
from motherlode.report.svg import Scale, clamp, element, join, number

WIDTH, HEIGHT = 640.0, 560.0
_EDGE = 14.0
_POLYGONS = {  # corners, and the turn of the first one in degrees from the top
    "triangle": (3, 0.0),
    "square": (4, 45.0),
    "diamond": (4, 0.0),
    "point-down": (3, 180.0),
    "pentagon": (5, 0.0),
}
_SHAPES = ("circle", "triangle", "square", "diamond", "plus", "point-down", "pentagon", "cross")


@dataclass(frozen=True)
class Dot:
    """A mark.

    Attributes:
        x: Where, in any unit.
        y: Where, in any unit.
        series: Which colour and shape; None: a small grey dot, of no label.
        text: The hover text.
        large: Whether it is drawn large and outlined, over the others.
    """

    x: float
    y: float
    series: int | None
    text: str
    large: bool = False


def shape(series: int | None, x: float, y: float, radius: float) -> str:
    """Return the data of a path for a series' mark.

    Args:
        series: The series; None: a circle. Colours repeat after eight, shapes shift by one each time they do.
        x: The centre.
        y: The centre.
        radius: Its size; all shapes cover about the same area.

    Returns:
        The path's data.
    """
    kind = "circle" if series is None else _SHAPES[(series + series // COLOURS) % len(_SHAPES)]
    if kind == "circle":
        r, across = number(radius), number(2 * radius)
        return f"M{number(x - radius)},{number(y)}a{r},{r} 0 1 0 {across},0a{r},{r} 0 1 0 -{across},0Z"
    if kind in ("plus", "cross"):
        arm, half = radius * 1.25, radius * 0.42
        corners = [(half, half), (half, arm), (-half, arm), (-half, half), (-arm, half), (-arm, -half)]
        corners += [(-a, -b) for a, b in corners]
        turn = math.radians(45 if kind == "cross" else 0)
    else:
        count, degrees = _POLYGONS[kind]
        size = radius * math.sqrt(math.pi / (count / 2 * math.sin(2 * math.pi / count)))
        corners = [
            (size * math.sin(2 * math.pi * i / count), -size * math.cos(2 * math.pi * i / count)) for i in range(count)
        ]
        turn = math.radians(degrees)
    sine, cosine = math.sin(turn), math.cos(turn)
    placed = [(x + a * cosine - b * sine, y + a * sine + b * cosine) for a, b in corners]
    return "M" + "L".join(f"{number(a, 1)},{number(b, 1)}" for a, b in placed) + "Z"


def scatter(key: str, title: str, description: str, dots: Sequence[Dot], *, radius: float = 2.7) -> Markup:
    """Draw marks; those of no series first, large ones last.

    Args:
        key: See `motherlode.report.charts.figure`.
        title: See there.
        description: See there.
        dots: The marks; those without a finite place are left out.
        radius: Size of a mark.

    Returns:
        The image. Axes are not drawn: places mean something only beside each other.
    """
    kept = [dot for dot in dots if clamp(dot.x) is not None and clamp(dot.y) is not None]
    across = Scale.over([dot.x for dot in kept], _EDGE, WIDTH - _EDGE)
    up = Scale.over([dot.y for dot in kept], HEIGHT - _EDGE, _EDGE)
    groups: dict[tuple[bool, int], list[Markup]] = {}
    for dot in kept:
        series = -1 if dot.series is None else dot.series
        size = radius * (1.45 if dot.large else 0.75 if dot.series is None else 1)
        data = shape(dot.series, across(dot.x), up(dot.y), size)
        mark = element("path", element("title", dot.text), d=data)
        groups.setdefault((dot.large, series), []).append(mark)
    drawn = [
        element("g", *marks, class_=f"dots {'none' if series < 0 else colour_class(series)}{' seeds' if large else ''}")
        for (large, series), marks in sorted(groups.items())
    ]
    return figure(key, title, description, [join(drawn)], WIDTH, HEIGHT)


def mark(series: int | None, *, large: bool = False) -> Markup:
    """Return a series' mark as a small image, for legends and headings."""
    data = shape(series, 8.0, 8.0, 5.6 if large else 4.4)
    class_ = f"dots {'none' if series is None else colour_class(series)}{' seeds' if large else ''}"
    inside = element("g", element("path", d=data), class_=class_)
    return element("svg", inside, class_="mark", viewBox="0 0 16 16", aria_hidden="true")
