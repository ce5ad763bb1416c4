"""A seed check as tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from motherlode.seeds.check import Coverage, SeedCheck

METRICS = (
    ("type-token ratio", "type_token_ratio", 3),
    ("  moving average, 50 words", "moving_type_token_ratio", 3),
    ("hapax ratio", "hapax_ratio", 3),
    ("lexical density", "lexical_density", 3),
    ("lexical richness (MTLD)", "richness", 1),
    ("Yule's K", "yule_k", 1),
    ("Flesch reading ease", "reading_ease", 1),
    ("Flesch-Kincaid grade", "grade", 1),
    ("words in a sentence", "sentence_length", 1),
    ("letters in a word", "word_length", 2),
)
_PAIRS_SHOWN = 10


def print_check(found: SeedCheck, console: Console | None = None) -> None:
    """Print a seed check: metrics, coverage, near-duplicates, verdicts.

    Args:
        found: What `check` returned.
        console: Where to; by default standard output.
    """
    console = console or Console()
    labels = ", ".join(f"{label} {count}" for label, count in found.labels.items())
    console.print(f"[bold]{escape(found.name)}[/]: {found.count} seeds ({escape(labels)})", highlight=False)
    console.print(f"{found.several_labels} with several labels, {found.topics} distinct topics\n", highlight=False)
    console.print(_metrics(found))
    console.print(_coverage(found))
    if found.near_duplicates:
        console.print(_near_duplicates(found))
    for verdict in found.verdicts:
        style = "red" if verdict.level == "fix" else "yellow"
        console.print(f"[{style}]{verdict.level}[/]: {escape(verdict.what)}; {escape(verdict.hint)}", highlight=False)
    console.print("[green]nothing must be fixed[/]" if found.ok else "[red]fix the above before mining[/]")


def _metrics(found: SeedCheck) -> Table:
    real = f" (real: {found.real.documents} of the corpus)" if found.real else ""
    table = Table(title=f"means over documents{real}", title_justify="left")
    table.add_column("metric", no_wrap=True)
    columns = [("seeds", found.lexical)]
    if found.real is not None:
        columns = [
            ("real", found.real),
            (f"real, first {round(found.words.median)} words", found.real_cut),
            ("seeds", found.lexical),
        ]
    for title, _ in columns:
        table.add_column(title, justify="right")
    for title, name in (("words, least", "least"), ("words, median", "median"), ("words, most", "most")):
        spreads = [found.real_words, None, found.words] if found.real is not None else [found.words]
        table.add_row(title, *(f"{getattr(spread, name):g}" if spread else "" for spread in spreads))
    for title, name, digits in METRICS:
        table.add_row(
            title, *(f"{getattr(summary.mean, name):.{digits}f}" if summary else "" for _, summary in columns)
        )
    return table


def _coverage(found: SeedCheck) -> Table:
    table = Table(title="coverage of the template", title_justify="left")
    table.add_column("dimension")
    table.add_column("covered", justify="right")
    table.add_column("missing")
    rows: list[tuple[str, Coverage]] = [
        ("document type", found.types),
        ("demeanour", found.demeanours),
        ("length", found.lengths),
    ]
    for title, coverage in rows:
        covered = coverage.required - len(coverage.missing)
        table.add_row(title, f"{covered} of {coverage.required}", ", ".join(coverage.missing))
    return table


def _near_duplicates(found: SeedCheck) -> Table:
    count = len(found.near_duplicates)
    shown = f", the first {_PAIRS_SHOWN}" if count > _PAIRS_SHOWN else ""
    table = Table(title=f"near-duplicate pairs: {count}{shown}", title_justify="left")
    table.add_column("seed")
    table.add_column("seed")
    table.add_column("Jaccard", justify="right")
    for left, right, value in found.near_duplicates[:_PAIRS_SHOWN]:
        table.add_row(escape(left), escape(right), f"{value:.2f}")
    return table
