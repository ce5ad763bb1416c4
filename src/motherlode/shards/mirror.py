"""Outputs at an address for work that needs a folder of this machine: it is brought down, worked in, and sent up.

    with mirrored("s3://bucket/run") as folder:
        fine_tune("train.jsonl", folder, model="model")

What lies at the address comes first, so that a run that was killed goes on. What is new or changed goes up every half
minute, and at the end in any case: also after an error, and after Ctrl-C. Each time it goes up as one (`sending`): who
looks, and the next run after a kill, finds the folder as it was at one moment. One process at a time writes to an
address, by the lease that other writers take there (`lock`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from motherlode.errors import InputError, MotherlodeError, StorageError
from motherlode.shards import lock
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import Copy, LocalCopy, add, forget
from motherlode.shards.location import ObjectPath, location
from motherlode.shards.sending import Sender

SECONDS = "MOTHERLODE_SYNC_SECONDS"  # of the environment: between two looks for what is new
_SECONDS = 30.0
_open: list[Mirror] = []


class Mirror:
    """A folder of this machine for what lies at an address.

    Attributes:
        copy: Which folder, and of what.
    """

    def __init__(self, base: ObjectPath, name: str | None) -> None:
        """Take the address, and bring down what lies there.

        Args:
            base: The folder at the store.
            name: What of it, see `Copy`; None: everything.

        Raises:
            InputError: Another process writes there, credentials are missing, or there is no such bucket.
            StorageError: The store fails, or the disk is full.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            hint = "write to a folder that all processes see, and copy it there afterwards"
            raise InputError("is an address, and several processes train", where=str(base), hint=hint)
        seconds = _seconds()
        self._lease = lock.acquire(base if name is None else base / f".{name}")
        try:
            folder = _fresh_folder(base, name)
            self.copy = Copy(str(folder), str(base), name, mirror=True)
            self._sender = Sender(base, folder, name, self._lease)
            self._sender.bring()
        except BaseException:
            self._lease.release()
            raise
        add(self.copy)
        _open.append(self)
        self._ended = threading.Event()
        self._mutex = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, args=(seconds,), daemon=True)
        self._keeper.start()

    def holds(self, address: ObjectPath) -> bool:
        """Return whether something is in it."""
        base = location(self.copy.address)
        if self.copy.name is None or address == base:
            return self.copy.name is None and address.is_relative_to(base)
        return address.is_relative_to(base) and self.copy.holds(address.relative_to(base).as_posix())

    def _keep(self, seconds: float) -> None:
        warned = False
        while not self._ended.wait(seconds):
            try:
                with self._mutex:
                    self._sender.send()
                warned = False
            except MotherlodeError as error:  # the end tells if it lasts
                if not warned:
                    _say(f"! not sent yet: {error}")
                warned = True

    def close(self) -> None:
        """Send what is left, let others write, and remove the folder.

        Raises:
            StorageError: It could not be sent; the folder stays, and the line names it.
        """
        self._ended.set()
        self._keeper.join()
        try:
            try:
                self._sender.send(all_of_it=True)
            except MotherlodeError as error:
                hint = f"what was made lies in {self.copy.folder}, until the same command runs again"
                raise type(error)(error.what, where=error.where, hint=hint) from error
            shutil.rmtree(self.copy.folder, ignore_errors=True)
        finally:
            _open.remove(self)
            forget(self.copy)
            self._lease.release()


@contextlib.contextmanager
def mirrored(place: str | Path, *, file: bool = False) -> Iterator[Path]:
    """Give a path to write to, whatever the place is.

    Args:
        place: A path of this machine, which is given as it is; or an address.
        file: Whether it is a file's: what else is called as it is, but for the ending, belongs to it (its record, its
            working folder). Otherwise everything below it does.

    Yields:
        The path, on this machine; of an address, its text is the address.

    Raises:
        InputError: Another process writes there, credentials are missing, there is no such bucket.
        StorageError: What was made could not be sent.
    """
    address = location(place)
    if not isinstance(address, ObjectPath):
        yield address
        return
    open_one = next((mirror for mirror in _open if mirror.holds(address)), None)
    if open_one is not None:
        yield LocalCopy(open_one.copy.folder, address.relative_to(location(open_one.copy.address)))
        return
    if file and len(address.parts) < 3:
        raise InputError("names no file in a bucket", where=str(address), hint="write s3://bucket/folder/file")
    if not file and address.is_file():
        raise InputError("is a file, not a folder", where=str(address), hint="name a folder")
    parent = location(address.parent)
    assert isinstance(parent, ObjectPath)
    mirror = Mirror(parent, address.name.rpartition(".")[0] or address.name) if file else Mirror(address, None)
    path = LocalCopy(mirror.copy.folder, address.name) if file else LocalCopy(mirror.copy.folder)
    try:
        yield path
    except BaseException:
        try:
            mirror.close()
        except MotherlodeError as error:  # what went wrong first is told
            _say(f"! not sent: {error}")
        raise
    mirror.close()


def refuse_mirrors(why: str) -> None:
    """Refuse what cannot work in a mirror.

    Args:
        why: Who cannot, as the beginning of a clause whose object is the folder.

    Raises:
        InputError: One is open.
    """
    if _open:
        hint = "write to a folder that all nodes see; `corpus build` and `mine` write to addresses from all nodes"
        raise InputError(
            f"is mirrored in a folder of this machine, which {why}", where=_open[0].copy.address, hint=hint
        )


def _seconds() -> float:
    given = os.environ.get(SECONDS, "")
    try:
        seconds = float(given) if given else _SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise InputError(f"{given[:40]!r} is not a number of seconds", where=SECONDS, hint="set e.g. 30")
    return seconds


def _fresh_folder(base: ObjectPath, name: str | None) -> Path:
    """Make the folder for an address, empty: a killed run may have left one.

    Raises:
        StorageError: It is another user's, or cannot be made.
    """
    root = Path(tempfile.gettempdir()).resolve()
    folder = root / f"motherlode-{os.getuid()}-{fingerprint(str(base), name)[:16]}"
    try:
        for left in (folder, Sender.scratch_of(folder)):
            if left.is_symlink() or (left.exists() and left.stat().st_uid != os.getuid()):
                raise StorageError("is not this user's", where=str(left), hint="set TMPDIR to another folder")
            shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        hint = "set TMPDIR to a folder with room"
        raise StorageError(f"cannot be made ({error.strerror})", where=str(folder), hint=hint) from error
    return folder


def _say(line: str) -> None:
    shown = "".join(c if c.isprintable() else " " for c in line)
    print(shown, file=sys.stderr)  # noqa: T201 - as progress does
