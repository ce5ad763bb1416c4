"""Output folders that would harm: addresses taken for paths, and folders in which lies what the run reads.

`--overwrite` empties the output folder before anything is read a second time, so a command whose input lies there would
lose both.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path

from motherlode.errors import InputError
from motherlode.shards.local_copy import MIRROR
from motherlode.shards.location import ObjectPath

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # what `Path` leaves of s3://bucket is the folder `s3:`


def named_within(place: Path, outer: Path) -> bool:
    """Return whether an address is that of a file, folder or pattern, or lies below it; False for paths of a disk."""
    inner, around = str(place), str(outer)
    return "://" in inner and (inner.startswith(f"{around}/") or fnmatch.fnmatchcase(inner, around))


def check_output(folder: Path, reads: Iterable[Path] = ()) -> None:
    """Refuse an output folder that is an address, or that holds what the run reads.

    Args:
        folder: Where the run writes.
        reads: Files and folders that it reads.

    Raises:
        InputError: The folder must be another one.
    """
    if (
        not isinstance(folder, ObjectPath)
        and folder.parts
        and _SCHEME.fullmatch(folder.parts[0])
        and not folder.exists()
    ):
        raise InputError("is an address, not a folder", where=str(folder), hint=f"name a folder; {MIRROR}")
    if not folder.is_dir():
        return
    whole = folder.resolve()
    for path in reads:
        if named_within(path, folder) or path.resolve().is_relative_to(whole):
            hint = "choose another output folder"
            raise InputError(f"holds what is read ({path})", where=str(folder), hint=hint)
