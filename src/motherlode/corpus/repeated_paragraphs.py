"""Paragraphs that stand in several documents: navigation, notices, licences, quotations.

As in CCNet (arXiv 1911.00359), paragraphs are compared by 64 bits of a digest, here of their lower-cased words, over
all shards at once. Each staging shard's digests are written in order, so that a task takes one range of the key space
of all shards as slices of mapped files: counts are exact, and memory is bounded by `_KEYS` different paragraphs (about
60 bytes each), however often one of them is repeated. The paragraphs to be cut are written in order of document, and
mapped again when the documents are written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.duplicates import key_ranges
from motherlode.corpus.filters import count_words
from motherlode.corpus.mapped import read_mapped, write_mapped
from motherlode.corpus.stages import Numbers, Skipped
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, ShardFile

_KEYS = 4_000_000
_BETWEEN = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")  # blank lines
_PARAGRAPHS = pa.schema([("key", pa.uint64()), ("row", pa.int32()), ("place", pa.int32())])
REASON = "too short without repeated paragraphs"
_CUTS = pa.schema([("document", pa.int64()), ("place", pa.int32())])


class RepeatedParagraphOptions(Config):
    """What a build does with paragraphs that stand in several documents."""

    repeated_paragraphs: Literal["keep", "first", "drop"] = Field(
        "keep", description="repeated paragraphs stay; stay in the first document that has them; go everywhere"
    )
    repeated_in: int | None = Field(
        None, ge=2, description="documents that have a paragraph from which it is repeated; 2, or 10 with `drop`"
    )
    paragraph_unit: Literal["line", "paragraph"] = Field(
        "line", description="what is compared: lines, or what stands between blank lines"
    )
    paragraph_characters: int = Field(40, ge=1, description="paragraphs with fewer characters stay")

    @property
    def least_documents(self) -> int:
        """From how many documents on a paragraph is repeated."""
        return self.repeated_in or (10 if self.repeated_paragraphs == "drop" else 2)


def split_paragraphs(text: str, unit: str) -> list[str]:
    """Return the paragraphs (or lines) of a text."""
    return text.split("\n") if unit == "line" else _BETWEEN.split(text)


def paragraph_key(paragraph: str, least: int) -> int | None:
    """Return 64 bits that paragraphs of the same words share, None for a short one.

    Args:
        paragraph: Any text; case and white space do not matter.
        least: Characters from which it is looked at.
    """
    if len(paragraph) < least:
        return None
    folded = " ".join(paragraph.lower().split())
    if len(folded) < least:
        return None
    return int.from_bytes(hashlib.blake2b(folded.encode("utf-8", "replace"), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class ParagraphTask:
    """The keys of all paragraphs of one staging shard."""

    name: str
    source: Source
    unit: str
    least: int

    @property
    def fingerprint(self) -> str:
        """Digest of the shard and of what counts as a paragraph."""
        return fingerprint("paragraphs", 1, self.source.digest, self.unit, self.least)

    @property
    def size(self) -> int:
        """Documents in the shard."""
        return self.source.rows

    def run(self, folder: Path) -> Entry:
        """Write key, row and place of each, in order of key."""
        keys: list[int] = []
        rows: list[int] = []
        places: list[int] = []
        row = 0
        for batch in self.source.batches(["text"]):
            for text in batch.column(0).to_pylist():
                for place, paragraph in enumerate(split_paragraphs(text, self.unit)):
                    key = paragraph_key(paragraph, self.least)
                    if key is not None:
                        keys.append(key)
                        rows.append(row)
                        places.append(place)
                row += 1
        order = np.argsort(np.array(keys, dtype=np.uint64), kind="stable")
        columns = [
            np.array(values, dtype=kind)[order]
            for values, kind in ((keys, np.uint64), (rows, np.int32), (places, np.int32))
        ]
        file = write_mapped(folder, f"{self.name}.arrow", pa.table(columns, schema=_PARAGRAPHS))
        return Entry(self.name, self.fingerprint, (file,))


@dataclass(frozen=True)
class RepeatTask:
    """The repeated paragraphs whose keys lie in a range, over all shards."""

    name: str
    low: int
    high: int
    paragraphs: tuple[Source, ...]
    starts: tuple[int, ...]
    skipped: Skipped
    least: int
    first_stays: bool

    @property
    def fingerprint(self) -> str:
        """Digest of all keys, of the documents that are left out and of the rule."""
        digests = [source.digest for source in self.paragraphs]
        rule = [self.low, self.high, list(self.starts), self.skipped.digest, self.least, self.first_stays]
        return fingerprint("repeated paragraphs", 1, digests, rule)

    @property
    def size(self) -> int:
        """Paragraphs in the range, about."""
        return int(sum(source.rows for source in self.paragraphs) * ((self.high - self.low) / 2**64))

    def run(self, folder: Path) -> Entry:
        """Write document and place of the paragraphs that are to be cut, in order."""
        skip = self.skipped.read(self.starts[-1])
        hot, first = self._count(skip)
        files: list[ShardFile] = []
        found: list[pa.Table] = []

        def flush() -> None:
            files.append(write_mapped(folder, f"{self.name}-{len(files):04d}.arrow", pa.concat_tables(found)))
            found.clear()

        for keys, documents, places in self._slices(skip):
            at = np.minimum(np.searchsorted(hot, keys), max(0, len(hot) - 1))
            cut = hot[at] == keys if len(hot) else np.zeros(len(keys), dtype=bool)
            if self.first_stays:
                cut[cut] = first[at[cut]] != documents[cut]
            document, place = documents[cut], places[cut]
            order = np.lexsort((place, document))
            found.append(pa.table([document[order], place[order]], schema=_CUTS))
            if sum(table.num_rows for table in found) >= _KEYS:
                flush()
        if found:
            flush()
        return Entry(self.name, self.fingerprint, tuple(files))

    def _slices(self, skip: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.uint64], Numbers, NDArray[np.int32]]]:
        """Yield key, document and place of each shard's paragraphs in the range, in order of key and document."""
        for source, start in zip(self.paragraphs, self.starts, strict=False):
            batch = read_mapped(source)
            keys = batch.column(0).to_numpy()
            low = int(np.searchsorted(keys, np.uint64(self.low)))
            high = int(np.searchsorted(keys, np.uint64(self.high), side="right"))
            documents = batch.column(1).to_numpy()[low:high].astype(np.int64) + start
            stays = ~skip[documents]
            yield keys[low:high][stays], documents[stays], batch.column(2).to_numpy()[low:high][stays]

    def _count(self, skip: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], Numbers]:
        """Return the keys that enough documents have, ascending, and the first document of each.

        A key takes one place a shard, however many documents of the shard have it.
        """
        keys, counts, firsts = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for key, document, _ in self._slices(skip):
            new_key = np.flatnonzero(_changes(key))
            new_document = _changes(key) | _changes(document)
            if len(new_key):
                keys.append(key[new_key])
                counts.append(np.add.reduceat(new_document.astype(np.int64), new_key))
                firsts.append(document[new_key])
        key, count, first = np.concatenate(keys), np.concatenate(counts), np.concatenate(firsts)
        order = np.argsort(key, kind="stable")
        key, count, first = key[order], count[order], first[order]
        start = np.flatnonzero(_changes(key))
        if not len(start):
            return key, first
        often = np.add.reduceat(count, start) >= self.least
        return key[start][often], first[start][often]


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a value differs from the one before, the first included."""
    return np.concatenate([np.ones(min(1, len(values)), dtype=bool), values[1:] != values[:-1]])


@dataclass(frozen=True)
class Cuts:
    """The paragraphs that are cut out of one staging shard's documents.

    Attributes:
        sources: Files with the cuts of all shards.
        first: The number of the shard's first document.
        rows: Its documents.
        unit: What a place counts.
        least_words: Documents that have fewer words afterwards are dropped.
    """

    sources: tuple[Source, ...]
    first: int
    rows: int
    unit: str
    least_words: int

    @property
    def described(self) -> list[object]:
        """What a shard's content depends on."""
        return [[source.digest for source in self.sources], self.first, self.unit, self.least_words]

    def places(self) -> dict[int, set[int]]:
        """Return the places that are cut, by row."""
        found: dict[int, set[int]] = {}
        for source in self.sources:
            batch = read_mapped(source)
            document = batch.column(0).to_numpy()
            inside = slice(*np.searchsorted(document, [self.first, self.first + self.rows]).tolist())
            rows = (document[inside] - self.first).tolist()
            for row, place in zip(rows, batch.column(1).to_numpy()[inside].tolist(), strict=True):
                found.setdefault(row, set()).add(place)
        return found

    def apply(self, table: pa.Table) -> tuple[pa.Table, NDArray[np.bool_], dict[str, int]]:
        """Cut the paragraphs out, and count words again.

        Args:
            table: All documents of the shard, with `text` and `words`.

        Returns:
            The table, which rows have too few words left, and statistics.
        """
        found = self.places()
        if not found:
            return table, np.zeros(table.num_rows, dtype=bool), {}
        texts = table.column("text").to_pylist()
        for row, places in found.items():
            paragraphs = split_paragraphs(texts[row], self.unit)
            kept = [paragraph for place, paragraph in enumerate(paragraphs) if place not in places]
            texts[row] = ("\n" if self.unit == "line" else "\n\n").join(kept).strip()
        text = pa.array(texts, pa.string())
        words = count_words(text)
        changed = np.zeros(table.num_rows, dtype=bool)
        changed[list(found)] = True
        short = changed & (words.to_numpy() < max(1, self.least_words))
        before = pc.sum(table.column("words")).as_py() - pc.sum(words).as_py()
        for name, column in (("text", text), ("words", words)):
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
        return table, short, {"paragraphs_cut": sum(map(len, found.values())), "words_cut": before}


def paragraph_tasks(shards: Sequence[Source], options: RepeatedParagraphOptions) -> list[ParagraphTask]:
    """Plan one task a staging shard."""
    unit, least = options.paragraph_unit, options.paragraph_characters
    return [ParagraphTask(f"paragraphs-{shard.path.stem}", shard, unit, least) for shard in shards]


def repeat_tasks(
    paragraphs: Sequence[Source], starts: Numbers, skipped: Skipped, options: RepeatedParagraphOptions
) -> list[RepeatTask]:
    """Plan one task a range of the key space.

    Args:
        paragraphs: What `paragraph_tasks` wrote, in order of the shards.
        starts: `[s + 1]`, the number of the first document of each shard.
        skipped: Documents that have gone already.
        options: What can be set.
    """
    first_stays = options.repeated_paragraphs == "first"
    where = tuple(starts.tolist())
    ranges = key_ranges(sum(source.rows for source in paragraphs), _KEYS)
    return [
        RepeatTask(
            f"repeats-{n:04d}",
            int(low),
            int(high),
            tuple(paragraphs),
            where,
            skipped,
            options.least_documents,
            first_stays,
        )
        for n, (low, high) in enumerate(ranges)
    ]
