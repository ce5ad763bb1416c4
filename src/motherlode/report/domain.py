"""One domain's part of the mining report: its charts, its tables, its documents."""

from __future__ import annotations

from typing import Any

from motherlode.mining.calibrate import PAPER_THRESHOLD
from motherlode.mining.label import round_column, score_column
from motherlode.mining.result import DomainResult
from motherlode.mining.retrieve import BINS, at_least, nearest_column, similarity_column
from motherlode.report.charts import Marker, Series, colour_class, columns, histogram, lines
from motherlode.report.mined import PER_SOURCE, Mined, View
from motherlode.report.rows import Tally
from motherlode.report.svg import number
from motherlode.report.text import excerpt

_LISTED = 8  # lines of a table
_MOST_IDLE = 200
_FINE_BINS = 140  # more bins than these are joined in pairs
_COUNT_AXIS = "documents (log scale)"

Found = dict[int, dict[str, Any]]


def domain_part(mined: Mined, view: View, found: Found, histogram_counts: list[int], place: int) -> dict[str, Any]:
    """Gather what the template prints of a domain.

    Args:
        mined: The run.
        view: What the pass found.
        found: Columns of the chosen rows.
        histogram_counts: Documents by cosine to the nearest seed, in the bins of `motherlode.mining.retrieve`.
        place: The domain's place among the run's domains; its colour and shape.

    Returns:
        Values by name.
    """
    name = list(mined.result.domains)[place]
    result, seen = mined.result.domains[name], view.domains[name]
    key = f"domain-{place}"
    order = sorted(range(len(mined.seeds)), key=lambda seed: (-int(seen.near[seed]), seed))[:_LISTED]
    sources = sorted(seen.sources.items(), key=lambda item: (-item[1], item[0]))
    return {
        "name": name,
        "number": place,
        "colour": colour_class(place),
        "result": result,
        "folder": f"domains/{name}",
        "findings": [finding for finding in mined.result.findings if finding.domain == name],
        "similarity": _similarity(f"{key}-similarity", result, histogram_counts, place),
        "score": histogram(
            f"{key}-score",
            f"Scores of {name}",
            result.score_histogram,
            0,
            1,
            x_label="score (probability by the classifier)",
            y_label=_COUNT_AXIS,
            marker=Marker(result.score_threshold, f"threshold {number(result.score_threshold, 3)}"),
            colour=place,
        ),
        "sweep": _sweep(f"{key}-sweep", result, place),
        "rounds": lines(
            f"{key}-rounds",
            f"Documents labelled {name} by round",
            [Series(name, [(r["round"], r["labelled"].get(name, 0)) for r in mined.result.rounds], place)],
            x_label="round",
            y_label="documents",
        ),
        "chance": result.calibration.curve[0][2] if result.calibration.curve else 0.0,
        "confirmed": int(seen.near_labelled.sum()) / max(1, int(seen.near.sum())),
        "at_085": at_least(histogram_counts, PAPER_THRESHOLD),
        "sources": [
            Tally(excerpt(source, 60), mined.stats.sources[source], chosen) for source, chosen in sources[:_LISTED]
        ],
        "more_sources": len(sources) if len(sources) > _LISTED else 0,
        "seeds": [_seed_line(mined, seen.near, seen.near_labelled, seed) for seed in order if seen.near[seed]],
        "idle": [excerpt(seed, 80) for seed in result.idle_seeds[:_MOST_IDLE]],
        "more_idle": max(0, len(result.idle_seeds) - _MOST_IDLE),
        **{
            kind: [_document(mined, found[int(row)], result) for row in rows]
            for kind, rows in (("top", seen.most_certain()), ("above", seen.above.rows), ("below", seen.below.rows))
        },
        "per_source": PER_SOURCE,
    }


def _similarity(key: str, result: DomainResult, counts: list[int], place: int) -> Any:
    """Draw the histogram of cosines over the range that holds any, and the threshold."""
    calibration = result.calibration
    at = int((calibration.threshold + 1) * BINS / 2 + 1e-6)
    used = [number for number, count in enumerate(counts) if count] + [min(max(at, 0), BINS - 1)]
    first, last = max(0, min(used) - 2), min(BINS, max(used) + 3)
    step = 1 if last - first <= _FINE_BINS else 2
    first = max(0, first - (at - first) % step)
    shown = [sum(counts[start : start + step]) for start in range(first, last, step)]
    low, high = first / (BINS / 2) - 1, (first + step * len(shown)) / (BINS / 2) - 1
    precision = [(t, p) for t, _, p in calibration.curve if low <= t <= high]
    return histogram(
        key,
        f"Documents by similarity to the nearest seed of {result.name}",
        shown,
        low,
        high,
        x_label="cosine to the nearest seed",
        y_label=f"{_COUNT_AXIS}; right: estimated precision",
        marker=Marker(calibration.threshold, f"t_sim {number(calibration.threshold, 3)}"),
        share=Series("estimated precision", precision),
        colour=place,
    )


def _sweep(key: str, result: DomainResult, place: int) -> Any:
    used = round(result.calibration.threshold, 6)
    kept = {round(threshold, 6): count for threshold, count in result.calibration.sweep}
    kept[used] = result.calibration.kept
    order = sorted(kept)
    return columns(
        key,
        f"Documents of {result.name} kept at other thresholds",
        [(f"{number(t, 3)} used" if t == used else f"{t:.2f}", kept[t]) for t in order],
        x_label="threshold (cosine)",
        y_label=_COUNT_AXIS,
        highlight=order.index(used),
        colour=place,
    )


def _seed_line(mined: Mined, near: Any, labelled: Any, seed: int) -> dict[str, Any]:
    tally = Tally(excerpt(mined.seeds[seed].id, 60), int(near[seed]), int(labelled[seed]))
    return {"name": tally.name, "all": tally.all, "share": tally.share, "type": excerpt(mined.seeds[seed].type, 40)}


def _document(mined: Mined, row: dict[str, Any], result: DomainResult) -> dict[str, Any]:
    name = result.name
    near, similarity = row[nearest_column(name)], row[similarity_column(name)]
    first = row[round_column(name)]
    seed = mined.seeds[near] if near >= 0 else None
    return {
        "id": excerpt(row["id"], 80),
        "source": excerpt(row["source"] or "", 80),
        "words": row["words"],
        "score": row[score_column(name)],
        "similarity": similarity,
        "retrieved": similarity >= result.calibration.threshold,
        "since": f"since round {first}" if first >= 0 else "in no round",
        "others": [label for label in row["labels"] if label != name],
        "text": excerpt(row["text"]),
        "seed": seed and {"id": excerpt(seed.id, 80), "type": excerpt(seed.type, 40), "text": excerpt(seed.text)},
    }
