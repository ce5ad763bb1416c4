"""Measuring what this machine does: the real stages, on invented text, in one process.

The whole path from JSON lines to exported domains runs twice, on a small and on a larger number of documents. What an
engine's stage takes is divided by its work; what passes between two stages is the driving process's own, and the two
sizes tell its fixed part from the part that grows. Web pages are read apart from that, for their cost goes by bytes.

Seconds are those of the processor, so that other work on the machine changes them little; waiting for disks is not in
them. Only the driver's cost of a task, which is waiting for the disk, goes by the clock.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from motherlode.corpus.write import WriteTask
from motherlode.planning import machine
from motherlode.planning.invented import documents, page, warc_record
from motherlode.planning.rates import READ_TEXT, READ_WEB, Rates, StageRate
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.task import Task

PACKS = ("finance", "healthcare", "legal", "psychology")
WORDS = 200
SIZES = (2_000, 8_000)  # documents
PAGES = 800
PAGE_BYTES = 60_000
_PAGE_WORDS = 500
_IDLE_TASKS = 300
_TIMES = 5
_BY_WORDS = ("mark near-duplicates", "read candidates", "compare candidates", "write", "encode", "label")
_BY_DOCUMENTS = ("pair near-duplicates", "retrieve")


@dataclass
class Lap:
    """One stage of one run.

    Attributes:
        before: Seconds of the driving process since the last stage ended.
        tasks: Seconds of the stage's tasks.
        bytes: Bytes that they wrote.
    """

    before: float = 0.0
    tasks: float = 0.0
    bytes: float = 0.0


@dataclass
class _Stopwatch:
    """A local engine of one process that times what runs through it.

    Attributes:
        laps: By stage.
        key_seconds: Seconds to read one key, as often as it was measured.
    """

    engine: LocalEngine = field(default_factory=lambda: LocalEngine(1, quiet=True))
    laps: dict[str, Lap] = field(default_factory=dict)
    key_seconds: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.process_time)

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def run(self, tasks: Sequence[Task], manifest: Manifest, title: str, unit: str = "documents") -> None:
        """Run the tasks with a stop-watch."""
        if title == "write":
            self._read_keys(tasks)
        begin = time.process_time()
        lap = self.laps.setdefault(title, Lap())
        lap.before += begin - self._last
        self.engine.run(tasks, manifest, title, unit)
        self._last = time.process_time()
        lap.tasks += self._last - begin
        lap.bytes += sum(file.bytes for entry in manifest.entries.values() for file in entry.files)

    def _read_keys(self, tasks: Sequence[Task]) -> None:
        """Time what deciding over many documents does again and again: reading a column of keys."""
        begin = time.process_time()
        sources = [task.source for task in tasks if isinstance(task, WriteTask)]
        for _ in range(_TIMES):
            start = time.process_time()
            rows = sum(batch.num_rows for source in sources for batch in source.batches(["key"], 1 << 16))
            self.key_seconds.append((time.process_time() - start) / max(1, rows) / 2)  # a key of 128 bits is two
        self._last += time.process_time() - begin

    def close(self) -> None:
        """Release the engine."""
        self.engine.close()


@dataclass(frozen=True)
class _Idle:
    """A task that does nothing: what is left is the driver's own cost."""

    name: str
    fingerprint: str = "idle"
    size: int = 1

    def run(self, folder: Path) -> Entry:
        """Leave nothing behind."""
        return Entry(self.name, self.fingerprint)


def calibrate(sizes: tuple[int, int] = SIZES, words: int = WORDS, pages: int = PAGES) -> Rates:
    """Measure this machine.

    Args:
        sizes: Documents of the smaller and of the larger run.
        words: Words of a document.
        pages: Web pages; none are read if the extra `web` is not installed.

    Returns:
        The rates; those of web pages are left out if they could not be measured.

    Raises:
        MotherlodeError: A stage failed.
    """
    described = machine.describe()
    with tempfile.TemporaryDirectory(prefix="motherlode-plan-") as temporary:
        place = Path(temporary)
        _text_run(place / "warm", 300, words)  # what is loaded once a process is not measured
        runs = [_text_run(place / str(count), count, words) for count in sizes]
        web_extra = importlib.util.find_spec("fastwarc") is not None and importlib.util.find_spec("resiliparse")
        web = None
        if web_extra and pages:
            _web_run(place / "warm-web", 20)
            web = _web_run(place / "web", pages)
        commit = _commit_seconds(place / "idle")
    small, large = runs
    stages = {READ_TEXT: _rate("read", "words", small, large)}
    stages |= {name: _rate(name, "words", small, large) for name in _BY_WORDS}
    stages |= {name: _rate(name, "documents", small, large) for name in _BY_DOCUMENTS}
    stages["export"] = _rate("export", "words", small, large, large.exported)
    compressed = 0.5 * PAGE_BYTES
    if web is not None:
        lap, size, compressed = web
        stages[READ_WEB] = StageRate(unit="bytes", core_seconds=lap.tasks / size, bytes=lap.bytes / pages)
        compressed /= pages
    from motherlode import __version__

    return Rates(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        version=__version__,
        machine=described,
        documents=large.documents,
        words=float(words),
        pages=pages if web is not None else 0,
        page_bytes=web[1] / pages if web is not None else float(PAGE_BYTES),
        compressed_page_bytes=compressed,
        document_bytes=large.input_bytes / large.documents,
        worker_bytes=machine.peak_bytes(),
        commit_seconds=commit,
        key_seconds=min(large.watch.key_seconds),
        flops=_flops(),
        stages=stages,
    )


