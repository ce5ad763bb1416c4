"""Sending a folder up as it is at one moment.

A store has no rename, and no way to change several objects at once; a checkpoint of which one file is new and one is
old would be worse than none. So what is new goes up below `.sending/` first, then one object lists it (from now on it
counts), then the store copies it to its places, names that declare completeness last, and removes what is gone. Whoever
finds the list finishes the work; what is there without one is removed.

On this machine a moment is held by hard links, for files are replaced, not changed; logs, which grow, are copied after
them, SQLite files with what their log holds. If something changed meanwhile it is done again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

from motherlode.errors import InputError, StorageError
from motherlode.shards import store
from motherlode.shards.fetch import bring, within
from motherlode.shards.local_copy import belongs
from motherlode.shards.location import PART_BYTES, ObjectPath
from motherlode.shards.lock import NAME as LOCK
from motherlode.shards.lock import Lock
from motherlode.shards.objects import abort_uploads, file_system, object_errors

FOLDER = ".sending"
_DECLARE = re.compile(r"(?:^|/)(?:.*\.record|record|result|evaluation|diagnosis|judge)\.json$|(?:^|/)manifest\.jsonl$")
_GROW = re.compile(r"\.(?:jsonl|log|sqlite)$")
_PASSING = re.compile(r"-(?:wal|shm|journal)$")  # SQLite's own
_TIMES = ".digests.json"
_TRIES = 20
Stamp = tuple[int, ...]


class Sender:
    """Keeps what lies at an address like a folder of this machine.

    Attributes:
        base: The folder at the store.
        folder: The folder here.
    """

    def __init__(self, base: ObjectPath, folder: Path, name: str | None, lease: Lock) -> None:
        """Name the two folders.

        Args:
            base: The folder at the store.
            folder: The folder here.
            name: What of them counts, see `Copy`; None: everything.
            lease: Held on the address.
        """
        self.base, self.folder, self.name = base, folder, name
        self._lease = lease
        self._sent: dict[str, Stamp] = {}
        self._place = f"{base.key}/{FOLDER}" if name is None else f"{base.key}/.{name}{FOLDER}"

    @staticmethod
    def scratch_of(folder: Path) -> Path:
        """Return where a moment of a folder is held."""
        return folder.with_name(f"{folder.name}-moment")

    @property
    def _system(self) -> Any:
        return file_system(self.base.protocol)

    def bring(self) -> None:
        """Finish what a killed run had begun to send, then bring down what is there.

        Raises:
            InputError: It cannot be read.
            StorageError: The store fails, or the disk is full.
        """
        with object_errors(str(self.base), "read"):
            self._finish_begun()
            for name, size in self._listed().items():
                target = within(self.folder, name)
                store.make_folder(target.parent)
                bring(self._system, f"{self.base.key}/{name}", target, size)
        self._sent = self._stamps()

    def send(self, *, all_of_it: bool = False) -> None:
        """Send what is new and remove what is gone.

        Args:
            all_of_it: Whether nobody writes any more; otherwise, if it never stands still, the next time will do.

        Raises:
            InputError: It may not be written.
            StorageError: The store fails, or the lease was lost.
        """
        scratch = self.scratch_of(self.folder)
        try:
            stamps = self._hold(scratch, all_of_it)
            if stamps is None:
                return
            changed = [name for name, stamp in stamps.items() if self._sent.get(name) != stamp]
            gone = [name for name in self._sent if name not in stamps]
            changed.sort(key=lambda name: (_DECLARE.search(name) is not None, name))
            if changed or gone:
                self._lease.check()
                self._put(scratch, changed, gone)
            self._sent = stamps
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _listed(self) -> dict[str, int]:
        """Return what is at the address and counts, with sizes."""
        if self.name is None:
            found = self.base.sizes()
        else:
            found = {}
            for item in self.base.iterdir():
                if isinstance(item, ObjectPath) and belongs(item.name, self.name):
                    below = {item.name: item.stat().st_size} if item.is_file() else item.sizes()
                    found |= below if item.is_file() else {f"{item.name}/{name}": n for name, n in below.items()}
        return {name: size for name, size in found.items() if name and not _is_own(name)}

    def _stamps(self) -> dict[str, Stamp]:
        """Return what is in the folder and counts, each with what changes when it does."""
        found: dict[str, Stamp] = {}
        for path, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if not (name.startswith(".") and name.endswith(".new"))]
            within = os.path.relpath(path, self.folder)
            for file in files:
                name = file if within == "." else f"{within}/{file}"
                if _is_own(name) or _PASSING.search(file) or store.is_temporary(Path(file)):
                    continue
                if self.name is not None and not belongs(name, self.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found[name] = _stamp(Path(path, file))
        return found

    def _hold(self, scratch: Path, all_of_it: bool) -> dict[str, Stamp] | None:
        """Hold a moment of what is new; None if there was none."""
        for _ in range(_TRIES):
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(mode=0o700)
            before = self._stamps()
            changed = sorted(
                (name for name, stamp in before.items() if self._sent.get(name) != stamp),
                key=lambda name: _GROW.search(name) is not None,
            )
            try:
                for name in changed:
                    (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                    _take(self.folder / name, scratch / name)
            except FileNotFoundError:
                continue  # replaced meanwhile
            except OSError as error:
                raise StorageError(f"cannot be written ({error.strerror})", where=str(scratch)) from error
            if _still(before) == _still(self._stamps()):
                return before
            time.sleep(0.05)
        if all_of_it:
            raise StorageError("does not stand still: a process still writes there", where=str(self.folder))
        return None

    def _put(self, scratch: Path, changed: list[str], gone: list[str]) -> None:
        system = self._system
        with object_errors(str(self.base)):
            try:
                if len(changed) == 1 and not gone and (scratch / changed[0]).stat().st_size < PART_BYTES:
                    self._send_file(scratch / changed[0], f"{self.base.key}/{changed[0]}")
                    return
                place = f"{self._place}/{secrets.token_hex(8)}"
                for name in changed:
                    self._send_file(scratch / name, f"{place}/{name}")
                self._lease.check()
                system.pipe_file(f"{place}.json", json.dumps({"put": changed, "remove": gone}).encode())
                self._apply(place)
            except FileNotFoundError as error:
                hint = "make it first; commands do not"
                raise InputError(
                    f"there is no bucket {self.base.parts[1]!r}", where=str(self.base), hint=hint
                ) from error

    def _send_file(self, path: Path, key: str) -> None:
        parts = {"chunksize": PART_BYTES} if self.base.protocol == "s3" else {}
        self._system.put_file(os.fspath(path), key, **parts)

    def _apply(self, place: str) -> None:
        """Do what a list says; that it was begun before does not matter."""
        system = self._system
        listed = json.loads(system.cat_file(f"{place}.json"))
        for name in listed["put"]:
            system.cp_file(f"{place}/{name}", f"{self.base.key}/{name}")
        for name in listed["remove"]:
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(f"{self.base.key}/{name}")
        system.rm_file(f"{place}.json")
        if listed["put"]:
            system.rm(place, recursive=True)

    def _finish_begun(self) -> None:
        """Finish or undo what a killed run had begun to send."""
        system = self._system
        abort_uploads(self.base.protocol, self._place, lambda _: False)
        left = [name.lstrip("/") for name in system.find(self._place)]
        for name in left:
            if name.endswith(".json") and "/" not in name[len(self._place) + 1 :]:
                self._apply(name.removesuffix(".json"))
        if system.exists(self._place):
            system.rm(self._place, recursive=True)


def _is_own(name: str) -> bool:
    """Return whether a file is a lock's, one on its way, or a memory of when files here were changed."""
    parts = name.split("/")
    return parts[-1].startswith(LOCK) or parts[-1] == _TIMES or parts[0].endswith(FOLDER)


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file does."""
    found = path.stat()
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
    log = path.with_name(f"{path.name}-wal")
    if path.suffix == ".sqlite" and log.exists():
        with contextlib.suppress(FileNotFoundError):
            more = log.stat()
            return (*stamp, more.st_size, more.st_mtime_ns)
    return stamp


def _still(stamps: dict[str, Stamp]) -> dict[str, Stamp]:
    """Leave out what may grow meanwhile: a longer log is one of a moment later, which a run that goes on cuts."""
    return {name: stamp for name, stamp in stamps.items() if _DECLARE.search(name) or not _GROW.search(name)}


def _take(path: Path, held: Path) -> None:
    """Hold a file as it is now."""
    if path.suffix == ".sqlite":
        _take_database(path, held)
    elif _GROW.search(path.name):
        shutil.copyfile(path, held)
    else:
        try:
            os.link(path, held)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(path, held)


def _take_database(path: Path, held: Path) -> None:
    """Copy an SQLite file with what its log holds; its writer holds the lock, so that it cannot be asked."""
    log = path.with_name(f"{path.name}-wal")
    for _ in range(_TRIES):
        before = path.stat()
        shutil.copyfile(path, held)
        if not log.exists():
            return
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(log, held.with_name(f"{held.name}-wal"))
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break
    with contextlib.closing(sqlite3.connect(held)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    held.with_name(f"{held.name}-wal").unlink(missing_ok=True)
