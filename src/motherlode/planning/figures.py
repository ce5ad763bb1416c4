"""Numbers that say where they come from.

A plan mixes what was measured on this machine with what was only scaled from that, and with what nobody measured. Each
number carries its `Basis`; what is made of several has the weakest of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Basis(IntEnum):
    """Where a number comes from; a larger value is a weaker ground."""

    MEASURED = 0
    EXTRAPOLATED = 1
    ASSUMED = 2

    @property
    def mark(self) -> str:
        """The letter that tables show."""
        return "mxa"[self.value]

    @property
    def word(self) -> str:
        """The word that JSON shows."""
        return self.name.lower()


@dataclass(frozen=True)
class Figure:
    """A number and its basis.

    Attributes:
        value: The number, in the unit of the place where it stands.
        basis: Where it comes from.
    """

    value: float
    basis: Basis

    def __add__(self, other: Figure) -> Figure:
        """Add, on the weaker ground of both; a zero adds nothing and weakens nothing."""
        if not other.value:
            return self
        if not self.value:
            return other
        return Figure(self.value + other.value, max(self.basis, other.basis))

    def times(self, factor: float) -> Figure:
        """Scale, on the same ground."""
        return Figure(self.value * factor, self.basis)


NOTHING = Figure(0.0, Basis.MEASURED)


def largest(figures: list[Figure]) -> Figure:
    """Return the figure of the largest value; `NOTHING` if there is none."""
    return max(figures, key=lambda figure: figure.value, default=NOTHING)


def said_seconds(seconds: float) -> str:
    """Say a time in the unit that a person would use."""
    for size, unit in ((86_400 * 3, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / (86_400 if unit == 'd' else size):.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 0.05 or not seconds else "<0.1 s"


def said_bytes(count: float) -> str:
    """Say a number of bytes in powers of 1024."""
    for power, unit in ((5, "PiB"), (4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count >= 1024**power:
            return f"{count / 1024**power:,.1f} {unit}"
    return f"{count:.0f} B"
