"""The report of a corpus: what became of every record, where, why, and what was dropped looks like.

One self-contained `report.html` beside the documents. The numbers come from the manifest; texts are read only of the
few rejected documents that are shown, if the build kept them. The same corpus gives the same bytes.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from motherlode.corpus.corpus import Corpus, CorpusStats
from motherlode.corpus.outcomes import KEPT, QUARANTINED, READ
from motherlode.errors import InputError
from motherlode.report.charts import columns
from motherlode.report.page import render, some
from motherlode.report.rows import Best, numbered
from motherlode.report.text import excerpt
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.location import location
from motherlode.shards.manifest import Manifest, merge_stats

REPORT = "report.html"
EXAMPLES = 3  # documents shown of each reason
_MOST_SHARDS = 64  # of rejected documents that are looked through, evenly spread
_MOST_REASONS = 40  # that have examples
_SOURCE_ROWS = 30
_REASON_COLUMNS = 6
_EXAMPLE_CLUSTERS = 5  # of near-duplicates


def is_corpus(folder: Path | str) -> bool:
    """Return whether a folder holds a corpus, finished or not."""
    try:
        return bool(Manifest.read(location(folder)).header["kind"] == "corpus")
    except InputError:
        return False


def write_corpus_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of a corpus.

    Args:
        folder: A corpus.

    Returns:
        The file written.

    Raises:
        InputError: The corpus is missing, incomplete or damaged.
        StorageError: The file cannot be written; an earlier report stays as it was.
    """
    corpus = Corpus(folder)
    stats = corpus.stats()
    stages = _stages(stats)
    values = {
        "name": excerpt(corpus.folder.resolve().name, 60),
        "stats": stats,
        "read_or_one": max(1, stats.read),
        "dropped": sum(stats.dropped.values()),
        "headline": f"{some(stats.kept, 'document')} of {some(stats.read, 'record')}",
        "stages": stages,
        "left_chart": _left_chart(stats, stages),
        "length_chart": _length_chart(stats),
        "sources": _sources(stats),
        "examples": _examples(corpus),
        "languages": _languages(stats),
        "near": _near(stats),
        "held": stats.contamination is not None,
        "contamination": [_evaluation(row) for row in (stats.contamination or [])[:_SOURCE_ROWS]],
        "notes": [(name.replace("_", " "), value) for name, value in stats.notes.items() if value],
    }
    path = corpus.folder / REPORT
    store.write_text(path, render("corpus.html", values))
    return path


def _stages(stats: CorpusStats) -> list[dict[str, Any]]:
    """Return the stages in order, with what each dropped and what it left."""
    left = stats.read - stats.quarantined
    found = []
    for name, reasons in stats.stages.items():
        dropped = sum(reasons.values())
        left -= dropped
        found.append({"name": name, "reasons": reasons, "dropped": dropped, "left": left})
    return found


def _left_chart(stats: CorpusStats, stages: list[dict[str, Any]]) -> Any:
    values = [("records", float(stats.read))]
    if stats.quarantined:
        values.append(("readable", float(stats.read - stats.quarantined)))
    values += [(excerpt(stage["name"], 12), float(stage["left"])) for stage in stages]
    return columns(
        "left", "Records left after each stage", values, x_label="stage", y_label="records", logarithmic=False
    )


def _length_chart(stats: CorpusStats) -> Any:
    filled = [place for place, count in enumerate(stats.length_histogram) if count]
    if not filled:
        return None
    names = [_short_power(place) for place in range(filled[0], filled[-1] + 1)]
    counts = [float(count) for count in stats.length_histogram[filled[0] : filled[-1] + 1]]
    return columns(
        "lengths",
        "Documents by length",
        list(zip(names, counts, strict=True)),
        x_label="words, from this number to its double",
        y_label="documents",
        logarithmic=False,
    )


def _short_power(power: int) -> str:
    return str(2**power) if power < 10 else f"{2 ** (power - 10)}k" if power < 20 else f"{2 ** (power - 20)}M"


