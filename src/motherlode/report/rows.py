"""Lines of a report's tables that say how often something was seen; which rows are shown: `motherlode.encode.rows`."""

from __future__ import annotations

from dataclasses import dataclass

from motherlode.encode.rows import Best, fetch, numbered

__all__ = ["Best", "Tally", "fetch", "numbered"]


@dataclass(frozen=True)
class Tally:
    """How often something was seen, and how often in a smaller group.

    Attributes:
        name: What.
        all: How often.
        chosen: How often among the chosen.
    """

    name: str
    all: int
    chosen: int

    @property
    def share(self) -> float:
        """The chosen ones' share."""
        return self.chosen / self.all if self.all else 0.0
