"""Places: a path of this machine, or an object of a store, used alike.

`location` makes a `Path` of what a person named. For an address (`s3://bucket/corpus`) that is an `ObjectPath`: its
parts are the scheme, the bucket and the rest, so that joining, parents and names are those of any path, and what a path
does to the disk is done to the store. What the store cannot do fails where Python asks for a path of this machine
(`os.fspath`) with one line that says so, and never writes to a folder called `s3:`.

A folder of a store is only the beginning of names: it need not be made, and is there as long as something is in it.
"""

from __future__ import annotations

import fnmatch
import io
import os
import re
import stat
from collections.abc import Generator
from pathlib import Path, PosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from motherlode.errors import InputError
from motherlode.shards.objects import file_system, known_protocol, object_errors

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_SAME = {"s3a": "s3", "gcs": "gs"}
_READ_ONLY = ("http", "https")
PART_BYTES = 50 << 20  # of an upload in parts; objects of fewer than two go up at once


class ObjectPath(PosixPath):
    """An object of a store, or the beginning of the names of several.

    Reading and writing goes by whole objects: one is there complete, or not at all.
    """

    __slots__ = ()

    def __str__(self) -> str:
        """Return the address."""
        scheme, slash, rest = super().__str__().partition("/")
        return f"{scheme}//{rest}" if slash and scheme.endswith(":") else f"{scheme}{slash}{rest}"

    def __fspath__(self) -> str:
        """Refuse: whoever asks would look for a folder of this machine.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "is an address, and this step needs a folder of this machine",
            where=str(self),
            hint="copy it here, or write to a folder of this machine",
        )

    @property
    def protocol(self) -> str:
        """The scheme, e.g. `s3`."""
        return self.parts[0].rstrip(":")

    @property
    def key(self) -> str:
        """Bucket and name, as fsspec takes them."""
        return "/".join(self.parts[1:])

    def _system(self) -> Any:
        with object_errors(str(self), "reached"):
            return file_system(self.protocol)

    def exists(self, **_: Any) -> bool:
        """Return whether there is such an object, or one below."""
        with object_errors(str(self), "read"):
            return bool(self._system().exists(self.key))

    def is_file(self, **_: Any) -> bool:
        """Return whether there is such an object."""
        with object_errors(str(self), "read"):
            return bool(self._system().isfile(self.key))

    def is_dir(self, **_: Any) -> bool:
        """Return whether there is an object below."""
        with object_errors(str(self), "read"):
            return bool(self._system().isdir(self.key))

    def is_symlink(self) -> bool:
        """Return that it is none."""
        return False

    def stat(self, **_: Any) -> os.stat_result:
        """Return the size; everything else is zero.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with object_errors(str(self), "read"):
            about = self._system().info(self.key)
        kind = stat.S_IFREG if about["type"] == "file" else stat.S_IFDIR
        return os.stat_result((kind | 0o644, 0, 0, 1, 0, 0, int(about.get("size") or 0), 0, 0, 0))

    def iterdir(self) -> Generator[ObjectPath, None, None]:
        """Yield what lies directly below, in order; nothing if nothing does."""
        with object_errors(str(self), "listed"):
            try:
                found = self._system().ls(self.key, detail=False)
            except FileNotFoundError:
                return
        names = {str(item).rstrip("/").rpartition("/")[2] for item in found if str(item).strip("/") != self.key}
        yield from (self / name for name in sorted(names))

    def sizes(self) -> dict[str, int]:
        """Return the bytes of every object below, by its name relative to here."""
        with object_errors(str(self), "listed"):
            found = self._system().find(self.key, detail=True)
        start = len(self.key) + 1
        return {name.lstrip("/")[start:]: int(about.get("size") or 0) for name, about in found.items()}

    def glob(self, pattern: str, **_: Any) -> Generator[ObjectPath, None, None]:
        """Yield what lies directly below and whose name fits a pattern; after `**/`, what lies anywhere below."""
        if pattern.startswith("**/"):
            wanted = pattern.removeprefix("**/")
            names = sorted(self.sizes())
            yield from (self / name for name in names if fnmatch.fnmatchcase(name.rpartition("/")[2], wanted))
            return
        yield from (item for item in self.iterdir() if fnmatch.fnmatchcase(item.name, pattern))

    def read_bytes(self) -> bytes:
        """Read the whole object.

        Raises:
            FileNotFoundError: There is none.
        """
        with object_errors(str(self), "read"):
            return bytes(self._system().cat_file(self.key))

    def read_text(self, encoding: str | None = None, errors: str | None = None, **_: Any) -> str:
        """Read the whole object as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", buffering: int = -1, encoding: str | None = None, *_: Any, **__: Any) -> IO[Any]:  # type: ignore[override]
        """Open for reading; the object is read whole.

        Raises:
            InputError: It is to be written: that goes through `store`.
        """
        if set(mode) - set("rbt"):
            raise InputError("is an object, which is written whole", where=str(self))
        content = io.BytesIO(self.read_bytes())
        return content if "b" in mode else io.TextIOWrapper(content, encoding=encoding or "utf-8")

    def put(self, data: bytes, *, new: bool = False) -> None:
        """Write the whole object at once: readers see the old one or the new one.

        Above 100 MiB it goes up in parts, which are joined at the end and thrown away on an error.

        Args:
            data: The content.
            new: Whether it must not be there yet.

        Raises:
            FileExistsError: It is there, and must not be.
            InputError: There is no such bucket, or it may not be written.
        """
        with object_errors(str(self)):
            try:
                parts = {"chunksize": PART_BYTES} if self.protocol == "s3" else {}
                self._system().pipe_file(self.key, data, mode="create" if new else "overwrite", **parts)
            except FileNotFoundError as error:
                hint = "make it first; commands do not"
                raise InputError(f"there is no bucket {self.parts[1]!r}", where=str(self), hint=hint) from error

    def copy_to(self, other: ObjectPath) -> None:
        """Copy within the store."""
        with object_errors(str(other)):
            self._system().cp_file(self.key, other.key)

    def remove(self) -> None:
        """Remove the object, and all below; nothing happens if there is none."""
        system = self._system()
        with object_errors(str(self), "removed"):
            try:
                system.rm(self.key, recursive=system.isdir(self.key))
            except FileNotFoundError:
                return

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        self.remove()

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Do nothing: folders need not be made."""

    def absolute(self) -> ObjectPath:
        """Return itself."""
        return self

    def resolve(self, strict: bool = False) -> ObjectPath:
        """Return itself."""
        return self

    def expanduser(self) -> ObjectPath:
        """Return itself."""
        return self


