"""A persistent vector index beside a corpus, for repeated queries; its recall is measured and told.

The exact search reads every vector. An index (Lance) reads a part of them, without decoding the rest; what it misses is
measured when it is built (`recall`). Cosines of documents found are exact in either case; only *which* documents are
found is approximate.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from motherlode.corpus.corpus import Corpus
from motherlode.encode.vectors import Vectors
from motherlode.errors import InputError, nearest
from motherlode.mining import lance_index, lance_store
from motherlode.mining.recall import measure
from motherlode.mining.retrieve import Neighbours, SeedMatrix, keep_top
from motherlode.mining.search import Hit, fetch, query_vector
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Manifest

FOLDER = "index"


@dataclass(frozen=True)
class VectorIndex:
    """An index over the vectors of a corpus, and what is known of it.

    Attributes:
        location: Where the Lance dataset lies: a folder or an address.
        key: Which vectors it holds.
        documents: Digest of the corpus's documents.
        version: The version of the Lance dataset.
        rows: Vectors in it.
        dimensions: Length of a vector.
        kind: `scan` (every vector is compared) or the type of the index.
        parameters: Metric, partitions, `nprobes` and `refine_factor` of a query.
        recall_at_k: Share of the exact k nearest documents that it finds, by k.
        queries: Stored documents on which that was measured.
        seconds_exact: Of a query for 10 documents, over all stored vectors.
        seconds_ann: Of the same by the index.
        labels: The labels that documents can be chosen by.
        labelled_by: Digest of the labels; empty without.
        added: Documents that the last build added.
        removed: Documents that it removed.
    """

    location: str
    key: str
    documents: str
    version: int
    rows: int
    dimensions: int
    kind: str
    parameters: Mapping[str, Any]
    recall_at_k: Mapping[int, float]
    queries: int
    seconds_exact: float
    seconds_ann: float
    labels: tuple[str, ...]
    labelled_by: str
    added: int
    removed: int

    @property
    def claim(self) -> str:
        """The line that says how much of the exact answer is found."""
        recall = ", ".join(f"{value:.3f} at {k}" for k, value in self.recall_at_k.items())
        return f"recall against the exact search: {recall or 'not measured'} ({self.queries} documents as queries)"

    def describe(self) -> str:
        """Return what a person wants to know, in a few lines."""
        how = "every vector is compared"
        if self.kind != lance_index.SCAN:
            how = f"{self.parameters['nprobes']} of {self.parameters['partitions']} partitions are compared"
        lines = [
            f"index: {self.location}",
            f"vectors: {self.rows:,} of {self.dimensions} dimensions ({self.added:,} added, {self.removed:,} removed)",
            f"kind: {self.kind}, {how}",
            self.claim,
            f"seconds a query: {self.seconds_ann:.4f}, exact search {self.seconds_exact:.4f}",
            f"labels: {', '.join(self.labels) or 'none'}",
        ]
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        store.write_text(path, json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        """Read what `save` wrote.

        Raises:
            InputError: There is none, or it is damaged.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
            recall = {int(k): float(value) for k, value in values.pop("recall_at_k").items()}
            return cls(recall_at_k=recall, labels=tuple(values.pop("labels")), **values)
        except OSError:
            raise InputError("has no index for these vectors yet", where=str(path.parent.parent)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"is damaged ({error})", where=str(path), hint="run `corpus index` again") from error

    def open(self) -> Any:
        """Open the Lance dataset.

        Raises:
            InputError: It is gone, or was changed since.
            MissingExtraError: Lance is not installed.
        """
        again = "run `corpus index` again"
        dataset = lance_store.open_store(self.location, self.key)
        if dataset is None:
            raise InputError("the index is gone", where=self.location, hint=again)
        if dataset.version != self.version:
            raise InputError(
                "the index was changed since it was built for this corpus", where=self.location, hint=again
            )
        return dataset

    def label_filter(self, label: str) -> str:
        """Return the filter for documents with a label.

        Raises:
            InputError: The index has no such label.
        """
        if label not in self.labels:
            hint = nearest(label, self.labels) if self.labels else "run `corpus index` with --mined RUN"
            raise InputError(f"the index has no label {label!r}", where="--label", hint=hint)
        return "array_has(labels, '{}')".format(label.replace("'", "''"))


