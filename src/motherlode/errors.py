"""Errors that a person reads: one line that says what is wrong, where, and what to do.

The command line prints the line and exits with `exit_code`: 2 for input that must be changed, 1 for a failure on
otherwise good input. A traceback is shown only with `--debug`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MotherlodeError(Exception):
    """A failure: the input was good, the work could not be finished (exit code 1)."""

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Build the one line.

        Args:
            what: What is wrong, as a short clause.
            where: The file, record or option at fault, if one is.
            hint: What to do about it.
        """
        self.what, self.where, self.hint = what, where, hint
        line = f"{where}: {what}" if where else what
        super().__init__(f"{line}; {hint}" if hint else line)

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return (_rebuild, (type(self), self.what, self.where, self.hint))


class StorageError(MotherlodeError):
    """The disk is full or may not be written: going on with other work would fail in the same way."""


class InputError(MotherlodeError):
    """The input, an option or a configuration must be changed (exit code 2)."""

    exit_code = 2


class StaleError(InputError):
    """A side column belongs to another version of its parent shards, or to another run."""


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, extra: str, feature: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Name the extra that brings the dependency.

        Args:
            extra: The name of the extra, as in `pip install 'motherlode[extra]'`.
            feature: What needs it.
            where: The option at fault, if one is.
            hint: What to do; by default the `pip install` that brings it.
        """
        self.extra, self.feature = extra, feature
        super().__init__(
            f"{feature} needs the extra '{extra}', which is not installed",
            where=where,
            hint=hint or f"pip install 'motherlode[{extra}]'",
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return (_rebuild_missing, (self.extra, self.feature, self.where, self.hint))


def _rebuild(kind: type[MotherlodeError], what: str, where: str | None, hint: str | None) -> MotherlodeError:
    return kind(what, where=where, hint=hint)


def _rebuild_missing(extra: str, feature: str, where: str | None, hint: str | None) -> MissingExtraError:
    return MissingExtraError(extra, feature, where=where, hint=hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the nearest valid one, or all of them.

    Args:
        name: What was given.
        known: What would be valid.

    Returns:
        A clause such as `did you mean 'finance'?`.
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(known)}" if known else "none is known"
