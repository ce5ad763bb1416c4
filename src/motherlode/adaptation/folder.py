"""A run's folder: whose it is, what it was made from, and what came of it.

manifest.jsonl   settings and inputs by their digests: another run finds the folder taken
record.json      everything that is needed to repeat the run: options, versions, inputs, plan
log.jsonl        a line a step, a line an evaluation
result.json      what `FineTuned.read` and `Pretrained.read` read
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motherlode import __version__
from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, Manifest

RECORD, RESULT = "record.json", "result.json"
_BEGUN, _DONE = "begun", "done"
_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors", "tokenizers", "numpy")
VERSION = 1


def versions() -> dict[str, str]:
    """Return the versions of what a run's outcome depends on."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"motherlode": __version__, "python": platform.python_version(), **found}


class RunFolder:
    """A run's folder, held by one process.

    Attributes:
        out: Where it lies.
    """

    def __init__(self, out: Path, kind: str, settings: Mapping[str, Any], overwrite: bool = False) -> None:
        """Open a folder: a new one, or one of the same kind, settings and inputs.

        Args:
            out: The folder.
            kind: `sft` or `cpt`.
            settings: All that the outcome depends on.
            overwrite: Whether the folder of another run is emptied first.

        Raises:
            InputError: It holds something else, or another process writes to it.
        """
        self.out, self.settings = out, {**settings, "version": VERSION}
        self.manifest = Manifest.open(out, f"adapt-{kind}", self.settings, overwrite=overwrite)

    @property
    def complete(self) -> bool:
        """Whether the run is done."""
        return self.manifest.complete

    def begin(self, record: Mapping[str, Any]) -> None:
        """Write what the run needs to be repeated."""
        if _BEGUN not in self.manifest.entries:
            write_json(self.out / RECORD, record)

    def claim(self) -> None:
        """Keep the folder for this run: from now on there is something to lose."""
        if _BEGUN not in self.manifest.entries:
            self.manifest.commit(Entry(_BEGUN, fingerprint(self.settings)))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write what came of the run, and close it."""
        self.claim()
        write_json(self.out / RESULT, result)
        self.manifest.commit(Entry(_DONE, fingerprint(self.settings)))
        self.manifest.finish([_BEGUN, _DONE])

    def close(self) -> None:
        """Let other processes have the folder."""
        self.manifest.close()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON that a person can read."""
    store.write_text(path, json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_result(out: Path, kind: str) -> dict[str, Any]:
    """Read what came of a run.

    Raises:
        InputError: The folder holds no finished run of this kind.
    """
    manifest = Manifest.read(out)
    if manifest.header["kind"] != f"adapt-{kind}":
        raise InputError(f"was not made by `adapt {kind}`", where=str(out))
    if not manifest.complete:
        raise InputError("the run is not done", where=str(out), hint="run the same command again to continue")
    try:
        values: dict[str, Any] = json.loads((out / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError("is damaged", where=str(out / RESULT), hint="run the command again with --overwrite") from None
    return values