def location(place: str | Path) -> Path:
    """Return a place that a person named: a path of this machine, or an object of a store.

    Args:
        place: A path, or an address; of a `Path` that was made of an address too.

    Returns:
        An `ObjectPath` for an address.

    Raises:
        InputError: The address is of an unknown kind, names no bucket, or can only be read.
        MissingExtraError: The package for addresses is not installed.
    """
    if isinstance(place, ObjectPath):
        return place
    if isinstance(place, Path):  # `Path` leaves of s3://bucket the folder `s3:`
        found = _SCHEME.fullmatch(place.parts[0]) if place.parts else None
        if found is None or len(place.parts) < 2 or Path(place.parts[0]).exists():
            return place
        parts: tuple[str, ...] = place.parts[1:]
    else:
        found = _ADDRESS.match(place)
        if found is None:
            return Path(place)
        if found[1].lower() in ("file", "local"):
            return Path(unquote(urlsplit(place).path))
        parts = tuple(part for part in place[found.end() :].split("/") if part not in ("", "."))
    said = f"{found[1]}://{'/'.join(parts)}"
    protocol = _SAME.get(found[1].lower(), found[1].lower())
    if protocol in _READ_ONLY:
        raise InputError("can only be read, file by file", where=said, hint="use s3://, gs:// or a folder")
    known_protocol(protocol, said)
    if not parts or ".." in parts:
        raise InputError("names no place in a bucket", where=said, hint="write s3://bucket/folder")
    return ObjectPath(f"{protocol}:", *parts)


def address_of(place: str | Path) -> str | None:
    """Return a place's address, in the one way of writing it; None if it is a path of this machine.

    Args:
        place: A path, or an address, also one that can only be read; of a `Path` that was made of an address too.
    """
    if isinstance(place, ObjectPath):
        return str(place)
    if isinstance(place, Path):  # `Path` leaves of s3://bucket the folder `s3:`
        found = _SCHEME.fullmatch(place.parts[0]) if place.parts and not place.is_absolute() else None
        if found is None or len(place.parts) < 2 or Path(place.parts[0]).exists():
            return None
        rest = "/".join(place.parts[1:])
    else:
        found = _ADDRESS.match(place)
        if found is None or found[1].lower() in ("file", "local"):
            return None
        rest = place[found.end() :]
    scheme = _SAME.get(found[1].lower(), found[1].lower())
    if scheme in _READ_ONLY:
        return f"{scheme}://{rest}"
    return f"{scheme}://{'/'.join(part for part in rest.split('/') if part not in ('', '.'))}"


def named(place: str | Path) -> str:
    """Return a place as a person writes it; of a `Path` that was made of an address too."""
    return address_of(place) or str(place)