def build_index(
    corpus: Corpus,
    encoder: str | Vectors | None = None,
    *,
    mined: str | Path | None = None,
    location: str | None = None,
    kind: str = "auto",
) -> VectorIndex:
    """Build the index of a corpus's vectors, or bring it up to date: shards that it holds already are not added again.

    Args:
        corpus: A corpus with vectors.
        encoder: Which vectors, or these themselves; by default the only ones there are.
        mined: Folder of a `mine` run over the corpus, whose labels and scores become columns.
        location: A folder or an address that Lance accepts, e.g. `s3://bucket/name.lance`; by default the one used
            before, or one beside the corpus.
        kind: `auto` (by size), or one of `lance_index.KINDS`.

    Returns:
        The index.

    Raises:
        InputError: No vectors, labels of another corpus, or a location that holds something else.
        MissingExtraError: Lance is not installed.
        MotherlodeError: Lance failed; what is committed is kept for the next try.
    """
    lance_store.load_lance("a vector index")
    if kind not in ("auto", *lance_index.KINDS):
        raise InputError(f"unknown kind {kind!r}", where="--kind", hint=nearest(kind, ("auto", *lance_index.KINDS)))
    vectors = encoder if isinstance(encoder, Vectors) else corpus.vectors(encoder)
    documents = corpus.documents
    labels = None if mined is None else Dataset(Path(mined) / "labels")
    if labels is not None:
        documents.check_side(labels)
    with Manifest.open(corpus.folder / FOLDER, "indexes", {}):  # one builder at a time
        path = _path(corpus, vectors)
        before = _before(path)
        if location is None:
            location = before.location if before else str(path.with_suffix(".lance").absolute())
        elif "://" not in location:
            location = str(Path(location).absolute())
        if before is not None and before.location != location:
            before = None
        dataset = lance_store.open_store(location, vectors.key)
        missing, stale = lance_store.missing_and_stale(dataset, documents)
        wanted = lance_index.kind_for(documents.rows) if kind == "auto" else kind
        labelled_by = fingerprint(list(labels.digest)) if labels is not None else before.labelled_by if before else ""
        if (
            before is not None
            and dataset is not None
            and not missing
            and not stale
            and (before.kind, before.labelled_by, before.version) == (wanted, labelled_by, dataset.version)
            and before.documents == fingerprint(list(documents.digest))
        ):
            return dataclasses.replace(before, added=0, removed=0)
        store.remove(path)  # until all is done there is no index that could be asked
        dataset = lance_store.follow(dataset, location, documents, vectors, missing, stale)
        if labels is not None and (before is None or before.labelled_by != labelled_by or missing):
            lance_store.attach_labels(dataset, location, labels)
        added, removed = sum(documents.shards[name].files[0].rows for name in missing), sum(stale.values())
        old = before.parameters if before is not None and before.kind == wanted else {}
        parameters = lance_index.train(dataset, location, documents, vectors, wanted, old, added + removed)
        with lance_store.lance_errors(location):
            lance_index.tidy(dataset)
            parameters, recall, queries, exact, ann = measure(dataset, documents, vectors, parameters)
        index = VectorIndex(
            location=location,
            key=vectors.key,
            documents=fingerprint(list(documents.digest)),
            version=int(dataset.version),
            rows=documents.rows,
            dimensions=vectors.encoder.dimensions,
            kind=wanted,
            parameters=parameters,
            recall_at_k=recall,
            queries=queries,
            seconds_exact=exact,
            seconds_ann=ann,
            labels=lance_store.labels_of(dataset),
            labelled_by=labelled_by,
            added=added,
            removed=removed,
        )
        index.save(path)
    return index


