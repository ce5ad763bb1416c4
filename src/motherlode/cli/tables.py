"""Tables for a terminal. Mined text is printed without markup and without control characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from motherlode.shards.manifest import merge_stats

if TYPE_CHECKING:
    from motherlode.corpus.corpus import Corpus, CorpusStats
    from motherlode.demo.run import TopicScore
    from motherlode.mining.result import MineResult
    from motherlode.mining.search import Hit

_MOST_SOURCES = 40  # rows of a table
_MOST_LANGUAGES = 20


def plain(text: str, width: int | None = None) -> Text:
    """Make a text safe to print: control and format characters become spaces, no markup is read.

    Args:
        text: Any text, e.g. mined.
        width: Characters after which it is cut.

    Returns:
        The text for `rich`.
    """
    clean = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    clean = " ".join(clean.split())
    if width is not None and len(clean) > width:
        clean = clean[: width - 1] + "…"
    return Text(clean)


def table_of(title: str, columns: Sequence[str]) -> Table:
    """Begin a table: first column to the left, numbers to the right."""
    heading = plain(title) if title else None  # no markup: it may name a folder
    table = Table(
        title=heading, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    return table


def print_corpus(corpus: Corpus, sources: bool) -> None:
    """Print what became of every record, and the documents by length and source."""
    stats, console = corpus.stats(), Console()
    table = table_of(f"{corpus.folder}", ["records", "count", "share", "left"])
    left = stats.read
    table.add_row("read", f"{stats.read:,}", "", f"{left:,}")
    if stats.quarantined:
        left -= stats.quarantined
        table.add_row("quarantined: could not be read", *_counted(stats.quarantined, stats.read), f"{left:,}")
    for stage, reasons in stats.stages.items():
        for number, (reason, count) in enumerate(reasons.items(), start=1):
            left -= count
            shown = f"{left:,}" if number == len(reasons) else ""
            table.add_row(plain(f"{stage}: {reason}"), *_counted(count, stats.read), shown)
    table.add_row("kept", *_counted(stats.kept, stats.read), "")
    console.print(table)
    if not stats.adds_up:
        console.print("these counts do not add up: the corpus is damaged", style="bold red")
    for name, value in {**stats.notes, "chunks": stats.chunks}.items():
        if value:
            which = (
                f" ({', '.join(plain(file, 60).plain for file in stats.skipped)})" if name == "files_skipped" else ""
            )
            console.print(Text(f"{name.replace('_', ' ')}: {value:,}{which}"))
    if not sources:
        return
    if stats.languages:
        console.print()
        table = table_of("Documents by language, dropped ones included", ["language", "documents", "share"])
        told = sum(stats.languages.values())
        frequent = list(stats.languages.items())[:_MOST_LANGUAGES]
        others = told - sum(count for _, count in frequent)
        for language, count in [*frequent, *([("all others", others)] if others else [])]:
            table.add_row(plain(language), f"{count:,}", f"{count / told:.1%}")
        console.print(table)
    console.print()
    _print_decisions(stats, console)
    table = table_of("Documents by length, duplicates included", ["words", "documents", ""])
    most = max(stats.length_histogram, default=0)
    for number, count in enumerate(stats.length_histogram):
        if count:
            bar = Text("█" * max(1, round(30 * count / most)), style="cyan")
            table.add_row(f"{2**number:,} to {2 ** (number + 1) - 1:,}", f"{count:,}", bar)
    table.columns[2].justify = "left"
    console.print(table)
    console.print()
    _print_sources(stats, console)


def _counted(count: int, whole: int) -> tuple[str, str]:
    return f"{count:,}", f"{count / max(1, whole):.1%}"


def _print_sources(stats: CorpusStats, console: Console) -> None:
    """Print what became of each source's records, with a column for each stage that dropped some."""
    stages = list(stats.stages)
    table = table_of("Records by source", ["source", "read", *stages, "quarantined", "kept", "share kept"])
    rows = list(stats.by_source.items())
    hidden = rows[_MOST_SOURCES:]
    others = merge_stats([stats.all_other, *(row for _, row in hidden)])
    named = [*rows[:_MOST_SOURCES], *([("all others", others)] if others else [])]
    for name, row in named:
        dropped: dict[str, int] = dict.fromkeys(stages, 0)
        for outcome, count in row.items():
            stage, separator, _ = outcome.partition("/")
            if separator:
                dropped[stage] += count
        read, kept = row.get("read", 0), row.get("kept", 0)
        numbers = [read, *dropped.values(), row.get("quarantined", 0), kept]
        table.add_row(plain(name, 60), *(f"{number:,}" for number in numbers), f"{kept / max(1, read):.1%}")
    console.print(table)


