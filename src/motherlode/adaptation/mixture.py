"""The mixture: domain and general documents at a ratio by tokens, packed into sequences without a gap.

The next document always comes from the source that is further behind its share, so the ratio holds all along the run,
not only at its end; the last document of each source is cut, so that the totals are exact to the token. A document that
does not fit into a sequence goes on in the next one, where it is read as a document of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.adaptation.documents import Stream
from motherlode.adaptation.rows import Row
from motherlode.models.tokens import Tokens


@dataclass(frozen=True)
class Mixture:
    """Sequences of domain and general tokens.

    Attributes:
        sequences: Each of `length` tokens, the last one shorter; a piece starts at every document.
        domain_tokens: Tokens of the domain.
        general_tokens: General tokens.
        domain_readings: How often the domain's documents were read.
        general_readings: How often the general ones were.
    """

    sequences: list[Row]
    domain_tokens: int
    general_tokens: int
    domain_readings: float
    general_readings: float

    @property
    def ratio(self) -> float:
        """The share of the domain, by tokens."""
        return self.domain_tokens / max(1, self.domain_tokens + self.general_tokens)


def mix(domain: Stream | None, general: Stream | None, *, ratio: float, tokens: int, length: int) -> Mixture:
    """Mix two streams of documents.

    Args:
        domain: The domain's; None only if `ratio` is 0.
        general: The general ones; None only if `ratio` is 1.
        ratio: Share of the domain, 0 to 1.
        tokens: All tokens.
        length: Tokens of a sequence.

    Returns:
        The mixture; its ratio differs from the one wanted by less than one token.
    """
    wanted = [round(ratio * tokens), tokens - round(ratio * tokens)]
    streams, taken = [domain, general], [0, 0]
    sequences: list[Row] = []
    row: list[Tokens] = []
    room = length
    left: NDArray[Any] = np.empty(0, dtype=np.int32)
    while True:
        if not len(left):
            behind = [(wanted[n] - taken[n]) / wanted[n] if wanted[n] else 0.0 for n in (0, 1)]
            number = int(behind[1] > behind[0])
            stream = streams[number]
            if taken[number] >= wanted[number] or stream is None:
                break
            left = stream.take(wanted[number] - taken[number])
            taken[number] += len(left)
        part, left = left[:room], left[room:]
        row.append(Tokens(part, 0))
        room -= len(part)
        if not room:
            sequences.append(row)
            row, room = [], length
    if row:
        sequences.append(row)
    read = [0.0 if stream is None else stream.readings for stream in streams]
    return Mixture(sequences, taken[0], taken[1], read[0], read[1])


def windows(documents: list[NDArray[Any]], length: int) -> list[Row]:
    """Cut documents into rows of at most `length` tokens, each from one document: what a loss is measured on."""
    return [
        [Tokens(ids[start : start + length], 0)]
        for ids in documents
        for start in range(0, len(ids), length)
        if len(ids) - start > 1
    ]
