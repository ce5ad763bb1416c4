"""The rows of a file as tokens, each made once in a run, whatever stages ask for it.

Votes, scores and sketches read the same rows. Token numbers go to an unnamed temporary file, as the rows themselves do:
4 bytes a token there, 20 bytes a row in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

import numpy as np

from motherlode.errors import InputError
from motherlode.models.rows import Samples
from motherlode.models.tokens import Tokeniser, Tokens

_ABSENT = -1


class TokenCache:
    """Rows as tokens."""

    def __init__(self, samples: Samples, tokeniser: Tokeniser) -> None:
        """Take the rows and how they become tokens."""
        self.samples, self.tokeniser = samples, tokeniser
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the object
        count = len(samples.rows)
        self._offsets = np.full(count, _ABSENT, dtype=np.int64)
        self._counts, self._starts, self._cuts = (np.zeros(count, dtype=np.int32) for _ in range(3))
        self._end = 0

    def __call__(self, rows: Iterable[int]) -> list[Tokens]:
        """Return rows as tokens, in order.

        Raises:
            InputError: A row is no sample; the line names it.
        """
        return [self._kept(row) if self._offsets[row] != _ABSENT else self._made(row) for row in rows]

    def _made(self, row: int) -> Tokens:
        try:
            tokens = self.tokeniser(self.samples[row])
        except InputError as error:
            raise InputError(error.what, where=error.where or self.samples.rows.place(row), hint=error.hint) from None
        self._spool.seek(self._end)
        written = self._spool.write(tokens.ids.astype(np.int32).tobytes())
        self._offsets[row], self._end = self._end, self._end + written
        self._counts[row], self._starts[row], self._cuts[row] = len(tokens.ids), tokens.start, tokens.truncated
        return tokens

    def _kept(self, row: int) -> Tokens:
        self._spool.seek(int(self._offsets[row]))
        data = self._spool.read(4 * int(self._counts[row]))
        ids = np.frombuffer(data, dtype=np.int32).astype(np.int64)
        return Tokens(ids, int(self._starts[row]), int(self._cuts[row]))
