"""`corpus build`: from files to a corpus of clean, unique documents.

Three stages, each resumable: *read* (files to cleaned staging shards with content keys), *decide* (duplicates, ids and
repeated paragraphs, over all shards), *write* (staging shards to final ones, without what was dropped, and cut into
chunks if that is wanted). What is only needed on the way goes when all is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from pydantic import Field

from motherlode.corpus.columns import RECORD
from motherlode.corpus.corpus import Corpus
from motherlode.corpus.decide import SCRATCH, DecideOptions, decide
from motherlode.corpus.decontaminate.harness import read_tasks as read_evaluation_tasks
from motherlode.corpus.decontaminate.items import EvaluationFile, read_items
from motherlode.corpus.decontaminate.options import DecontaminateOptions
from motherlode.corpus.decontaminate.step import EXTRA, Decontaminate
from motherlode.corpus.fields import Fields, no_text_field
from motherlode.corpus.filters import document_steps
from motherlode.corpus.outcomes import (
    DUPLICATES,
    MOST_SKIPPED,
    OTHER_SOURCES,
    PARAGRAPHS,
    READ,
    SKIPPED,
    SOURCES,
    settled,
)
from motherlode.corpus.quality.presets import QualityConfig, QualityOptions
from motherlode.corpus.quality.step import FilterQuality, quality_step
from motherlode.corpus.read import FIELDS_WITHOUT_TEXT, read_tasks
from motherlode.corpus.rejected import reject_tasks
from motherlode.corpus.remote import is_url
from motherlode.corpus.sources import FORMATS, SPLIT_BYTES, Found, find_inputs, plan_splits
from motherlode.corpus.stages import Scratch
from motherlode.corpus.web.options import WebOptions, web_steps
from motherlode.corpus.write import write_tasks
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.dataset import Dataset, Source
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.location import location
from motherlode.shards.manifest import Entry, Manifest, merge_stats
from motherlode.shards.outputs import check_output
from motherlode.shards.step import Step, check_chain

STAGING = "staging"
EVALUATION = "evaluation.parquet"


class BuildConfig(WebOptions, QualityOptions, DecideOptions, DecontaminateOptions):
    """What `corpus build` does with its input."""

    text_field: str = Field("text", min_length=1, description="field that holds the text")
    id_field: str = Field("id", min_length=1, description="field that holds the id; absent: a digest of the content")
    source_field: str = Field(
        "source", min_length=1, description="field that holds the source; absent: the file's name"
    )
    format: str | None = Field(
        None, description=f"format of all inputs, one of {', '.join(sorted(set(FORMATS.values())))}"
    )
    csv_delimiter: str | None = Field(
        None, description="what separates the columns of CSV and TSV files; a comma, and a tab in TSV, by default"
    )
    clean: bool = Field(True, description="repair Unicode with ftfy")
    min_words: int = Field(5, ge=0, description="documents with fewer words are dropped")
    deduplicate: bool = Field(True, description="drop documents whose content an earlier one has")
    shard_rows: int = Field(8192, ge=1, le=1_000_000, description="documents in a shard, at most about")
    shard_bytes: int = Field(32 << 20, ge=1 << 10, description="bytes of text in a shard, at most about")
    split_bytes: int = Field(SPLIT_BYTES, ge=1 << 10, description="bytes of input that one task reads")


def build(
    inputs: Sequence[str | Path],
    out: str | Path,
    config: BuildConfig | None = None,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Corpus:
    """Build a corpus from files.

    Args:
        inputs: Files, folders (searched through) and glob patterns, in the formats of `sources.FORMATS`.
        out: The folder of the corpus, here or in a store (`s3://bucket/corpus`); continued if the same build was
            interrupted there.
        config: What to do with the input.
        engine: Who does the work; by default this machine's cores.
        overwrite: Whether another corpus in the folder is replaced.

    Returns:
        The corpus.

    Raises:
        InputError: The input or the folder must be changed.
        MotherlodeError: The work failed; what is done is kept for the next try.
    """
    config = config or BuildConfig()
    folder = location(out)
    overwrite = overwrite or _holds_nothing(folder)
    check_output(folder, [config.block_urls] if config.block_urls else [])
    found = _separated(find_inputs(inputs, config.format, folder), config.csv_delimiter)
    described = [[file.name, file.digest, file.format] for file in found.files]
    web, page_steps = web_steps(config, found.files)
    settings = {**config.model_dump(), "inputs": fingerprint(described), "input_files": len(described)}
    if config.csv_delimiter is None:  # folders of earlier versions stay what they are
        del settings["csv_delimiter"]
    settings["block_urls"] = web.block.settings() if web.block is not None else None
    named = [EvaluationFile.parse(name).path for name in config.decontaminate]
    check_output(folder, [Path(name).expanduser() for name in named if name and not is_url(name)])
    items = pa.concat_tables([read_items(config.decontaminate), read_evaluation_tasks(config.decontaminate_tasks)])
    decontaminate = None
    if items.num_rows:
        settings["evaluation"] = _digest(items)
        decontaminate = Decontaminate(folder / SCRATCH / EVALUATION, settings["evaluation"], config)
    steps = {
        kind: document_steps(
            config.clean,
            config.min_words,
            quality=quality_step(config, kind),
            decontaminate=decontaminate,
            **page_steps,
        )
        for kind in dict.fromkeys(file.format for file in found.files)
    }
    for chain in steps.values():
        check_chain(RECORD.names, chain)
    if config.quality == "auto" and config.quality_rules != QualityConfig() and not _filtered(steps):
        raise InputError(
            "thresholds are given, and no filter holds for this input: 'auto' filters web pages only",
            where="--quality-config",
            hint="name filters with --quality, e.g. gopher,fineweb",
        )
    fields = Fields(config.text_field, config.id_field, config.source_field)
    own = engine is None
    engine = engine or LocalEngine()
    try:
        with Manifest.open(folder, "corpus", settings, overwrite=overwrite) as outer:
            staging = folder / STAGING
            if outer.complete:
                store.remove(folder / SCRATCH)  # a kill may have come between the last line and this
                store.remove(staging)
                return Corpus(folder)
            if items.num_rows:
                store.make_folder(folder / SCRATCH)
                store.write_table(folder / SCRATCH / EVALUATION, items)
            with Manifest.open(staging, "staging", settings, overwrite=overwrite) as manifest:
                splits = plan_splits(found.files, config.split_bytes)
                sizes = (config.shard_rows, config.shard_bytes)
                engine.run(
                    read_tasks(splits, fields, steps, *sizes, web, config.keep_rejected), manifest, "read", "bytes"
                )
            staged = Dataset(staging)
            shards = _staged_shards(staged)
            scratch = Scratch(folder / SCRATCH, settings, engine, overwrite)
            decisions = decide(
                shards, config, folder, scratch, deduplicate=config.deduplicate, min_words=config.min_words
            )
            writes = write_tasks(
                shards,
                decisions,
                by_place=not config.deduplicate,
                chunk_words=config.chunk_words,
                min_chunk_words=config.min_chunk_words,
            )
            with Manifest.open(folder / Corpus.DOCUMENTS, "documents", settings, overwrite=overwrite) as manifest:
                engine.run(writes, manifest, "write")
            documents = Dataset(folder / Corpus.DOCUMENTS)
            if config.keep_rejected:
                entries = [documents.manifest.entries[task.name] for task in writes]
                rejects = reject_tasks(staging, staged.manifest.entries.values(), shards, decisions, entries)
                with Manifest.open(folder / Corpus.REJECTED, "rejected", settings, overwrite=overwrite) as manifest:
                    engine.run(rejects, manifest, "keep rejected")
            _keep_beside(staged, "quarantine", folder / Corpus.QUARANTINE)
            _keep_beside(staged, EXTRA, folder / Corpus.CONTAMINATION)
            _require_documents(staged, documents, folder, config.text_field)
            outer.commit(_summary(staged, documents, found.skipped, _stages(steps)))
            outer.finish(["build"])
            store.remove(folder / SCRATCH)
            store.remove(staging)
    finally:
        if own:
            engine.close()
    return Corpus(folder)


def _separated(found: Found, delimiter: str | None) -> Found:
    """Say of tables what separates their columns.

    Raises:
        InputError: It can separate nothing, or there is no table.
    """
    if delimiter is None:
        return found
    character = "\t" if delimiter == "\\t" else delimiter
    if len(character) != 1 or character in '"\r\n':
        raise InputError(
            f"{delimiter!r} cannot separate columns", where="--csv-delimiter", hint="use one character, e.g. ; or \\t"
        )
    if not any(file.format in ("csv", "tsv") for file in found.files):
        raise InputError("has no effect: no input is CSV or TSV", where="--csv-delimiter", hint="leave it out")
    files = (replace(f, delimiter=character) if f.format in ("csv", "tsv") else f for f in found.files)
    return replace(found, files=tuple(files))


def _holds_nothing(folder: Path) -> bool:
    """Return whether a folder holds a build that came to its end without a document: it need not be kept."""
    try:
        outer, documents = Manifest.read(folder), Manifest.read(folder / Corpus.DOCUMENTS)
    except InputError:
        return False
    ended = outer.header["kind"] == "corpus" and not outer.complete and documents.complete
    return ended and not any(entry.files for entry in documents.entries.values())


def _filtered(steps: Mapping[str, Sequence[Step]]) -> bool:
    return any(isinstance(step, FilterQuality) for chain in steps.values() for step in chain)


def _digest(table: pa.Table) -> str:
    return fingerprint(*(table.column(name).to_pylist() for name in table.schema.names))


def _staged_shards(staged: Dataset) -> list[Source]:
    return [
        Source(staged.folder / file.name, file.digest, file.rows)
        for entry in staged.manifest.entries.values()
        for file in entry.files
        if file.name.count(".") == 1  # `split-000000.quarantine.parquet` and its like hold no documents
    ]


def _stages(steps: Mapping[str, Sequence[Step]]) -> list[str]:
    """Return the names of all stages that can drop records, in order."""
    by_document = [step.name for chain in sorted(steps.values(), key=len, reverse=True) for step in chain]
    return list(dict.fromkeys([READ, *by_document, DUPLICATES, PARAGRAPHS]))


def _keep_beside(staged: Dataset, kind: str, folder: Path) -> None:
    """Move what stands beside the staged documents (what could not be read, say) beside the final ones."""
    store.remove(folder)  # an interrupted run may have left some, and a temporary file
    for entry in staged.manifest.entries.values():
        for file in entry.files:
            if file.name.endswith(f".{kind}.parquet"):
                store.make_folder(folder)
                name = file.name.replace(f".{kind}.", ".")
                store.write_bytes(folder / name, (staged.folder / file.name).read_bytes())


def _summary(staged: Dataset, documents: Dataset, skipped: Sequence[str], stages: Sequence[str]) -> Entry:
    """Merge the outcomes of both stages into one entry that adds up."""
    counts = Counter(staged.counts)
    counts["kept"] = 0
    for outcome, count in documents.counts.items():
        counts[outcome] += count
    first, second = staged.stats, documents.stats
    by_source = merge_stats({key: part.get(key, {}) for key in (SOURCES, OTHER_SOURCES)} for part in (first, second))
    stats = {**first, **second, **settled(by_source), "files_skipped": len(skipped)}
    stats[SKIPPED] = dict.fromkeys(sorted(Path(name).name for name in skipped)[:MOST_SKIPPED], 1)
    stats["stages"] = {stage: place for place, stage in enumerate(stages)}
    stats.pop(FIELDS_WITHOUT_TEXT, None)
    return Entry("build", fingerprint("summary", list(documents.digest)), (), dict(sorted(counts.items())), stats)


def _require_documents(staged: Dataset, documents: Dataset, folder: Path, text_field: str) -> None:
    counts = Counter(staged.counts)
    counts["kept"] = 0
    counts.update(documents.counts)
    if documents.rows == 0:
        without_text = counts.get(f"dropped:no field '{text_field}'", 0)
        if without_text and without_text == counts["read"] - counts.get("quarantined", 0):
            raise no_text_field(text_field, staged.stats[FIELDS_WITHOUT_TEXT], "the input")
        reasons = ", ".join(
            f"{name.removeprefix('dropped:')}: {count}"
            for name, count in sorted(counts.items())
            if name not in ("read", "kept") and count
        )
        raise InputError(
            f"no document is left of {counts.get('read', 0)} records ({reasons or 'the input holds none'})",
            where=str(folder),
            hint=_first_error(folder / Corpus.QUARANTINE)
            or "check the format and the field names, or lower --min-words",
        )


def _first_error(quarantine: Path) -> str | None:
    for path in sorted(quarantine.glob("*.parquet")):
        first = store.read_table(path).slice(0, 1).to_pylist()[0]
        return f"the first error is: {first['origin']}, {first['location'] or 'whole'}: {first['error']}"
    return None
