"""datatrove's own pipeline, as `corpus_throughput.py` runs it, in the environment where datatrove is installed.

    python datatrove_peer.py STAGE INPUT OUTPUT WORKERS

STAGE: `extract` (WARC to JSONL), `filters` and `near-duplicates` (JSONL to JSONL), `whole` (WARC to JSONL, all of it),
`judge` (the filters alone, in one process, on texts in memory; prints decisions and seconds), `each` (the decision of
every filter, for `filter_agreement.py`), `packages`. Settings are
datatrove's defaults, as in its example of FineWeb, where the rule of C4 on terminal punctuation is off.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
import time
from pathlib import Path
from typing import Any


def filters() -> list[Any]:
    """Return the filters of FineWeb, with datatrove's defaults."""
    from datatrove.pipeline import filters as f

    return [
        f.GopherQualityFilter(),
        f.GopherRepetitionFilter(),
        f.C4QualityFilter(filter_no_terminal_punct=False),
        f.FineWebQualityFilter(),
    ]


def run(pipeline: list[Any], tasks: int, workers: int, logs: str) -> None:
    """Run a pipeline in processes of this machine."""
    from datatrove.executor import LocalPipelineExecutor

    LocalPipelineExecutor(pipeline, tasks=tasks, workers=workers, logging_dir=logs).run()


def near_duplicates(source: str, out: str, tasks: int, workers: int) -> None:
    """Run the four stages of MinHash, one after the other."""
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config = MinhashConfig()
    signatures, buckets, gone = f"{out}/signatures", f"{out}/buckets", f"{out}/remove"
    reader = JsonlReader(source)
    run([reader, MinhashDedupSignature(signatures, config)], tasks, workers, f"{out}/logs1")
    run([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets, workers, f"{out}/logs2")
    run([MinhashDedupCluster(buckets, gone, config=config)], 1, 1, f"{out}/logs3")
    run([reader, MinhashDedupFilter(gone), JsonlWriter(f"{out}/kept")], tasks, workers, f"{out}/logs4")


def judge(source: str) -> None:
    """Time the filters alone, and print what they decide."""
    from datatrove.data import Document

    texts = [json.loads(line)["text"] for line in Path(source).read_text("utf-8").splitlines()]
    chain = filters()
    for check in chain:  # spaCy is loaded at the first text
        check.filter(Document(text="This is one text. It is short.", id=""))
    seconds = dict.fromkeys((type(check).__name__ for check in chain), 0.0)
    decisions: list[str | None] = []
    begin = time.perf_counter()
    for number, text in enumerate(texts):
        document, reason = Document(text=text, id=str(number)), None
        for check in chain:
            start = time.perf_counter()
            try:
                result = check.filter(document)
            except ZeroDivisionError:  # a text without a word
                result = (False, "error")
            seconds[type(check).__name__] += time.perf_counter() - start
            if result is not True:
                reason = result[1] if isinstance(result, tuple) else "dropped"
                break
        decisions.append(reason)
    print(json.dumps({"seconds": time.perf_counter() - begin, "by_filter": seconds, "decisions": decisions}))


def each(source: str) -> None:
    """Print what every filter says of every text, whatever the others say."""
    from datatrove.data import Document

    texts = [json.loads(line)["text"] for line in Path(source).read_text("utf-8").splitlines()]
    found: dict[str, list[str | None]] = {}
    for check in filters():
        reasons = found.setdefault(type(check).__name__, [])
        for number, text in enumerate(texts):
            try:
                result = check.filter(Document(text=text, id=str(number)))
            except ZeroDivisionError:  # a text without a word
                result = (False, "error")
            reasons.append(None if result is True else result[1] if isinstance(result, tuple) else "dropped")
    print(json.dumps(found))


def packages(root: str, extras: tuple[str, ...]) -> int:
    """Count the packages that one needs, itself included, among those installed here."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    queue = [(root, extras)]
    while queue:
        name, wanted = queue.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found and not wanted:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(key)
        for line in requirements:
            need = Requirement(line)
            holds = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*wanted, ""))
            if holds and (re.sub(r"[-_.]+", "-", need.name).lower() not in found or need.extras):
                queue.append((need.name, tuple(need.extras)))
    return len(found)


def main() -> None:
    """Run one stage."""
    stage, source, out, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if stage == "packages":
        print(packages(source, tuple(out.split(","))))
        return
    if stage in ("judge", "each"):
        (judge if stage == "judge" else each)(source)
        return
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter

    tasks = len(list(Path(source).iterdir()))
    pages = [WarcReader(source), Trafilatura(timeout=10)]
    if stage == "near-duplicates":
        near_duplicates(source, out, tasks, workers)
    elif stage == "filters":
        run([JsonlReader(source), *filters(), JsonlWriter(f"{out}/kept")], tasks, workers, f"{out}/logs")
    elif stage == "extract":
        run([*pages, JsonlWriter(f"{out}/kept")], tasks, workers, f"{out}/logs")
    else:
        run([*pages, *filters(), JsonlWriter(f"{out}/filtered")], tasks, workers, f"{out}/logs")
        near_duplicates(f"{out}/filtered", f"{out}/dedup", tasks, workers)


if __name__ == "__main__":
    main()