@dataclass(frozen=True)
class _Run:
    """One run over text: documents, words and bytes of its input, what it exported, and its stop-watch."""

    documents: int
    words: float
    input_bytes: int
    exported: tuple[int, int]  # documents and words
    watch: _Stopwatch

    def lap(self, title: str) -> Lap:
        """Return a stage; one that had nothing to do took nothing."""
        return self.watch.laps.get(title, Lap())


def _rate(
    title: str, unit: Literal["words", "documents"], small: _Run, large: _Run, share: tuple[int, int] | None = None
) -> StageRate:
    """Divide what a stage took by its work: all documents and words, or the `share` of them that it worked on."""
    lap, before = large.lap(title), small.lap(title).before
    grows = max(0.0, (lap.before - before) / (large.documents - small.documents))
    documents, words = share or (large.documents, large.words)
    return StageRate(
        unit=unit,
        core_seconds=lap.tasks / max(1, words if unit == "words" else documents),
        driver_seconds=max(0.0, before - grows * small.documents),
        driver_per_document=grows,
        bytes=lap.bytes / max(1, documents),
    )


@contextlib.contextmanager
def _stopwatch() -> Iterator[_Stopwatch]:
    watch = _Stopwatch()
    try:
        yield watch
    finally:
        watch.close()


def _text_run(folder: Path, count: int, words: int) -> _Run:
    """Build, encode and mine invented documents."""
    from motherlode.corpus.build import BuildConfig, build
    from motherlode.mining.mine import mine
    from motherlode.seeds.seeds import Seeds

    folder.mkdir()
    source = folder / "documents.jsonl"
    packs = [Seeds.builtin(name).texts for name in PACKS]
    with source.open("w", encoding="utf-8") as stream:
        stream.writelines(
            json.dumps({"id": str(number), "text": text}) + "\n"
            for number, text in enumerate(documents(count, words, packs))
        )
    with _stopwatch() as watch:
        corpus = build([source], folder / "corpus", BuildConfig(), engine=watch)
        mined = mine(corpus, list(PACKS), folder / "mined", engine=watch).domains.values()
    exported = (sum(domain.documents for domain in mined), sum(domain.words for domain in mined))
    return _Run(count, float(count * words), source.stat().st_size, exported, watch)


def _web_run(folder: Path, pages: int) -> tuple[Lap, float, float]:
    """Read invented pages, and return the stage with the bytes of HTML and of the compressed file."""
    from motherlode.corpus.build import BuildConfig, build
    from motherlode.seeds.seeds import Seeds

    folder.mkdir()
    source = folder / "pages.warc.gz"
    packs = [Seeds.builtin(name).texts for name in PACKS]
    size = 0
    with source.open("wb") as stream:
        for number, text in enumerate(documents(pages, _PAGE_WORDS, packs)):
            content = page(text, number, PAGE_BYTES)
            size += len(content)
            stream.write(warc_record(content, number))
    with _stopwatch() as watch:
        build([source], folder / "corpus", BuildConfig(near_duplicates=False, page_seconds=0), engine=watch)
    return watch.laps["read"], float(size), float(source.stat().st_size)


def _commit_seconds(folder: Path) -> float:
    """Return seconds of the driver for a task that does nothing: the best of several batches, for disks are shared."""
    seconds = []
    with LocalEngine(1, quiet=True) as engine:
        for batch in range(_TIMES):
            tasks = [_Idle(f"task-{number}") for number in range(_IDLE_TASKS // _TIMES)]
            with Manifest.open(folder / str(batch), "idle", {}) as manifest:
                begin = time.perf_counter()
                engine.run(tasks, manifest, "idle")
                seconds.append((time.perf_counter() - begin) / len(tasks))
    return min(seconds)


def _flops(size: int = 1024, times: int = 5) -> float:
    """Return float32 operations a second of one core, the median of several matrix products."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    left = np.random.default_rng(0).random((size, size), dtype=np.float32)
    seconds = []
    with threadpool_limits(1, user_api="blas"):
        for _ in range(times):
            begin = time.process_time()
            _ = left @ left
            seconds.append(time.process_time() - begin)
    return 2.0 * size**3 / statistics.median(seconds)
