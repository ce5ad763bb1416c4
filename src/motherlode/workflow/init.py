"""`init`: a commented `motherlode.yaml` to begin with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.location import location

FILE = "motherlode.yaml"


def template() -> str:
    """Return the file that `init` writes."""
    return (resources.files("motherlode.workflow") / FILE).read_text("utf-8")


def write_project(folder: Path | str) -> Path:
    """Write `motherlode.yaml` into a folder.

    Args:
        folder: The folder; made if there is none.

    Returns:
        The file.

    Raises:
        InputError: There is such a file, which is not replaced, or the folder is none.
    """
    folder = location(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file, not a folder", where=str(folder), hint="name a folder")
    path = folder / FILE
    if path.exists() or path.is_symlink():
        raise InputError("is there already", where=str(path), hint="name another folder, or remove it first")
    store.make_folder(folder)
    store.write_text(path, template())
    return path
