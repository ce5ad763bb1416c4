"""The manifest: what an output folder holds, and under which fingerprint each part was made.

While a folder grows, its `manifest.jsonl` is a log: a header, then one line per committed task, each flushed to the
device after the files that it names are in place. A torn last line, the trace of a kill, is ignored. When all tasks
are done the log is rewritten in task order, so that a folder's bytes do not depend on who finished first.

On an object store nothing can be appended to: there each committed task is a small object below `.journal/`, and the
log's lines are read from there until `manifest.jsonl` is written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards import journal, lock, store
from motherlode.shards.fingerprint import canonical_json
from motherlode.shards.location import ObjectPath

FILE = store.MANIFEST
_FORMAT = 1
_DIGEST = re.compile("[0-9a-f]{32}")  # tells a person nothing
_OWN = (lock.NAME, journal.FOLDER)  # what names begin with that are the manifest's own, beside its file
_REPLACED = "replaced"  # the kind of a folder that is being emptied for `overwrite`; a kill must not undo the consent


@dataclass(frozen=True)
class ShardFile:
    """One committed file: its name in the folder, its rows and bytes, and the digest of its content."""

    name: str
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True)
class Entry:
    """What one task left behind.

    Attributes:
        task: The task's name, unique in the folder.
        fingerprint: What the output depends on.
        files: The files it wrote, none to many; the first belongs to the dataset's rows.
        counts: Numbers of records by outcome (`read`, `kept`, `dropped:<reason>`, `quarantined`); they add up.
        stats: Step-specific statistics; numbers and lists of numbers, merged by addition.
    """

    task: str
    fingerprint: str
    files: tuple[ShardFile, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    stats: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the entry as one line of JSON."""
        return canonical_json(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read a line that `to_json` wrote.

        Raises:
            ValueError: The line is torn or is not an entry.
        """
        values = json.loads(line)
        try:
            files = tuple(ShardFile(**value) for value in values.pop("files"))
            return cls(files=files, **values)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("not a manifest entry") from error


def merge_stats(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up statistics: numbers, lists of numbers of one length, and mappings of these."""
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = _add(total[key], value) if key in total else value
    return total


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, Mapping):
        return merge_stats([left, right])
    if isinstance(left, list):
        return [a + b for a, b in zip(left, right, strict=True)]
    return left + right


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]

    def show(value: Any) -> str:
        text = "none" if value is None else canonical_json(value)
        return text if len(text) <= 40 else text[:37] + "..."

    def say(before: Any, after: Any) -> str:
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
            return f"{', '.join(names[:3])} changed"
        if show(before) == show(after) or all(_DIGEST.fullmatch(str(value)) for value in (before, after)):
            return "changed"
        return f"{show(before)} -> {show(after)}"

    return ", ".join(f"{key}: {say(old.get(key), new.get(key))}" for key in changed[:3])


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds something and has no manifest, before anything is written or removed there."""
    if (folder / FILE).exists():
        return
    with store.disk_errors(folder):
        names = sorted(item.name for item in folder.iterdir() if not item.name.startswith(_OWN))
    names = [name for name in names if not (name.startswith(f".{FILE}.") and store.is_temporary(Path(name)))]
    if names:
        raise InputError(
            f"is not empty and was not made by motherlode (it holds {names[0]!r})",
            where=str(folder),
            hint="choose another output folder",
        )


class Manifest:
    """The manifest of one folder, open for writing by one process at a time."""

    def __init__(self, folder: Path, header: dict[str, Any], entries: dict[str, Entry], complete: bool) -> None:
        """Use `open` or `read` instead."""
        self.folder, self.header, self.entries, self.complete = folder, header, entries, complete
        self._lock: lock.Lock | None = None
        self._sizes: dict[str, int] | None = None  # bytes of the objects that are there, listed once
        self._torn = False
        self._journal, self._lines = "", 0  # of an object store: where the log's lines go, and how many are there
        self._superseded: set[str] = set()  # files of entries that a later entry of the same task took the place of

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that the folder was made with."""
        settings: Mapping[str, Any] = self.header["settings"]
        return settings

    @classmethod
    def open(cls, folder: Path, kind: str, settings: Mapping[str, Any], *, overwrite: bool = False) -> Manifest:
        """Open a folder for writing: a new one, or one of the same kind and settings, which is continued.

        Args:
            folder: The output folder; created if there is none.
            kind: What it holds, e.g. `documents`.
            settings: The configuration of the whole folder; JSON-able.
            overwrite: Whether a motherlode folder of another kind or with other settings is emptied first.

        A folder where nothing has been committed yet takes any settings: a first try that failed on a wrong option
        leaves no trace that would stand in the way of the second.

        Returns:
            The manifest, locked until `close`.

        Raises:
            InputError: The folder holds something else, or another process writes to it.
            StorageError: The folder cannot be created or written.
        """
        settings = json.loads(canonical_json(settings))
        if folder.exists() and not folder.is_dir():
            raise InputError("is a file, not a folder", where=str(folder), hint="choose another output folder")
        store.make_folder(folder)
        _refuse_foreign(folder)
        held = lock.acquire(folder)
        try:
            manifest = cls._open_locked(folder, kind, settings, overwrite)
        except BaseException:
            held.release()
            raise
        manifest._lock = held
        return manifest

    @classmethod
    def _open_locked(cls, folder: Path, kind: str, settings: Mapping[str, Any], overwrite: bool) -> Manifest:
        header = {"motherlode": _FORMAT, "kind": kind, "settings": settings}
        path = folder / FILE
        if path.exists():
            manifest = cls.read(folder)
            if manifest.header["kind"] == kind and manifest.settings == settings:
                store.sweep(folder)
                if manifest._torn or manifest._lines:
                    manifest._rewrite()
                return manifest
            untouched = manifest.header["kind"] == kind and not manifest.entries and not manifest.complete
            replaced = manifest.header["kind"] == _REPLACED
            if not (overwrite or untouched or replaced):
                difference = (
                    f"other settings ({_difference(manifest.settings, settings)})"
                    if manifest.header["kind"] == kind
                    else f"a run of another kind ({manifest.header['kind']})"
                )
                raise InputError(
                    f"holds the output of {difference}",
                    where=str(folder),
                    hint="choose another folder, or --overwrite to replace it",
                )
            if overwrite or replaced:
                cls(folder, {**header, "kind": _REPLACED}, {}, complete=False)._rewrite()
                for item in folder.iterdir():
                    if item.name != FILE and not item.name.startswith(_OWN):
                        store.remove(item)
        else:
            _refuse_foreign(folder)
        store.sweep(folder)
        manifest = cls(folder, header, {}, complete=False)
        manifest._rewrite()
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a folder's manifest without locking it.

        Raises:
            InputError: There is none, or it is damaged.
        """
        path = folder / FILE
        try:
            *lines, torn = path.read_bytes().split(b"\n")  # what follows the last line end was torn by a kill
        except FileNotFoundError:
            raise InputError(
                "is not a motherlode folder (it has no manifest.jsonl)" if folder.is_dir() else "does not exist",
                where=str(folder),
            ) from None
        except NotADirectoryError:
            raise InputError("is a file, not a folder that motherlode made", where=str(folder)) from None
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
        try:
            header = json.loads(lines[0])
            complete = bool(header.pop("complete"))
            known = header["motherlode"] == _FORMAT and isinstance(header["settings"], dict)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            known = False
        if not known:
            raise InputError("is damaged or of an unknown version", where=str(path), hint="remove the folder")
        manifest = cls(folder, header, {}, complete)
        manifest._torn = bool(torn)
        if isinstance(folder, ObjectPath) and not complete:
            manifest._journal = str(header.pop("journal", ""))
            journalled = journal.read(folder, manifest._journal)
            manifest._lines = len(journalled)
            lines += journalled
        for number, line in enumerate(lines[1:], start=2):
            try:
                manifest._take(Entry.from_json(line.decode()))
            except ValueError:
                raise InputError(f"line {number} is damaged", where=str(path), hint="remove the folder") from None
        return manifest

    def _take(self, entry: Entry) -> None:
        before = self.entries.get(entry.task)
        if before is not None:
            self._superseded |= {file.name for file in before.files}
        self.entries[entry.task] = entry

    def holds(self, task: str, fingerprint: str) -> bool:
        """Return whether a task's output is here, whole, under this fingerprint."""
        entry = self.entries.get(task)
        if entry is None or entry.fingerprint != fingerprint:
            return False
        return all(self._size(file.name) == file.bytes for file in entry.files)

    def _size(self, name: str) -> int | None:
        """Return the bytes of a file, None if it is not there."""
        if isinstance(self.folder, ObjectPath):  # a listing names a thousand objects, a look only one
            if self._sizes is None:
                self._sizes = self.folder.sizes()
            return self._sizes.get(name)
        try:
            return (self.folder / name).stat().st_size
        except OSError:
            return None

    def begin(self) -> None:
        """Reopen the folder for growth."""
        if self.complete:
            self.complete = False
            self._rewrite()

    def commit(self, entry: Entry) -> None:
        """Record a task whose files are in place; durable when this returns.

        Raises:
            StorageError: The disk is full; the manifest is as it was.
        """
        self._check_lock()
        if isinstance(self.folder, ObjectPath):
            journal.append(self.folder, self._journal, self._lines, entry.to_json())
            self._lines += 1
            if self._sizes is not None:
                self._sizes |= {file.name: file.bytes for file in entry.files}
        else:
            store.append_line(self.folder / FILE, entry.to_json())
        self._take(entry)

    def _check_lock(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def finish(self, tasks: Iterable[str]) -> None:
        """Declare the folder complete: keep these tasks in this order, remove the files of all others.

        Args:
            tasks: The names of all tasks; each must have been committed.

        Raises:
            MotherlodeError: A task is missing.
        """
        names = list(tasks)
        missing = [name for name in names if name not in self.entries]
        if missing:
            raise MotherlodeError(f"{len(missing)} tasks are not done, first {missing[0]}", where=str(self.folder))
        kept = {name: self.entries[name] for name in names}
        stale = {file.name for entry in self.entries.values() for file in entry.files} | self._superseded
        stale -= {file.name for entry in kept.values() for file in entry.files}
        for name in sorted(stale):
            store.remove(self.folder / name)
        store.sweep(self.folder)  # a worker that died alone has left its temporary file
        if not self.complete or list(kept) != list(self.entries):
            self.entries, self.complete = kept, True
            self._rewrite()

    def _rewrite(self) -> None:
        header = {**self.header, "complete": self.complete}
        if isinstance(self.folder, ObjectPath) and not self.complete:
            header["journal"] = journal.new_name()
        lines = [canonical_json(header), *(entry.to_json() for entry in self.entries.values())]
        self._check_lock()
        store.write_text(self.folder / FILE, "\n".join(lines) + "\n")
        if isinstance(self.folder, ObjectPath):
            self._journal, self._lines = header.get("journal", ""), 0
            journal.clear(self.folder)

    def close(self) -> None:
        """Release the folder for other processes."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the folder."""
        self.close()
