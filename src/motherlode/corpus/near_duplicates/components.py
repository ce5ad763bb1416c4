"""From pairs to clusters, and who stays: connected components by union-find, over numbers alone.

Memory: one byte a document of the corpus while pairs are counted, and 64 bytes a document that has a near-duplicate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motherlode.corpus.stages import Numbers


@dataclass(frozen=True)
class Clusters:
    """Documents that are nearly alike, each with at least one other.

    Attributes:
        members: `[m]` numbers of documents, cluster by cluster, in each the one that stays first, then in order.
        starts: `[c + 1]`; cluster i is `members[starts[i]:starts[i + 1]]`, ordered by its earliest document.
    """

    members: Numbers
    starts: Numbers

    @property
    def sizes(self) -> Numbers:
        """`[c]` documents in each cluster."""
        return np.diff(self.starts)

    @property
    def dropped(self) -> Numbers:
        """Numbers of the documents that go, ascending."""
        return np.sort(np.delete(self.members, self.starts[:-1]))


def join(members: Numbers, edges: Iterable[Numbers]) -> Numbers:
    """Find connected components.

    Args:
        members: `[m]` ascending numbers of all documents in some edge.
        edges: Parts of the edges, each `[e, 2]`.

    Returns:
        `[m]`, for each member the place of the first member of its component.
    """
    parent = np.arange(len(members))
    for part in edges:
        left, right = np.searchsorted(members, part[:, 0]), np.searchsorted(members, part[:, 1])
        while True:
            left, right = parent[left], parent[right]
            apart = left != right
            if not apart.any():
                break
            low, high = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
            np.minimum.at(parent, high, low)  # a root hangs under the smallest root that it meets
            _flatten(parent)
            left, right = low, high
    return parent


def _flatten(parent: Numbers) -> None:
    """Let everything point to its root; paths halve in each round."""
    while True:
        above = parent[parent]
        if (above == parent).all():
            return
        parent[:] = above


def cluster(members: Numbers, roots: Numbers, ranks: NDArray[np.float64]) -> Clusters:
    """Order the members of each component, the one that stays first.

    Args:
        members: `[m]` ascending numbers of documents.
        roots: `[m]`, as `join` returns them.
        ranks: `[m]`, of which the highest stays, of equals the first document.
    """
    order = np.lexsort((members, -ranks, roots))
    first = np.flatnonzero(np.concatenate([[True], np.diff(roots[order]) != 0])) if len(order) else order
    best = np.zeros(len(order), dtype=bool)
    best[order[first]] = True
    order = np.lexsort((members, ~best, roots))
    return Clusters(members[order], np.append(first, len(order)))
