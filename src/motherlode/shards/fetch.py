"""Input at an address, copied once: a version of it lies in the user's cache folder until it is removed there.

A version is told from the next by what the store says of it (ETag, checksum, time of change, size). A copy appears
under its name when it is whole; whoever copies the same at the same time makes the same.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from motherlode.errors import InputError, StorageError
from motherlode.shards import store
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import Copy, LocalCopy, add
from motherlode.shards.objects import file_system, known_protocol, object_errors

_TELLING = ("ETag", "etag", "md5Hash", "checksum", "content_md5", "generation", "LastModified", "mtime", "updated")
_MAGIC = re.compile(r"[*?\[]")
_HIDDEN = re.compile(r"(?:^|/)\.")


def cache_folder() -> Path:
    """Return where copies of inputs lie: below `XDG_CACHE_HOME`, or `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "motherlode" / "inputs"


def fetch(address: str) -> LocalCopy:
    """Copy what lies at an address, unless this version was copied before.

    Args:
        address: Of a file, a folder (but for hidden files) or, where the store can list, a pattern.

    Returns:
        The copy; a path of nothing, if nothing lies there.

    Raises:
        InputError: It cannot be read.
        MissingExtraError: The package for addresses is not installed.
        StorageError: The store fails, or the disk is full.
    """
    protocol = address.partition(":")[0].lower()
    known_protocol(protocol, address)
    web = protocol in ("http", "https")
    with object_errors(address, "read"):
        system = file_system(protocol)
        key = address if web else address.partition("://")[2]
        base, found, name, pattern = _find(system, key, web)
    told = {
        place: fingerprint({k: str(v[k]) for k in _TELLING if v.get(k)}, v.get("size")) for place, v in found.items()
    }
    root = cache_folder() / fingerprint(address)[:16]
    folder = root / (fingerprint(told)[:16] if found else "nothing")
    if found and not folder.exists():
        with object_errors(address, "read"):
            _copy(system, base, found, folder)
    beginning = address[: len(address) - len(key)]
    copy = Copy(os.path.realpath(folder), f"{beginning}{base}", name, pattern)
    if found:
        add(copy)
        return LocalCopy(copy.folder, key[len(base) :].strip("/"))
    return _nothing(copy, key[len(base) :].strip("/"))


def _nothing(copy: Copy, rest: str) -> LocalCopy:
    """Return the path of what is not there: it is asked for again by whoever wants it again."""
    add(Copy(copy.folder, copy.address, "\0"))
    return LocalCopy(copy.folder, rest)


def _find(system: Any, key: str, web: bool) -> tuple[str, dict[str, Any], str | None, str | None]:
    """Return the folder that copies are relative to, what there is, and the name or pattern of what counts, if any."""
    if not web and (magic := _MAGIC.search(key)):
        base = key[: magic.start()].rpartition("/")[0]
        matches = {place: about for place, about in system.glob(key, detail=True).items() if about["type"] == "file"}
        return base, matches, None, key[len(base) :].strip("/")
    base, _, name = key.rpartition("/")
    try:
        about = system.info(key)
    except FileNotFoundError as error:
        if web and isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
            raise InputError("cannot be reached", where=key) from error
        return base, {}, name, None
    if about["type"] == "file":
        return base, {key: about}, name, None
    below = {place.lstrip("/"): about for place, about in system.find(key, detail=True).items()}
    return key, {place: about for place, about in below.items() if not _HIDDEN.search(place[len(key) :])}, None, None


def _copy(system: Any, base: str, found: dict[str, dict[str, Any]], folder: Path) -> None:
    store.make_folder(folder.parent)
    with store.disk_errors(folder):
        fresh = Path(tempfile.mkdtemp(prefix=".fetching-", dir=folder.parent))
    try:
        for place, about in found.items():
            target = within(fresh, place[len(base) :].strip("/"))
            store.make_folder(target.parent)
            bring(system, place, target, about.get("size"))
        with store.disk_errors(folder):
            _rename(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _rename(fresh: Path, folder: Path) -> None:
    """Rename a folder; another process may have been faster."""
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def within(folder: Path, name: str) -> Path:
    """Return where the copy of an object lies.

    Args:
        folder: The folder of copies.
        name: The object's name, relative to the address; a store takes any text for one.

    Raises:
        InputError: The name leads out of the folder.
    """
    if name.startswith("/") or ".." in name.split("/"):
        raise InputError(f"the object {name[:200]!r} leads out of its folder", hint="rename or remove it at the store")
    return folder / name


def bring(system: Any, key: str, target: Path, size: int | None) -> None:
    """Copy an object to a file, a second time if it arrives with another length than it has.

    Raises:
        StorageError: It does so again.
    """
    for _ in range(2):
        system.get_file(key, os.fspath(target))
        if size is None or target.stat().st_size == size:
            return
    hint = "run the same command again"
    raise StorageError("arrives with another length than it has", where=system.unstrip_protocol(key), hint=hint)
