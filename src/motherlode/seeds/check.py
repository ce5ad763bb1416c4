"""Check a set of seeds before it is mined with: breadth, duplicates, and likeness to real documents.

The table is the paper's (arXiv 2410.00260: lexical metrics, real documents beside seeds), with two changes. Ratios of
types fall with length, so the real documents are measured twice, whole and cut to the seeds' median length, and seeds
are compared with the latter. And each finding is a sentence that says what to do.
"""

from __future__ import annotations

import random
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from motherlode.errors import InputError
from motherlode.seeds.lexical import LexicalSummary, measure_all
from motherlode.seeds.near_duplicates import THRESHOLD, near_duplicates
from motherlode.seeds.seeds import Seeds
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, FURTHER_TYPES, LENGTHS, length_of
from motherlode.seeds.verdicts import Verdict, judge

if TYPE_CHECKING:
    from motherlode.corpus.corpus import Corpus

SAMPLE = 500  # real documents
_SHARDS = 16  # shards that the sample is drawn from, for reading a whole corpus would take long


@dataclass(frozen=True)
class Coverage:
    """How the seeds spread over one dimension of the template.

    Attributes:
        counts: Seeds by value, in the template's order, then others as they come.
        required: Values that the template lists.
        missing: Those of them that no seed has.
        unknown: Values that the template does not list.
        unset: Seeds that do not say.
    """

    counts: dict[str, int]
    required: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    unset: int


@dataclass(frozen=True)
class Words:
    """Words of documents, divided at white space: least, median, most."""

    least: int
    median: float
    most: int


@dataclass(frozen=True, repr=False)
class SeedCheck:
    """What `seeds check` prints.

    Attributes:
        name: The set's name.
        count: Seeds.
        labels: Seeds by label.
        several_labels: Seeds about two domains or more.
        topics: Distinct topics that the seeds name.
        words: The seeds' lengths.
        lexical: The seeds' metrics; None if no seed holds a word.
        real_words: Lengths of the sampled real documents; None without a corpus.
        real: Their metrics.
        real_cut: Their metrics when cut to the seeds' median length: what the seeds' compare with.
        types: Coverage of the 17 document types; the four further registers are known, not required.
        demeanours: Coverage of the 11 demeanours.
        lengths: Coverage of the three lengths, by the documents' words.
        threshold: Similarity from which a pair is near-duplicate.
        near_duplicates: (id, id, Jaccard similarity), the most alike first.
        verdicts: The findings, those to fix first.
    """

    name: str
    count: int
    labels: dict[str, int]
    several_labels: int
    topics: int
    words: Words
    lexical: LexicalSummary | None
    real_words: Words | None
    real: LexicalSummary | None
    real_cut: LexicalSummary | None
    types: Coverage
    demeanours: Coverage
    lengths: Coverage
    threshold: float
    near_duplicates: tuple[tuple[str, str, float], ...]
    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing must be fixed."""
        return all(verdict.level != "fix" for verdict in self.verdicts)

    def __repr__(self) -> str:
        """Say what was found, a line each."""
        head = (
            f"SeedCheck({self.name!r}: {self.count} seeds of {self.words.least} to {self.words.most} words, "
            f"{self.several_labels} with several labels, {len(self.near_duplicates)} near-duplicate pairs, "
            f"{'ok' if self.ok else 'to fix'})"
        )
        return "\n".join([head, *(f"  {verdict}" for verdict in self.verdicts)])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {**asdict(self), "ok": self.ok}


def check(
    seeds: Seeds,
    corpus: Corpus | None = None,
    *,
    sample: int = SAMPLE,
    threshold: float = THRESHOLD,
    random_seed: int = 0,
) -> SeedCheck:
    """Check a set of seeds, alone or against real documents.

    Args:
        seeds: The seeds.
        corpus: A corpus whose documents the seeds are compared with.
        sample: Real documents to measure, at least 2; fewer if the corpus is smaller.
        threshold: Jaccard similarity of word 5-grams from which two seeds are near-duplicates, in (0, 1].
        random_seed: Decides which real documents are measured.

    Returns:
        The findings.

    Raises:
        InputError: An option is out of range, or the corpus cannot be read.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"{threshold} is not in (0, 1]", where="near-duplicate threshold")
    if sample < 2:
        raise InputError(f"{sample} is less than 2", where="sample")
    texts = seeds.texts
    words = count_words(texts)
    documents = sample_documents(corpus, sample, random_seed) if corpus is not None else []
    pairs = near_duplicates(texts, threshold)
    found: dict[str, Any] = {
        "name": seeds.name,
        "count": len(seeds),
        "labels": seeds.labels,
        "several_labels": sum(len(seed.labels) > 1 for seed in seeds),
        "topics": len({seed.topic.strip().lower() for seed in seeds if seed.topic}),
        "words": words,
        "lexical": measure_all(texts),
        "real_words": count_words(documents) if documents else None,
        "real": measure_all(documents),
        "real_cut": measure_all(cut(text, round(words.median)) for text in documents),
        "types": _coverage([seed.type for seed in seeds], dict.fromkeys(DOCUMENT_TYPES), FURTHER_TYPES),
        "demeanours": _coverage([seed.demeanour for seed in seeds], dict.fromkeys(DEMEANOURS)),
        "lengths": _coverage([length_of(len(text.split())) for text in texts], LENGTHS),
        "threshold": threshold,
        "near_duplicates": tuple((seeds[i].id, seeds[j].id, round(value, 4)) for i, j, value in pairs),
    }
    verdicts = judge(seeds, SeedCheck(**found, verdicts=()))
    return SeedCheck(**found, verdicts=tuple(sorted(verdicts, key=lambda verdict: verdict.level != "fix")))


