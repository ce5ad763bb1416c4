"""Parts of a comparison's page: cost against gain, gain along |D| and N, ablations, budgets, sources, the sweep."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from motherlode.comparison.summary import Setting, Summary
from motherlode.report.charts import Series, lines
from motherlode.report.points import Points, points
from motherlode.report.text import excerpt

_SOURCES = 8  # of a method and domain
Rows = Sequence[Mapping[str, Any]]


def costs(summary: Summary, setting: Setting, spent: Rows, number: int) -> dict[str, Any]:
    """Return seconds beside gains, as a table and as a chart."""
    reference = summary.reference
    rows = []
    for method in summary.methods:
        own = [
            row
            for row in spent
            if row["comparison"] == summary.kind
            and row["method"] == method
            and (row["size"], row["n"]) in ((setting.size, setting.n), (None, None))
        ]
        if not own:
            continue
        means = {
            name: sum(row[f"{name}_seconds"] for row in own) / len(own)
            for name in ("selection", "training", "evaluation")
        }
        gain = None if reference in (None, method) else summary.gain(method, str(reference), None, setting)
        gained = 0.0 if method == reference else math.nan if gain is None else gain.difference.mean
        rows.append({"method": method, **means, "gain": None if math.isnan(gained) else gained, "cells": len(own)})
    series = []
    for place, row in enumerate(rows):
        seconds = row["selection"] + row["training"]
        gained = math.nan if row["gain"] is None else row["gain"]
        text = f"{row['method']}: {seconds:.1f} s, {gained:+.3g}"
        series.append(Points(row["method"], [(seconds, gained, text)], place))
    title = f"Gain against cost{of_measure(summary)}"
    image = points(
        f"cost-{summary.kind}-{summary.measure}-{number}",
        title,
        series,
        x_label="seconds to select and train, mean",
        y_label=f"gain over {reference}",
    )
    drawn = reference is not None and rows
    return {"setting": str(setting), "title": title, "rows": rows, "image": image if drawn else None}


def of_measure(summary: Summary) -> str:
    """Return what a chart's title says of the measure, where there are two."""
    return ", probability of the right choice" if summary.measure == "probability" else ""


def curves(summary: Summary) -> list[dict[str, Any]]:
    """Return charts of the gain along |D| (at the largest N) and along N (at the largest |D|)."""
    reference = summary.reference
    if reference is None:
        return []
    drawn = []
    sizes = sorted({setting.size for setting in summary.settings if setting.size is not None})
    budgets = sorted({setting.n for setting in summary.settings if setting.n is not None})
    wanted = []
    if len(sizes) > 1:
        wanted.append(("size", "|D|", [(size, Setting(size, budgets[-1])) for size in sizes], f"N = {budgets[-1]:,}"))
    if len(budgets) > 1:
        wanted.append(("n", "N", [(n, Setting(sizes[-1], n)) for n in budgets], f"|D| = {sizes[-1]:,}"))
    for key, label, places, at in wanted:
        series = []
        for colour, method in enumerate(name for name in summary.methods if name != reference):
            values = []
            for x, setting in places:
                gain = summary.gain(method, reference, None, setting)
                values.append((float(x), math.nan if gain is None else gain.difference.mean))
            series.append(Series(method, values, colour))
        title = f"Gain over {reference} by {label}, {at}{of_measure(summary)}"
        name = f"curve-{key}-{summary.measure}"
        image = lines(name, title, series, x_label=label, y_label="gain", write=lambda v: f"{v:+.3f}")
        legend = [{"name": line.name, "colour": line.colour} for line in series]
        drawn.append({"title": title, "image": image, "legend": legend})
    return drawn


def ablations(summary: Summary) -> list[dict[str, Any]]:
    """Return variants of one method beside the first of them: what was changed, and what that did."""
    groups: dict[str, list[str]] = {}
    for name in summary.methods:
        groups.setdefault(summary.entry(name)["method"], []).append(name)
    found = []
    for method, names in groups.items():
        if len(names) < 2 or method in ("base", "domain-only", "oracle", "general-only"):
            continue
        first = names[0]
        own = summary.entry(first)["options"]
        for name in names[1:]:
            options = summary.entry(name)["options"]
            changed = {
                key: options.get(key, "default") for key in sorted({*own, *options}) if options.get(key) != own.get(key)
            }
            told = ", ".join(f"{key} = {_plain(value)}" for key, value in changed.items())
            for setting in summary.settings:
                gain = summary.gain(name, first, None, setting)
                if gain is not None:
                    row = {"name": name, "against": first, "changed": told, "setting": str(setting)}
                    found.append({**row, "gain": gain})
    return found


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def budgets(summary: Summary) -> list[dict[str, Any]]:
    """Return what each method was trained on: means over domains and random seeds, and the range of tokens."""
    rows = []
    for setting in summary.settings:
        for method in summary.methods:
            own = {
                (row["domain"], row["random_seed"]): row
                for row in summary.results
                if row["method"] == method
                and (row["size"], row["n"]) == (setting.size, setting.n)
                and row["steps"] is not None
            }
            if own:
                tokens = [row["tokens"] for row in own.values()]
                means = {name: _mean([row[name] for row in own.values()]) for name in ("selected", "samples", "steps")}
                rows.append(
                    {
                        "setting": str(setting),
                        "method": method,
                        "tokens": _mean(tokens),
                        "least": min(tokens),
                        "most": max(tokens),
                        **means,
                    }
                )
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def mix(sources: Rows) -> list[dict[str, Any]]:
    """Return, for each method and domain, the sources that it prefers, over all sizes, budgets and random seeds."""
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for row in sources:
        counts = groups.setdefault((row["domain"], row["method"]), {}).setdefault(row["source"], [0, 0])
        counts[0] += row["candidates"]
        counts[1] += row["selected"]
    found = []
    for (domain, method), group in sorted(groups.items()):
        there, taken = (max(1, sum(pair[side] for pair in group.values())) for side in (0, 1))
        best = sorted(group.items(), key=lambda item: (-item[1][1], item[0]))[:_SOURCES]
        parts = [
            {
                "name": excerpt(name, 40),
                "share": pair[1] / taken,
                "times": (pair[1] / taken) / (pair[0] / there) if pair[0] else 0.0,
            }
            for name, pair in best
            if pair[1]
        ]
        found.append({"domain": domain, "method": method, "parts": parts})
    return found


def sweep(summary: Summary, sets: Rows) -> list[dict[str, Any]]:
    """Return charts along the retrieval threshold: set size, and the loss on held-out text."""
    if not summary.texts:
        return []
    drawn = []
    for number, domain in enumerate(summary.outcomes.domains):
        own = sorted(
            (row for row in sets if row["domain"] == domain and row["t_sim"] is not None), key=lambda row: row["t_sim"]
        )
        if len({row["t_sim"] for row in own}) < 3:
            continue
        scores = [(row, summary.score(row["method"], domain, summary.settings[0])) for row in own]
        losses = [(row["t_sim"], math.nan if score is None else -score.mean) for row, score in scores]
        sizes = [(row["t_sim"], float(row["documents"])) for row in own]
        for key, title, values, label in (
            ("size", f"Documents of {domain} by threshold", sizes, "documents"),
            ("loss", f"Loss on held-out text of {domain} by threshold", losses, "nats a token"),
        ):
            image = lines(
                f"sweep-{key}-{number}",
                title,
                [Series(label, values, number)],
                x_label="t_sim",
                y_label=label,
                from_zero=key == "size",
            )
            drawn.append({"title": title, "image": image})
    return drawn
