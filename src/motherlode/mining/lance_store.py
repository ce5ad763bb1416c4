"""Vectors of a corpus in a Lance dataset: what is kept, how it follows the corpus, how it is asked.

One row a document: its vector, id, shard, row in the shard and the shard's digest; labels and scores are columns that
are added later without rewriting vectors. Shards are appended in groups, each group one atomic commit of Lance, so that
the dataset itself says which shards it holds: a build that was killed goes on there, and a shard whose digest has
changed is deleted and appended anew.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from motherlode.encode.vectors import COLUMN, Vectors, from_column
from motherlode.errors import InputError, MissingExtraError, MotherlodeError
from motherlode.mining.label import score_column
from motherlode.shards.dataset import Dataset, aligned_batches

GROUP_ROWS = 1 << 16  # rows of a commit: 32 MB of 256 dimensions
_KEY = "motherlode"  # of the schema's metadata: which vectors these are
_LABELS = "labels"
_SCORE = score_column("")


def load_lance(feature: str) -> Any:
    """Import Lance.

    Args:
        feature: What needs it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import lance
    except ImportError:
        raise MissingExtraError("index", feature) from None
    return lance


@contextlib.contextmanager
def lance_errors(location: str) -> Iterator[None]:
    """Turn what Lance says into one line.

    Raises:
        MotherlodeError: In place of Lance's errors.
    """
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise MotherlodeError(f"Lance failed ({first_part(error)})", where=location) from error


def first_part(error: Exception) -> str:
    """Return what Lance says without the places in its own sources, which it appends."""
    return str(error).split(", /", maxsplit=1)[0].strip()[:300]


def open_store(location: str, key: str | None = None, version: int | None = None) -> Any | None:
    """Open a dataset of vectors.

    Args:
        location: A folder, or an address that Lance accepts.
        key: Which vectors it must hold.
        version: The version to read; by default the last one.

    Returns:
        The Lance dataset; None if there is nothing at the location.

    Raises:
        InputError: It holds something else, cannot be reached, or that version is gone.
        MissingExtraError: Lance is not installed.
    """
    lance = load_lance("a vector index")
    try:
        dataset = lance.dataset(location, version=version)
    except (OSError, ValueError) as error:
        folder = Path(location)
        if "://" not in location and not (folder.is_dir() and any(folder.iterdir())) and not folder.is_file():
            return None
        if "://" in location and "was not found" in str(error) and version is None:
            return None
        raise InputError(f"cannot be opened as a Lance dataset ({first_part(error)})", where=location) from error
    there = (dataset.schema.metadata or {}).get(_KEY.encode(), b"").decode()
    if not there or (key is not None and there != key):
        what = f"the vectors '{there}', not '{key}'" if there else "something else than an index of motherlode"
        raise InputError(f"holds {what}", where=location, hint="choose another --location, or remove it")
    return dataset


def _schema(dimensions: int, key: str) -> pa.Schema:
    fields = [
        (COLUMN, pa.list_(pa.float16(), dimensions)),
        ("id", pa.string()),
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("digest", pa.string()),
    ]
    return pa.schema(fields, metadata={_KEY: key})


def _shard_rows(documents: Dataset, vectors: Vectors, shard: str, schema: pa.Schema) -> pa.Table:
    """Read a shard as rows of the store; a zero vector, which has no direction, becomes null."""
    source = documents.source(shard)
    parts: list[pa.RecordBatch] = []
    start = 0
    for batch in aligned_batches([(source, ["id"]), (vectors.source(shard), [COLUMN])], 1 << 14):
        matrix = from_column(batch.column(COLUMN))
        flat = pa.array(matrix.astype(np.float16).ravel())
        column = pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1], mask=pa.array(~matrix.any(axis=1)))
        rows = pa.array(np.arange(start, start + len(matrix), dtype=np.int64))
        names = pa.array([shard] * len(matrix), pa.string())
        digests = pa.array([source.digest] * len(matrix), pa.string())
        parts.append(pa.RecordBatch.from_arrays([column, batch.column("id"), names, rows, digests], schema=schema))
        start += len(matrix)
    return pa.Table.from_batches(parts, schema)


