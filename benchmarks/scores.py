"""How good a selection is: precision, recall, F1, average precision, and the share that each source gives.

Scores are printed with their chance level: a random selection has the domain's share of the corpus as precision and
as average precision. A domain's sources are shown apart, because a method can reach a high recall by finding the one
large source whose style its seeds happen to have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelled_data import DOMAINS, LabelledCorpus


@dataclass(frozen=True)
class DomainScore:
    """How well one method found one domain.

    Attributes:
        method: The method's name.
        domain: The domain, or `mean` over the domains (unweighted).
        selected: How many documents it took.
        precision: The share of those that are right; 0 where nothing was taken.
        recall: The share of the domain's documents that were taken.
        f1: The harmonic mean of the two.
        average_precision: The area under precision over recall, by the method's ranking, whatever it took.
    """

    method: str
    domain: str
    selected: int
    precision: float
    recall: float
    f1: float
    average_precision: float


def average_precision(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    """Return the mean of the precision at each right document; documents with equal scores count as one step.

    Args:
        scores: `[n]` finite, higher is likelier.
        truth: `[n]` which documents are right.

    Returns:
        0 to 1; by chance about the share of right documents; 0 if none is.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # where a run of equal scores ends
    right = np.cumsum(truth[order])[last]
    taken = np.flatnonzero(last) + 1
    if right[-1] == 0:
        return 0.0
    return float(np.sum(np.diff(right, prepend=0) * right / taken) / right[-1])


def equal_size(scores: NDArray[np.floating], sizes: Sequence[int], random_seed: int = 0) -> NDArray[np.bool_]:
    """Take the highest scores of each domain, so many and no more.

    Args:
        scores: `[n, domains]` finite.
        sizes: `[domains]` how many documents to take; all if there are fewer.
        random_seed: What decides between equal scores. The order of the documents must not: it goes by label.

    Returns:
        `[n, domains]` which documents are taken.
    """
    selected = np.zeros(scores.shape, dtype=bool)
    noise = np.random.default_rng(random_seed).permutation(len(scores))
    for column, size in enumerate(sizes):
        selected[np.lexsort((noise, -scores[:, column]))[:size], column] = True
    return selected


def score(
    method: str,
    scores: NDArray[np.floating],
    selected: NDArray[np.bool_],
    corpus: LabelledCorpus,
    domains: Sequence[str] = DOMAINS,
) -> list[DomainScore]:
    """Compare a method's scores and selection with the labels.

    Args:
        method: The method's name.
        scores: `[n, domains]`.
        selected: `[n, domains]`.
        corpus: The documents.
        domains: The target domains.

    Returns:
        One score a domain, and their mean at the end.
    """
    truth = corpus.truth(domains)
    rows = []
    for column, domain in enumerate(domains):
        taken, right = int(selected[:, column].sum()), int(truth[:, column].sum())
        hits = int((selected[:, column] & truth[:, column]).sum())
        rows.append(
            DomainScore(
                method,
                domain,
                taken,
                precision=hits / taken if taken else 0.0,
                recall=hits / right if right else 0.0,
                f1=2 * hits / (taken + right) if taken + right else 0.0,
                average_precision=average_precision(scores[:, column], truth[:, column]),
            )
        )
    means = [
        float(np.mean([getattr(row, field) for row in rows]))
        for field in ("precision", "recall", "f1", "average_precision")
    ]
    return [*rows, DomainScore(method, "mean", sum(row.selected for row in rows), *means)]


