"""Which evaluation items stand in which texts.

An item stands in a text where they share n words in a row (as for GPT-3, arXiv 2005.14165, appendix C), where all of a
shorter item stands, or, if wanted, where most of its 5-grams stand close together, in whatever order. Hashes find the
places; what is found is compared word by word, so that no document goes by an accident of hashing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from motherlode.corpus.decontaminate.harness import read_tasks
from motherlode.corpus.decontaminate.index import EvaluationIndex
from motherlode.corpus.decontaminate.items import read_items, texts_of
from motherlode.corpus.decontaminate.options import FUZZY_NGRAM, DecontaminateOptions
from motherlode.corpus.words import Grams, Places, Words, fold, grams, split_words, text_runs

MOST_MATCHES = 16  # of one text that are told, the longest first
_SHOWN = 300  # characters of a span that are told
_WINDOW = 2  # times the item's length, within which its n-grams must stand


@dataclass(frozen=True)
class Match:
    """An evaluation item that a text holds.

    Attributes:
        file: The evaluation file or task.
        item: The item's id, or its place in the file.
        field: The item's field that matches.
        kind: `words` in a row, the `whole` of a short item, or `fuzzy`.
        words: How many words match: in a row, or covered by matching 5-grams.
        share: The share of the item's 5-grams that stand in the text, if `fuzzy`; else 1.
        start: Where the match begins, in characters of the text.
        end: Where it ends.
        span: What stands there, at most 300 characters.
        evaluation_span: What it matches, at most 300 characters.
    """

    file: str
    item: str
    field: str
    kind: str
    words: int
    share: float
    start: int
    end: int
    span: str
    evaluation_span: str


@dataclass(frozen=True)
class _Run:
    """Words in a row that a text and an evaluation text share: where they begin in each, and how many there are."""

    evaluation: int
    place: int
    word: int
    length: int
    kind: str


class Decontaminator:
    """Evaluation items, ready to be looked for."""

    def __init__(self, items: pa.Table, options: DecontaminateOptions | None = None) -> None:
        """Index evaluation items.

        Args:
            items: A table of `items.ITEMS`.
            options: What can be set; the files and tasks named there are not read.
        """
        self.options = options or DecontaminateOptions.parse({}, "decontaminate")
        self.index = EvaluationIndex.build(items, self.options)

    @classmethod
    def from_files(
        cls, files: Iterable[str], *, tasks: Sequence[str] = (), options: DecontaminateOptions | None = None
    ) -> Decontaminator:
        """Read evaluation files and tasks.

        Args:
            files: `FILE` or `FILE:FIELD,FIELD`; JSONL, Parquet, CSV, also compressed.
            tasks: Names of lm-evaluation-harness tasks (extra `evaluate`).
            options: What can be set.

        Raises:
            InputError: A file, a field or a task is missing.
        """
        return cls(pa.concat_tables([read_items(files), read_tasks(tasks)]), options)

    def check_samples(self, samples: Sequence[Mapping[str, Any]]) -> list[list[Match]]:
        """Find the items that samples hold.

        Args:
            samples: Rows of any shape, e.g. `prompt` and `completion`, or `messages`; all their strings are joined.

        Returns:
            For each sample its matches, the longest first; places count in the joined text.
        """
        return self.check(["\n".join(text for _, text in texts_of(dict(sample))) for sample in samples])

    def check(self, texts: Sequence[str]) -> list[list[Match]]:
        """Find the items that texts hold.

        Args:
            texts: Any texts.

        Returns:
            For each text its matches, the longest first, `MOST_MATCHES` at most; one for each evaluation text.
        """
        found: list[list[Match]] = []
        for run in text_runs(texts):
            found += self._check(run)
        return found

    def _check(self, texts: Sequence[str]) -> list[list[Match]]:
        words = split_words(texts)
        runs: dict[int, dict[int, _Run]] = {}
        for kind, index in (("words", self.index.long), *(("whole", part) for part in self.index.whole.values())):
            if not len(index.hashes):
                continue
            these = grams(words, index.n)
            for text, run in _runs(index.find(these), these, words, index.n, kind):
                best = runs.setdefault(text, {})
                if run.evaluation not in best or best[run.evaluation].length < run.length:
                    best[run.evaluation] = run
        found: list[list[Match]] = [[] for _ in texts]
        for text, best in runs.items():
            for run in sorted(best.values(), key=lambda run: (-run.length, run.evaluation))[:MOST_MATCHES]:
                match = self._verify(texts[text], words, text, run)
                if match:
                    found[text].append(match)
        if self.index.fuzzy is not None:
            self._add_fuzzy(texts, words, found, runs)
        return found

    def _verify(self, content: str, words: Words, text: int, run: _Run) -> Match | None:
        """Compare the words of a run."""
        first = int(words.bounds[text]) + run.place
        start, end = int(words.starts[first]), int(words.ends[first + run.length - 1])
        evaluation = self.index.texts[run.evaluation]
        places = split_words([evaluation])
        there = evaluation[places.starts[run.word] : places.ends[run.word + run.length - 1]]
        if fold(content[start:end]) != fold(there):
            return None
        return self._match(run.evaluation, run.kind, run.length, 1.0, (start, end), content[start:end], there)

    def _match(
        self, number: int, kind: str, words: int, share: float, place: tuple[int, int], span: str, there: str
    ) -> Match:
        index = self.index
        origin = (index.files[number], index.items[number], index.fields[number])
        return Match(*origin, kind, words, share, *place, span[:_SHOWN], there[:_SHOWN])

    def _add_fuzzy(
        self, texts: Sequence[str], words: Words, found: list[list[Match]], runs: Mapping[int, Mapping[int, _Run]]
    ) -> None:
        """Find items whose 5-grams stand close together in a text, where no run of their words does."""
        index, least = self.index.fuzzy, self.options.decontaminate_fuzzy
        if index is None or least is None or not len(index.hashes):
            return
        these = grams(words, FUZZY_NGRAM)
        place, evaluation, _ = index.find(these)
        text = np.searchsorted(these.bounds, place, side="right") - 1
        hashes = these.hashes[place]
        order = np.lexsort((hashes, evaluation, text))
        text, evaluation, place, hashes = text[order], evaluation[order], place[order], hashes[order]
        new_pair = np.ones(len(text), dtype=bool)
        new_pair[1:] = (text[1:] != text[:-1]) | (evaluation[1:] != evaluation[:-1])
        different = new_pair.copy()
        different[1:] |= hashes[1:] != hashes[:-1]
        starts = np.flatnonzero(new_pair)
        ends = np.append(starts[1:], len(text))
        shared = np.add.reduceat(different.astype(np.int64), starts) if len(starts) else starts
        total = self.index.fuzzy_grams[evaluation[starts]]
        for pair in np.flatnonzero((total > 0) & (shared >= least * total)).tolist():
            number, which = int(evaluation[starts[pair]]), int(text[starts[pair]])
            if number in runs.get(which, {}) or len(found[which]) >= MOST_MATCHES:
                continue
            inside = np.unique(these.first[place[starts[pair] : ends[pair]]] - words.bounds[which])
            match = self._closest(texts[which], words, which, number, inside, int(total[pair]))
            if match:
                found[which].append(match)

    def _closest(self, content: str, words: Words, text: int, number: int, places: Places, total: int) -> Match | None:
        """Find the window of a text that shares most n-grams with an item, and compare it word by word."""
        width = _WINDOW * int(self.index.words[number])
        last = np.searchsorted(places, places + width - FUZZY_NGRAM, side="right")
        best = int(np.argmax(last - np.arange(len(places))))
        first, end = int(places[best]), int(places[last[best] - 1]) + FUZZY_NGRAM
        begin = int(words.bounds[text])
        start, stop = int(words.starts[begin + first]), int(words.ends[begin + end - 1])
        evaluation = self.index.texts[number]
        here, there = list(_tuples(fold(content[start:stop]))), set(_tuples(fold(evaluation)))
        covered = {place + k for place, gram in enumerate(here) if gram in there for k in range(FUZZY_NGRAM)}
        share = min(1.0, len(there & set(here)) / total)
        if share < (self.options.decontaminate_fuzzy or 1.0):
            return None
        return self._match(number, "fuzzy", len(covered), share, (start, stop), content[start:stop], evaluation)


def _tuples(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(words[k : k + FUZZY_NGRAM]) for k in range(len(words) - FUZZY_NGRAM + 1))


def _runs(
    hits: tuple[Places, Places, Places], found: Grams, words: Words, n: int, kind: str
) -> Iterator[tuple[int, _Run]]:
    """Join n-grams that follow each other both in a text and in an evaluation text to runs of words."""
    place, evaluation, word = hits
    if not len(place):
        return
    text = np.searchsorted(found.bounds, place, side="right") - 1
    here = found.first[place] - words.bounds[text]
    order = np.lexsort((here, here - word, evaluation, text))
    text, evaluation, here, word = text[order], evaluation[order], here[order], word[order]
    new = np.ones(len(text), dtype=bool)
    same = (text[1:] == text[:-1]) & (evaluation[1:] == evaluation[:-1]) & (here[1:] == here[:-1] + 1)
    new[1:] = ~(same & (word[1:] == word[:-1] + 1))
    starts = np.flatnonzero(new)
    lengths = np.diff(np.append(starts, len(text))) + n - 1
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield int(text[start]), _Run(int(evaluation[start]), int(here[start]), int(word[start]), length, kind)
