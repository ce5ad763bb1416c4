"""The queue: order, failures that take along only what needs them, deaths of workers, lanes, nothing done twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from motherlode.comparison.jobs import Job, Jobs
from motherlode.comparison.queue import Failure, Queue
from motherlode.shards.manifest import Manifest
from tests.comparison.work import note


def run(folder: Path, jobs: Sequence[Job], workers: int = 1) -> list[Failure]:
    with Manifest.open(folder, "comparison", {}) as manifest:
        return Queue(jobs, manifest, workers, quiet=True).run()


def log(folder: Path, what: str = "begin") -> list[str]:
    return [line.split(" ", 1)[1] for line in (folder / "log").read_text().splitlines() if line.startswith(what)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_takes_along_what_needs_it_and_no_more(tmp_path: Path, workers: int) -> None:
    first, bad, odd = note("a"), note("b", "fail"), note("c", "break")
    jobs = [first, bad, odd, note("d", "", bad, first), note("e", "", first)]
    jobs.append(note("f", "", jobs[3]))
    failures = {failure.job: failure for failure in run(tmp_path, jobs, workers)}
    assert set(failures) == {"b", "c", "d", "f"}
    assert failures["b"].error == "b: is not to be done"
    assert failures["c"].error == "ValueError: two lines \x1b[31m"  # what prints it makes it inert
    assert failures["d"].because == failures["f"].because == "b"
    assert log(tmp_path, "end") == ["a", "e"]
    again = [note("a"), note("b"), note("c"), note("e", "", first)]
    (tmp_path / "log").unlink()
    assert run(tmp_path, again, workers) == []
    assert sorted(log(tmp_path)) == ["b", "c"]


def test_a_job_under_another_fingerprint_is_done_again(tmp_path: Path) -> None:
    run(tmp_path, [note("a"), note("b")])
    run(tmp_path, [note("a"), note("b", key="other")])
    assert log(tmp_path) == ["a", "b", "b"]


def test_a_worker_that_dies_is_told_and_the_others_complete(tmp_path: Path) -> None:
    jobs = [note("a", "slow"), note("b", "die"), note("c", "slow"), note("d")]
    (failure,) = run(tmp_path, jobs, 2)
    assert failure.job == "b"
    assert "died" in failure.error
    assert {"a", "c", "d"} <= {*log(tmp_path, "end")}


def test_jobs_in_flight_beside_a_death_are_tried_again(tmp_path: Path) -> None:
    assert run(tmp_path, [note("a", "die once"), note("b", "slow")], 2) == []
    assert {*log(tmp_path, "end")} == {"a", "b"}


def test_jobs_of_one_lane_do_not_overlap(tmp_path: Path) -> None:
    run(tmp_path, [note(name, "slow", lane="x") for name in "abc"] + [note("d", "slow")], 3)
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if not line.endswith("d")]
    assert [line.split()[0] for line in lines] == ["begin", "end"] * 3


def test_fingerprints_follow_what_comes_before() -> None:
    def last(setting: int, place: str) -> str:
        jobs = Jobs()
        first = jobs.add("first", "pool", {"file": place}, [setting])
        return jobs.add("second", "train", {}, [], {"pool": first}).fingerprint

    assert last(1, "here") == last(1, "there")
    assert last(1, "here") != last(2, "here")


def test_folders_of_hostile_names_stay_below() -> None:
    jobs = Jobs()
    names = ["../../etc", "a/b", "A/B", "a b", "x" * 500, "nul\0"]
    folders = [jobs.add(name, "pool", {}, [name]).folder for name in names]
    assert len(set(folders)) == len(names)
    assert all(Path(folder).parent == Path("jobs") and Path(folder).name[:2] != ".." for folder in folders[1:])
    assert all("/" not in folder.removeprefix("jobs/") for folder in folders)