def missing_and_stale(dataset: Any | None, documents: Dataset) -> tuple[list[str], dict[tuple[str, str], int]]:
    """Compare a store with the corpus.

    Args:
        dataset: The Lance dataset; None if there is none yet.
        documents: The corpus's documents.

    Returns:
        Shards that the store lacks; and what it holds that the corpus does not: (shard, digest) with rows.
    """
    held: Counter[tuple[str, str]] = Counter()
    if dataset is not None:
        for batch in dataset.scanner(columns=["shard", "digest"], batch_size=1 << 16).to_batches():
            counted = pa.Table.from_batches([batch]).group_by(["shard", "digest"]).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                held[row["shard"], row["digest"]] += row["count_all"]
    wanted = {(name, entry.files[0].digest): entry.files[0].rows for name, entry in documents.shards.items()}
    stale = {place: rows for place, rows in held.items() if wanted.get(place) != rows}
    missing = [name for (name, digest) in wanted if (name, digest) not in held or (name, digest) in stale]
    return missing, stale


def follow(
    dataset: Any | None, location: str, documents: Dataset, vectors: Vectors, missing: list[str], stale: Any
) -> Any:
    """Make a store hold exactly the corpus's shards; each group of shards is committed by itself.

    Args:
        dataset: The Lance dataset; None if there is none yet.
        location: Where it lies, or shall lie.
        documents: The corpus's documents.
        vectors: Their vectors.
        missing: Shards to append.
        stale: (shard, digest) to delete.

    Returns:
        The Lance dataset.

    Raises:
        MotherlodeError: Lance failed; what is committed is kept.
    """
    lance = load_lance("a vector index")
    schema = _schema(vectors.encoder.dimensions, vectors.key)
    places = sorted(stale)
    for start in range(0, len(places), 100):
        some = places[start : start + 100]
        where = " OR ".join(f"(shard = {_quoted(shard)} AND digest = {_quoted(digest)})" for shard, digest in some)
        with lance_errors(location):
            dataset.delete(where)  # type: ignore[union-attr]
    group: list[pa.Table] = []
    for number, shard in enumerate(missing):
        group.append(_shard_rows(documents, vectors, shard, schema))
        if sum(table.num_rows for table in group) >= GROUP_ROWS or number + 1 == len(missing):
            with lance_errors(location):
                mode = "create" if dataset is None else "append"
                dataset = lance.write_dataset(pa.concat_tables(group), location, mode=mode)
            group = []
    return dataset


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def label_columns(dataset: Any) -> list[str]:
    """Return the names of a store's columns of labels and scores."""
    return [name for name in dataset.schema.names if name == _LABELS or name.startswith(_SCORE)]


def labels_of(dataset: Any) -> tuple[str, ...]:
    """Return the labels of a store, as its columns of scores record them."""
    fields = [field for field in dataset.schema if field.name.startswith(_SCORE)]
    return tuple(
        (field.metadata or {}).get(b"label", field.name.removeprefix(_SCORE).encode()).decode() for field in fields
    )


def attach_labels(dataset: Any, location: str, labels: Dataset) -> None:
    """Add columns with labels and scores to a store, in place of such columns; vectors are not rewritten.

    Args:
        dataset: The Lance dataset.
        location: Where it lies.
        labels: What `mine` said of every document: side columns of the corpus.

    Raises:
        MotherlodeError: Lance failed; the command can be run again.
    """
    lance = load_lance("a vector index")
    first = next(iter(labels.shards))
    names = [
        name for name in pq.read_schema(labels.source(first).path).names if name == _LABELS or name.startswith(_SCORE)
    ]
    schema = pa.schema([_label_field(name) for name in names])
    kept: dict[str, pa.Table] = {}

    def values(batch: pa.RecordBatch) -> pa.RecordBatch:
        shards = batch.column("shard").dictionary_encode()
        rows = batch.column("row").to_numpy()
        codes = shards.indices.to_numpy()
        pieces, order = [], []
        for code, shard in enumerate(shards.dictionary.to_pylist()):
            if shard not in kept:
                kept.clear()
                kept[shard] = pa.Table.from_batches(list(labels.source(shard).batches(names)))
            members = np.flatnonzero(codes == code)
            pieces.append(kept[shard].take(pa.array(rows[members])))
            order.append(members)
        table = pa.concat_tables(pieces).take(pa.array(np.argsort(np.concatenate(order)))).rename_columns(schema.names)
        return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=schema)

    with lance_errors(location):
        before = label_columns(dataset)
        if before:
            dataset.drop_columns(before)
        dataset.add_columns(lance.batch_udf(output_schema=schema)(values), read_columns=["shard", "row"])
        dataset.create_scalar_index(_LABELS, "LABEL_LIST", replace=True)


def _label_field(name: str) -> pa.Field:
    """Return the field for a column of labels; Lance takes no dot in a name, so the label itself stands beside it."""
    if name == _LABELS:
        return pa.field(name, pa.list_(pa.string()))
    return pa.field(name.replace(".", "_"), pa.float32(), metadata={"label": name.removeprefix(_SCORE)})
