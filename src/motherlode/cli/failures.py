"""`motherlode failures`: why shards were given up, with the tracebacks of the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motherlode.shards.location import location


def failures_command(
    folder: Annotated[
        Path, typer.Argument(help="Any folder that a command wrote, or failed to.", parser=location, show_default=False)
    ],
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON a shard.")] = False,
) -> None:
    """Print why shards were given up, over a folder and the folders of stages within it."""
    from motherlode.errors import InputError
    from motherlode.shards.stage import find_failed

    if not folder.is_dir():
        raise InputError("is no folder", where=str(folder))
    found = 0
    for path, line, shard in find_failed(folder):
        found += 1
        if json:
            print(line)
            continue
        print(f"{path.parent}: {shard.task}, {shard.attempts} attempts: {_shown(shard.error)}")
        if shard.where:
            print(f"  on {_shown(shard.where)}")
        for text in shard.traceback.rstrip().split("\n") if shard.traceback else ():
            print(f"  {_shown(text)}")
    if not json:
        print(f"{found:,} shards failed" if found else "no shard has failed")


def _shown(text: str) -> str:
    """Replace what could move a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