def _before(path: Path) -> VectorIndex | None:
    """Return what is known of the index so far, if it can be read: it only saves work."""
    try:
        return VectorIndex.load(path)
    except InputError:
        return None


def _path(corpus: Corpus, vectors: Vectors) -> Path:
    return corpus.folder / FOLDER / f"{vectors.key}.json"


def find_index(corpus: Corpus, vectors: Vectors) -> VectorIndex:
    """Return the index that was built for a corpus's vectors.

    Raises:
        InputError: There is none, or it belongs to an earlier build of the corpus.
        MissingExtraError: Lance is not installed.
    """
    lance_store.load_lance("a vector index")
    path = _path(corpus, vectors)
    command = f"motherlode corpus index {corpus.folder}"
    if not path.exists():
        raise InputError(f"has no index of the vectors '{vectors.key}'", where=str(corpus.folder), hint=command)
    index = VectorIndex.load(path)
    if index.documents != fingerprint(list(corpus.documents.digest)):
        raise InputError("the index belongs to an earlier build of the corpus", where=str(path), hint=command)
    return index


def require_index(corpus: Corpus, vectors: Vectors) -> VectorIndex:
    """Return the index of a corpus's vectors; it is built, and this said, if there is none that fits.

    Raises:
        InputError: The place of the index holds something else.
        MissingExtraError: Lance is not installed.
    """
    lance_store.load_lance("--retrieval ann")
    try:
        index = find_index(corpus, vectors)
        index.open()
    except InputError as error:
        sys.stderr.write(f"{error.what}: building it\n")
        index = build_index(corpus, vectors)
    return index


def search_index(
    corpus: Corpus, query: str, k: int = 10, encoder: str | Vectors | None = None, where: str | None = None
) -> list[Hit]:
    """Find the documents nearest to a query by the index.

    Args:
        corpus: A corpus with an index.
        query: Any text.
        k: How many documents, 1 or more.
        encoder: Which vectors, or these themselves; by default the only ones there are.
        where: A filter on labels and scores in Lance's SQL, e.g. `array_has(labels, 'finance')`.

    Returns:
        The nearest documents that it finds, best first; never one without a known word (the exact search gives these
        a cosine of 0).

    Raises:
        InputError: As for the exact search; or there is no index, or the filter cannot be read.
        MissingExtraError: Lance is not installed.
    """
    vectors, wanted = query_vector(corpus, query, k, encoder)
    index = find_index(corpus, vectors)
    dataset = index.open()
    try:
        places = lance_index.ask(dataset, wanted, k, index.parameters, where)
    except ValueError as error:
        if where is None:
            raise
        raise InputError(f"the filter cannot be read ({lance_store.first_part(error)})", where=where) from error
    return fetch(corpus, places)


def neighbours_from_index(index: VectorIndex, seeds: SeedMatrix, top_k: int, documents: Dataset) -> Neighbours:
    """Find the documents nearest to each seed by the index instead of the exact pass.

    Args:
        index: The index.
        seeds: The seeds.
        top_k: How many documents of each.
        documents: The corpus's documents.

    Returns:
        The nearest documents found, with exact cosines.

    Raises:
        InputError: The index is gone or was changed.
        MissingExtraError: Lance is not installed.
    """
    dataset, names = index.open(), tuple(documents.shards)
    number = {name: place for place, name in enumerate(names)}
    seed, place, value = [], [], []
    with lance_store.lance_errors(index.location):
        for row, vector in enumerate(seeds.vectors):
            for similarity, shard, inside in lance_index.ask(dataset, vector, top_k, index.parameters):
                seed.append(row)
                place.append((number[shard] << 40) + inside)
                value.append(similarity)
    kept = keep_top(np.array(seed, np.int32), np.array(place, np.int64), np.array(value, np.float32), top_k)
    return Neighbours(kept[0], (kept[1] >> 40).astype(np.int32), kept[1] & ((1 << 40) - 1), kept[2], names)
