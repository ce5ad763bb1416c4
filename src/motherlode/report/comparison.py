"""The report of a comparison: what is better than what, how surely, and at what cost, from its tables alone.

The same tables give the same bytes. Names come from a configuration and sources from a pool that strangers wrote; all
of it is printed as inert text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from motherlode.comparison.results import COSTS, MIX, SETS, read_rows
from motherlode.comparison.summary import ABOUT, KIND, Gain, Score, Setting, Summary
from motherlode.errors import InputError
from motherlode.report.comparison_findings import findings
from motherlode.report.comparison_parts import ablations, budgets, costs, curves, mix, of_measure, sweep
from motherlode.report.intervals import Interval, intervals
from motherlode.report.page import render
from motherlode.shards import store
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import Manifest

REPORT = "report.html"
NOTES = "notes.json"


def is_comparison(folder: Path | str) -> bool:
    """Return whether a folder holds a comparison, or one that was begun."""
    place = here(folder)
    begun = (place / store.MANIFEST).is_file() and Manifest.read(place).header["kind"] == KIND
    return begun or (place / ABOUT).is_file()


def write_comparison_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of a comparison.

    Args:
        folder: What `compare` wrote.

    Returns:
        The file written.

    Raises:
        InputError: The tables are missing or damaged.
    """
    place = here(folder)
    summaries = Summary.read(place)
    try:
        notes = json.loads((place / NOTES).read_text("utf-8"))
        page = comparison_page(summaries, notes, *(read_rows(place, name) for name in (COSTS, SETS, MIX)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, TemplateError) as error:
        raise InputError(f"is damaged ({error})", where=str(place), hint="run `compare` again") from error
    store.write_text(place / REPORT, page)
    return place / REPORT


def comparison_page(
    summaries: Sequence[Summary],
    notes: Mapping[str, Any],
    spent: Sequence[Mapping[str, Any]],
    sets: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page.

    Args:
        summaries: What the results say.
        notes: Failures, leakage.
        spent: Rows of costs.
        sets: Rows of mining variants' document sets.
        sources: Rows of source mixes.
    """
    about = summaries[0].about if summaries else {}
    values = {
        "about": about,
        "notes": notes,
        "findings": [
            finding
            for summary in summaries
            for measured in (summary, summary.by_probability)
            if measured is not None
            for finding in findings(measured)
        ],
        "comparisons": [_comparison(summary, spent, sets) for summary in summaries],
        "mix": mix(sources),
        "leaks": _leaks(notes),
        "settings": _settings(about),
    }
    return render("comparison.html", values)


def _comparison(
    summary: Summary, spent: Sequence[Mapping[str, Any]], sets: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        **_measured(summary, spent),
        "probability": None if summary.by_probability is None else _measured(summary.by_probability, spent),
        "budgets": budgets(summary),
        "sets": list(sets) if summary.texts else [],
        "sweep": sweep(summary, sets),
    }


def _measured(summary: Summary, spent: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what there is of every measure: scores, gains, ablations, gains beside |D|, N and costs."""
    probability = summary.measure == "probability"
    return {
        "kind": summary.kind,
        "label": f"{summary.kind} by probability" if probability else summary.kind,
        "measure": summary.measure,
        "texts": summary.texts,
        "reference": summary.reference,
        "domains": summary.outcomes.domains,
        "parts": [_part(summary, setting, number) for number, setting in enumerate(summary.settings)],
        "ablations": ablations(summary),
        "curves": curves(summary),
        "costs": [costs(summary, setting, spent, number) for number, setting in enumerate(summary.settings)],
    }


def _part(summary: Summary, setting: Setting, number: int) -> dict[str, Any]:
    domains = summary.outcomes.domains
    best, reference = summary.best_baseline(setting), summary.reference
    rows = [
        {
            "method": method,
            "whole": shown_score(summary.score(method, None, setting), summary.texts),
            "domains": [shown_score(summary.score(method, name, setting), summary.texts) for name in domains],
            "reference": _gain(summary, method, reference, setting),
            "best": _gain(summary, method, best, setting),
        }
        for method in summary.methods
    ]
    marks = []
    for method in summary.methods:
        gain = None if reference in (None, method) else summary.gain(method, str(reference), None, setting)
        if gain is not None:
            marks.append(Interval(method, gain.difference.mean, gain.difference.low, gain.difference.high))
    probability = summary.measure == "probability"
    what = "nats gained" if summary.texts else "probability gained" if probability else "score gained"
    title = f"Gain over {reference}" + (f", {setting}" if str(setting) else "")
    title += of_measure(summary)
    key = f"gains-{summary.kind}-{summary.measure}-{number}"
    image = intervals(key, title, marks, x_label=f"{what}, 95 %") if marks else None
    return {
        "setting": str(setting),
        "best": best,
        "ours": summary.best_of_ours(setting),
        "rows": rows,
        "image": image,
        "title": title,
        "tasks": _tasks(summary, setting),
        "by_domain": _by_domain(summary, setting, reference, best),
    }


def _by_domain(summary: Summary, setting: Setting, reference: str | None, best: str | None) -> list[dict[str, Any]]:
    """Return the best of ours against each domain's reference and best baseline."""
    ours = summary.best_of_ours(setting)
    if ours is None:
        return []
    return [
        {
            "domain": domain,
            "reference": None if reference is None else shown_gain(summary.gain(ours, reference, domain, setting)),
            "best": None if best is None else shown_gain(summary.gain(ours, best, domain, setting)),
        }
        for domain in summary.outcomes.domains
    ]


def _gain(summary: Summary, method: str, against: str | None, setting: Setting) -> dict[str, Any] | None:
    return None if against in (None, method) else shown_gain(summary.gain(method, str(against), None, setting))


def _tasks(summary: Summary, setting: Setting) -> list[dict[str, Any]]:
    """Return all scores by task."""
    tables = []
    for domain in summary.outcomes.domains:
        for task in [*summary.outcomes.tasks(domain), *summary.outcomes.tasks(domain, texts=True)]:
            loss = task in summary.outcomes.tasks(domain, texts=True)
            rows = [
                {"method": method, "score": shown_score(summary.score(method, domain, setting, task), loss)}
                for method in summary.methods
            ]
            known = next(row for row in summary.results if row["task"] == task and row["domain"] == domain)
            tables.append({"domain": domain, "task": task, "known": known, "rows": rows, "loss": loss})
    return tables


def shown_score(score: Score | None, loss: bool = False) -> dict[str, Any] | None:
    """Return a score as it is printed: of texts, the loss."""
    if score is None:
        return None
    mean, low, high = (-score.mean, -score.high, -score.low) if loss else (score.mean, score.low, score.high)
    return {"mean": mean, "low": low, "high": high, "seeds": score.seeds}


def shown_gain(gain: Gain | None) -> dict[str, Any] | None:
    """Return a gain as it is printed."""
    if gain is None:
        return None
    found = gain.difference
    certain = "better" if found.low > 0 else "worse" if found.high < 0 else "open"
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "probability": found.probability,
        "wins": gain.wins,
        "pairs": gain.pairs,
        "certain": certain,
    }


def _leaks(notes: Mapping[str, Any]) -> dict[str, Any] | None:
    pool = notes.get("pool")
    if pool is None:
        return None
    rows = [{"name": "the pool", "rows": pool["rows"], **pool["pool"]}]
    rows += [{"name": f"training files of {name}", **found} for name, found in pool["train"].items()]
    return {"rows": rows, "kept": pool["kept"], "examples": [row for found in rows for row in found["examples"]]}


def _settings(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = ("model", "pool", "sizes", "budgets", "random_seeds", "equal", "share", "decontaminate", "tokens")
    told = [(name.replace("_", " "), json.dumps(about.get(name), ensure_ascii=False)) for name in names]
    for part in ("selection", "training", "evaluation"):
        told += [(f"{part}: {name}", json.dumps(value, ensure_ascii=False)) for name, value in about[part].items()]
    return told
