"""Copies on this machine of what lies at addresses: paths that are opened here and told by their address.

Libraries that load models, run harnesses or keep SQLite files need files of this machine. What lies at an address is
therefore copied (`fetch`, `mirror`), and its copy is a `LocalCopy`: the operating system is given the path of the copy
(`os.fspath`), a person and a record the address (`str`). `here` leads back from the address to the copy, in this
process and in those that it starts: which copies there are stands in the environment.
"""

from __future__ import annotations

import functools
import json
import os
import posixpath
import threading
from collections.abc import Generator
from pathlib import Path, PosixPath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from motherlode.errors import InputError
from motherlode.shards.location import address_of

MIRROR = "name a folder of this machine; from Python, motherlode.shards.mirror.mirrored gives one"
COPIES = "MOTHERLODE_COPIES"  # of the environment: what lies where, for the processes that this one starts
_mutex = threading.Lock()


class Copy(NamedTuple):
    """A copy that there is.

    Attributes:
        folder: Of this machine, without links in its path.
        address: Of what it is a copy of, without a slash at its end.
        name: The one thing in it that was copied, with all that is called so and has an ending more; None: everything.
        pattern: What was copied of it: what it fits; None: everything.
        mirror: Whether what is written there is sent to the address.
    """

    folder: str
    address: str
    name: str | None = None
    pattern: str | None = None
    mirror: bool = False

    def holds(self, rest: str) -> bool:
        """Return whether something below the address is in it."""
        if self.pattern is not None:
            return rest == self.pattern or os.path.lexists(f"{self.folder}/{rest}")
        return self.name is None or belongs(rest, self.name)


def belongs(rest: str, name: str) -> bool:
    """Return whether a relative path is, or lies in, something of a name, or of this name and an ending."""
    first = rest.partition("/")[0]
    return first == name or first.startswith(f"{name}.")


class LocalCopy(PosixPath):
    """A path of this machine that goes by the address of which it is a copy."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the address."""
        path = super().__str__()
        for copy in _copies():
            if path == copy.folder:
                return copy.address
            if path.startswith(f"{copy.folder}/"):
                return f"{copy.address}{path[len(copy.folder) :]}"
        return path

    def __fspath__(self) -> str:
        """Return the path of the copy."""
        return super().__str__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Become the copy that another process has."""
        return here, (str(self),)

    def iterdir(self) -> Generator[LocalCopy, None, None]:
        """Yield what lies directly below."""
        yield from map(LocalCopy, Path(os.fspath(self)).iterdir())

    def glob(self, pattern: str, **options: Any) -> Generator[LocalCopy, None, None]:
        """Yield what lies below and fits a pattern."""
        yield from map(LocalCopy, Path(os.fspath(self)).glob(pattern, **options))

    def rglob(self, pattern: str, **options: Any) -> Generator[LocalCopy, None, None]:
        """Yield what lies anywhere below and fits a pattern."""
        yield from map(LocalCopy, Path(os.fspath(self)).rglob(pattern, **options))


@functools.lru_cache(maxsize=8)
def _read(text: str) -> tuple[Copy, ...]:
    return tuple(Copy(*item) for item in json.loads(text)) if text else ()


def _copies() -> tuple[Copy, ...]:
    return _read(os.environ.get(COPIES, ""))


def add(copy: Copy) -> None:
    """Make a copy known to this process and to those that it starts."""
    with _mutex:
        os.environ[COPIES] = json.dumps([*(other for other in _copies() if other != copy), copy])


def forget(copy: Copy) -> None:
    """Take back what `add` made known."""
    with _mutex:
        os.environ[COPIES] = json.dumps([other for other in _copies() if other != copy])


def known(address: str, *, mirror: bool = False) -> LocalCopy | None:
    """Return the copy of what lies at an address, a mirror's before others; None if it was not copied yet.

    Args:
        address: Of anything.
        mirror: Whether only a mirror's counts.
    """
    newest = _copies()[::-1]
    for copy in (*(copy for copy in newest if copy.mirror), *(copy for copy in newest if not copy.mirror)):
        if mirror and not copy.mirror:
            break
        if address == copy.address and copy.name is None and copy.pattern is None:
            return LocalCopy(copy.folder)
        if address.startswith(f"{copy.address}/") and copy.holds(rest := address[len(copy.address) + 1 :]):
            return LocalCopy(copy.folder, rest)
    return None


def here(place: str | Path) -> Path:
    """Return where on this machine something can be read.

    Args:
        place: A path, or an address (of a file, a folder or a pattern); what lies there is copied, unless that copy is
            known to be the newest.

    Returns:
        The path as it is, or a `LocalCopy`; like the path of a missing file, one of nothing if nothing lies there.

    Raises:
        InputError: The address is of an unknown kind, or cannot be read.
        MissingExtraError: The package for addresses is not installed.
        StorageError: It cannot be copied.
    """
    if isinstance(place, LocalCopy):
        return place
    address = address_of(place)
    if address is None:
        return _of_file_address(place) or Path(place)
    found = known(address)
    if found is None:
        from motherlode.shards.fetch import fetch

        found = fetch(address)
    return found


def path_here(place: str | Path) -> Path:
    """Return a place of this machine to write to; of an address, its mirror.

    Raises:
        InputError: It is an address that is not mirrored.
    """
    if isinstance(place, LocalCopy):
        return place
    address = address_of(place)
    if address is None:
        return Path(place)
    found = known(address, mirror=True)
    if found is None:
        raise InputError("is an address, and this works in folders of this machine", where=address, hint=MIRROR)
    return found


def beside(base: Path, named: str) -> Path:
    """Return where something lies that a file names, relative to the folder of that file.

    Args:
        base: The folder.
        named: A path or an address.
    """
    path = Path(named).expanduser()
    if address_of(named) is not None or _of_file_address(named) is not None:
        return here(named)
    if path.is_absolute() or not isinstance(base, LocalCopy):
        return base / path
    scheme, _, rest = str(base).partition("://")
    return here(f"{scheme}://{posixpath.normpath(posixpath.join(rest, path.as_posix()))}")


def _of_file_address(place: str | Path) -> Path | None:
    """Return the path that a file:// address names; None if it is another one, or a path."""
    if isinstance(place, str) and place.lower().startswith("file://"):
        return Path(unquote(urlsplit(place).path))
    return None
