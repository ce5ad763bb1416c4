"""How fast mining is, stage by stage, and whether cost grows linearly with flat memory.

Documents of about 200 words are made from real ones by joining, cutting and changing one word in twenty, so that any
number of them exists and none repeats. Each size runs in a process of its own, whose whole tree is watched for
memory. Prints documents/s a stage and for the whole path from JSONL to exported domains, and the peak of resident
memory. Run it on an otherwise idle machine:

    python benchmarks/mining_throughput.py [--data DIR] [--sizes 10000,50000,200000] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelled_data import DEFAULT_DATA, load_corpus

WORDS = 200
DOMAINS = ("healthcare", "finance", "legal", "psychology")


def documents(texts: list[str], count: int, random_seed: int = 0) -> Iterator[dict[str, str]]:
    """Yield `count` different documents of about 200 words."""
    chance = random.Random(random_seed)
    pools = [text.split() for text in texts if len(text.split()) > 20]
    for number in range(count):
        words: list[str] = []
        while len(words) < WORDS:
            words += pools[chance.randrange(len(pools))]
        words = words[:WORDS]
        other = pools[chance.randrange(len(pools))]
        for _ in range(WORDS // 20):
            words[chance.randrange(WORDS)] = other[chance.randrange(len(other))]
        yield {"id": f"document-{number}", "text": " ".join(words)}


def _stages(source: str, folder: str, workers: int, pipe: Any) -> None:
    """Run the whole path in this process, timing every stage that the engine and the classifier go through."""
    import motherlode.mining.run as stages_of_mining
    from motherlode import Corpus, mine
    from motherlode.shards.engine import LocalEngine

    seconds: dict[str, float] = {}

    class Timed(LocalEngine):
        def run(self, tasks: Any, manifest: Any, title: str, unit: str = "documents") -> None:
            begin = time.perf_counter()
            super().run(tasks, manifest, title, unit)
            seconds[title] = seconds.get(title, 0.0) + time.perf_counter() - begin

    original = stages_of_mining.train

    def timed_train(*arguments: Any) -> Any:
        begin = time.perf_counter()
        result = original(*arguments)
        seconds["classify (training)"] = time.perf_counter() - begin
        return result

    stages_of_mining.train = timed_train  # type: ignore[assignment]  # a stop-watch around the same function
    begin = time.perf_counter()
    with Timed(workers, quiet=True) as engine:
        corpus = Corpus.build(source, f"{folder}/corpus", engine=engine)
        built = time.perf_counter() - begin
        vectors = corpus.encode(engine=engine)
        encoded = time.perf_counter() - begin - built
        assert vectors.rows == len(corpus)
        result = mine(corpus, list(DOMAINS), f"{folder}/mined", engine=engine)
    whole = time.perf_counter() - begin
    known = {name: seconds[name] for name in ("retrieve", "label", "export")}
    known["classify (training)"] = seconds["classify (training)"]
    stages = {"build": built, "encode (fit and encode)": encoded, **known, "whole path": whole}
    stages["everything else"] = whole - built - encoded - sum(known.values())
    mined = {name: domain.documents for name, domain in result.domains.items()}
    pipe.send({"documents": len(corpus), "stages": stages, "mined": mined})
    pipe.close()


class _Memory:
    """Watches the resident memory of a process and all its children."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._psutil, self._root, self.peak, self.largest = psutil, psutil.Process(pid), 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            sizes = []
            try:
                for process in [self._root, *self._root.children(recursive=True)]:
                    sizes.append(process.memory_info().rss)  # noqa: PERF401 - a child may end in between
            except self._psutil.Error:
                pass
            self.peak = max(self.peak, sum(sizes))
            self.largest = max([self.largest, *sizes])

    def stop(self) -> tuple[int, int]:
        self._stop.set()
        self._thread.join()
        return self.peak, self.largest


def measure(texts: list[str], count: int, workers: int) -> dict[str, Any]:
    """Run one size in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="throughput-"))
    try:
        source = folder / "documents.jsonl"
        with source.open("w") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in documents(texts, count))
        ours, theirs = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_stages, args=(str(source), str(folder), workers, theirs))
        process.start()
        theirs.close()
        memory = _Memory(process.pid or 0)
        found: dict[str, Any] = ours.recv()
        process.join()
        found["peak"], found["largest"] = memory.stop()
        found["input bytes"] = source.stat().st_size
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measure all sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the labelled corpus")
    parser.add_argument("--sizes", default="10000,50000,200000", help="documents, separated by commas")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    texts = list(load_corpus(options.data).texts)[::7]
    runs = [measure(texts, int(size), options.workers) for size in options.sizes.split(",")]
    names = list(runs[0]["stages"])
    names.remove("whole path")
    print(f"\nDocuments of {WORDS} words, {options.workers} workers: seconds (documents/s)\n")
    print(f"{'stage':26s}" + "".join(f"{run['documents']:>22,}" for run in runs))
    for name in [*names, "whole path"]:
        cells = [f"{r['stages'][name]:8.1f} ({r['documents'] / max(1e-9, r['stages'][name]):>9,.0f})" for r in runs]
        print(f"{name:26s}" + "".join(f"{cell:>22s}" for cell in cells))
    print(f"{'peak memory, all (MiB)':26s}" + "".join(f"{run['peak'] / 2**20:>22,.0f}" for run in runs))
    print(f"{'largest process (MiB)':26s}" + "".join(f"{run['largest'] / 2**20:>22,.0f}" for run in runs))
    print(f"{'input (MiB)':26s}" + "".join(f"{run['input bytes'] / 2**20:>22,.0f}" for run in runs))
    if len(runs) > 1:
        first, last = runs[0], runs[-1]
        more = last["documents"] / first["documents"]
        longer = last["stages"]["whole path"] / first["stages"]["whole path"]
        grows = last["peak"] / first["peak"]
        print(f"\n{more:.0f} times the documents take {longer:.1f} times as long; memory grows {grows:.2f} times")


if __name__ == "__main__":
    main()
