"""Digests of what stages read and leave behind, remembered by size and time of change.

A status must not read terabytes to say that nothing has changed, so a file whose size and time are those of the last
look is not read again. A file that was written within moments of the look is read again the next time: on a clock of
coarse grain, a second change would not show. A folder that motherlode made is known by its manifest, which holds the
digests of its files; that they are there, with their sizes, is looked at.
"""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from motherlode.corpus.remote import expand, is_url
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.fingerprint import canonical_json, file_digest, fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import Manifest

FILE = ".digests.json"
_FRESH = 2e9  # nanoseconds; file systems with times of that grain are in use


class Digests:
    """Digests of files, folders, patterns and addresses.

    Attributes:
        folder: The project's outputs; where a folder that is digested takes it in, it is passed over.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is remembered; a damaged memory is none."""
        self.folder = folder
        self._known: dict[str, list[object]] = {}
        self._changed = False
        try:
            known = json.loads((folder / FILE).read_text("utf-8"))
            self._known = {str(key): list(value) for key, value in known.items() if len(value) == 3}
        except (OSError, ValueError, TypeError, AttributeError):
            self._changed = True

    def of(self, path: Path | str) -> str:
        """Digest what a path names.

        Args:
            path: A file, a folder (searched through, but for hidden files), a pattern, or an address.

        Returns:
            32 hexadecimal digits.

        Raises:
            InputError: There is nothing, or it cannot be read.
        """
        if is_url(path):
            several, far = expand(str(path))
            if not far and not several:
                raise InputError("no such file or folder", where=str(path))
            return fingerprint(sorted([file.url, file.digest] for file in far))
        path = here(path)
        if path.is_file():
            return self._file(path)
        if path.is_dir():
            if (path / store.MANIFEST).is_file():
                return self._made(path)
            return fingerprint([[str(file.relative_to(path)), self._file(file)] for file in self._walk(path)])
        matches = [Path(match) for match in sorted(glob.glob(os.fspath(path), recursive=True))]
        files = [file for match in matches for file in (self._walk(match) if match.is_dir() else [match])]
        if not files:
            raise InputError("no such file or folder", where=str(path))
        return fingerprint([[file.name, self._file(file)] for file in dict.fromkeys(files)])

    def keep(self) -> None:
        """Remember what was digested.

        Raises:
            StorageError: The folder cannot be written.
        """
        if self._changed and self.folder.is_dir():
            store.write_text(self.folder / FILE, canonical_json(self._known) + "\n")
            self._changed = False

    def _walk(self, folder: Path) -> Iterator[Path]:
        apart = self.folder.resolve()
        for path, folders, names in os.walk(folder):
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and Path(path, name).resolve() != apart
            )
            yield from (Path(path, name) for name in sorted(names) if not name.startswith("."))

    def _made(self, folder: Path) -> str:
        """Digest a folder that motherlode made.

        Raises:
            InputError: It is incomplete, damaged, or lacks a file.
        """
        manifest = Manifest.read(folder)
        if not manifest.complete:
            raise InputError("is not complete", where=str(folder))
        for name, entry in manifest.entries.items():
            if not manifest.holds(name, entry.fingerprint):
                raise InputError(f"lacks a file of '{name}', or has another in its place", where=str(folder))
        return self._file(folder / store.MANIFEST)

    def _file(self, path: Path) -> str:
        try:
            found = path.stat()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
        key = os.path.relpath(path, self.folder)
        known = self._known.get(key)
        if known is not None and known[:2] == [found.st_size, found.st_mtime_ns]:
            return str(known[2])
        digest = file_digest(path)
        if time.time_ns() - found.st_mtime_ns > _FRESH:
            self._known[key] = [found.st_size, found.st_mtime_ns, digest]
            self._changed = True
        return digest
