"""Vectors of a corpus: encoded once, kept as float16 side columns, one folder an encoder.

The folder's name holds the fingerprint of the encoder and of what it was fitted on, so that vectors of different
encoders live side by side and are never mistaken for each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motherlode.encode.encoder import Encoder, load_encoder, parse_spec
from motherlode.encode.lexical import VERSION as LEXICAL_VERSION
from motherlode.encode.lexical import LexicalConfig, LexicalEncoder
from motherlode.encode.sample import sample_documents
from motherlode.errors import InputError
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Manifest
from motherlode.shards.resources import Resources
from motherlode.shards.step import Step, StepFunction, StepResult
from motherlode.shards.task import map_tasks

COLUMN = "vector"


def to_column(vectors: NDArray[np.float32]) -> pa.Array:
    """Turn `[n, d]` vectors into a column of float16 lists."""
    flat = pa.array(vectors.astype(np.float16).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def from_column(column: pa.Array) -> NDArray[np.float32]:
    """Turn a column of float16 lists into `[n, d] float32`; null rows (failed ones) become zero."""
    size = column.type.list_size
    flat = column.values.slice(column.offset * size, len(column) * size)
    vectors = flat.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), size)
    if column.null_count:
        vectors = np.where(column.is_valid().to_numpy(zero_copy_only=False)[:, None], vectors, np.float32(0))
    cleaned: NDArray[np.float32] = np.nan_to_num(vectors, copy=False)
    return cleaned


def encoder_resources(spec: str) -> Resources:
    """Return what a worker needs that encodes: sentence encoders can use a GPU."""
    return Resources(gpus_if_any=1 if parse_spec(spec)[0] in ("minilm", "st") else 0)


@dataclass(frozen=True)
class EncodeStep(Step):
    """Texts to vectors.

    Attributes:
        spec: The encoder's specification.
        folder: Where a fitted or distilled encoder lies.
        digest: The encoder's fingerprint.
        dimensions: The length of a vector.
    """

    spec: str
    folder: Path
    digest: str
    dimensions: int
    name: ClassVar[str] = "encode"
    reads: ClassVar[tuple[str, ...]] = ("text",)

    @property
    def writes(self) -> pa.Schema:
        """One vector a document."""
        return pa.schema([(COLUMN, pa.list_(pa.float16(), self.dimensions))])

    def settings(self) -> Mapping[str, Any]:
        """The encoder decides everything."""
        return {"encoder": self.digest}

    @property
    def resources(self) -> Resources:
        """A model takes a GPU where there is one."""
        return encoder_resources(self.spec)

    def open(self) -> StepFunction:
        """Load the encoder."""
        encoder = load_encoder(self.spec, self.folder)

        def encode(batch: pa.RecordBatch) -> StepResult:
            return StepResult({COLUMN: to_column(encoder.encode(batch.column("text")))})

        return encode


class Vectors(Dataset):
    """The vectors of a corpus under one encoder.

    Attributes:
        spec: The encoder's specification.
        encoder: The encoder itself.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder of vectors.

        Raises:
            InputError: It is missing, incomplete, or its encoder cannot be loaded.
        """
        super().__init__(folder)
        self.spec: str = self.manifest.settings["encoder"]
        self.encoder: Encoder = load_encoder(self.spec, self.folder / "encoder")

    @property
    def key(self) -> str:
        """The folder's name, which identifies encoder and fit."""
        return self.folder.name

    def matrices(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Read shard by shard: its name and `[n, d] float32`."""
        for shard in self.shards:
            parts = [from_column(batch.column(COLUMN)) for batch in self.source(shard).batches([COLUMN], 1 << 16)]
            yield shard, np.concatenate(parts)


def _key(documents: Dataset, spec: str, config: LexicalConfig) -> str:
    kind, rest = parse_spec(spec)
    depends: list[Any] = [spec]
    if kind == "lexical":
        depends += [LEXICAL_VERSION, config.__dict__, list(documents.digest)]
    label = {"st": Path(rest).name, "static": Path(rest).name, "distil": f"distil-{Path(rest).name}"}.get(kind, kind)
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in label.replace(":", "-"))
    return f"{safe}-{fingerprint(*depends)[:12]}"


def encode_documents(
    documents: Dataset,
    home: Path,
    spec: str = "lexical",
    *,
    engine: Engine | None = None,
    config: LexicalConfig | None = None,
) -> Vectors:
    """Encode every document of a dataset, or return the vectors if that was done.

    Args:
        documents: A dataset with the column `text`.
        home: The folder under which the vectors of all encoders lie.
        spec: The encoder's specification.
        engine: Who does the work; by default this machine's cores.
        config: How the lexical encoder is fitted.

    Returns:
        The vectors.

    Raises:
        InputError: The encoder is unknown or cannot be loaded.
        MissingExtraError: The extra that it needs is not installed.
    """
    config = config or LexicalConfig()
    folder = home / _key(documents, spec, config)
    own = engine is None
    engine = engine or LocalEngine()
    try:
        with Manifest.open(folder, "vectors", {"encoder": spec}) as manifest:
            place = folder / "encoder"
            encoder = _prepare(documents, spec, place, config)
            step = EncodeStep(spec, place, encoder.fingerprint, encoder.dimensions)
            tasks = map_tasks(step, documents, [(documents, ["text"])])
            engine.run(tasks, manifest, "encode")
    finally:
        if own:
            engine.close()
    return Vectors(folder)


def _prepare(documents: Dataset, spec: str, place: Path, config: LexicalConfig) -> Encoder:
    """Return the encoder, fitted or distilled first if it has to be."""
    kind, rest = parse_spec(spec)
    if kind == "lexical" and not (place / "encoder.json").exists():
        sample = sample_documents(documents, config.sample, config.random_seed)
        texts = pa.concat_arrays([batch.column("text") for _, _, batch in sample.batches([(documents, ["text"])])])
        LexicalEncoder.fit(texts, config).save(place)
    elif kind == "distil" and not (place / "config.json").exists():
        from motherlode.encode.static import distil

        distil(rest, place)
    return load_encoder(spec, place)


def find_vectors(documents: Dataset, home: Path, spec: str | None = None) -> Vectors:
    """Return vectors that were made before.

    Args:
        documents: The dataset that they belong to.
        home: The folder under which the vectors of all encoders lie.
        spec: The encoder wanted; by default the only one there is.

    Returns:
        The vectors.

    Raises:
        InputError: None fits, or several do and no specification was given.
    """
    folders = sorted(home.iterdir()) if home.is_dir() else []
    complete = [item for item in folders if (item / "manifest.jsonl").exists() and Manifest.read(item).complete]
    found = [Dataset(item) for item in complete]  # encoders are loaded last: others may need what is not installed
    fitting = [data for data in found if spec is None or data.manifest.settings["encoder"] == spec]
    usable = [data for data in fitting if _belongs(documents, data)]
    if len(usable) == 1 or (usable and spec is not None):
        return Vectors(usable[-1].folder)
    there = ", ".join(sorted({str(data.manifest.settings["encoder"]) for data in found})) or "none"
    if fitting and not usable:
        raise InputError("its vectors belong to an earlier build", where=str(home), hint="encode the corpus again")
    if not usable:
        raise InputError(
            f"has no vectors of the encoder '{spec}' (there: {there})" if spec else "has no vectors yet",
            where=str(home.parent),
            hint=f"motherlode corpus encode {home.parent}" + (f" --encoder {spec}" if spec else ""),
        )
    raise InputError(f"has vectors of several encoders ({there})", where=str(home.parent), hint="choose with --encoder")


def _belongs(documents: Dataset, vectors: Dataset) -> bool:
    try:
        documents.check_side(vectors)
    except InputError:
        return False
    return True


def encode_texts(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode a few texts in this process, e.g. seeds: `[n, d] float32` of unit length."""
    return encoder.encode(pa.array(list(texts), pa.string()))
