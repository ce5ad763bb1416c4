"""What a comparison shows, in sentences: said only as far as the intervals carry it, and of which measure.

Verdicts on scores rest on the tasks' metrics (of mining: on losses). Those on the probability of the right choice say
so, and say `higher`, not `better`: a method may give right choices more, and choose no more of them.
"""

from __future__ import annotations

from typing import Any

from motherlode.comparison.summary import Gain, Setting, Summary
from motherlode.report.intervals import signed


def findings(summary: Summary) -> list[dict[str, Any]]:
    """Return sentences on a measure, each with whether it is good news, bad news or neither."""
    found: list[dict[str, Any]] = []
    probability = summary.measure == "probability"
    unit = "nats" if summary.texts else "of probability" if probability else "of score"
    for setting in summary.settings:
        at = f" at {setting}" if str(setting) else ""
        ours, reference, best = summary.best_of_ours(setting), summary.reference, summary.best_baseline(setting)
        if ours is not None and reference is not None:
            found.append(_against(summary, ours, reference, setting, at, unit))
        if ours is not None and best is not None and best != reference:
            found.append(_against(summary, ours, best, setting, at, unit, ", the best baseline"))
        if reference is not None and best is not None and ours is None and best != reference:
            found.append(_against(summary, best, reference, setting, at, unit))
    if probability:
        return [item for item in found if item]
    for row in summary.below_chance():
        cell = f"`{row['method']}` on {row['task']}" + ("" if row["n"] is None else f", N = {row['n']:,}")
        seed = "" if row["random_seed"] is None else f", random seed {row['random_seed']}"
        text = f"{cell}{seed}: {row['score']:.3f} is below chance ({row['chance']:.3f}), interval and all"
        found.append({"text": text, "certain": "worse"})
    if len(summary.about["random_seeds"]) < 3:
        seeds = len(summary.about["random_seeds"])
        text = f"{seeds} random seed{'s' if seeds > 1 else ''}: how much training differs between runs is hardly known"
        found.append({"text": text, "certain": "open"})
    return [item for item in found if item]


def _against(
    summary: Summary, method: str, other: str, setting: Setting, at: str, unit: str, more: str = ""
) -> dict[str, Any]:
    gain = summary.gain(method, other, None, setting)
    if gain is None:
        return {}
    domains = [summary.gain(method, other, domain, setting) for domain in summary.outcomes.domains]
    surely = sum(part is not None and part.difference.low > 0 for part in domains)
    probability = summary.measure == "probability"
    what = "Probability of the right choice: " if probability else ""
    said = f"{what}`{method}` against `{other}`{more}{at}: {_interval(gain)} {unit}"
    counted = f"; above 0 with its interval in {surely} of {len(domains)} domains" if len(domains) > 1 else ""
    certain = "better" if gain.difference.low > 0 else "worse" if gain.difference.high < 0 else "open"
    words = {"better": "higher", "worse": "lower"} if probability else {"better": "better", "worse": "worse"}
    verdict = words.get(certain, "no difference is shown")
    return {"text": f"{said}: {verdict}{counted}", "certain": certain}


def _interval(gain: Gain) -> str:
    found = gain.difference
    return f"{signed(found.mean)} (95 %: {signed(found.low)} to {signed(found.high)})"
