"""Variants of `mine`, compared through continued pre-training: domain corpora, and training on each at equal tokens.

Every variant ends as one JSONL of documents a domain: what `mine` exported under some setting, all documents with the
domain's true label (the oracle), or what a method of `select` takes with the seeds as its domain. Documents that hold
text of the held-out ones are left out of all alike. A variant that finds nothing is trained on general text alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.comparison.jobs import RESULT
from motherlode.errors import InputError
from motherlode.models.rows import Rows
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.local_copy import here
from motherlode.shards.location import location

if TYPE_CHECKING:
    from motherlode.seeds.seeds import Seeds

DOCUMENTS = "documents.jsonl"
GENERAL = "general.jsonl"
MINED = "mined"
_BLOCK = 512
_AMPLE = 1.5  # words for each token that may be needed
_SEED = "seed:"  # begins the id of a seed that was mixed in


def seeds_of(name: str, given: str) -> Seeds:
    """Return a domain's seeds: of a file, or the pack of the domain's name."""
    from motherlode.seeds.seeds import Seeds

    return Seeds.builtin(name) if given == "builtin" else Seeds.read(here(given))


def mine_variant(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Mine all domains under a variant's settings."""
    from motherlode.mining.mine import mine
    from motherlode.shards.engine import LocalEngine

    seeds = {name: seeds_of(name, given) for name, given in settings["seeds"].items()}
    with LocalEngine(1, quiet=True) as engine:
        found = mine(settings["corpus"], seeds, folder / MINED, engine=engine, **settings["options"])
    return {
        name: {
            "t_sim": result.calibration.threshold,
            "retrieved": result.found,
            "labelled": result.labelled,
            "expected_precision": result.expected_precision,
        }
        for name, result in found.domains.items()
    }


def gather_documents(settings: Mapping[str, Any], folder: Path, before: Mapping[str, Path]) -> dict[str, Any]:
    """Write a variant's documents of one domain.

    Args:
        settings: Of the job.
        folder: Its folder; `documents.jsonl` is written there.
        before: The folder of the run of `mine`, if there is one.

    Returns:
        How many documents and words these are, how many were left out because they hold held-out text, and their
        precision and recall where labels are known.
    """
    from motherlode.corpus.decontaminate import Decontaminator

    domain, method = settings["domain"], settings["method"]
    labels = None if settings["labels"] is None else read_labels(here(settings["labels"]))
    rows: Iterable[dict[str, Any]]
    if method == "mine":
        from motherlode.mining.export import read_export

        place = before["mine"] / MINED / "domains" / domain
        rows = read_export(place) if place.is_dir() else ()
    elif method == "oracle":
        wanted = settings["label"]
        rows = (row for row in corpus_rows(settings["corpus"]) if (labels or {}).get(row["id"]) == wanted)
    else:
        rows = _selected(settings, folder)
    known = Decontaminator.from_files([f"{file}:text" for file in settings["heldout"]])
    lines: list[str] = []
    counts = {"documents": 0, "words": 0, "leaked": 0, "seeds": 0, "right": 0}
    for block in _blocks(rows):
        for row, matches in zip(block, known.check([row["text"] for row in block]), strict=True):
            if matches:
                counts["leaked"] += 1
                continue
            counts["documents"] += 1
            counts["words"] += len(row["text"].split())
            counts["seeds"] += str(row["id"]).startswith(_SEED)
            counts["right"] += labels is not None and labels.get(row["id"]) == settings["label"]
            lines.append(json.dumps({"id": row["id"], "text": row["text"]}, ensure_ascii=False) + "\n")
    store.write_bytes(folder / DOCUMENTS, "".join(lines).encode())
    right = counts.pop("right")
    mined = counts["documents"] - counts["seeds"]
    quality: dict[str, float | None] = {"precision": None, "recall": None}
    if labels is not None:
        there = sum(labels.get(row["id"]) == settings["label"] for row in corpus_rows(settings["corpus"]))
        quality = {"precision": right / mined if mined else None, "recall": right / there if there else None}
    return {**counts, **quality}


