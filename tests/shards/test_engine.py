"""Engines: the same bytes however many workers; failures, deaths and interrupts cost what they must and no more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from motherlode.errors import InputError, MissingExtraError, MotherlodeError, StorageError
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import LocalEngine, TasksFailedError
from motherlode.shards.manifest import Manifest
from motherlode.shards.pool import interrupts_held
from tests.kill import Program, all_end, contents, finish, workers_of
from tests.shards.work import Numbers


@pytest.fixture(scope="module")
def pair() -> Iterator[LocalEngine]:
    """Two workers, kept for all tests of the module as a real run keeps them for all its stages."""
    with LocalEngine(2, quiet=True) as engine:
        yield engine


def tasks(faults: str = "", fault: str = "", notes: Path | None = None, count: int = 6) -> list[Numbers]:
    """Return tasks `a`, `b`, ..., of which those named in `faults` have a fault."""
    names = "abcdefghijklmnopqrstuvwxyz"[:count]
    return [Numbers(name, 5 * i, 5, fault if name in faults else "", str(notes or "")) for i, name in enumerate(names)]


def run(engine: LocalEngine, folder: Path, todo: list[Numbers]) -> Dataset:
    """Run tasks into a folder."""
    with Manifest.open(folder, "numbers", {}) as manifest:
        engine.run(todo, manifest, "numbers")
    return Dataset(folder)


def attempts(notes: Path, name: str) -> int:
    """Return how often a task was tried."""
    return len(list(notes.glob(f"{name}.*")))


@pytest.fixture(params=[1, 2], ids=["here", "pool"])
def engine(request: pytest.FixtureRequest, pair: LocalEngine) -> LocalEngine:
    return pair if request.param == 2 else LocalEngine(1, quiet=True)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes").mkdir()
    return tmp_path / "notes"


def test_one_worker_and_two_give_the_same_bytes(tmp_path: Path, pair: LocalEngine) -> None:
    run(LocalEngine(1, quiet=True), tmp_path / "one", tasks(count=20))
    run(pair, tmp_path / "two", tasks(count=20))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 21


def test_work_is_done_in_processes_that_live_on(tmp_path: Path, notes: Path, pair: LocalEngine) -> None:
    run(pair, tmp_path / "x", tasks(notes=notes))
    first = {path.read_text() for path in notes.iterdir()}
    run(pair, tmp_path / "y", tasks(notes=notes))
    both = {path.read_text() for path in notes.iterdir()}
    assert str(os.getpid()) not in both
    assert 1 <= len(first) <= len(both) <= 2


def test_a_second_run_does_nothing_and_a_damaged_shard_is_made_again(tmp_path: Path, engine: LocalEngine) -> None:
    run(engine, tmp_path / "x", tasks())
    before = contents(tmp_path / "x")
    run(engine, tmp_path / "x", tasks("abcdef", "raise"))
    (tmp_path / "x" / "c.parquet").write_bytes(b"short")
    (tmp_path / "x" / "d.parquet").unlink()
    run(engine, tmp_path / "x", tasks("abef", "raise"))
    assert contents(tmp_path / "x") == before


def test_a_task_that_fails_once_is_tried_again(tmp_path: Path, notes: Path, engine: LocalEngine) -> None:
    numbers = run(engine, tmp_path / "x", tasks("bd", "once", notes))
    assert numbers.rows == 30
    assert [attempts(notes, name) for name in "abcdef"] == [1, 2, 1, 2, 1, 1]


def test_a_task_that_always_fails_is_reported_and_the_others_stay(
    tmp_path: Path, notes: Path, engine: LocalEngine
) -> None:
    with pytest.raises(TasksFailedError) as caught:
        run(engine, tmp_path / "x", tasks("be", "raise", notes))
    assert str(caught.value) == (
        f"{tmp_path / 'x'}: numbers: 2 of 6 shards failed, first b (RuntimeError: no luck with b); "
        "the others are kept, `motherlode failures` shows why; mend the cause and run the same command again"
    )
    assert caught.value.exit_code == 1
    assert [attempts(notes, name) for name in "abcdef"] == [1, 2, 1, 1, 2, 1]
    with pytest.raises(InputError, match="is not complete"):
        Dataset(tmp_path / "x")
    run(engine, tmp_path / "x", tasks(notes=notes))
    assert [attempts(notes, name) for name in "abcdef"] == [1, 3, 1, 1, 3, 1]
    run(engine, tmp_path / "y", tasks())
    assert contents(tmp_path / "x") == contents(tmp_path / "y")


def test_an_error_that_cannot_travel_is_reported_all_the_same(tmp_path: Path, notes: Path, pair: LocalEngine) -> None:
    with pytest.raises(TasksFailedError, match=r"1 of 6 shards failed, first c \(Unpicklable: cannot be pickled\)"):
        run(pair, tmp_path / "x", tasks("c", "unpicklable", notes))
    assert [attempts(notes, name) for name in "abcdef"] == [1, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("fault", ["exit", "kill"])
@pytest.mark.parametrize("guilty", ["a", "c", "f"])
def test_a_task_that_kills_its_worker_is_named_and_the_others_complete(
    tmp_path: Path, notes: Path, pair: LocalEngine, fault: str, guilty: str
) -> None:
    with pytest.raises(TasksFailedError, match=rf"1 of 6 shards failed, first {guilty} \(its worker process died"):
        run(pair, tmp_path / "x", tasks(guilty, fault, notes))
    assert set(Manifest.read(tmp_path / "x").entries) == set("abcdef") - {guilty}
    assert attempts(notes, guilty) in {2, 3}  # in company at first, if there was any; then twice alone
    run(pair, tmp_path / "x", tasks())
    run(pair, tmp_path / "y", tasks())
    left = contents(tmp_path / "x")
    left.pop(".before.tmp-not", None)  # not a temporary file's name
    assert left == contents(tmp_path / "y")


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path, notes: Path, pair: LocalEngine) -> None:
    assert run(pair, tmp_path / "x", tasks("bf", "die once", notes)).rows == 30


def test_workers_that_die_between_two_stages_are_replaced(tmp_path: Path, notes: Path, pair: LocalEngine) -> None:
    run(pair, tmp_path / "x", tasks(notes=notes))
    for worker in workers_of(os.getpid()):
        worker.kill()
    assert run(pair, tmp_path / "y", tasks()).rows == 30


def test_workers_that_cannot_start_are_reported(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"  # every worker runs it again and breaks down
    script.write_text(
        "from pathlib import Path\n"
        "from motherlode.shards.engine import LocalEngine\n"
        "from motherlode.shards.manifest import Manifest\n"
        "from tests.shards.work import Numbers\n"
        f"with Manifest.open(Path({str(tmp_path / 'x')!r}), 'numbers', {{}}) as manifest:\n"
        "    LocalEngine(2, quiet=True).run([Numbers(n, 0, 1) for n in 'abc'], manifest, 'numbers')\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, timeout=200, check=False
    )
    assert result.returncode == 1
    assert (
        "worker processes die before they finish anything; in a script, call from under `if __name__" in result.stderr
    )


@pytest.mark.parametrize(("fault", "kind"), [("input", InputError), ("storage", StorageError)])
def test_input_that_must_change_and_a_full_disk_stop_the_run_at_once(
    tmp_path: Path, notes: Path, engine: LocalEngine, fault: str, kind: type[MotherlodeError]
) -> None:
    with pytest.raises(kind, match=r"^b: "):
        run(engine, tmp_path / "x", tasks("b", fault, notes, count=26))
    assert attempts(notes, "b") == 1
    assert not Manifest.read(tmp_path / "x").complete


def test_a_manifest_that_cannot_grow_stops_the_run_and_keeps_what_it_has(tmp_path: Path) -> None:
    source = """
