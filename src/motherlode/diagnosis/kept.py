"""What a diagnosis has finished, kept beside its output, so that a run that was killed goes on.

Every stage ends in a few numbers. They are written as JSON under a fingerprint of everything that they depend on, and
read back in place of the stage; the states of the warm-up are written as safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from motherlode.selection.checkpoints import Checkpoint
from motherlode.shards import store
from motherlode.shards.fingerprint import fingerprint

T = TypeVar("T")
VERSION = 1
_WARMUP = "warm-up.json"


class Kept:
    """The results of stages; without a folder, nothing is kept."""

    def __init__(self, work: Path | None, depends: Mapping[str, Any]) -> None:
        """Name the folder.

        Args:
            work: Where folders of diagnoses are; None keeps nothing.
            depends: What results depend on.

        Raises:
            StorageError: The folder cannot be made.
        """
        self.folder = None if work is None else work / fingerprint(VERSION, dict(depends))[:16]
        if self.folder is not None:
            store.make_folder(self.folder)

    def get(self, name: str, kind: type[T] | Any, make: Callable[[], T], **depends: Any) -> T:
        """Return what a stage found before, or run it; a file that is damaged counts as none.

        Args:
            name: The stage.
            kind: The type of its result: numbers, texts, lists, dataclasses of these.
            make: The stage.
            depends: What this stage depends on, besides what all do.
        """
        adapter: TypeAdapter[T] = TypeAdapter(kind)
        path = None if self.folder is None else self.folder / f"{name}-{fingerprint(depends)[:8]}.json"
        if path is not None and path.exists():
            try:
                return adapter.validate_json(path.read_bytes())
            except (OSError, ValidationError):
                pass
        found = make()
        if path is not None:
            store.write_bytes(path, adapter.dump_json(found, indent=2))
        return found

    def warmed_up(self) -> tuple[list[Checkpoint], list[float]] | None:
        """Return the states and losses of a finished warm-up, None if there is none."""
        if self.folder is None:
            return None
        try:
            known = json.loads((self.folder / _WARMUP).read_text("utf-8"))
            states = [
                Checkpoint.read(self.folder / f"warm-up-{number}.safetensors", int(step), float(rate))
                for number, (step, rate) in enumerate(known["states"])
            ]
            return states, [float(loss) for loss in known["losses"]]
        except Exception:  # noqa: BLE001 - whatever is wrong with kept files, the warm-up can be run again
            return None

    def keep_warm_up(self, states: list[Checkpoint], losses: list[float]) -> None:
        """Write the states and losses of a warm-up."""
        if self.folder is None:
            return
        for number, state in enumerate(states):
            store.write_bytes(self.folder / f"warm-up-{number}.safetensors", state.to_bytes())
        known = {"states": [[state.step, state.rate] for state in states], "losses": losses}
        store.write_text(self.folder / _WARMUP, json.dumps(known))