def _selected(settings: Mapping[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """Take documents by a method of `select`, with the seeds as the domain."""
    from motherlode.selection.select import select

    documents = list(corpus_rows(settings["corpus"]))
    seeds = [seed.text for seed in seeds_of(settings["domain"], settings["seeds"])]
    for name, texts in (("pool", [row["text"] for row in documents]), ("seeds", seeds)):
        data = "".join(json.dumps({"prompt": "", "completion": text}, ensure_ascii=False) + "\n" for text in texts)
        store.write_bytes(folder / f"{name}.jsonl", data.encode())
    count = min(settings["documents"], len(documents))
    options = {"method": settings["method"], "random_seed": settings["random_seed"]}
    chosen = select(folder / "seeds.jsonl", folder / "pool.jsonl", count, **options)
    for row in chosen.rows:
        yield documents[row]
    for name in ("pool", "seeds"):
        store.remove(folder / f"{name}.jsonl")


def gather_general(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write as much general text as the token budget can need, at random, without what holds held-out text.

    Args:
        settings: Of the job.
        folder: Its folder; `general.jsonl` is written there.

    Returns:
        How many documents and words these are, and how many were left out because they hold held-out text.
    """
    from motherlode.corpus.decontaminate import Decontaminator

    words = sum(len(row["text"].split()) for row in _general_rows(settings["general"]))
    share = _AMPLE * settings["tokens"] / max(1, words)
    known = Decontaminator.from_files([f"{file}:text" for file in settings["heldout"]])
    taken = (row for row in _general_rows(settings["general"]) if _at_random(row) < share)
    lines: list[str] = []
    counts = {"documents": 0, "words": 0, "leaked": 0}
    for block in _blocks(taken):
        for row, matches in zip(block, known.check([row["text"] for row in block]), strict=True):
            counts["leaked" if matches else "documents"] += 1
            if not matches:
                counts["words"] += len(row["text"].split())
                lines.append(json.dumps({"id": row["id"], "text": row["text"]}, ensure_ascii=False) + "\n")
    if not lines:
        raise InputError("holds no general text that is not held out", where=str(settings["general"]))
    store.write_bytes(folder / GENERAL, "".join(lines).encode())
    return counts


def _general_rows(source: str) -> Iterator[dict[str, Any]]:
    if (location(source) / "manifest.jsonl").is_file():
        yield from corpus_rows(source)
        return
    for number, row in enumerate(Rows(source)):
        if isinstance(row.get("text"), str):
            yield {"id": str(row.get("id") or number), "text": row["text"]}


def _at_random(row: Mapping[str, Any]) -> float:
    """Return a number from 0 to 1 that the document alone decides."""
    return int(bytes_digest(f"{row['id']}\n{row['text']}".encode("utf-8", "replace"))[:13], 16) / 16.0**13


def pretrain(settings: Mapping[str, Any], folder: Path, before: Mapping[str, Path]) -> dict[str, Any]:
    """Continue pre-training on a variant's documents and general text."""
    from motherlode.adaptation.cpt import continue_pretraining

    general = before["general"] / GENERAL
    documents = before["documents"] / DOCUMENTS if "documents" in before else general
    options = dict(settings["options"])
    found = "documents" in before and bool(json.loads((before["documents"] / RESULT).read_text("utf-8"))["documents"])
    if not found:
        documents, options["ratio"] = general, 0.0
    trained = continue_pretraining(
        str(documents), folder / "adapted", model=settings["model"], general=str(general), quiet=True, **options
    )
    return {
        "model": trained.model.relative_to(folder).as_posix(),
        "tokens": trained.tokens,
        "domain_tokens": trained.domain_tokens,
        "general_tokens": trained.general_tokens,
        "steps": trained.steps,
        "losses": list(trained.losses),
    }


def corpus_rows(folder: str) -> Iterator[dict[str, Any]]:
    """Yield `id` and `text` of a corpus's documents, in order."""
    from motherlode.corpus.corpus import Corpus

    for _, batch in Corpus(folder).documents.aligned(["id", "text"], []):
        yield from batch.to_pylist()


def read_labels(path: Path) -> dict[str, str]:
    """Read the true labels of documents: `id` and `label`."""
    return {str(row["id"]): str(row["label"]) for row in Rows(path) if "id" in row and "label" in row}


def _blocks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    block: list[dict[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block
