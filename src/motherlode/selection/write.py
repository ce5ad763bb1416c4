"""What a selection writes: the pool's rows with score, rank and reason, and the record that repeats it."""

from __future__ import annotations

import json
from pathlib import Path

from motherlode.errors import InputError
from motherlode.models.rows import Samples
from motherlode.selection.result import Selection
from motherlode.shards import store

OWN = ("motherlode_score", "motherlode_rank", "motherlode_nearest")


def check_out(out: Path) -> None:
    """Check where a selection is to be written, before any work.

    Raises:
        InputError: It is a folder, or in none.
    """
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else "its folder does not exist"
        raise InputError(what, where=f"--out {out}", hint="name a JSONL file")


def write_selection(out: Path, selection: Selection, pool: Samples) -> None:
    """Write the selected rows as JSONL, and `OUT.record.json` beside them."""
    lines = []
    for rank, row in enumerate(selection.rows):
        values = {key: value for key, value in pool.rows[row].items() if key not in OWN}
        values["motherlode_score"] = selection.score(row)
        values["motherlode_rank"] = rank + 1
        if selection.nearest:
            near = selection.nearest[rank]
            values["motherlode_nearest"] = [{"domain": d, "similarity": round(cosine, 4)} for d, cosine in near]
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    store.write_bytes(out, "".join(lines).encode())
    record = json.dumps(selection.record, indent=2, ensure_ascii=False, sort_keys=True)
    store.write_text(out.with_suffix(".record.json"), record + "\n")
