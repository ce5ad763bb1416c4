"""Real runs of a small project: order, what is passed over, what is stale and why, and what a changed input reaches."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError
from motherlode.mining.result import MineResult
from tests.kill import contents, differences
from tests.workflow.setting import reasons, run, states, write_config, write_data

ALL = ("corpus", "seeds", "mine", "select", "report")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run; not to be changed."""
    folder = write_data(tmp_path_factory.mktemp("finished"))
    done = run(write_config(folder))
    assert done.ran == ALL and not done.skipped
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, with the times of its files, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / "project", copy_function=shutil.copy2))


def test_every_stage_leaves_what_the_next_one_reads(finished: Path) -> None:
    out = finished / "out"
    assert len(Corpus(out / "corpus")) == 300
    assert set(MineResult.read(out / "mined").domains) == {"velmar", "ostrin"}
    assert len((out / "select" / "selected.jsonl").read_text().splitlines()) == 15
    page = (out / "report.html").read_text()
    for link in ("corpus/report.html", "mined/report.html", "select/selected.report.html"):
        assert f'href="{link}"' in page and (out / link).is_file()
    assert "Invented" in page and "15 samples" not in page.partition("<main>")[0].partition("</title>")[0]


def test_all_is_done_and_a_second_run_changes_no_byte(project: Path) -> None:
    config = project / "motherlode.yaml"
    assert set(states(config).values()) == {"done"} and not reasons(config)
    before = contents(project / "out")
    done = run(config)
    assert not done.ran and done.skipped == ALL
    assert not differences(contents(project / "out"), before)