def _sources(stats: CorpusStats) -> dict[str, Any]:
    """Return the table of sources by reason: the most frequent of both, all others summed up."""
    totals: Counter[str] = Counter()
    rows = list(stats.by_source.items())
    for _, row in [*rows, ("", stats.all_other)]:
        totals.update({outcome: count for outcome, count in row.items() if "/" in outcome})
    shown = [outcome for outcome, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:_REASON_COLUMNS]]
    others = merge_stats([stats.all_other, *(row for _, row in rows[_SOURCE_ROWS:])])
    named = [*rows[:_SOURCE_ROWS], *([("all other sources", others)] if others else [])]
    return {
        "reasons": [outcome.partition("/")[2] for outcome in shown],
        "more_reasons": len(totals) > len(shown),
        "quarantined": stats.quarantined > 0,
        "rows": [_source_row(name, row, shown) for name, row in named],
        "total": _source_row("all", merge_stats(row for _, row in [*rows, ("", stats.all_other)]), shown),
    }


def _source_row(name: str, row: Mapping[str, int], shown: list[str]) -> dict[str, Any]:
    read, dropped = row.get(READ, 0), sum(count for outcome, count in row.items() if "/" in outcome)
    counts = [row.get(outcome, 0) for outcome in shown]
    return {
        "name": excerpt(name, 80),
        "read": read,
        "kept": row.get(KEPT, 0),
        "share": row.get(KEPT, 0) / max(1, read),
        "quarantined": row.get(QUARANTINED, 0),
        "counts": counts,
        "rest": dropped - sum(counts),
    }


def _languages(stats: CorpusStats) -> list[tuple[str, int, float]]:
    """Return documents by language with their shares, the most frequent ones, all others summed up."""
    told = sum(stats.languages.values())
    rows = [(excerpt(name, 20), count) for name, count in list(stats.languages.items())[:_SOURCE_ROWS]]
    others = told - sum(count for _, count in rows)
    rows += [("all others", others)] if others else []
    return [(name, count, count / told) for name, count in rows]


def _near(stats: CorpusStats) -> dict[str, Any] | None:
    """Return the clusters of near-duplicates: sizes, and the largest ones."""
    near = stats.near_duplicates
    if not near or not near["clusters"]:
        return None
    sizes = [(2**power, 2 ** (power + 1) - 1, count) for power, count in enumerate(near["size_histogram"]) if count]
    examples = [
        {"size": example["size"], "documents": [_beginning(row) for row in example["documents"][:2]]}
        for example in near["examples"][:_EXAMPLE_CLUSTERS]
    ]
    return {**near, "sizes": sizes, "examples": examples}


def _beginning(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: excerpt(row[name] or "", most) for name, most in (("id", 60), ("source", 60), ("text", 160))}


def _evaluation(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "file": excerpt(row["file"], 80), "example": excerpt(row["example"], 200)}


def _examples(corpus: Corpus) -> list[dict[str, Any]] | None:
    """Return some rejected documents of each reason, drawn at random by their ids; None if none were kept."""
    folder = corpus.folder / corpus.REJECTED
    if not folder.exists():
        return None
    rejected = Dataset(folder)
    names = list(rejected.shards)
    places = sorted({int(place) for place in np.linspace(0, len(names) - 1, min(len(names), _MOST_SHARDS))})
    best: dict[str, Best] = {}
    texts: dict[int, dict[str, Any]] = {}
    for place in places if names else []:
        start = 0
        for batch in rejected.source(names[place]).batches(["id", "text", "source", "location", "reason"]):
            rows = batch.to_pylist()
            numbers = numbered(place, start, len(rows))
            keys = np.array([zlib.crc32(f"{row['id']}\0{row['text'][:200]}".encode()) for row in rows])
            reasons = np.array([row["reason"] for row in rows], dtype=object)
            for reason in dict.fromkeys(reasons):
                chosen = np.flatnonzero(reasons == reason)
                best.setdefault(reason, Best(EXAMPLES)).offer(keys[chosen], numbers[chosen])
            kept = {int(row) for several in best.values() for row in several.rows}
            texts = {number: row for number, row in texts.items() if number in kept}
            texts.update({int(n): row for n, row in zip(numbers, rows, strict=True) if int(n) in kept})
            start += len(rows)
    counts = corpus.stats().dropped
    order = sorted(best, key=lambda reason: (-counts.get(reason, 0), reason))[:_MOST_REASONS]
    return [
        {
            "reason": reason,
            "count": counts.get(reason, 0),
            "documents": [_example(texts[int(row)]) for row in best[reason].rows],
        }
        for reason in order
    ]


def _example(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": excerpt(row["id"] or "", 60),
        "source": excerpt(row["source"] or "", 60),
        "location": excerpt(row["location"] or "", 40),
        "characters": len(row["text"]),
        "text": excerpt(row["text"], 400),
    }