def _print_decisions(stats: CorpusStats, console: Console) -> None:
    """Print clusters of near-duplicates with the largest ones, and what was found of evaluation files."""
    near = stats.near_duplicates
    if near and near["clusters"]:
        table = table_of(
            f"Near-duplicates: {near['dropped']:,} dropped of {near['documents']:,}", ["documents", "clusters"]
        )
        for number, count in enumerate(near["size_histogram"]):
            if count:
                table.add_row(f"{2**number:,} to {2 ** (number + 1) - 1:,}", f"{count:,}")
        console.print(table)
        console.print()
        table = table_of("The largest clusters", ["documents", "id", "begins"])
        for column in table.columns[1:]:
            column.justify = "left"
        for example in near["examples"][:5]:
            for place, row in enumerate(example["documents"][:2]):
                size = f"{example['size']:,}" if place == 0 else ""
                table.add_row(size, plain(row["id"], 30), plain(row["text"], 80))
        console.print(table)
        console.print()
    if stats.contamination is not None and not stats.contamination:
        console.print("Evaluation items in the input: none")
        console.print()
    if stats.contamination:
        table = table_of("Evaluation items in the input", ["file", "documents", "items", "most words", "for example"])
        table.columns[4].justify = "left"
        for row in stats.contamination[:20]:
            numbers = [f"{row[name]:,}" for name in ("documents", "items", "longest")]
            table.add_row(plain(row["file"], 40), *numbers, plain(row["example"], 80))
        console.print(table)
        console.print()


def print_mined(result: MineResult) -> None:
    """Print what was mined, and what a person should know."""
    console = Console()
    columns = ["domain", "seeds", "t_sim", "retrieved", "labelled", "exported", "words", "expected precision"]
    table = table_of(f"Mined from {result.documents:,} documents", columns)
    for name, domain in result.domains.items():
        calibration = domain.calibration
        table.add_row(
            plain(name),
            str(domain.seeds),
            f"{calibration.threshold:.3f}{'' if calibration.automatic else ' (given)'}",
            f"{domain.found:,}",
            f"{domain.labelled:,}",
            f"{domain.documents:,}",
            f"{domain.words:,}",
            f"{domain.expected_precision:.2f}" if domain.labelled else "-",
        )
    console.print(table)
    if result.recall is not None:
        console.print(f"nearest documents of seeds found by the index: recall {result.recall:.3f}")
    for finding in result.findings:
        console.print(Text(f"! {finding}", style="yellow"))
    console.print(Text(f"documents: {result.folder}/domains/<domain>/    report: {result.folder}/report.html"))


def print_hits(hits: Sequence[Hit]) -> None:
    """Print documents that a search found."""
    console = Console()
    table = table_of("", ["cosine", "id", "source", "text"])
    for column in table.columns[1:]:
        column.justify = "left"
    for hit in hits:
        table.add_row(f"{hit.similarity:.3f}", plain(hit.id, 30), plain(hit.source, 24), plain(hit.text, 200))
    console.print(table)


def topic_table(scores: Sequence[TopicScore]) -> Table:
    """Make the table of a demo's scores."""
    table = table_of(
        "Against the truth that modules tell (borderline modules left out)",
        ["topic", "true", "mined", "precision", "recall", "F1"],
    )
    for score in scores:
        values = [f"{value:.2f}" for value in (score.precision, score.recall, score.f1)]
        table.add_row(score.topic, f"{score.true:,}", f"{score.mined:,}", *values)
    mean = sum(score.f1 for score in scores) / max(1, len(scores))
    table.add_row("mean", "", "", "", "", f"{mean:.2f}")
    return table
