"""The report of a selection: how its scores are spread, which sources it prefers, what is at its two ends.

Drawn from the record that `select` writes beside its rows, so that a page can be made long after the run; with the
rows at hand, it also shows the best and the last of them. The same record gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from motherlode.errors import InputError
from motherlode.models.samples import to_sample
from motherlode.report.charts import HEIGHT, WIDTH, Series, columns, histogram, lines
from motherlode.report.page import render
from motherlode.report.svg import element, join, number
from motherlode.report.text import excerpt
from motherlode.seeds.files import read_records
from motherlode.shards import store
from motherlode.shards.local_copy import here

_SHOWN = 8  # of the best and of the last
_EXCERPT = 600
_SOURCES = 24
_COLUMNS = 6
_GAP = 30.0
_OWN = ("score", "rank", "nearest")
_TOLD = ("kernel", "engine", "normalize", "preselect", "preselect_encoder", "preselect_factor", "near_duplicates")


def is_selection(path: Path | str) -> bool:
    """Return whether a path is a selection's rows or its record."""
    return here(path).is_file() and (_record_of(here(path)).is_file() or here(path).name.endswith(".record.json"))


def _record_of(path: Path) -> Path:
    return path if path.name.endswith(".record.json") else path.with_suffix(".record.json")


def write_selection_report(path: Path | str) -> Path:
    """Write `NAME.report.html` beside a selection.

    Args:
        path: The rows that `select` wrote, or their record.

    Returns:
        The file written.

    Raises:
        InputError: The record is missing or damaged.
    """
    record_path = _record_of(here(path))
    name = record_path.name.removesuffix(".record.json")
    rows = record_path.with_name(f"{name}.jsonl") if here(path) == record_path else here(path)
    try:
        record = json.loads(record_path.read_text("utf-8"))
        found = [row for _, row in read_records(rows)] if rows.is_file() and record["selected"] else []
        page = selection_page(record, found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TemplateError):
        raise InputError("is no record of a selection", where=str(record_path), hint="select again") from None
    out = record_path.with_name(f"{name}.report.html")
    store.write_text(out, page)
    return out


def selection_page(record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page of a selection.

    Args:
        record: What `select` recorded.
        rows: The selected rows in order, if they are at hand.
    """
    last = max(_SHOWN, len(rows) - _SHOWN)
    options = record["options"]
    values = {
        "record": record,
        "method": options["method"],
        "mix": _mix(record),
        "more_sources": max(0, len(record["sources"]) - _SOURCES),
        "best": [_shown(row, options["fields"]) for row in rows[:_SHOWN]],
        "last": [_shown(row, options["fields"]) for row in rows[last:]],
        "left_out": sum(record["left_out"].values()),
        "model": record.get("model"),
        "losses": _losses(record),
        "told": [(name.replace("_", "-"), str(options[name])) for name in _TOLD] if options["method"] == "ntk" else [],
        **_charts(record),
    }
    return render("selection.html", values)


def selection_svg(record: Mapping[str, Any]) -> str:
    """Return the charts of a selection side by side, as one SVG file."""
    drawn = _charts(record)
    images = [drawn["histogram"], drawn["curve"]]
    taken = [(excerpt(row["name"], 12), row["selected"]) for row in _mix(record) if row["selected"]][:_COLUMNS]
    if taken:
        title = "Selected samples by source"
        images.append(columns("sources", title, taken, x_label="source", y_label="selected samples", logarithmic=False))
    width = len(images) * (WIDTH + _GAP) + _GAP
    height = HEIGHT + 2 * _GAP
    style = files("motherlode.report").joinpath("templates/style.css").read_text("utf-8")
    placed = (
        element("g", _as_group(image), transform=f"translate({number(_GAP + place * (WIDTH + _GAP))} {number(_GAP)})")
        for place, image in enumerate(images)
    )
    whole = element(
        "svg",
        element("style", Markup(style)),  # noqa: S704 - a file of this package
        element("rect", width=width, height=height, style="fill: var(--paper)"),
        join(placed),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
    )
    return f"{whole}\n"


def _as_group(image: Markup) -> Markup:
    """Turn an image into a group of its own size: within another image, its width would be all of that one's."""
    inside = re.sub(r"^<svg [^>]*>", '<g class="chart">', str(image)).removesuffix("</svg>")
    return Markup(f"{inside}</g>")  # noqa: S704 - markup that the charts made


def _charts(record: Mapping[str, Any]) -> dict[str, Markup]:
    found = record["score_summary"]
    width = (found["high"] - found["low"]) / len(found["scored"])
    share = [
        (found["low"] + (place + 0.5) * width, chosen / scored if scored else float("nan"))
        for place, (scored, chosen) in enumerate(zip(found["scored"], found["selected"], strict=True))
    ]
    unit = 10.0 ** _exponent(max(abs(found["low"]), abs(found["high"])))
    label = "score" if unit == 1 else f"score / {unit:.0e}"
    bars = histogram(
        "histogram",
        "Scores of all scored candidates",
        found["scored"],
        found["low"] / unit,
        found["high"] / unit,
        x_label=label,
        y_label="candidates",
        share=Series("selected", [(x / unit, y) for x, y in share]),
    )
    pairs = (("scored", "ranks", "by_rank", 7), ("selected", "selected_ranks", "selected_by_rank", 0))
    series = [
        Series(name, [(rank, value / unit) for rank, value in zip(found[x], found[y], strict=True)], colour)
        for name, x, y, colour in pairs
    ]
    curve = lines("curve", "Score by rank", series, x_label="rank by score", y_label=label, from_zero=False)
    return {"histogram": bars, "curve": curve}


def _exponent(largest: float) -> int:
    """Return the power of ten that scores are divided by, 0 where their ticks read well as they are."""
    if largest == 0 or 0.01 <= largest < 1e6:
        return 0
    return int(f"{largest:e}".split("e")[1])


def _mix(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return sources, those with the most selected samples first."""
    counts = record["sources"]
    all_there, all_taken = (max(1, sum(pair[side] for pair in counts.values())) for side in (0, 1))
    rows = [
        {
            "name": excerpt(name, 60),
            "there": there,
            "selected": taken,
            "share_there": there / all_there,
            "share_selected": taken / all_taken,
            "times": (taken / all_taken) / (there / all_there) if there else 0.0,
        }
        for name, (there, taken) in counts.items()
    ]
    return sorted(rows, key=lambda row: (-row["selected"], -row["there"], row["name"]))[:_SOURCES]


def _losses(record: Mapping[str, Any]) -> Markup | None:
    losses = (record.get("model") or {}).get("warmup_losses") or []
    if len(losses) < 2:
        return None
    points = [(place + 1.0, float(loss)) for place, loss in enumerate(losses)]
    title = "Loss of the warm-up"
    return lines(
        "losses", title, [Series("loss", points)], x_label="optimiser step", y_label="mean completion loss, nats"
    )


def _shown(row: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    own = {name: row.get(f"motherlode_{name}") for name in _OWN}
    try:
        text = to_sample(row, fields).text
    except InputError:  # changed since it was written
        text = json.dumps(row, ensure_ascii=False)
    score = own["score"]
    shown = f"{score:.4g}" if isinstance(score, float) else str(score)
    return {**own, "score": shown, "text": excerpt(text, _EXCERPT)}
