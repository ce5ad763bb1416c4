"""SVG as values: elements that escape what they hold, scales that map numbers to places, ticks at round numbers.

A chart is a tree of `element` calls. Text becomes markup in one place only, so nothing that a corpus holds can open a
tag; numbers become text in one place only, so that the same numbers always give the same bytes. Numbers may be
anything: what is not finite is left out by the charts, what is absurdly large is clamped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from motherlode.report.text import visible

_LARGEST = 1e15  # beyond, a float no longer counts in ones


def inert(text: object) -> Markup:
    """Return a text as markup that shows it and does nothing else; markup stays as it is."""
    return text if isinstance(text, Markup) else escape(visible(str(text)))


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Build an element.

    Args:
        name: Its tag.
        *children: Markup as made here, or anything else, which is shown as text.
        **attributes: Attributes; `class_` is written `class`, `stroke_width` is `stroke-width`, None is left out, and
            floats keep two decimals.

    Returns:
        The element with all it holds.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{inert(number(value) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(inert(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704


def join(parts: Iterable[Markup]) -> Markup:
    """Put elements one after the other."""
    return Markup("").join(parts)


def number(value: float, decimals: int = 2) -> str:
    """Write a coordinate: at most so many decimals, no exponent, no negative zero."""
    text = f"{value:.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def clamp(value: float) -> float | None:
    """Return a number that charts can work with; None if it is not finite."""
    return max(-_LARGEST, min(_LARGEST, float(value))) if math.isfinite(value) else None


def finite(values: Iterable[float]) -> list[float]:
    """Return the finite values, clamped."""
    return [kept for kept in map(clamp, values) if kept is not None]


@dataclass(frozen=True)
class Scale:
    """A map from numbers to places on the page.

    Attributes:
        low: The number at `start`.
        high: The number at `end`; greater than `low`.
        start: A coordinate.
        end: A coordinate, less than `start` for an axis that points up.
        logarithmic: Whether places go by log(1 + number), for counts from 0 on.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a number; outside the range, that of its nearer end."""
        low, high, at = self._bend(self.low), self._bend(self.high), self._bend(value)
        share = (at - low) / (high - low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def _bend(self, value: float) -> float:
        return math.log1p(max(0.0, value)) if self.logarithmic else value

    @classmethod
    def over(
        cls, values: Iterable[float], start: float, end: float, *, from_zero: bool = False, logarithmic: bool = False
    ) -> Scale:
        """Fit a scale to values; it has an extent even if they have none.

        Args:
            values: The values; those that are not finite are passed over.
            start: The place of the least.
            end: The place of the greatest.
            from_zero: Whether the scale takes in 0.
            logarithmic: See the class; implies `from_zero`.

        Returns:
            The scale.
        """
        kept = finite(values) or [0.0]
        if logarithmic:
            kept = [max(0.0, value) for value in kept]
        if from_zero or logarithmic:
            kept.append(0.0)
        low, high = min(kept), max(kept)
        if high - low <= max(abs(low), abs(high)) * 1e-9 or high - low < 1e-12:
            low, high = (0.0, 1.0) if abs(high) < 1e-12 else (low - abs(low) / 2, high + abs(high) / 2)
        return cls(low, high, start, end, logarithmic)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round numbers within the range: powers of ten on a long logarithmic scale."""
        if self.logarithmic and self.high >= 20:
            powers = [0.0] + [10.0**power for power in range(16) if 10.0**power <= self.high]
            step = max(1, math.ceil((len(powers) - 1) / count))
            return powers[:1] + powers[1:][::-1][::step][::-1]
        raw = (self.high - self.low) / max(1, count)
        base = 10.0 ** math.floor(math.log10(raw))
        step_size = next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step_size - 1e-9)
        last = math.floor(self.high / step_size + 1e-9)
        return [float(f"{place * step_size:.12g}") for place in range(first, min(last, first + 4 * count) + 1)]


def short(value: float) -> str:
    """Write a tick: `0.25`, `1,500`, `20k`, `3M`, `1.5B`."""
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return number(value / (1e3 if suffix == "k" else size), 1) + suffix
    return f"{value:,.0f}" if float(value).is_integer() else number(value, 3)


def path(points: Sequence[tuple[float, float]]) -> str:
    """Write the data of a path through points."""
    return "".join(f"{'L' if place else 'M'}{number(x)},{number(y)}" for place, (x, y) in enumerate(points))
