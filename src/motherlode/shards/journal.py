"""The manifest's log on an object store: one small object for each committed task.

Lines lie in a folder of their own, which the header of `manifest.jsonl` names as long as it grows. When the manifest is
written whole it names a new, empty one, or none, in the same moment; the old one then means nothing and is removed.
"""

from __future__ import annotations

import secrets

from motherlode.shards.location import ObjectPath
from motherlode.shards.objects import file_system, object_errors

FOLDER = ".journal"


def new_name() -> str:
    """Return a name that no other journal has."""
    return secrets.token_hex(8)


def append(folder: ObjectPath, name: str, number: int, line: str) -> None:
    """Add a line; durable when this returns.

    Args:
        folder: The manifest's folder.
        name: Of the journal.
        number: Its place among the lines, from 0.
        line: What is committed.
    """
    place = folder / FOLDER / name / f"{number:09d}.json"
    assert isinstance(place, ObjectPath)
    place.put(line.encode("utf-8", "replace"))


def read(folder: ObjectPath, name: str) -> list[bytes]:
    """Return all lines in order; what goes while it is read is in the manifest by then."""
    places = [item.key for item in (folder / FOLDER / name).iterdir() if isinstance(item, ObjectPath)]
    if not places:
        return []
    with object_errors(str(folder), "read"):
        found: dict[str, bytes | Exception] = file_system(folder.protocol).cat(places, on_error="return")
        lines = []
        for _, line in sorted(found.items()):
            if isinstance(line, FileNotFoundError):
                continue
            if isinstance(line, Exception):
                raise line
            lines.append(line)
    return lines


def clear(folder: ObjectPath) -> None:
    """Remove all journals."""
    place = folder / FOLDER
    assert isinstance(place, ObjectPath)
    place.remove()
