"""Sets of seeds side by side on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from motherlode.mining.compare_seeds import SetCompared
from motherlode.seeds.check import Coverage
from motherlode.seeds.table import METRICS


def print_compared(sets: Sequence[SetCompared], console: Console | None = None) -> None:
    """Print sets of seeds side by side, a column each.

    Args:
        sets: What `motherlode.mining.compare_seeds.compare` returned.
        console: Where to; by default standard output.
    """
    console = console or Console()
    table = Table(box=None)
    table.add_column("")
    for one in sets:
        table.add_column(escape(one.name), justify="right", overflow="fold")
    rows: list[tuple[str, list[str]]] = [
        ("seeds", [f"{one.check.count:,}" for one in sets]),
        ("on two domains", [f"{one.check.several_labels:,}" for one in sets]),
        ("words, median", [f"{one.check.words.median:g}" for one in sets]),
    ]
    for title, metric, digits in METRICS:
        means = [None if one.check.lexical is None else getattr(one.check.lexical.mean, metric) for one in sets]
        rows.append((title, ["" if mean is None else f"{mean:.{digits}f}" for mean in means]))
    for title, name in (
        ("types covered", "types"),
        ("demeanours covered", "demeanours"),
        ("lengths covered", "lengths"),
    ):
        coverages: list[Coverage] = [getattr(one.check, name) for one in sets]
        rows.append((title, [f"{c.required - len(c.missing)} of {c.required}" for c in coverages]))
    rows += [
        ("near-duplicate pairs", [f"{len(one.check.near_duplicates):,}" for one in sets]),
        ("cosine to the nearest other seed", ["" if s.neighbour is None else f"{s.neighbour:.3f}" for s in sets]),
        ("effective number of seeds (Vendi)", [f"{one.effective:.1f}" for one in sets]),
    ]
    yields = [one.found for one in sets if one.found is not None]
    if len(yields) == len(sets):
        rows += [
            ("documents looked at", [f"{y.documents:,}" for y in yields]),
            ("calibrated threshold", [f"{y.threshold:.3f}" for y in yields]),
            ("documents found", [f"{y.found:,}" for y in yields]),
            ("  per seed, mean", [f"{y.per_seed:,.1f}" for y in yields]),
            ("seeds that find nothing", [f"{len(y.idle):,}" for y in yields]),
            ("seeds that find other domains", [f"{len(y.foreign):,}" for y in yields]),
        ]
    for title, cells in rows:
        table.add_row(title, *cells)
    console.print(table)
