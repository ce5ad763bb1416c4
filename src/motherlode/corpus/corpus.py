"""A corpus on disk: documents, their side columns, and what became of every input record.

Layout of the folder::

    manifest.jsonl        the build's settings and its counts
    documents/            shards of (id, text, source, words, metadata, url, title, date, language, language_score)
    quarantine/           records that could not be read, with the error
    rejected/             documents that were dropped, with the reason, if they were asked for
    duplicates/           near-duplicates: sizes of clusters, examples
    contamination/        which documents hold which evaluation items, if that was asked
    vectors/<encoder>/    side columns, one folder an encoder
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from motherlode.corpus.outcomes import KEPT, OTHER_SOURCES, READ, SKIPPED, SOURCES, by_stage
from motherlode.errors import InputError
from motherlode.shards.dataset import Dataset
from motherlode.shards.location import location
from motherlode.shards.manifest import Manifest

if TYPE_CHECKING:
    from motherlode.encode.vectors import Vectors
    from motherlode.shards.engine import Engine

_MOST_SHOWN = 100


@dataclass(frozen=True)
class CorpusStats:
    """What `corpus stats` prints.

    Attributes:
        read: Records in the input.
        kept: Documents that stay; those that were cut into chunks count once.
        quarantined: Records that could not be read.
        dropped: Records dropped, by reason.
        words: Words over all kept documents before duplicates were dropped.
        length_histogram: Documents by length: bin b counts those of [2^b, 2^(b+1)) words.
        stages: Records dropped, by stage in the order of the build, then by reason.
        by_source: What became of the records of each source: by outcome (`read`, `kept`, `quarantined`,
            `<stage>/<reason>`), sources with most records first; the thousand most frequent.
        all_other: The same for all further sources together.
        sources: Documents by source, most frequent first, the first hundred.
        other_sources: Documents of all further sources.
        chunks: Chunks that documents were cut into; 0 if none was.
        languages: Documents by language before any was dropped, most frequent first; empty if none was told.
        skipped: Names of files in the given folders that no reader knows or that are empty, the first ones.
        notes: Other statistics (texts repaired, ids renamed, files skipped).
        near_duplicates: Clusters of near-duplicates, as in `near_duplicates.report`; None if they were not looked for.
        contamination: Documents and items by evaluation file, as in `decontaminate.review`: empty if no document holds
            an item, None if the corpus was not held against any.
    """

    read: int
    kept: int
    quarantined: int
    dropped: dict[str, int]
    words: int
    length_histogram: list[int]
    stages: dict[str, dict[str, int]]
    by_source: dict[str, dict[str, int]]
    all_other: dict[str, int]
    sources: dict[str, int]
    other_sources: int
    chunks: int
    languages: dict[str, int]
    skipped: list[str]
    notes: dict[str, int]
    near_duplicates: dict[str, Any] | None = None
    contamination: list[dict[str, Any]] | None = None

    @property
    def adds_up(self) -> bool:
        """Whether every record is accounted for: as a whole, by stage, and for every source."""
        rows = [*self.by_source.values(), self.all_other]
        return (
            self.read == self.kept + self.quarantined + sum(self.dropped.values())
            and sum(self.dropped.values()) == sum(sum(reasons.values()) for reasons in self.stages.values())
            and all(2 * row.get(READ, 0) == sum(row.values()) for row in rows)
            and self.read == sum(row.get(READ, 0) for row in rows)
        )


class Corpus:
    """A corpus that `corpus build` made.

    Attributes:
        folder: Where it lies.
        documents: Its documents.
    """

    DOCUMENTS: ClassVar[str] = "documents"
    QUARANTINE: ClassVar[str] = "quarantine"
    REJECTED: ClassVar[str] = "rejected"
    CONTAMINATION: ClassVar[str] = "contamination"
    VECTORS: ClassVar[str] = "vectors"

    def __init__(self, folder: str | Path) -> None:
        """Open a corpus.

        Raises:
            InputError: There is none, or its build was interrupted.
        """
        self.folder = location(folder)
        manifest = Manifest.read(self.folder)
        if manifest.header["kind"] != "corpus":
            raise InputError(f"is not a corpus but '{manifest.header['kind']}'", where=str(folder))
        if not manifest.complete:
            raise InputError("its build was interrupted", where=str(folder), hint="run `corpus build` again")
        self.manifest = manifest
        self.documents = Dataset(self.folder / self.DOCUMENTS)

    @staticmethod
    def build(
        inputs: str | Path | Sequence[str | Path],
        out: str | Path,
        *,
        engine: Engine | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Corpus:
        """Build a corpus from files; see `motherlode.corpus.build.build`.

        Args:
            inputs: Files, folders and glob patterns.
            out: The folder of the corpus.
            engine: Who does the work; by default this machine's cores.
            overwrite: Whether another corpus in the folder is replaced.
            **settings: The fields of `BuildConfig`.

        Returns:
            The corpus.

        Raises:
            InputError: The input, a setting or the folder must be changed.
        """
        from motherlode.corpus.build import BuildConfig, build

        paths = [inputs] if isinstance(inputs, str | Path) else list(inputs)
        config = BuildConfig.parse(settings, "Corpus.build")
        return build(paths, out, config, engine=engine, overwrite=overwrite)

    def __len__(self) -> int:
        """Return the number of documents."""
        return self.documents.rows

    def __repr__(self) -> str:
        """Say what and how much."""
        return f"Corpus({str(self.folder)!r}, documents={len(self):,}, shards={len(self.documents.shards)})"

    def batches(self, columns: Sequence[str] = ("id", "text")) -> Iterator[pa.RecordBatch]:
        """Read documents in order, in batches of at most 1,024."""
        yield from self.documents.batches(columns)

    def encode(self, encoder: str = "lexical", *, engine: Engine | None = None) -> Vectors:
        """Encode every document, or return the vectors if that was done.

        Args:
            encoder: A specification as in `motherlode.encode.encoder`.
            engine: Who does the work; by default this machine's cores.

        Returns:
            The vectors, which lie beside the documents.

        Raises:
            InputError: The encoder is unknown, or its model or extra is missing.
        """
        from motherlode.encode.vectors import encode_documents

        return encode_documents(self.documents, self.folder / self.VECTORS, encoder, engine=engine)

    def vectors(self, encoder: str | None = None) -> Vectors:
        """Return vectors that were made before; by default those of the only encoder there is.

        Raises:
            InputError: There are none, or several.
        """
        from motherlode.encode.vectors import find_vectors

        return find_vectors(self.documents, self.folder / self.VECTORS, encoder)

    def stats(self) -> CorpusStats:
        """Count records by outcome, documents by length and by source."""
        from motherlode.corpus.decontaminate.review import summarise
        from motherlode.corpus.near_duplicates.report import read_clusters

        entry = self.manifest.entries["build"]
        counts, stats = entry.counts, entry.stats
        by_source, other = stats.get(SOURCES, {}), stats.get(OTHER_SOURCES)
        if other is None:  # built before counts were kept by source
            named = {k.replace("dropped:", "build/"): v for k, v in counts.items()}
            other = {name: count for name, count in named.items() if count}
        order = stats.get("stages", {})
        documents = {source: row[KEPT] for source, row in by_source.items() if row.get(KEPT)}
        shown = dict(sorted(documents.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SHOWN])
        known = {"words", "length_histogram", "languages", "chunks", "stages", SKIPPED, SOURCES, OTHER_SOURCES}
        languages = sorted(stats.get("languages", {}).items(), key=lambda item: (-item[1], item[0]))
        return CorpusStats(
            read=counts.get("read", 0),
            kept=counts.get("kept", 0),
            quarantined=counts.get("quarantined", 0),
            dropped={k.removeprefix("dropped:"): v for k, v in counts.items() if k.startswith("dropped:")},
            words=stats.get("words", 0),
            length_histogram=list(stats.get("length_histogram", [])),
            stages=by_stage([*by_source.values(), other], sorted(order, key=order.__getitem__)),
            by_source=dict(sorted(by_source.items(), key=lambda item: (-item[1].get(READ, 0), item[0]))),
            all_other=dict(other),
            sources=shown,
            other_sources=counts.get("kept", 0) - sum(shown.values()),
            chunks=stats.get("chunks", 0),
            languages=dict(languages),
            skipped=list(stats.get(SKIPPED, {})),
            notes={k: v for k, v in stats.items() if k not in known},
            near_duplicates=read_clusters(self.folder),
            contamination=summarise(self.folder, asked="evaluation" in self.manifest.settings),
        )
