"""`motherlode init`, `motherlode run`, `motherlode status`: a whole project from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.engine import Runs, runs_tasks

if TYPE_CHECKING:
    from motherlode.workflow.project import Project
    from motherlode.workflow.status import StageStatus

Config = Annotated[
    Path, typer.Argument(help="The project's motherlode.yaml, or the folder that holds it.", show_default=False)
]


def init_command(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; made if there is none.", show_default=False)],
) -> None:
    """Write a commented motherlode.yaml: a whole project, to be edited and run."""
    from motherlode.workflow.init import write_project

    path = write_project(folder)
    print(f'{path}: edit what is marked "yours", then: motherlode run {path}')


@runs_tasks
def run_command(
    config: Config,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Stage to start at; those before it are left as they are.", show_default=False),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="The one stage, or section, to run.", metavar="STAGE", show_default=False)
    ] = None,
    *,
    runs: Runs,
) -> None:
    """Run a project's stages in order, passing over what is up to date."""
    from rich.console import Console

    from motherlode.cli.adapt_tables import print_plan
    from motherlode.cli.tables import plain
    from motherlode.workflow.project import opened_project
    from motherlode.workflow.run import project_status, run_project

    console = Console()
    with opened_project(config) as project:
        with runs.over(project.path).open() as engine:
            done = run_project(
                project,
                start=start,
                only=only,
                engine=engine,
                say=lambda line: console.print(plain(line)),
                show_plan=print_plan,
            )
        console.print()
        _print(project, project_status(project))
        if done.report is not None:
            console.print(plain(f"report: {done.report}"), soft_wrap=True)


def status_command(
    config: Config,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of each stage of a project whether it is done, stale (and why), or missing."""
    from motherlode.workflow.project import opened_project
    from motherlode.workflow.run import project_status

    with opened_project(config) as project:
        found = project_status(project)
        if json:
            import dataclasses
            import json as writer

            print(writer.dumps([dataclasses.asdict(stage) for stage in found], indent=1))
            return
        _print(project, found)


def _print(project: Project, found: list[StageStatus]) -> None:
    """Print a table of stages: how each stands, and what it has or why it is not done."""
    from rich.console import Console

    from motherlode.cli.tables import plain, table_of

    table = table_of(str(project.path), ["stage", "state", ""])
    for column in table.columns[1:]:
        column.justify = "left"
    colours = {"done": "green", "stale": "yellow", "missing": "red"}
    for stage, how in zip(project.stages, found, strict=True):
        said = stage.tell().headline if how.state == "done" else "; ".join(how.why)
        state = plain(how.state)
        state.stylize(colours[how.state])
        table.add_row(how.name, state, plain(said))
    Console().print(table)