def _coverage(values: list[str | None], template: Mapping[str, Any], further: tuple[str, ...] = ()) -> Coverage:
    told = Counter(value.strip().lower() for value in values if value and value.strip())
    known = (*template, *further)
    unknown = tuple(value for value in told if value not in known)
    return Coverage(
        counts={value: told[value] for value in (*known, *unknown) if told[value]},
        required=len(template),
        missing=tuple(value for value in template if not told[value]),
        unknown=unknown,
        unset=len(values) - told.total(),
    )


def count_words(texts: list[str]) -> Words:
    """Measure lengths.

    Args:
        texts: At least one text.

    Returns:
        Least, median and most words, divided at white space.
    """
    counts = [len(text.split()) for text in texts]
    return Words(min(counts), statistics.median(counts), max(counts))


def cut(text: str, words: int) -> str:
    """Return the beginning of a text, with its white space, up to a number of words of at least 1."""
    match = re.match(rf"\s*(?:\S+\s+){{0,{words - 1}}}\S+", text)
    return match.group() if match else text


def sample_documents(corpus: Corpus, count: int, random_seed: int) -> list[str]:
    """Draw documents of a corpus at random; the same corpus and random seed give the same ones.

    A corpus of more than 16 shards is sampled in two stages, from 16 of its shards.

    Args:
        corpus: The corpus.
        count: Documents wanted; all are taken if there are fewer.
        random_seed: Decides which.

    Returns:
        Texts in the corpus' order.

    Raises:
        InputError: The corpus holds no document, or a shard cannot be read.
    """
    chance = random.Random(random_seed)  # noqa: S311  # a sample, not a secret
    names = list(corpus.documents.shards)
    if len(names) > _SHARDS:
        names = [names[i] for i in sorted(chance.sample(range(len(names)), _SHARDS))]
    sources = [corpus.documents.source(name) for name in names]
    total = sum(source.rows for source in sources)
    if not total:
        raise InputError("holds no document", where=str(corpus.folder))
    wanted = set(chance.sample(range(total), min(count, total)))
    texts: list[str] = []
    row = 0
    for source in sources:
        for batch in source.batches(["text"]):
            here = [i for i in range(batch.num_rows) if row + i in wanted]
            texts += batch.column("text").take(here).to_pylist() if here else []
            row += batch.num_rows
    return texts
