"""What is done, what is stale and why, what is missing.

A stage is done if a run of it finished with the options that the file has now, on inputs of the same content, under
the same version, and what it left is still there as it was left. Whatever a stage wrote anew with the same bytes leaves
the stages after it done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from motherlode import __version__
from motherlode.errors import InputError
from motherlode.shards.fingerprint import canonical_json, fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import Entry
from motherlode.workflow.digests import Digests
from motherlode.workflow.project import Project
from motherlode.workflow.stage import Stage

State = Literal["done", "stale", "missing"]
VOID = ""  # the fingerprint of a stage that was done, and has been begun again since
_MOST_REASONS = 6
_SHOWN = 40  # characters of a value


@dataclass(frozen=True)
class StageStatus:
    """How a stage stands.

    Attributes:
        name: Its name.
        state: `done`, `stale` (it was done, and something has changed since) or `missing` (it has not been done).
        why: What has changed, or what is in the way.
    """

    name: str
    state: State
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identity:
    """All that a stage's output depends on.

    Attributes:
        options: What was set.
        inputs: Digests of what is read; None for what is not there.
        version: Of the package and of the stage.
    """

    options: Mapping[str, Any]
    inputs: Mapping[str, str | None]
    version: str

    @classmethod
    def of(cls, stage: Stage, digests: Digests) -> Identity:
        """Look at a stage as it is now."""
        inputs = {label: _digest(digests, path) for label, path in stage.reads.items()}
        return cls(stage.options, inputs, f"{__version__}/{stage.version}")

    @property
    def fingerprint(self) -> str:
        """A digest of all of it."""
        return fingerprint(self.options, self.inputs, self.version)

    @property
    def missing(self) -> list[str]:
        """Inputs that are not there."""
        return [label for label, digest in self.inputs.items() if digest is None]

    def record(self, outputs: Mapping[str, str]) -> dict[str, Any]:
        """Return what is kept of a finished run."""
        return {
            "options": self.options,
            "inputs": dict(self.inputs),
            "version": self.version,
            "outputs": dict(outputs),
        }


def _digest(digests: Digests, path: Path | str) -> str | None:
    try:
        return digests.of(path)
    except InputError:
        return None


def output_digests(stage: Stage, digests: Digests) -> dict[str, str]:
    """Digest what a stage left.

    Raises:
        InputError: Something of it is not there.
    """
    return {label: digests.of(path) for label, path in stage.writes.items()}


def changes(entry: Entry, now: Identity, stage: Stage, digests: Digests) -> list[str]:
    """Return what has changed since a stage was done; nothing if it is up to date.

    Args:
        entry: What was recorded when it was done.
        now: What it depends on now.
        stage: The stage.
        digests: Digests of files.
    """
    then = entry.stats
    found = [*_different_options(then["options"], now.options), *_different_inputs(then["inputs"], now.inputs)]
    if then["version"] != now.version:
        found.append(f"version {then['version']} -> {now.version}")
    found += output_changes(entry, stage, digests)
    if not found and entry.fingerprint != now.fingerprint:  # a record of another form
        found.append("its record cannot be compared")
    return found


def output_changes(entry: Entry, stage: Stage, digests: Digests) -> list[str]:
    """Return what of a finished stage's output is no longer as it was left."""
    found = []
    for label, digest in entry.stats["outputs"].items():
        left = _digest(digests, stage.writes[label]) if label in stage.writes else digest
        if left != digest:
            found.append(f"its output {label} is {'gone' if left is None else 'not what it left'}")
    return found


def _different_options(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    before, after = dict(_flat(then)), dict(_flat(now))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    text = "none" if value is None else canonical_json(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _different_inputs(then: Mapping[str, str], now: Mapping[str, str | None]) -> Iterator[str]:
    for label in sorted({*then, *now}):
        if label not in now:
            yield f"{label} is no longer read"
        elif label not in then:
            yield f"{label} is read now"
        elif now[label] is None:
            yield f"its input {label} is gone"
        elif then[label] != now[label]:
            yield f"its input {label} has changed"


def finished(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the entries of stages that are done."""
    return {name: entry for name, entry in entries.items() if entry.fingerprint != VOID}


def upstream(stage: Stage, stages: Sequence[Stage]) -> list[str]:
    """Return the names of the stages whose output a stage reads."""
    reads = [path for path in stage.reads.values() if isinstance(path, Path)]
    return [
        other.name
        for other in stages
        if other is not stage
        and any(path == left or left in path.parents for path in reads for left in other.writes.values())
    ]


def status(project: Project, entries: Mapping[str, Entry], digests: Digests) -> list[StageStatus]:
    """Say how every stage stands.

    Args:
        project: The project.
        entries: What is recorded of finished stages.
        digests: Digests of files.

    Returns:
        One status a stage that is on, in order. A stage whose input is about to be made again is stale too, though it
        may turn out up to date once that is done.
    """
    found: dict[str, StageStatus] = {}
    for stage in project.stages:
        entry = finished(entries).get(stage.name)
        before = [found[name] for name in upstream(stage, project.stages) if name in found]
        waits = [f"follows {other.name}, which is {other.state}" for other in before if other.state != "done"]
        now = Identity.of(stage, digests)
        if entry is None:
            made = {path for other in project.stages for path in other.writes.values()}
            foreign = [
                label
                for label in now.missing
                if not any(path == stage.reads[label] or path in here(stage.reads[label]).parents for path in made)
            ]
            why = [f"its input {label} is not there" for label in foreign]
            if f"{stage.name}: begun" in entries and not foreign:
                why.append("begun, not finished")
            found[stage.name] = StageStatus(stage.name, "missing", tuple(why))
            continue
        why = changes(entry, now, stage, digests)
        why = [*why[:_MOST_REASONS], *([f"and {len(why) - _MOST_REASONS} more"] if len(why) > _MOST_REASONS else [])]
        gone = any(reason.endswith(" is gone") and reason.startswith("its output") for reason in why)
        state: State = "missing" if gone else "stale" if why or waits else "done"
        found[stage.name] = StageStatus(stage.name, state, (*why, *waits))
    return list(found.values())