def chance(sizes: Sequence[int], corpus: LabelledCorpus, domains: Sequence[str] = DOMAINS) -> list[DomainScore]:
    """Return what a random selection of the same size is expected to score.

    Args:
        sizes: `[domains]` how many documents are taken.
        corpus: The documents.
        domains: The target domains.

    Returns:
        One expectation a domain, and their mean at the end.
    """
    rows = []
    for domain, size, share in zip(domains, sizes, corpus.truth(domains).mean(axis=0), strict=True):
        part = min(size, len(corpus)) / len(corpus)
        f1 = 2 * share * part / (share + part) if share + part else 0.0
        rows.append(DomainScore("chance", domain, size, float(share), part, float(f1), float(share)))
    means = [
        float(np.mean([getattr(row, field) for row in rows]))
        for field in ("precision", "recall", "f1", "average_precision")
    ]
    return [*rows, DomainScore("chance", "mean", sum(sizes), *means)]


def source_shares(selected: NDArray[np.bool_], corpus: LabelledCorpus) -> dict[str, tuple[int, float]]:
    """Return how much of each source was taken for one domain.

    For the domain's own sources this is the recall; for all others it is the rate of false positives.

    Args:
        selected: `[n]` which documents were taken.
        corpus: The documents.

    Returns:
        For each source the number of its documents and the share of them that was taken, 0 to 1.
    """
    names, number = np.unique(corpus.sources, return_inverse=True)
    documents = np.bincount(number, minlength=len(names))
    taken = np.bincount(number, weights=selected, minlength=len(names))
    return {
        str(name): (int(all_of_it), float(part / all_of_it))
        for name, all_of_it, part in zip(names, documents, taken, strict=True)
    }


def score_table(scores: Sequence[DomainScore]) -> str:
    """Return scores as a table in plain text, a line each.

    Args:
        scores: What `score` and `chance` return, joined.
    """
    header = ("method", "domain", "selected", "precision", "recall", "F1", "AP")
    lines = []
    for row in scores:
        values = (row.precision, row.recall, row.f1, row.average_precision)
        lines.append((row.method, row.domain, f"{row.selected:,}", *(f"{value:.3f}" for value in values)))
    return plain_table(header, lines, left=2)


def source_table(
    selections: dict[str, NDArray[np.bool_]],
    corpus: LabelledCorpus,
    domains: Sequence[str] = DOMAINS,
    strangers: int = 3,
) -> str:
    """Return, for each domain, the recall of its sources and the sources that were taken by mistake.

    Args:
        selections: Each method's `[n, domains]`.
        corpus: The documents.
        domains: The target domains.
        strangers: How many foreign sources to show a domain: those that gave all methods together the most documents.

    Returns:
        A table in plain text; foreign sources are marked with `!`, and their column says the share taken by mistake.
    """
    label_of = dict(zip(corpus.sources, corpus.labels, strict=True))
    lines = []
    for column, domain in enumerate(domains):
        shares = {method: source_shares(selected[:, column], corpus) for method, selected in selections.items()}
        sizes = {source: documents for source, (documents, _) in next(iter(shares.values())).items()}
        mistaken = {
            source: sum(documents * shares[method][source][1] for method in shares)
            for source, documents in sizes.items()
            if label_of[source] != domain
        }
        own = sorted((source for source in sizes if label_of[source] == domain), key=lambda name: -sizes[name])
        worst = sorted((source for source in mistaken if mistaken[source]), key=lambda name: -mistaken[name])
        for source in own + worst[:strangers]:
            mark = "" if label_of[source] == domain else "! "
            part = tuple(f"{shares[method][source][1]:.3f}" for method in shares)
            lines.append((domain, mark + source, f"{sizes[source]:,}", *part))
    return plain_table(("domain", "source", "documents", *selections), lines, left=2)


def plain_table(header: Sequence[str], lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay out a table that reads well in a terminal and as Markdown.

    Args:
        header: `[columns]` titles.
        lines: `[rows, columns]` cells.
        left: How many of the first columns are aligned to the left; the others to the right.

    Returns:
        The table without a newline at its end.
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *lines, strict=True)]

    def row(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if place < left else "-" * (width - 1) + ":" for place, width in enumerate(widths)]
    return "\n".join([row(header), row(rule), *(row(line) for line in lines)])
