"""What the families of rules have in common: which documents of a block go, and under which reason."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.quality.hashing import Mask
from motherlode.corpus.quality.words import Block


class Verdict:
    """Which documents of a block go; the first rule that a document breaks gives the reason.

    Attributes:
        reasons: `[d]` reasons, None where the document stays.
    """

    def __init__(self, block: Block) -> None:
        """Let all documents stay.

        Args:
            block: The documents.
        """
        self.reasons: NDArray[np.object_] = np.full(len(block), None, dtype=object)

    def drop(self, broken: Mask, reason: str) -> None:
        """Drop documents that no rule has dropped before.

        Args:
            broken: `[d]` whether a document breaks the rule.
            reason: The name of the rule.
        """
        self.reasons[broken & (self.reasons == None)] = reason  # noqa: E711 - element by element


def share(part: NDArray[np.generic], whole: NDArray[np.generic]) -> NDArray[np.float64]:
    """Divide, with 0 where there is nothing to divide by."""
    result: NDArray[np.float64] = np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) > 0)
    return result
