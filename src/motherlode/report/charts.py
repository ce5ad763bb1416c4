"""The charts of all reports, as inline SVG: histogram, columns, lines, and scatter in `scatter`.

Every chart has a title and a description for those who do not see it, hover texts with exact numbers for those who do,
and no colour of its own: classes `c0` to `c7` take colours from the page's style sheet, so that light, dark and print
each have theirs. The drawing area is narrow (400 units) so that text stays readable at a phone's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from motherlode.report.svg import Scale, clamp, element, finite, join, number, path, short

WIDTH, HEIGHT = 400.0, 248.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 32.0, 38.0
_SECOND_AXIS = 34.0
_TICK_GAP = 11.0  # units between the ticks of a vertical axis, at least
_TEXT_WIDTH = 5.6  # units a character at the size of tick labels
COLOURS = 8


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: What it is.
        points: `(x, y)`; a y that is not finite leaves a gap.
        colour: Which of the style sheet's colours.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0


@dataclass(frozen=True)
class Marker:
    """A vertical line at a value of the horizontal axis.

    Attributes:
        value: Where it stands.
        name: What is written beside it.
    """

    value: float
    name: str


def colour_class(index: int) -> str:
    """Return the class of the style sheet's colour with this number; colours repeat after eight."""
    return f"c{index % COLOURS}"


def figure(
    key: str, title: str, description: str, parts: Sequence[Markup], width: float = WIDTH, height: float = HEIGHT
) -> Markup:
    """Wrap a drawing as an SVG image that has a name.

    Args:
        key: A name for ids, unique in the page, of letters, digits and hyphens.
        title: What it shows.
        description: What there is to see, in a sentence or two.
        parts: The drawing.
        width: Its width in units.
        height: Its height in units.

    Returns:
        The image; it scales to the width of what it stands in.
    """
    names = f"{key}-title {key}-desc"
    head = [element("title", title, id=f"{key}-title"), element("desc", description, id=f"{key}-desc")]
    size = f"0 0 {number(width)} {number(height)}"
    return element("svg", *head, *parts, class_="chart", viewBox=size, role="img", aria_labelledby=names)


def _label(text: object, x: float, y: float, *, anchor: str = "middle", class_: str = "tick") -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def frame(
    across: Scale | None,
    up: Scale,
    x_label: str,
    y_label: str,
    *,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    right: Scale | None = None,
) -> list[Markup]:
    """Draw axes, grid lines, ticks and labels.

    Args:
        across: The horizontal scale; None if `x_ticks` give places, not numbers.
        up: The vertical scale.
        x_label: What the horizontal axis shows, with its unit.
        y_label: What the vertical axis shows, with its unit.
        x_ticks: Places or numbers, and texts, of the horizontal axis; by default round numbers.
        right: A second vertical scale, a share from 0 to 1.

    Returns:
        The elements.
    """
    end = WIDTH - (_SECOND_AXIS if right else RIGHT)
    floor = HEIGHT - BOTTOM
    drawn = []
    last = math.inf
    for value in up.ticks(4):
        y = up(value)
        if last - y < _TICK_GAP:
            continue
        last = y
        drawn.append(element("path", d=path([(LEFT, y), (end, y)]), class_="grid"))
        drawn.append(_label(short(value), LEFT - 5, y + 3.5, anchor="end"))
    if right:
        drawn += [_label(f"{share:.0%}", end + 5, right(share) + 3.5, anchor="start") for share in (0, 0.5, 1)]
    drawn.append(element("path", d=path([(LEFT, floor), (end, floor)]), class_="axis"))
    if x_ticks is None and across is not None:
        x_ticks = [(value, short(value)) for value in across.ticks(6)]
    for place, text in x_ticks or ():
        x = across(place) if across else place
        drawn.append(element("path", d=path([(x, floor), (x, floor + 4)]), class_="axis"))
        drawn.append(_label(text, x, floor + 15))
    drawn.append(_label(x_label, (LEFT + end) / 2, HEIGHT - 5, class_="axis-label"))
    drawn.append(_label(y_label, 2, 11, anchor="start", class_="axis-label"))
    return drawn


def _marker(marker: Marker, across: Scale) -> Markup:
    x = across(marker.value)
    floor = HEIGHT - BOTTOM
    middle = (across.start + across.end) / 2
    anchor, shift = ("start", 4) if x < middle else ("end", -4)
    line = element("path", d=path([(x, TOP - 7), (x, floor)]), class_="marker")
    return element("g", line, _label(marker.name, x + shift, TOP - 4, anchor=anchor, class_="marker-label"))


