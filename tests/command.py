"""The command line in this process: what it prints and how it leaves, without the seconds that an interpreter costs.

`main` is what `motherlode` calls. Whatever a process itself decides (start-up, signals, pipes, limits of the system) is
tested with real ones, in `tests/cli/test_cli.py` above all.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from motherlode.cli import main


@dataclass(frozen=True)
class Done:
    """How a command ended; names are those of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def typed(*arguments: object, cwd: Path | None = None, **changes: str) -> Done:
    """Run a command to its exit.

    Args:
        arguments: What is typed after `motherlode`.
        cwd: The folder where it is typed.
        changes: Variables of the environment.

    Returns:
        Its exit code, and what it printed. What worker processes print is not among it.
    """
    out, errors = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        for name, value in {"COLUMNS": "200", **changes}.items():
            patch.setenv(name, value)
        patch.setenv("MOTHERLODE_DEBUG", os.environ.get("MOTHERLODE_DEBUG", ""))  # what --debug sets ends with it
        if cwd is not None:
            patch.chdir(cwd)
        try:
            with pytest.raises(SystemExit) as left:
                main([str(argument) for argument in arguments])
        finally:
            signal.signal(signal.SIGTERM, handler)
    return Done(int(left.value.code or 0), out.getvalue(), errors.getvalue())
