"""One writer a folder: a lock of the operating system, or on an object store a lease that its holder keeps renewing.

An object store has no locks, but it can refuse to write an object that is there. A lease is such an object,
`.lock-<number>`, with its holder's name and a counter. The holder counts it up every `RENEWED` seconds; who finds a
lease that does not move for `PATIENCE` seconds takes its holder for dead and writes the next number. No clocks are
compared. A holder that could not renew for `PATIENCE` seconds gives up before it writes again. If its process is known
to be dead (it ran on this machine) nobody waits.

What is left: a holder that is stopped between its last look and its write, for longer than `PATIENCE`, still writes.
Its files have the bytes of the other's, for they belong to the same settings.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import secrets
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from motherlode.errors import InputError, MotherlodeError, StorageError
from motherlode.shards import store
from motherlode.shards.location import ObjectPath

NAME = ".lock"
RENEWED = 5.0
PATIENCE = 30.0


class Lock(Protocol):
    """What a writer holds."""

    def check(self) -> None:
        """Raise if it is no longer held."""

    def release(self) -> None:
        """Let others write."""


def acquire(folder: Path) -> Lock:
    """Lock a folder.

    Raises:
        InputError: Another process writes there.
        StorageError: It cannot be written.
    """
    return Lease(folder) if isinstance(folder, ObjectPath) else FileLock(folder)


def _busy(folder: Path, who: str = "") -> InputError:
    what = f"another motherlode process is writing here{who}"
    return InputError(what, where=str(folder), hint="wait for it or stop it")


class FileLock:
    """A lock of the operating system, which ends with the process."""

    def __init__(self, folder: Path) -> None:
        with store.disk_errors(folder):
            self._handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise _busy(folder) from None
        except BaseException:
            os.close(self._handle)
            raise

    def check(self) -> None:
        """Do nothing: the system keeps it."""

    def release(self) -> None:
        """Let others write."""
        os.close(self._handle)


class Lease:
    """An object that says who writes, kept alive by a thread.

    Attributes:
        folder: What it is for.
        token: Random, of this holder.
    """

    def __init__(self, folder: ObjectPath) -> None:
        self.folder, self.token = folder, secrets.token_hex(8)
        self._about = {"owner": self.token, "host": _host(), "name": platform.node(), "pid": os.getpid(), "renewed": 0}
        self._ended = threading.Event()
        self._place = self._take()
        self._seen = time.monotonic()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _content(self) -> bytes:
        return json.dumps(self._about, sort_keys=True).encode()

    def _take(self) -> ObjectPath:
        dead: dict[str, str] = {}  # lease to owner
        while True:
            held = {place.name: about for place in _leases(self.folder) if (about := _read(place))}
            living = {name: about for name, about in held.items() if dead.get(name) != about["owner"]}
            for name, about in living.items():
                if not _is_dead(self.folder / name, about):
                    raise _busy(self.folder, f" (process {about['pid']} on {about['name']})")
                dead[name] = about["owner"]
            number = 1 + max((int(name.rpartition("-")[2]) for name in held), default=0)
            place = self.folder / f"{NAME}-{number:06d}"
            assert isinstance(place, ObjectPath)
            try:
                place.put(self._content(), new=True)
            except FileExistsError:
                if (_read(place) or {}).get("owner") != self.token:  # else: written, and the answer was lost
                    continue
            others = {other.name: _read(other) for other in _leases(self.folder) if other != place}
            if any(about and dead.get(name) != about["owner"] for name, about in others.items()):
                place.remove()
                raise _busy(self.folder)
            return place

    def _keep(self) -> None:
        while not self._ended.wait(RENEWED):
            self._about["renewed"] = int(str(self._about["renewed"])) + 1
            begin = time.monotonic()
            with contextlib.suppress(MotherlodeError):  # `check` tells when it lasts
                self._place.put(self._content())
                self._seen = begin

    def check(self) -> None:
        """Raise if others may have taken this holder for dead.

        Raises:
            StorageError: It could not renew its lease.
        """
        if time.monotonic() - self._seen > PATIENCE - RENEWED:
            hint = "what is finished is kept; run the same command again"
            raise StorageError("the lease on the folder ran out", where=str(self.folder), hint=hint)

    def release(self) -> None:
        """Let others write: the leases of dead holders go too."""
        self._ended.set()
        self._keeper.join()
        if time.monotonic() - self._seen <= PATIENCE - RENEWED:
            for place in _leases(self.folder):
                if place.name <= self._place.name:
                    place.remove()


def _leases(folder: ObjectPath) -> list[ObjectPath]:
    return sorted(item for item in folder.iterdir() if item.name.startswith(f"{NAME}-"))


def _read(place: Path) -> dict[str, Any] | None:
    """Return what a lease says; None if it has gone."""
    try:
        about = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError("is not a lease of motherlode", where=str(place), hint="remove it") from error
    return dict(about)


def _is_dead(place: Path, about: dict[str, Any]) -> bool:
    """Return whether the holder of a lease has ended, after watching it if that is not known."""
    if about["host"] == _host() and not _runs(int(about["pid"])):
        return True
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(RENEWED / 2)
        now = _read(place)
        if now is None:
            return True
        if now != about:
            return False
    return True


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    """Name this machine since its last start, and the space that its process numbers are of."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)