def _line(points: Sequence[tuple[float, float]], across: Scale, up: Scale, class_: str) -> list[Markup]:
    """Draw a line, in pieces where values are missing."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if clamp(x) is None or clamp(y) is None:
            pieces.append([])
        else:
            pieces[-1].append((across(x), up(y)))
    return [element("path", d=path(piece), class_=class_) for piece in pieces if len(piece) > 1]


def histogram(
    key: str,
    title: str,
    counts: Sequence[float],
    low: float,
    high: float,
    *,
    x_label: str,
    y_label: str,
    marker: Marker | None = None,
    share: Series | None = None,
    colour: int = 0,
    logarithmic: bool = True,
) -> Markup:
    """Draw counts over bins of equal width.

    Args:
        key: See `figure`.
        title: See `figure`.
        counts: One for each bin; what is not finite or below 0 is drawn as 0.
        low: Where the first bin begins.
        high: Where the last bin ends; greater than `low`.
        x_label: What is binned.
        y_label: What is counted.
        marker: A threshold; bins from there on have the colour, the others are grey.
        share: A curve from 0 to 1 with an axis of its own at the right.
        colour: Which of the style sheet's colours.
        logarithmic: Whether heights go by log(1 + count).

    Returns:
        The image.
    """
    values = [max(0.0, clamp(count) or 0.0) for count in counts]
    across = Scale.over([low, high], LEFT, WIDTH - (_SECOND_AXIS if share else RIGHT))
    up = Scale.over(values, HEIGHT - BOTTOM, TOP, from_zero=True, logarithmic=logarithmic)
    right = Scale(0, 1, HEIGHT - BOTTOM, TOP) if share else None
    width = (high - low) / max(1, len(values))
    bars = []
    above = 0.0
    for place, value in enumerate(values):
        start = low + place * width
        inside = marker is None or start >= marker.value - width * 1e-3
        above += value if inside else 0.0
        if value > 0:
            x, y = across(start), up(value)
            box = element(
                "path",
                element("title", f"{number(start, 3)} to {number(start + width, 3)}: {value:,.0f}"),
                d=f"M{number(x)},{number(up.start)}V{number(y)}H{number(across(start + width))}V{number(up.start)}Z",
            )
            bars.append((inside, box))
    groups = [
        element("g", *(box for inside, box in bars if not inside), class_="bars below"),
        element("g", *(box for inside, box in bars if inside), class_=f"bars {colour_class(colour)}"),
    ]
    total = sum(values)
    said = f"{total:,.0f} in all, from {number(low, 3)} to {number(high, 3)}."
    if marker:
        said += f" {above:,.0f} of them in bins at or above {marker.name}."
    curve = _line(share.points, across, right, "curve") if share and right else []
    parts = [*frame(across, up, x_label, y_label, right=right), *groups, *curve]
    return figure(key, title, said, [*parts, *([_marker(marker, across)] if marker else [])])


def columns(
    key: str,
    title: str,
    values: Sequence[tuple[str, float]],
    *,
    x_label: str,
    y_label: str,
    highlight: int | None = None,
    colour: int = 0,
    logarithmic: bool = True,
) -> Markup:
    """Draw a column for each of a few named values, with the value above it.

    Args:
        key: See `figure`.
        title: See `figure`.
        values: Names and values; what is not finite or below 0 is drawn as 0.
        x_label: What the names are.
        y_label: What the values are.
        highlight: The column that has the colour; the others are grey. None: all have it.
        colour: Which of the style sheet's colours.
        logarithmic: Whether heights go by log(1 + value).

    Returns:
        The image.
    """
    heights = [max(0.0, clamp(value) or 0.0) for _, value in values]
    up = Scale.over(heights, HEIGHT - BOTTOM, TOP, from_zero=True, logarithmic=logarithmic)
    pitch = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    drawn, ticks = [], []
    for place, ((name, _), value) in enumerate(zip(values, heights, strict=True)):
        x, y = LEFT + pitch * (place + 0.5), up(value)
        half = min(pitch * 0.36, 26.0)
        inside = highlight is None or highlight == place
        shape = f"M{number(x - half)},{number(up.start)}V{number(y)}H{number(x + half)}V{number(up.start)}Z"
        bar = element("path", element("title", f"{name}: {value:,.0f}"), d=shape)
        if value > 0:
            drawn.append(element("g", bar, class_=f"bars {colour_class(colour)}" if inside else "bars below"))
        drawn.append(_label(short(value), x, y - 4, class_="value"))
        ticks.append((x, name))
    said = "; ".join(f"{name}: {value:,.0f}" for (name, _), value in zip(values, heights, strict=True))
    return figure(key, title, said, [*frame(None, up, x_label, y_label, x_ticks=ticks), *drawn])


def lines(
    key: str,
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    from_zero: bool = True,
    write: Callable[[float], str] = short,
) -> Markup:
    """Draw lines with a dot at each point and the last value written beside it.

    Args:
        key: See `figure`.
        title: See `figure`.
        series: The lines.
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
        from_zero: Whether the vertical axis takes in 0.
        write: How values are written.

    Returns:
        The image.
    """
    points = [point for line in series for point in line.points]
    across = Scale.over([x for x, _ in points], LEFT + 10, WIDTH - RIGHT - 6 * _TEXT_WIDTH)
    up = Scale.over([y for _, y in points], HEIGHT - BOTTOM, TOP, from_zero=from_zero)
    whole = sorted({x for x in finite(x for x, _ in points) if x.is_integer()})
    ticks = [(x, short(x)) for x in whole] if 0 < len(whole) <= 12 else None
    drawn, said = [], []
    for line in series:
        kept = [(x, y) for x, y in line.points if clamp(x) is not None and clamp(y) is not None]
        if not kept:
            continue
        dots = [
            element("circle", element("title", f"{line.name}, {short(x)}: {write(y)}"), cx=across(x), cy=up(y), r=2.6)
            for x, y in kept
        ]
        end = _label(write(kept[-1][1]), across(kept[-1][0]) + 6, up(kept[-1][1]) + 3.5, anchor="start")
        pieces = _line(line.points, across, up, "line")
        drawn.append(element("g", *pieces, *dots, end, class_=colour_class(line.colour)))
        said.append(f"{line.name}: from {write(kept[0][1])} to {write(kept[-1][1])}")
    return figure(key, title, "; ".join(said), [*frame(across, up, x_label, y_label, x_ticks=ticks), join(drawn)])
