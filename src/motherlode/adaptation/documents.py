"""Documents as tokens, in a random order that the seed fixes, as many as are asked for.

A document ends with the end-of-sequence token. Only as much is tokenised as is trained on; a second reading takes
the same documents in another order.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError
from motherlode.models.rows import Rows
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import FILE, Manifest

_HINT = 'name a corpus, a folder of `mine`\'s domains, or JSONL or Parquet files with a field "text"'


def open_documents(path: Path | str) -> Rows:
    """Open a corpus that `corpus build` made, a domain that `mine` exported, or files with a field `text`.

    Raises:
        InputError: It is none of these, or has no documents.
    """
    folder = here(path)
    if (folder / FILE).is_file():
        kind = Manifest.read(folder).header["kind"]
        if kind != "corpus":
            raise InputError(f"holds no documents but the output of '{kind}'", where=str(path), hint=_HINT)
        from motherlode.corpus.corpus import Corpus

        documents = Corpus(folder).documents.folder
        return Rows(f"{glob.escape(os.fspath(documents))}/*.parquet")
    try:
        return Rows(folder)
    except InputError as error:
        raise InputError(error.what, where=error.where, hint=_HINT) from None


class Documents:
    """Documents as tokens.

    Attributes:
        rows: The files' rows.
        numbers: Which rows belong here.
        digest: Of the files' bytes, and of which rows belong here.
    """

    def __init__(self, rows: Rows, tokenizer: Callable[[], Any], numbers: NDArray[np.int64] | None = None) -> None:
        """Take the rows.

        Args:
            rows: Rows with a field `text`.
            tokenizer: Returns a Hugging Face tokenizer; called when a document is read.
            numbers: Which rows belong here; by default all.

        Raises:
            InputError: No row belongs here.
        """
        self.rows, self._tokenizer = rows, tokenizer
        self.numbers = np.arange(len(rows)) if numbers is None else numbers
        if not len(self.numbers):
            raise InputError("holds no document", where=str(rows.path), hint=_HINT)
        self.lengths: dict[int, int] = {}  # of the documents that were tokenised, by row
        whole = len(self.numbers) == len(rows)
        self.digest = rows.digest if whole else fingerprint(rows.digest, self.numbers.tolist())

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.numbers)

    def tokens(self, row: int) -> NDArray[Any]:
        """Return the tokens of a row's document, its end included: `[t]` int32; empty if there is no text.

        Raises:
            InputError: The row has no field `text`.
        """
        text = self.rows[row].get("text")
        if not isinstance(text, str):
            what = "has no field 'text'" if text is None else "the field 'text' is not text"
            raise InputError(what, where=self.rows.place(row), hint=_HINT)
        ids: list[int] = []
        if text.strip():
            tokenizer = self._tokenizer()
            ids = tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"]
            end = tokenizer.eos_token_id
            if isinstance(end, int) and (not ids or ids[-1] != end):
                ids = [*ids, end]
        self.lengths[row] = len(ids)
        return np.asarray(ids, dtype=np.int32)

    def count(self) -> int:
        """Return the tokens of all documents."""
        return sum(map(len, self.once()))

    def estimate(self) -> float:
        """Return the tokens of all documents: exactly if all were tokenised, else from the mean of those that were."""
        return sum(self.lengths.values()) / max(1, len(self.lengths)) * len(self)

    def once(self) -> Iterator[NDArray[Any]]:
        """Read all documents in the order of the files."""
        for row in self.numbers.tolist():
            ids = self.tokens(row)
            if len(ids):
                yield ids

    def split(self, share: float, random_seed: int) -> tuple[Documents, Documents]:
        """Split off a share of the documents at random, at least one.

        Returns:
            The rest, and the share.

        Raises:
            InputError: There are fewer than two documents.
        """
        if len(self) < 2:
            raise InputError("holds a single document, which cannot be split", where=str(self.rows.path))
        count = min(len(self) - 1, max(1, round(share * len(self))))
        order = np.random.default_rng([random_seed, 1]).permutation(self.numbers)
        return (
            Documents(self.rows, self._tokenizer, np.sort(order[count:])),
            Documents(self.rows, self._tokenizer, np.sort(order[:count])),
        )


class Stream:
    """Documents one after another without end: every reading in an order of its own.

    Attributes:
        taken: Tokens that were taken.
    """

    def __init__(self, documents: Documents, random_seed: int, number: int) -> None:
        """Begin to read.

        Args:
            documents: The documents.
            random_seed: Seed of the orders.
            number: Tells streams of one seed apart.
        """
        self.documents, self.taken = documents, 0
        self._source = self._endless(random_seed, number)
        self._rest: NDArray[Any] = np.empty(0, dtype=np.int32)
        self._known: dict[int, NDArray[Any]] = {}  # what is taken are views of these

    def _endless(self, random_seed: int, number: int) -> Iterator[NDArray[Any]]:
        reading = 0
        while True:
            order = np.random.default_rng([random_seed, 2, number, reading]).permutation(self.documents.numbers)
            for row in order.tolist():
                if row not in self._known:
                    self._known[row] = self.documents.tokens(row)
                if len(self._known[row]):
                    yield self._known[row]
            if not any(map(len, self._known.values())):
                raise InputError("holds no text", where=str(self.documents.rows.path), hint="name other documents")
            reading += 1

    def take(self, most: int) -> NDArray[Any]:
        """Return the next document, or what is left of it, cut after `most` tokens."""
        if not len(self._rest):
            self._rest = next(self._source)
        part, self._rest = self._rest[:most], self._rest[most:]
        self.taken += len(part)
        return part

    @property
    def readings(self) -> float:
        """How often the documents were read; an estimate until they were read once."""
        return self.taken / max(1.0, self.documents.estimate())
