"""Stages that CPU cores do: corpus build, encoding and mining, from measured rates.

A stage takes what its tasks take over all cores, or what the network needs for its bytes if that is longer, and on top
what its driving process does alone: `seconds = max(work / cores, bytes / network) + driver`. Only the first two shrink
with more machines.

Two reductions grow faster than the corpus, for keys are held in memory in parts of bounded size and read once for each
part: exact duplicates (a task for each `_EXACT_KEYS`) and pairs of near-duplicates (a task a band, `_BAND_KEYS`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from motherlode.planning.figures import NOTHING, Basis, Figure
from motherlode.planning.options import PlanOptions
from motherlode.planning.rates import READ_TEXT, READ_WEB, Rates, StageRate

_EXACT_KEYS = 16_000_000  # as `corpus.duplicates` does
_BAND_KEYS = 4_000_000  # as `near_duplicates.bands` does
_BANDS = 21  # at the default threshold; each is the work of one process
_ENCODER_SAMPLE = 20_000  # documents that the encoder is fitted on
_CLASSIFIER_SAMPLE, _CLASSIFIER_FOUND = 40_000, 10_000  # documents that the classifier sees, and those found a domain
_KEPT_TEXT, _KEPT_WEB = 0.9, 0.25


@dataclass(frozen=True)
class Stage:
    """One stage of a plan.

    Attributes:
        name: What it is called.
        seconds: Of all, by the clock.
        bottleneck: What they go to: `cores`, `network`, `driver` or `GPUs`.
        core_hours: Of all cores, or of all GPUs.
        written: Bytes that it writes.
        temporary: Whether these go when the run is done.
        memory: Bytes that its largest process holds.
        moved: Bytes through the network.
        notes: What the reader should know.
    """

    name: str
    seconds: Figure
    bottleneck: str
    core_hours: Figure
    written: Figure = NOTHING
    temporary: bool = False
    memory: Figure = NOTHING
    moved: Figure = NOTHING
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cores:
    """The cores that stages share.

    Attributes:
        options: What is planned.
        rates: What was measured.
        measured_here: Whether the rates are of the machine that the plan is made on.
    """

    options: PlanOptions
    rates: Rates
    measured_here: bool

    @property
    def count(self) -> int:
        """Cores of all machines."""
        return self.options.nodes * self.cores_per_node

    @property
    def cores_per_node(self) -> int:
        """Cores of a machine; those of the measured one if nothing else is said."""
        return self.options.cores_per_node or int(self.rates.machine["cores"])

    def basis(self, documents: float) -> Basis:
        """Return the ground of a time: measured only for what was measured, on one core of this machine."""
        if not self.measured_here:
            return Basis.ASSUMED
        same = self.count == 1 and documents <= self.rates.documents
        return Basis.MEASURED if same else Basis.EXTRAPOLATED

    def spread(self, core_seconds: float, most: float) -> float:
        """Return the seconds of work over the cores, of which at most `most` find a task."""
        at_work = max(1.0, min(self.count, most))
        efficiency = 1.0 if at_work == 1 else self.options.efficiency
        return core_seconds / (at_work * efficiency)

    def moving(self, count: float) -> float:
        """Return the seconds that the network needs for so many bytes."""
        return count * 8 / (self.options.nodes * self.options.network_gbit * 1e9)

    def stage(
        self,
        name: str,
        *,
        documents: float,
        core_seconds: float,
        driver: float,
        read: float,
        written: float,
        most: float,
        temporary: bool = False,
        memory: float = 0.0,
        notes: tuple[str, ...] = (),
        tasks: int | None = None,
    ) -> Stage:
        """Put a stage together from its parts."""
        basis = self.basis(documents)
        tasks = math.ceil(documents / self.options.shard_rows) if tasks is None else tasks
        driver += tasks * self.rates.commit_seconds
        working, moving = self.spread(core_seconds, most), self.moving(read + written)
        shared = "network" if moving > working else "cores"
        bottleneck = "driver" if driver > max(working, moving) else shared
        if moving > working:
            basis = Basis.ASSUMED  # for the network's rate is
        return Stage(
            name,
            Figure(max(working, moving) + driver, basis),
            bottleneck,
            Figure((core_seconds + driver) / 3600, self.basis(documents)),
            Figure(written, self.basis(documents)),
            temporary,
            Figure(max(memory, self.rates.worker_bytes), Basis.ASSUMED if memory else self.basis(documents)),
            Figure(read + written, self.basis(documents)),
            notes,
        )


def kept_share(options: PlanOptions) -> float:
    """Return the share of the input that filters leave."""
    return options.kept_share or (_KEPT_WEB if options.input == "web" else _KEPT_TEXT)


def _driver(rate: StageRate, documents: float, most: float = math.inf) -> float:
    return rate.driver_seconds + rate.driver_per_document * min(documents, most)


def corpus_stages(options: PlanOptions, rates: Rates, measured_here: bool) -> list[Stage]:
    """Plan `corpus build`.

    Args:
        options: What is planned.
        rates: What was measured.
        measured_here: Whether on this machine.

    Returns:
        Reading, near-duplicates and writing; nothing if there is no corpus.
    """
    if not options.documents:
        return []
    cores, kept = Cores(options, rates, measured_here), options.documents * kept_share(options)
    longer = options.words / rates.words  # bytes of text and of its n-grams grow with the words
    tasks = options.documents / options.shard_rows
    stages = []
    text = rates.stages[READ_TEXT]
    if options.input == "web":
        rate = rates.stages[READ_WEB]
        work, size = options.documents * options.page_bytes * rate.core_seconds, options.compressed_page_bytes
        name, note = "read, extract, filter", f"pages of {options.page_bytes / 1000:,.0f} kB, by their bytes"
    else:
        rate, size = text, rates.document_bytes * longer
        work, name, note = options.documents * options.words * rate.core_seconds, "read, filter", "by words"
    stages.append(
        cores.stage(
            name,
            documents=options.documents,
            core_seconds=work,
            driver=_driver(rate, 0),
            read=options.documents * size,
            written=kept * text.bytes * longer,
            most=tasks,
            temporary=True,
            notes=(note,),
        )
    )
    if options.near_duplicates:
        stages += _near_duplicates(cores, kept, longer)
    write = rates.stages["write"]
    stages.append(_exact_duplicates(cores, kept, write))
    stages.append(
        cores.stage(
            "write",
            documents=kept,
            core_seconds=kept * options.words * write.core_seconds,
            driver=0.0,
            read=kept * text.bytes * longer,
            written=kept * write.bytes * longer,
            most=kept / options.shard_rows,
        )
    )
    return stages


def _exact_duplicates(cores: Cores, kept: float, write: StageRate) -> Stage:
    """Plan the comparison of keys: by the driver if they fit into its memory, else a task for each part of them."""
    passes = max(1, math.ceil(kept / _EXACT_KEYS))
    keys = 2 * 2 * kept  # of content and of ids, two 64-bit numbers each
    alone = passes == 1
    return cores.stage(
        "exact duplicates",
        documents=kept,
        core_seconds=0.0 if alone else kept * write.driver_per_document + keys * passes * cores.rates.key_seconds,
        driver=_driver(write, kept) if alone else write.driver_seconds,
        read=0.0 if alone else keys * 8 * passes,
        written=0.0,
        most=passes,
        memory=100 * min(kept, _EXACT_KEYS) + 8 * kept,
        notes=() if alone else (f"{passes} tasks, one for each {_EXACT_KEYS:,} keys, each of which reads all keys",),
        tasks=0 if alone else 2 * passes,
    )


def _near_duplicates(cores: Cores, kept: float, longer: float) -> list[Stage]:
    options, rates = cores.options, cores.rates
    mark, pair = rates.stages["mark near-duplicates"], rates.stages["pair near-duplicates"]
    read, compare = rates.stages["read candidates"], rates.stages["compare candidates"]
    text = rates.stages[READ_TEXT].bytes * longer
    words, shards = kept * options.words, kept / options.shard_rows
    passes = max(1, math.ceil(kept / _BAND_KEYS))
    again = kept * _BANDS * (passes - 1)
    return [
        cores.stage(
            "near-duplicates: mark",
            documents=kept,
            core_seconds=words * mark.core_seconds,
            driver=_driver(mark, kept),
            read=kept * text,
            written=kept * mark.bytes,
            most=shards,
            temporary=True,
        ),
        cores.stage(
            "near-duplicates: pair",
            documents=kept,
            core_seconds=kept * pair.core_seconds + again * rates.key_seconds,
            driver=_driver(pair, kept),
            read=kept * mark.bytes * passes,
            written=kept * pair.bytes,
            most=_BANDS,
            temporary=True,
            memory=kept + 40 * min(kept, _BAND_KEYS),
            notes=(f"at most {_BANDS} processes, one a band; keys are read {passes} times",) if passes > 1 else (),
        ),
        cores.stage(
            "near-duplicates: compare",
            documents=kept,
            core_seconds=words * (read.core_seconds + compare.core_seconds),
            driver=_driver(read, kept) + _driver(compare, kept),
            read=kept * text,
            written=kept * (read.bytes + compare.bytes) * longer,
            most=shards,
            temporary=True,
            memory=kept + rates.worker_bytes,
            notes=(f"as many near-copies as where rates were measured (1 in {20})",),
        ),
    ]


def mining_stages(options: PlanOptions, rates: Rates, measured_here: bool) -> list[Stage]:
    """Plan encoding and `mine`.

    Args:
        options: What is planned.
        rates: What was measured.
        measured_here: Whether on this machine.

    Returns:
        Encoding, retrieval, classification, labels and export; nothing if nothing is mined.
    """
    if not options.documents or not options.mine:
        return []
    cores, count = Cores(options, rates, measured_here), options.documents * kept_share(options)
    words, longer = count * options.words, options.words / rates.words
    documents = rates.stages["write"].bytes * longer * count
    encode, retrieve = rates.stages["encode"], rates.stages["retrieve"]
    label, export = rates.stages["label"], rates.stages["export"]
    vectors, most = encode.bytes * count, count / options.shard_rows
    seen = _CLASSIFIER_SAMPLE + _CLASSIFIER_FOUND * options.domains
    classify = _driver(label, count, seen)
    return [
        cores.stage(
            "encode",
            documents=count,
            core_seconds=words * encode.core_seconds,
            driver=_driver(encode, count, _ENCODER_SAMPLE),
            read=documents,
            written=vectors,
            most=most,
            notes=("the encoder `lexical`",),
        ),
        cores.stage(
            "retrieve",
            documents=count,
            core_seconds=count * retrieve.core_seconds,
            driver=_driver(retrieve, 0),
            read=vectors,
            written=count * retrieve.bytes,
            most=most,
        ),
        Stage(
            "classify",
            Figure(classify, cores.basis(count)),
            "driver",
            Figure(classify / 3600, cores.basis(count)),
            memory=Figure(rates.worker_bytes, cores.basis(count)),
            notes=(f"trained on at most {seen:,} documents, by the driver alone",),
        ),
        cores.stage(
            "label",
            documents=count,
            core_seconds=words * label.core_seconds,
            driver=0.0,
            read=documents + vectors,
            written=count * label.bytes,
            most=most,
        ),
        cores.stage(
            "export",
            documents=count,
            core_seconds=words * options.mined_share * export.core_seconds,
            driver=_driver(export, count),
            read=documents,
            written=count * options.mined_share * export.bytes * longer,
            most=most,
            memory=8 * count + rates.worker_bytes,
        ),
    ]
