"""Running a project: stage after stage, what is up to date passed over, everything recorded as it is finished.

The record is the manifest of the output folder: one entry a finished stage, and before that one that says under which
fingerprint it was begun. A killed run therefore goes on inside the stage where it was; a stage that was begun with
other options, and cannot tell that by itself, begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from motherlode.errors import InputError
from motherlode.shards import store
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.manifest import Entry, Manifest
from motherlode.workflow.digests import Digests
from motherlode.workflow.project import Project
from motherlode.workflow.stage import ShowPlan, Stage
from motherlode.workflow.status import (
    VOID,
    Identity,
    StageStatus,
    changes,
    finished,
    output_changes,
    output_digests,
    status,
    upstream,
)

KIND = "workflow"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Ran:
    """What a run did.

    Attributes:
        ran: Stages that were run.
        skipped: Stages that were up to date.
        report: The page of the whole project, if it is there.
    """

    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    report: Path | None


def run_project(
    project: Project | Path | str,
    *,
    start: str | None = None,
    only: str | None = None,
    engine: Engine | None = None,
    quiet: bool = False,
    say: Say | None = None,
    show_plan: ShowPlan | None = None,
) -> Ran:
    """Run the stages of a project that are not up to date.

    Args:
        project: The project, or its file.
        start: The stage to start at; those before it are left as they are, and must have been done.
        only: The one stage (or section) to run.
        engine: Who does the work that is cut into shards; by default this machine's cores.
        quiet: Whether no progress is shown.
        say: Told a line for every stage as its turn comes.
        show_plan: Shown what a training will do and need before it starts.

    Returns:
        What was done.

    Raises:
        InputError: The file, an input, or the choice of stages must be changed.
        MotherlodeError: A stage failed; what is done is kept for the next try.
    """
    if not isinstance(project, Project):
        project = Project.read(project)
    if start is not None and only is not None:
        raise InputError("cannot be given together with --only", where="--from", hint="leave one of them out")
    wanted = list(project.stages)
    if only is not None:
        wanted = project.chosen(only)
    elif start is not None:
        wanted = wanted[wanted.index(project.chosen(start)[0]) :]
    own = engine is None
    engine = engine or LocalEngine(quiet=quiet)
    try:
        with Manifest.open(project.place.out, KIND, {}) as manifest:
            for stage in wanted:
                stage.show_plan = show_plan
            return _run(project, wanted, manifest, engine, quiet, say or (lambda _: None))
    finally:
        if own:
            engine.close()


def _run(project: Project, wanted: list[Stage], manifest: Manifest, engine: Engine, quiet: bool, say: Say) -> Ran:
    digests = Digests(project.place.out)
    ran, skipped = [], []
    try:
        for stage in wanted:
            _require_upstream(stage, project, manifest)
            now = Identity.of(stage, digests)
            entry = finished(manifest.entries).get(stage.name)
            why = ["not done yet"] if entry is None else changes(entry, now, stage, digests)
            if not why:
                say(f"{stage.name}: up to date")
                skipped.append(stage.name)
                continue
            if now.missing:
                for label in now.missing:
                    digests.of(stage.reads[label])  # says what is wrong
                raise InputError("came and went while it was looked at", where=now.missing[0])
            say(f"{stage.name}: {'; '.join(why)}")
            _begin(stage, now.fingerprint, manifest, entry is not None and bool(output_changes(entry, stage, digests)))
            stage.run(engine, quiet)
            entry = Entry(stage.name, now.fingerprint, stats=now.record(output_digests(stage, digests)))
            manifest.commit(entry)
            ran.append(stage.name)
    finally:
        digests.keep()
    page = project.place.out / "report.html"
    return Ran(tuple(ran), tuple(skipped), page if page.is_file() else None)


def _require_upstream(stage: Stage, project: Project, manifest: Manifest) -> None:
    for name in upstream(stage, project.stages):
        if name not in finished(manifest.entries):
            raise InputError(f"needs what '{name}' makes, which has not been done", where=stage.name, hint="run it too")


def _begin(stage: Stage, fingerprint: str, manifest: Manifest, damaged: bool) -> None:
    """Say that a stage has begun; make room if what is there belongs to another one, or is damaged."""
    task = f"{stage.name}: begun"
    before = manifest.entries.get(task)
    same = before is not None and before.fingerprint == fingerprint
    if damaged or not same:
        for path in stage.replaced:
            store.remove(path)
    if stage.name in manifest.entries:
        manifest.commit(Entry(stage.name, VOID))  # no longer done; a kill now must not make the next run begin anew
    if not same:
        manifest.commit(Entry(task, fingerprint))


def project_status(project: Project | Path | str) -> list[StageStatus]:
    """Say how every stage of a project stands; nothing is run.

    Args:
        project: The project, or its file.

    Returns:
        One status a stage that is on, in order.

    Raises:
        InputError: The file must be changed, or the output folder holds something else.
    """
    if not isinstance(project, Project):
        project = Project.read(project)
    out = project.place.out
    entries = {}
    if (out / store.MANIFEST).is_file():
        manifest = Manifest.read(out)
        if manifest.header["kind"] != KIND:
            raise InputError(f"is no project's but '{manifest.header['kind']}'", where=str(out), hint="change `out`")
        entries = manifest.entries
    digests = Digests(out)
    found = status(project, entries, digests)
    if os.access(out, os.W_OK):
        digests.keep()
    return found