import resource, sys
from pathlib import Path
from motherlode.errors import StorageError
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from tests.shards.work import Numbers
with Manifest.open(Path(sys.argv[1]), "numbers", {}) as manifest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # a shard fits; the manifest does after some commits not
    try:
        LocalEngine(1, quiet=True).run([Numbers(n, 0, 1) for n in "abcdefghijkl"], manifest, "numbers")
    except StorageError as error:
        print(error)
"""
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=120,
        check=False,
    )
    assert result.stdout == f"{tmp_path / 'manifest.jsonl'}: cannot be written (File too large)\n", result.stderr
    held = list(Manifest.read(tmp_path).entries)
    assert held == list("abcdefghijkl")[: len(held)]
    assert 0 < len(held) < 12
    with Manifest.open(tmp_path, "numbers", {}) as manifest:
        LocalEngine(1, quiet=True).run([Numbers(n, 0, 1) for n in "abcdefghijkl"], manifest, "numbers")
    assert Dataset(tmp_path).rows == 12


@pytest.mark.parametrize("workers", [0, -1])
def test_numbers_that_make_no_sense_are_refused(workers: int) -> None:
    with pytest.raises(InputError, match=f"--workers: {workers} is not a number of processes; use 1 or more"):
        LocalEngine(workers)
    with pytest.raises(InputError, match="attempts: 0 is not a number of attempts"):
        LocalEngine(1, attempts=0)


def test_our_errors_travel_between_processes() -> None:
    import pickle

    for error in (
        InputError("is wrong", where="x", hint="mend it"),
        MissingExtraError("web", "reading pages", where="--format", hint="ask"),
        TasksFailedError("some failed"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.where) == (type(error), str(error), error.where)


# --- runs that are interrupted, as real processes -------------------------------------------------------------------

IMPORTS = """
from pathlib import Path
from motherlode.shards.engine import LocalEngine
from motherlode.shards.manifest import Manifest
from tests.shards.work import Numbers
"""
BODY = """
names = [f"{n:02d}" for n in range(40)]
fault = {name: "slow" for name in names} | {name: sys.argv[3] for name in names[20:22]}
with Manifest.open(Path(sys.argv[1]), "numbers", {}) as manifest, LocalEngine(int(sys.argv[2]), quiet=True) as engine:
    engine.run([Numbers(name, 5 * int(name), 5, fault[name]) for name in names], manifest, "numbers")
