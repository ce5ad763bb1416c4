"""The `motherlode` command: its verbs, and how errors leave it.

Exit codes: 0 done, 1 a failure, 2 input that must be changed, 130 interrupted. Errors are one line on stderr; the
traceback is shown with `--debug`.
"""

from __future__ import annotations

import os
import signal
import sys
import unicodedata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from motherlode.cli.adapt import adapt_app
from motherlode.cli.compare import compare_command
from motherlode.cli.corpus import corpus_app
from motherlode.cli.diagnose import diagnose_command, predict_command
from motherlode.cli.engine import Runs, runs_tasks
from motherlode.cli.evaluate import evaluate_command
from motherlode.cli.failures import failures_command
from motherlode.cli.judge import judge_command
from motherlode.cli.mine import mine_command, search_command
from motherlode.cli.plan import plan_command
from motherlode.cli.seeds import seeds_app
from motherlode.cli.select import select_command
from motherlode.cli.workflow import init_command, run_command, status_command
from motherlode.errors import MotherlodeError
from motherlode.shards.local_copy import path_here
from motherlode.shards.location import location

_INTERRUPTED = 130

app = typer.Typer(
    name="motherlode",
    help="Find the data that a low-resource domain lacks in general sources, and measure whether it helps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(corpus_app, name="corpus")
app.add_typer(seeds_app, name="seeds")
app.add_typer(adapt_app, name="adapt")
app.command("mine")(mine_command)
app.command("search")(search_command)
app.command("select")(select_command)
app.command("diagnose")(diagnose_command)
app.command("predict")(predict_command)
app.command("judge")(judge_command)
app.command("init")(init_command)
app.command("run")(run_command)
app.command("status")(status_command)
app.command("compare")(compare_command)
app.command("evaluate")(evaluate_command)
app.command("failures")(failures_command)
app.command("plan")(plan_command)


def _version(value: bool) -> None:
    if value:
        from motherlode import __version__

        print(f"motherlode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Find the data that a low-resource domain lacks in general sources, and measure whether it helps."""
    if debug:
        os.environ["MOTHERLODE_DEBUG"] = "1"


@app.command("demo")
@runs_tasks
def demo_command(
    out: Annotated[
        Path, typer.Option(help="Folder of the demo's corpus, results and report.", parser=path_here)
    ] = Path("demo"),
    *,
    runs: Runs,
) -> None:
    """Mine this Python's own documentation, train a tiny model on it: everything, small, offline, with a report."""
    from motherlode.demo import run_demo

    with runs.open() as engine:
        run_demo(out, engine)


@app.command("report")
def report_command(
    run: Annotated[
        Path,
        typer.Argument(
            help="Folder of `mine`, `corpus build`, `diagnose`, `adapt`, `evaluate` or `compare`, or file of `select`.",
            parser=location,
        ),
    ],
) -> None:
    """Write the report of a run, corpus, diagnosis, training, evaluation, comparison or selection, as an HTML file."""
    from motherlode.report.corpus import is_corpus
    from motherlode.report.mining import is_mined
    from motherlode.shards.location import ObjectPath
    from motherlode.shards.mirror import mirrored

    if isinstance(run, ObjectPath) and not is_corpus(run) and not is_mined(run):
        with mirrored(run, file=run.is_file()) as place:
            _write_report(place)
    else:
        _write_report(run)


def _write_report(run: Path) -> None:
    from motherlode.errors import InputError
    from motherlode.report.adaptation import is_adaptation, write_adaptation_report
    from motherlode.report.comparison import is_comparison, write_comparison_report
    from motherlode.report.corpus import is_corpus, write_corpus_report
    from motherlode.report.diagnosis import is_diagnosis, write_diagnosis_report
    from motherlode.report.evaluation import is_evaluation, write_evaluation_report
    from motherlode.report.mining import write_report
    from motherlode.report.selection import is_selection, write_selection_report

    if is_selection(run):
        print(write_selection_report(run))
    elif is_diagnosis(run):
        print(write_diagnosis_report(run))
    elif is_comparison(run):
        print(write_comparison_report(run))
    elif is_adaptation(run):
        print(write_adaptation_report(run))
    elif is_evaluation(run):
        print(write_evaluation_report(run))
    elif run.is_dir() and not any((run / name).exists() for name in ("manifest.jsonl", "result.json")):
        hint = "name what `corpus build`, `mine`, `diagnose`, `evaluate` or `select` wrote"
        raise InputError("holds nothing to report on", where=str(run), hint=hint)
    else:
        print(write_corpus_report(run) if is_corpus(run) else write_report(run))


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    """Write one line to stderr, without what could move a terminal's cursor."""
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cf") else c for c in line)
    sys.stderr.write(f"{' '.join(shown.split())}\n")


def _leave_interrupted() -> NoReturn:
    _say("interrupted; what is finished is kept, run the same command again to continue")
    sys.exit(_INTERRUPTED)


def _leave_misused(error: Any) -> NoReturn:
    """Leave after an option or argument that the parser refuses (its exceptions differ between versions of Typer)."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
        sys.exit(2)
    command = context.command_path if context is not None else "motherlode"
    message = error.format_message().rstrip(".")
    _say(f"error: {command}: {message[:1].lower()}{message[1:]}; {command} --help shows what there is")
    sys.exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = app(args=arguments, prog_name="motherlode", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        _leave_interrupted()
    except MotherlodeError as error:
        if os.environ.get("MOTHERLODE_DEBUG"):
            raise
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if hasattr(error, "format_message"):
            _leave_misused(error)
        if os.environ.get("MOTHERLODE_DEBUG"):
            raise
        line = str(error)[:500]
        _say(f"error: {type(error).__name__}: {line}; this is a defect, --debug shows where")
        sys.exit(1)
    if code == _INTERRUPTED:  # some versions of Typer make this of Ctrl-C
        _leave_interrupted()
    sys.exit(code if isinstance(code, int) else 0)
