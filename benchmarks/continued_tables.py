"""Tables of continued pre-training on what was mined: perplexities, paired differences, document sets, thresholds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from motherlode import Corpus
from motherlode.comparison.results import SETS, read_rows
from motherlode.comparison.summary import Summary
from motherlode.shards.dataset import Dataset
from motherlode.statistics import paired_bootstrap
from scores import plain_table

OURS, MIXED, PAPER = "mine", "mine + seeds", "plain recipe"
AUTO = f"{OURS} auto"
DOMAIN_TEXT, GENERAL_TEXT = "text: domain", "text: general"


def perplexity(mean: float, low: float, high: float) -> str:
    """Write a perplexity with its limits; of minus the loss."""
    return f"{math.exp(-mean):.1f} ({math.exp(-high):.1f}, {math.exp(-low):.1f})"


def gained(gain: Any, wins: bool = False) -> str:
    """Write by how much the loss is lower, with limits."""
    if gain is None:
        return ""
    found = gain.difference
    told = f"{found.mean:+.4f} ({found.low:+.4f}, {found.high:+.4f})"
    return f"{told} {gain.wins:.0%}" if wins else told


def perplexity_table(summary: Summary, text: str) -> str:
    """Lay out perplexities by domain; the last column is the mean loss over domains."""
    setting, lines = summary.settings[0], []
    for method in summary.methods:
        scores = [summary.score(method, domain, setting, text) for domain in summary.outcomes.domains]
        known = [score for score in scores if score is not None]
        mean = sum(-score.mean for score in known) / len(known) if len(known) == len(scores) else math.nan
        lines.append([method, *("" if s is None else perplexity(s.mean, s.low, s.high) for s in scores), f"{mean:.4f}"])
    return plain_table(("variant", *summary.outcomes.domains, "mean loss"), lines)


def gain_tables(summary: Summary) -> str:
    """Lay out how much lower the loss on domains is than that of others: the mean, then by domain for ours."""
    setting, domains = summary.settings[0], summary.outcomes.domains
    against = [name for name in ("general-only", "random", "dsir", PAPER, OURS) if name in summary.methods]
    means, each = [], []
    for method in summary.methods:
        gains = [None if other == method else summary.gain(method, other, None, setting) for other in against]
        means.append([method, *map(gained, gains)])
    for other in [name for name in summary.methods if name != OURS and OURS in summary.methods]:
        gains = [summary.gain(OURS, other, domain, setting) for domain in domains]
        surely = sum(gain is not None and gain.difference.low > 0 for gain in gains)
        worse = sum(gain is not None and gain.difference.high < 0 for gain in gains)
        each.append([other, *(gained(gain, wins=True) for gain in gains), f"{surely} / {worse}"])
    tables = [plain_table(("variant", *(f"lower than {name}" for name in against)), means)]
    if each:
        tables.append(plain_table((f"{OURS} against", *domains, "surely lower / higher"), each))
    return "\n\n".join(tables)


def set_table(out: Path) -> str:
    """Lay out the document sets."""
    lines = []
    for row in sorted(read_rows(out, SETS), key=lambda row: str(row["domain"])):
        numbers = [f"{row[name]:,}" if row[name] is not None else "" for name in ("retrieved", "documents", "words")]
        rates = [f"{row[name]:.3f}" if row[name] is not None else "" for name in ("t_sim", "precision", "recall")]
        lines.append([row["domain"], row["method"], rates[0], *numbers, str(row["leaked"]), *rates[1:]])
    heads = ("domain", "variant", "t_sim", "retrieved", "documents", "words", "held-out text", "precision", "recall")
    return plain_table(heads, lines, left=2)


def sweep_table(summary: Summary, out: Path, domain: str) -> str:
    """Lay out thresholds: what they found, the set that came of it, and the loss of the model trained on it."""
    sets = {row["method"]: row for row in read_rows(out, SETS)}
    setting, lines = summary.settings[0], []
    for method in summary.methods:
        row, score = sets.get(method, {}), summary.score(method, domain, setting)
        gain = None if method == AUTO else summary.gain(method, AUTO, domain, setting)
        told = [f"{row[name]:,}" if row.get(name) is not None else "" for name in ("retrieved", "documents")]
        rates = [f"{row[name]:.3f}" if row.get(name) is not None else "" for name in ("t_sim", "precision", "recall")]
        lines.append([method, rates[0], *told, *rates[1:], "" if score is None else f"{-score.mean:.4f}", gained(gain)])
    heads = ("variant", "t_sim", "retrieved", "documents", "precision", "recall", "loss", f"lower than {AUTO}")
    return plain_table(heads, lines)


def retrieval_table(corpus: Path, mined: Path, domain: str, truth: dict[str, str], thresholds: list[float]) -> str:
    """Lay out what the thresholds alone take: all documents with such a cosine to some seed of the domain."""
    column, names, cosines = f"similarity:{domain}", [], []
    for _, batch in Corpus(corpus).documents.aligned(["id"], [(Dataset(mined / "retrieved"), [column])]):
        names += batch.column("id").to_pylist()
        cosines.append(batch.column(column).to_numpy())
    right, cosine = np.array([truth[name] == domain for name in names]), np.concatenate(cosines)
    lines = []
    for threshold in thresholds:
        kept = cosine >= np.float32(threshold)
        hits = int((kept & right).sum())
        precision = f"{hits / kept.sum():.3f}" if kept.any() else ""
        lines.append([f"{threshold:.2f}", f"{int(kept.sum()):,}", precision, f"{hits / right.sum():.3f}"])
    return plain_table(("t_sim", "documents", "precision", "recall"), lines, left=0)


def ratio_table(found: dict[str, list[dict[str, np.ndarray]]]) -> str:
    """Lay out losses by share of the domain; the first entry is the model that all started from."""
    start, lines = next(iter(found.values()))[0], []
    for name, runs in found.items():
        cells = [name]
        for text in start:
            table = np.stack([run[text] for run in runs])
            cells.append(f"{table.mean():.4f}")
            change = (
                paired_bootstrap(table, np.broadcast_to(start[text], table.shape)) if runs[0] is not start else None
            )
            cells.append("" if change is None else f"{change.mean:+.4f} ({change.low:+.4f}, {change.high:+.4f})")
        lines.append(cells)
    heads = [part for text in start for part in (f"{text} loss", "against base")]
    return plain_table(("ratio", *heads), lines)
