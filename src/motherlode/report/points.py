"""A scatter with axes: two numbers for each point, e.g. predicted against measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from motherlode.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, colour_class, figure, frame
from motherlode.report.scatter import shape
from motherlode.report.svg import Scale, clamp, element, path


@dataclass(frozen=True)
class Points:
    """Points of one kind.

    Attributes:
        name: What they are.
        points: x, y and hover text; points without a finite place are left out.
        colour: Which of the style sheet's colours, and which shape.
    """

    name: str
    points: Sequence[tuple[float, float, str]]
    colour: int = 0


def points(
    key: str,
    title: str,
    series: Sequence[Points],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    description: str = "",
) -> Markup:
    """Draw points in axes of their own.

    Args:
        key: See `motherlode.report.charts.figure`.
        title: See there.
        series: The points.
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
        diagonal: Whether both axes share a scale, with the line where they are equal.
        description: What there is to see.

    Returns:
        The image.
    """
    kept = [(line, [p for p in line.points if clamp(p[0]) is not None and clamp(p[1]) is not None]) for line in series]
    xs = [x for _, found in kept for x, _, _ in found]
    ys = [y for _, found in kept for _, y, _ in found]
    both = [*xs, *ys]
    across = Scale.over(both if diagonal else xs, LEFT + 12, WIDTH - RIGHT - 8)
    up = Scale.over(both if diagonal else ys, HEIGHT - BOTTOM - 8, TOP + 6)
    drawn = frame(across, up, x_label, y_label)
    if diagonal:
        ends = [(across(value), up(value)) for value in (across.low, across.high)]
        drawn.append(element("path", d=path(ends), class_="curve"))
    for line, found in kept:
        marks = [
            element("path", element("title", text), d=shape(line.colour, across(x), up(y), 2.9)) for x, y, text in found
        ]
        drawn.append(element("g", *marks, class_=f"dots {colour_class(line.colour)}"))
    said = description or "; ".join(f"{line.name}: {len(found)} points" for line, found in kept)
    return figure(key, title, said, drawn)