def test_a_moved_project_is_still_done(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "deep"
    moved.parent.mkdir()
    project.rename(moved)
    assert set(states(moved / "motherlode.yaml").values()) == {"done"}


def test_a_changed_option_makes_its_stage_and_those_after_it_stale(project: Path) -> None:
    config = write_config(project, mine={"contrast": [], "rounds": 0, "top_k": 20})
    assert states(config) == {**dict.fromkeys(ALL, "done"), "mine": "stale", "report": "stale"}
    assert reasons(config)["mine"] == "rounds: 1 -> 0"
    assert "follows mine, which is stale" in reasons(config)["report"]
    done = run(config)
    assert done.ran == ("mine", "report") and done.skipped == ("corpus", "seeds", "select")
    assert set(states(config).values()) == {"done"}


def test_an_option_at_its_default_changes_nothing(project: Path) -> None:
    config = write_config(project, mine={"contrast": [], "rounds": 1, "top_k": 20, "target_precision": 0.9})
    assert set(states(config).values()) == {"done"}


def test_a_changed_input_is_named_and_reaches_what_follows(project: Path) -> None:
    raw = project / "data" / "raw.jsonl"
    raw.write_text(raw.read_text() + json.dumps({"id": "new", "text": "six words that nobody wrote before"}) + "\n")
    config = project / "motherlode.yaml"
    assert states(config) == {**dict.fromkeys(ALL, "stale"), "seeds": "done", "select": "done"}
    assert reasons(config)["corpus"] == "its input data/raw.jsonl has changed"
    assert run(config).ran == ("corpus", "mine", "report")
    assert len(Corpus(project / "out" / "corpus")) == 301


def test_a_stage_that_makes_the_same_bytes_leaves_the_others_alone(project: Path) -> None:
    """A blank line in a seed file changes the file, not the seeds."""
    seeds = project / "data" / "velmar.jsonl"
    seeds.write_text(seeds.read_text() + "\n")
    config = project / "motherlode.yaml"
    assert states(config) == {**dict.fromkeys(ALL, "stale"), "corpus": "done", "select": "done"}
    assert run(config).ran == ("seeds",)
    assert set(states(config).values()) == {"done"}


def test_a_file_of_the_same_size_with_other_content_is_seen(project: Path) -> None:
    pool = project / "data" / "pool.jsonl"
    lines = pool.read_text().splitlines(keepends=True)
    pool.write_text("".join(reversed(lines)))
    assert reasons(project / "motherlode.yaml")["select"] == "its input data/pool.jsonl has changed"


def test_a_file_that_was_only_touched_is_the_same(project: Path) -> None:
    os.utime(project / "data" / "pool.jsonl", (1, 1))
    assert states(project / "motherlode.yaml")["select"] == "done"


def test_outputs_that_are_gone_or_changed_are_made_again(project: Path) -> None:
    config, out = project / "motherlode.yaml", project / "out"
    wanted = (out / "select" / "selected.jsonl").read_bytes()
    (out / "select" / "selected.jsonl").unlink()
    next((out / "corpus" / "documents").glob("*.parquet")).unlink()
    assert states(config)["select"] == "missing" and states(config)["corpus"] == "missing"
    assert "its output select/selected.jsonl is gone" in reasons(config)["select"]
    assert {"corpus", "select"} <= set(run(config).ran)
    assert (out / "select" / "selected.jsonl").read_bytes() == wanted
    (out / "select" / "selected.jsonl").write_bytes(wanted[:-1])
    assert "its output select/selected.jsonl is not what it left" in reasons(config)["select"]


def test_a_stage_that_is_switched_on_later_runs_alone(project: Path) -> None:
    config = write_config(project, select=None)
    assert [*states(config)] == ["corpus", "seeds", "mine", "report"]
    assert "select/selected.jsonl is no longer read" in reasons(config)["report"]
    assert run(config).ran == ("report",)
    config = write_config(project)
    assert set(run(config).ran) <= {"report"}  # what was selected is still there, under the same options


def test_from_and_only(tmp_path: Path) -> None:
    config = write_config(write_data(tmp_path / "p", 150))
    assert run(config, only="seeds").ran == ("seeds",)
    assert states(config) == {**dict.fromkeys(ALL, "missing"), "seeds": "done"}
    with pytest.raises(InputError, match="mine: needs what 'corpus' makes, which has not been done"):
        run(config, start="mine")
    assert run(config, only="corpus").ran == ("corpus",)
    assert run(config, start="mine").ran == ("mine", "select", "report")
    changed = write_config(tmp_path / "p", corpus={"inputs": ["data/raw.jsonl"], "min_words": 30})
    assert states(changed)["corpus"] == "stale"
    assert not run(changed, start="mine").ran  # what comes before is left as it is
    with pytest.raises(InputError, match="together"):
        run(config, start="mine", only="corpus")


def test_what_is_in_the_way_of_a_first_run_is_said(tmp_path: Path) -> None:
    config = write_config(write_data(tmp_path / "p", 100))
    (tmp_path / "p" / "data" / "raw.jsonl").unlink()
    assert reasons(config) == {"corpus": "its input data/raw.jsonl is not there"}
    with pytest.raises(InputError, match=r"raw\.jsonl: no such file"):
        run(config)
    assert states(config)["seeds"] == "missing"  # the first stage ended the run


def test_a_failed_stage_keeps_what_was_done(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "p", 100)
    config = write_config(folder)
    pool = folder / "data" / "pool.jsonl"
    whole = pool.read_text()
    pool.write_text(whole + '{"neither": "nor"}\n')
    with pytest.raises(InputError, match=r"pool\.jsonl:81: is no sample"):
        run(config)
    assert states(config) == {**dict.fromkeys(ALL, "done"), "select": "missing", "report": "missing"}
    assert reasons(config)["select"] == "begun, not finished"
    pool.write_text(whole)
    assert run(config).ran == ("select", "report")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "p", 100)
    (folder / "out").mkdir()
    (folder / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and was not made by motherlode"):
        run(write_config(folder))
    assert [path.name for path in (folder / "out").iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="holds what is read"):
        run(write_config(folder, out="."))