"""


def start_and_stall(folder: Path, workers: int) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start a run whose 21st task never ends, and return when the twenty before are committed."""
    process = Program(IMPORTS, BODY, (str(workers), "sleep")).start(folder)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "manifest.jsonl").exists() and len(Manifest.read(folder).entries) >= 20:
            return process, workers_of(process.pid)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"no progress: {process.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "how"),
    [
        (1, "interrupt"),
        (1, "kill"),
        *((2, how) for how in ("terminal", "kill")),
        *(pytest.param(1, how, marks=pytest.mark.long) for how in ("terminal", "terminate")),
        *(pytest.param(2, how, marks=pytest.mark.long) for how in ("interrupt", "terminate")),
    ],
)
def test_a_run_that_is_stopped_leaves_no_process_and_goes_on_where_it_was(
    tmp_path: Path, workers: int, how: str
) -> None:
    folder = tmp_path / "x"
    process, children = start_and_stall(folder, workers)
    assert len(children) == (0 if workers == 1 else 2)
    if how == "interrupt":
        process.send_signal(signal.SIGINT)
    elif how == "terminal":  # Ctrl-C there reaches the whole group
        os.killpg(process.pid, signal.SIGINT)
    elif how == "terminate":
        process.terminate()
    else:
        process.kill()
    _, errors = process.communicate(timeout=240)
    assert all_end(children)
    if how in ("interrupt", "terminal"):
        assert errors.count("Traceback") == 1, errors  # the driver's own, not one a worker
        assert "KeyboardInterrupt" in errors.splitlines()
    held = Manifest.read(folder).entries
    assert len(held) >= 20
    times = {name: (folder / f"{name}.parquet").stat().st_mtime_ns for name in held}
    finish(Program(IMPORTS, BODY, (str(workers), "slow")).start(folder))
    assert times == {name: (folder / f"{name}.parquet").stat().st_mtime_ns for name in held}
    run(LocalEngine(1, quiet=True), tmp_path / "y", [Numbers(f"{n:02d}", 5 * n, 5) for n in range(40)])
    assert contents(folder) == contents(tmp_path / "y")
    shutil.rmtree(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_until_workers_have_started(number: int) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    done: list[str] = []
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)  # which takes the signal for the process, as its mask is open
    other.start()
    before = signal.signal(number, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            os.kill(os.getpid(), number)
            time.sleep(0.05)  # where the handler would run
            done.append("started")
        assert done == ["started"]
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
        stop.set()
        other.join()
