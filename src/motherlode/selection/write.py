"""What a selection writes: the pool's rows with score, rank and reason, and the record that repeats it."""

from __future__ import annotations

import glob
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from motherlode.errors import InputError
from motherlode.models.rows import Samples
from motherlode.selection.result import Selection
from motherlode.shards import store
from motherlode.shards.outputs import named_within

OWN = ("motherlode_score", "motherlode_rank", "motherlode_nearest")


def check_out(out: Path, inputs: Sequence[Path] = (), option: str = "--out", kind: str = "JSONL") -> None:
    """Check where something is to be written, before any work.

    Args:
        out: The file.
        inputs: Files, folders and patterns that are read: none of them may be replaced, or be read with it next time.
        option: What named the file.
        kind: What it holds.

    Raises:
        InputError: It is a folder, in none, cannot be written, or is among what is read.
    """
    where, hint = f"{option} {out}", f"name a {kind} file"
    if out.is_dir() or not out.parent.is_dir():
        raise InputError("is a folder" if out.is_dir() else "its folder does not exist", where=where, hint=hint)
    place = out.resolve()
    for path in inputs:
        files = [path] if path.exists() else [Path(match) for match in glob.glob(os.fspath(path), recursive=True)]
        if named_within(out, path) or any(file.resolve() in (place, *place.parents) for file in files):
            raise InputError(f"is or lies in {path}, which is read", where=where, hint="write it somewhere else")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=where, hint=hint) from None


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
