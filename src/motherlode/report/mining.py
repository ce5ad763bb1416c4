"""The report of a mined folder: what was mined from what, whether to trust it, and what to look at.

One self-contained `report.html` beside the results. It is read by someone who has no labels either, so it shows what
can be judged by eye: the documents that the classifier is surest of and those on the line, with the seeds that found
them, the thresholds with the curves that they were read off, and a map. The same run gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from motherlode.encode.vectors import COLUMN
from motherlode.errors import InputError
from motherlode.judge.judge import Judged
from motherlode.mining.counts import merge_counts
from motherlode.mining.label import score_column
from motherlode.report.domain import Found, domain_part
from motherlode.report.mined import Mined, View
from motherlode.report.page import in_words, listed, render, some
from motherlode.report.projection import project
from motherlode.report.scatter import Dot, scatter
from motherlode.report.text import excerpt
from motherlode.shards import store
from motherlode.shards.location import location
from motherlode.shards.manifest import Manifest

REPORT = "report.html"
_HOVER = 140  # characters of a text in a hover text
_MOST_SEEDS = 600  # on the map
_NAMED = 5  # domains that the headline names
_METHOD = (
    "Marks are laid out by t-SNE on the stored vectors, seeds and documents centred separately; the first layout is a "
    "linear discriminant analysis of the labels, which decides where on the page a label lies, not what lies together."
)


def is_mined(folder: Path | str) -> bool:
    """Return whether a folder is that of a run of `mine`."""
    try:
        return bool(Manifest.read(location(folder)).header["kind"] == "mined")
    except InputError:
        return False


def write_report(folder: Path | str, *, map_points: int = 1500, random_seed: int = 0) -> Path:
    """Write `report.html` into a mined folder.

    Args:
        folder: The output folder of `mine`, with `result.json`; its corpus is read too.
        map_points: Documents on the map, at most; half at random, half with labels. 0: no map.
        random_seed: Seed of the map's sample and layout.

    Returns:
        The file written.

    Raises:
        InputError: A number is out of range, or the folder or its corpus is missing, incomplete or damaged.
        StorageError: The file cannot be written; an earlier report stays as it was.
    """
    if not 0 <= map_points <= 20_000:
        raise InputError(f"{map_points} is out of range", where="--map-points", hint="use a number from 0 to 20000")
    folder = location(folder)
    mined = Mined(folder)
    view = mined.look(map_points, random_seed)
    with_map = map_points > 0 and mined.vectors is not None
    drawn = {int(row) for row in view.sample.rows} | {int(r) for d in view.domains.values() for r in d.sample.rows}
    shown = {int(r) for d in view.domains.values() for best in (d.above, d.below) for r in best.rows}
    shown |= {row for domain in view.domains.values() for row in domain.most_certain()}
    found = mined.read(shown, vectors=False)
    on_map = mined.read(drawn, vectors=True) if with_map else {}
    values = _overview(mined, view)
    values["judged"] = Judged.read(folder)
    values["map"] = _map(mined, view, on_map, random_seed) if on_map else None
    stats = merge_counts(mined.retrieved, mined.matrix.names)
    values["domains"] = [
        domain_part(mined, view, found, stats[f"histogram:{name}"], place)
        for place, name in enumerate(mined.result.domains)
    ]
    path = folder / REPORT
    store.write_text(path, render("mining.html", values))
    return path


def _overview(mined: Mined, view: View) -> dict[str, Any]:
    result, stats = mined.result, mined.stats
    names = list(result.domains)
    wanted = listed(names) if len(names) <= _NAMED else f"{in_words(len(names))} domains"
    labelled = result.documents - view.unlabelled
    dropped = sum(stats.dropped.values())
    read = max(1, stats.read)
    rows = [("records read", stats.read, True)]
    rows += [(f"dropped: {reason}", count, False) for reason, count in sorted(stats.dropped.items())]
    rows += [("quarantined: could not be read", stats.quarantined, False), ("kept as documents", stats.kept, True)]
    rows += [("without a label", view.unlabelled, False), ("with at least one label", labelled, True)]
    return {
        "result": result,
        "names": names,
        "headline": f"{wanted}, mined from {some(result.documents, 'document')}",
        "corpus_name": excerpt(mined.corpus.folder.resolve().name, 60),
        "contrast": list(result.contrast),
        "seeds": len(mined.seeds),
        "labelled": labelled,
        "documents_or_one": max(1, result.documents),
        "exported": sum(domain.documents for domain in result.domains.values()),
        "words": sum(domain.words for domain in result.domains.values()),
        "stats": stats,
        "dropped": dropped,
        "funnel": [{"name": n, "count": c, "share": c / read, "total": t} for n, c, t in rows],
        "last_round": result.rounds[-1] if result.rounds else None,
    }


def _map(mined: Mined, view: View, found: Found, random_seed: int) -> dict[str, Any]:
    names = list(mined.result.domains)
    rows = sorted(found)
    columns = [mined.matrix.names.index(name) for name in names]
    seed_labels = mined.matrix.labels[:, columns]
    chosen = _spread(len(mined.seeds), _MOST_SEEDS)
    series: list[int | None] = [_strongest(found[row], names) for row in rows]
    series += [int(seed_labels[seed].argmax()) if seed_labels[seed].any() else None for seed in chosen]
    vectors = np.concatenate(
        [np.array([found[row][COLUMN] for row in rows], dtype=np.float32), mined.matrix.vectors[chosen]]
    )
    is_seed = np.arange(len(vectors)) >= len(rows)
    kinds = np.array([len(names) if place is None else place for place in series], dtype=np.int64)
    places = project(vectors, kinds, is_seed, random_seed)
    texts = [_document_hover(found[row]) for row in rows] + [_seed_hover(mined, seed) for seed in chosen]
    dots = [
        Dot(float(x), float(y), place, text, large=bool(large))
        for (x, y), place, text, large in zip(places, series, texts, is_seed, strict=True)
    ]
    said = "; ".join(
        f"{name}: {some(sum(p == n for p in series[: len(rows)]), 'document')}" for n, name in enumerate(names)
    )
    return {
        "image": scatter("map", "Map of seeds and documents", said, dots),
        "documents": len(rows),
        "random": len(view.sample.rows),
        "seeds": len(chosen),
        "method": _METHOD,
    }


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` numbers below `count`, evenly spread."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, most))}) if count else []


def _strongest(row: dict[str, Any], names: list[str]) -> int | None:
    """Return the place of the label with the highest score, if the document has any."""
    places = [names.index(label) for label in row["labels"] if label in names]
    return max(places, key=lambda place: (row[score_column(names[place])], -place), default=None)


def _document_hover(row: dict[str, Any]) -> str:
    labels = listed(row["labels"]) or "no label"
    return f"{excerpt(row['id'], 60)} ({labels})\n{excerpt(row['text'], _HOVER)}"


def _seed_hover(mined: Mined, seed: int) -> str:
    known = mined.seeds[seed]
    return f"seed {excerpt(known.id, 60)} ({listed(known.labels)})\n{excerpt(known.text, _HOVER)}"
