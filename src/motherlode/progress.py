"""Progress of long work: a bar with rate and time left on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

_LINE_EVERY = 10.0  # seconds between plain lines


class Progress:
    """Progress of one stage, as a context."""

    def __init__(self, title: str, total: int, unit: str, quiet: bool = False) -> None:
        """Describe the stage.

        Args:
            title: What is being done.
            total: The amount of work.
            unit: What the amount counts.
            quiet: Whether nothing is shown.
        """
        self.title, self.total, self.unit, self.quiet = title, total, unit, quiet
        self.done = 0
        self.note = ""  # shown after the rate, e.g. what was spent
        self._bar: Any = None
        self._handle: Any = None
        self._started = self._spoke = 0.0

    def __enter__(self) -> Self:
        """Show the stage."""
        self._started = self._spoke = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description:<22}"),
                BarColumn(bar_width=30),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + self.unit),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._handle = self._bar.add_task(self.title, total=self.total, rate="")
        return self

    @property
    def _rate(self) -> str:
        rate = self.done / max(1e-9, time.monotonic() - self._started)
        said = f"{rate:,.0f} {self.unit}/s" if rate >= 10 else f"{rate:.2g} {self.unit}/s"
        return f"{said}, {self.note}" if self.note else said

    def advance(self, amount: int) -> None:
        """Add finished work."""
        self.done += amount
        if self._bar is not None:
            self._bar.update(self._handle, completed=self.done, rate=self._rate)
        elif not self.quiet and time.monotonic() - self._spoke > _LINE_EVERY:
            self._spoke = time.monotonic()
            elapsed = self._spoke - self._started
            left = elapsed * (self.total - self.done) / max(1, self.done)
            print(
                f"{self.title}: {self.done:,} of {self.total:,} {self.unit}, {self._rate}, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )

    def __exit__(self, *exception: object) -> None:
        """Close the bar, or say the last plain line."""
        if self._bar is not None:
            self._bar.stop()
        elif not self.quiet and exception[0] is None:
            seconds = time.monotonic() - self._started
            print(f"{self.title}: {self.done:,} {self.unit} in {seconds:.1f} s, {self._rate}", file=sys.stderr)
