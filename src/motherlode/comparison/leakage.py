"""Leakage: test items that stand in the pool, in what is trained on, or in a corpus.

The pool's rows that hold one are left out for every method alike (unless that is switched off), before anything is
selected, so that no method is rewarded for finding them. The domain's own training files are looked through as well;
their rows stay, and the report says how many hold an item.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.models.rows import Rows, Samples
from motherlode.shards import store
from motherlode.shards.local_copy import here

if TYPE_CHECKING:
    from motherlode.corpus.decontaminate import Decontaminator

_BLOCK = 1024  # rows that are looked through at a time
_EXAMPLES = 5


def clean_pool(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write the pool without what cannot be used, and say which test items stand where.

    Args:
        settings: Of the job.
        folder: Its folder; `pool.jsonl` is written there.

    Returns:
        Rows read and kept, rows that are no sample, and what was found in the pool and in each domain's files.
    """
    from motherlode.corpus.decontaminate import Decontaminator

    files = [task for task in settings["tasks"] if here(task).is_file()]
    names = [task for task in settings["tasks"] if task not in files]
    known = Decontaminator.from_files(files, tasks=names)
    pool = Samples.open(settings["pool"], settings["fields"])
    kept: list[str] = []
    found = Finds()
    usable = 0
    for rows in _blocks(values for _, values in pool.usable(settings["bad_rows"])):
        usable += len(rows)
        for row, held in zip(rows, found.look(known, rows), strict=True):
            if not (held and settings["decontaminate"]):
                kept.append(json.dumps(row, ensure_ascii=False) + "\n")
    store.write_bytes(folder / "pool.jsonl", "".join(kept).encode())
    train = {}
    for domain, name in settings["train"].items():
        own = Finds()
        read = Rows(folder.parent.parent / name)
        for block in _blocks(read):
            own.look(known, block)
        train[domain] = {"rows": len(read), **own.told()}
    dropped = len(pool.rows) - usable
    return {"rows": len(pool.rows), "kept": len(kept), "no_sample": dropped, "pool": found.told(), "train": train}


class Finds:
    """Counts what rows hold of test items."""

    def __init__(self) -> None:
        """Begin with none."""
        self.rows = 0
        self.files: Counter[str] = Counter()
        self.items: set[tuple[str, str]] = set()
        self.examples: list[dict[str, Any]] = []

    def look(self, known: Decontaminator, rows: Sequence[Mapping[str, Any]]) -> list[bool]:
        """Look through rows, and return which hold an item."""
        held = []
        for matches in known.check_samples(rows):
            held.append(bool(matches))
            self.rows += bool(matches)
            for match in matches:
                self.items.add((match.file, match.item))
            for file in {match.file for match in matches}:
                self.files[Path(file).name] += 1
            if matches and len(self.examples) < _EXAMPLES:
                first = matches[0]
                place = {"file": Path(first.file).name, "item": first.item, "kind": first.kind}
                self.examples.append({**place, "words": first.words, "span": first.span})
        return held

    def told(self) -> dict[str, Any]:
        """Return the counts, and a few examples."""
        return {
            "held": self.rows,
            "items": len(self.items),
            "files": dict(sorted(self.files.items())),
            "examples": self.examples,
        }


def _blocks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    block: list[dict[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block
