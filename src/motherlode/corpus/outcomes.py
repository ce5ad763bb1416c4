"""What became of records: counts by outcome for the whole, and by source, bounded in number.

An outcome is `read`, `kept`, `quarantined`, or `<stage>/<reason>` for a record that a stage dropped. Tasks count for
themselves; counts merge by addition. Only the most frequent sources of a task have a row of their own, so that a crawl
of millions of sites does not end up in the manifest; all others share the row `other_sources`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_SOURCES = 1000
SKIPPED, MOST_SKIPPED = "skipped_files", 20  # names of input files that were passed over, and how many are kept
SOURCES, OTHER_SOURCES = "sources", "other_sources"
READ, KEPT, QUARANTINED = "read", "kept", "quarantined"
DUPLICATES, PARAGRAPHS = "duplicates", "repeated paragraphs"  # stages of what is dropped over all shards
_MOST_NAME = 200  # characters of a source that count


class Outcomes:
    """Counts of one task.

    Attributes:
        counts: Records by outcome, as an `Entry` has them (`dropped:<reason>` whatever the stage).
    """

    def __init__(self) -> None:
        """Start empty."""
        self.counts: Counter[str] = Counter()
        self._sources: dict[str, Counter[str]] = {}

    def add(self, outcome: str, sources: Iterable[str]) -> None:
        """Count records.

        Args:
            outcome: `read`, `kept` or `quarantined`.
            sources: The source of each record.
        """
        for source, count in Counter(sources).items():
            self.counts[outcome] += count
            self._row(source)[outcome] += count

    def drop(self, stage: str, reason: str, sources: Iterable[str]) -> None:
        """Count dropped records.

        Args:
            stage: Which part of the build dropped them.
            reason: Why.
            sources: The source of each record.
        """
        for source, count in Counter(sources).items():
            self.counts[f"dropped:{reason}"] += count
            self._row(source)[f"{stage}/{reason}"] += count

    def _row(self, source: str) -> Counter[str]:
        return self._sources.setdefault(source[:_MOST_NAME], Counter())

    def stats(self) -> dict[str, Any]:
        """Return the counts by source as statistics that merge by addition."""
        return bounded({SOURCES: self._sources})


def bounded(stats: Mapping[str, Any], most: int = MOST_SOURCES) -> dict[str, Any]:
    """Keep the rows of the most frequent sources, and add up the others.

    Args:
        stats: Statistics with counts by source; others are left out.
        most: Rows to keep.

    Returns:
        The counts by source, most frequent first, and those of all others.
    """
    rows: Mapping[str, Mapping[str, int]] = stats.get(SOURCES, {})
    size = {source: row.get(READ) or sum(row.values()) for source, row in rows.items()}
    order = sorted(rows, key=lambda source: (-size[source], source))
    other: Counter[str] = Counter(stats.get(OTHER_SOURCES, {}))
    for source in order[most:]:
        other.update(rows[source])
    kept = {source: dict(sorted(rows[source].items())) for source in order[:most]}
    return {SOURCES: kept, OTHER_SOURCES: dict(sorted(other.items()))}


def settled(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Finish the counts of a whole build: rows that do not add up go to the other sources.

    A source that was among the most frequent in one task and not in another has its records in two rows; only the sum
    of all rows is exact then, so it cannot have a row of its own.
    """
    rows = stats.get(SOURCES, {})
    torn = [source for source, row in rows.items() if 2 * row.get(READ, 0) != sum(row.values())]
    other: Counter[str] = Counter(stats.get(OTHER_SOURCES, {}))
    for source in torn:
        other.update(rows[source])
    whole = {source: row for source, row in rows.items() if source not in set(torn)}
    return bounded({SOURCES: whole, OTHER_SOURCES: dict(other)})


def dropped_later(stats: Mapping[str, Any], stage: str, reason: str, sources: Mapping[str, int]) -> dict[str, Any]:
    """Return the counts of a finished build after documents that it had kept were dropped.

    Args:
        stats: Counts by source, as `settled` returns them.
        stage: What dropped them.
        reason: Why.
        sources: Dropped documents by source.

    Returns:
        The counts by source, and those of all others.
    """
    rows = {source: Counter(row) for source, row in stats.get(SOURCES, {}).items()}
    other = Counter(stats.get(OTHER_SOURCES, {}))
    for source, count in sources.items():
        row = rows.get(source[:_MOST_NAME], other)
        row[KEPT] -= count
        row[f"{stage}/{reason}"] += count
    return bounded({SOURCES: {source: +row for source, row in rows.items()}, OTHER_SOURCES: +other})


def by_stage(rows: Iterable[Mapping[str, int]], order: Sequence[str]) -> dict[str, dict[str, int]]:
    """Add up what stages dropped.

    Args:
        rows: Counts by outcome, of all sources.
        order: Names of stages in the order of the build; stages that are not named come last.

    Returns:
        Records by reason, most frequent first, by stage.
    """
    stages: dict[str, Counter[str]] = {}
    for row in rows:
        for outcome, count in row.items():
            stage, separator, reason = outcome.partition("/")
            if separator:
                stages.setdefault(stage, Counter())[reason] += count
    place = {name: number for number, name in enumerate(order)}
    names = sorted(stages, key=lambda name: (place.get(name, len(place)), name))
    return {name: dict(sorted(stages[name].items(), key=lambda item: (-item[1], item[0]))) for name in names}
