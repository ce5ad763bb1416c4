"""Every answer of a model, kept at once under its question's fingerprint, so that nothing is asked twice.

A SQLite file: an answer is committed, and flushed, before anything is done with it. What is sent is written down before
it is sent, so that a budget holds over any number of kills. One process at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from motherlode.errors import InputError, StorageError
from motherlode.llm.chat import Answer

_FORMAT = 1
_MARK = 0x4D4C4F44
_SCHEMA = f"""
PRAGMA application_id = {_MARK};
PRAGMA user_version = {_FORMAT};
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY, text TEXT NOT NULL, finish TEXT NOT NULL, refusal TEXT,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (question TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Spend:
    """What was spent on one store's answers, over all tries.

    Attributes:
        requests: Requests sent, answered or not.
        answers: Answers kept.
        prompt_tokens: Of the questions answered.
        completion_tokens: Of the answers.
    """

    requests: int
    answers: int
    prompt_tokens: int
    completion_tokens: int


class AnswerStore:
    """The answers of one output, as a context."""

    def __init__(self, path: Path) -> None:
        """Open or begin a store.

        Args:
            path: The file.

        Raises:
            InputError: It is something else, of another version, in use, or cannot be written.
        """
        self.path = path
        try:
            self._open()
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise InputError("another run is writing it", where=str(path), hint="wait for it to end") from None
            raise InputError(f"cannot be written ({error})", where=str(path), hint="name another --out") from None
        except sqlite3.DatabaseError:
            raise InputError("is no store of answers", where=str(path), hint="move it away") from None

    def _open(self) -> None:
        fresh = not self.path.exists() or self.path.stat().st_size == 0
        self._database = sqlite3.connect(self.path, timeout=0.5, isolation_level=None)
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("BEGIN EXCLUSIVE")
            (mark,) = self._database.execute("PRAGMA application_id").fetchone()
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            self._database.execute("COMMIT")
            if not fresh and tables and mark != _MARK:
                raise sqlite3.DatabaseError("another application's")
            if mark == _MARK and version != _FORMAT:
                raise InputError("is of another version", where=str(self.path), hint="move it away, and begin anew")
            self._database.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        except BaseException:
            self._database.close()
            raise
        row = self._database.execute(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM answers"
        ).fetchone()
        (requests,) = self._database.execute("SELECT coalesce(sum(times), 0) FROM sent").fetchone()
        self.spend = Spend(requests, *row)

    def __enter__(self) -> Self:
        """Use the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"cannot be written ({error})", where=str(self.path)) from error

    def get(self, question: str) -> Answer | None:
        """Return the answer kept under a fingerprint, if there is one."""
        row = self._database.execute(
            "SELECT text, finish, refusal, prompt_tokens, completion_tokens FROM answers WHERE question = ?",
            (question,),
        ).fetchone()
        return None if row is None else Answer(*row)

    def about_to_send(self, question: str) -> None:
        """Write down that a question is being sent.

        Raises:
            StorageError: The disk is full or the file cannot be written.
        """
        with self._writing():
            self._database.execute(
                "INSERT INTO sent VALUES (?, 1) ON CONFLICT (question) DO UPDATE SET times = times + 1", (question,)
            )
        spend = self.spend
        self.spend = Spend(spend.requests + 1, spend.answers, spend.prompt_tokens, spend.completion_tokens)

    def keep(self, question: str, answer: Answer) -> None:
        """Keep an answer; once this returns, no kill can lose it.

        Raises:
            StorageError: The disk is full or the file cannot be written.
        """
        row = (answer.text, answer.finish, answer.refusal, answer.prompt_tokens, answer.completion_tokens)
        with self._writing():
            self._database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", (question, *row))
        spend = self.spend
        self.spend = Spend(
            spend.requests,
            spend.answers + 1,
            spend.prompt_tokens + answer.prompt_tokens,
            spend.completion_tokens + answer.completion_tokens,
        )

    def fact(self, name: str) -> str | None:
        """Return what was learned of a server, if anything was."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def learn(self, name: str, value: str) -> None:
        """Keep what was learned of a server.

        Raises:
            StorageError: The disk is full or the file cannot be written.
        """
        with self._writing():
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
