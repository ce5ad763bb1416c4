"""Who runs the tasks: what is typed wins over the file, and what cannot be is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motherlode.cli import main
from motherlode.cli.engine import Runs, make_engine
from motherlode.errors import InputError
from motherlode.shards.engine import LocalEngine
from motherlode.shards.stage import FAILED


def test_the_local_engine_is_the_default() -> None:
    assert isinstance(make_engine(None), LocalEngine)
    assert make_engine("local", 3).workers == 3


def test_what_is_typed_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "motherlode.yaml"
    file.write_text("engine: ray\nworkers: 3\ncorpus:\n  min_words: 2\n")
    assert Runs().over(file) == Runs("ray", None, 3)
    assert Runs(engine="local", workers=2).over(file) == Runs("local", None, 2)
    assert Runs().over(None) == Runs()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"workers": "two"}, "x.yaml: workers: 'two' is no int"),
        ({"workers": True}, "x.yaml: workers: True is no int"),
        ({"engine": 3}, "x.yaml: engine: 3 is no str"),
    ],
)
def test_a_file_that_sets_nonsense_is_refused(values: dict[str, object], line: str) -> None:
    with pytest.raises(InputError) as caught:
        Runs().filled(values, "x.yaml")
    assert str(caught.value) == line


def test_an_unknown_engine_and_an_address_for_the_local_one_are_refused() -> None:
    with pytest.raises(InputError, match=r"^--engine: unknown engine 'rai'; did you mean 'ray'\?$"):
        make_engine("rai")
    with pytest.raises(InputError, match=r"^--ray-address: has no effect without --engine ray; add it$"):
        make_engine(None, ray_address="10.0.0.1:6379")


def test_the_file_decides_for_a_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.yaml").write_text("engine: rai\ncorpus: {}\n")
    (tmp_path / "in.txt").write_text("Some words that make a document here.")
    command = ["corpus", "build", str(tmp_path / "in.txt"), "--out", str(tmp_path / "x")]
    with pytest.raises(SystemExit) as left:
        main([*command, "--config", str(tmp_path / "m.yaml")])
    assert left.value.code == 2
    assert "unknown engine 'rai'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main([*command, "--config", str(tmp_path / "m.yaml"), "--engine", "local", "--workers", "1"])
    assert left.value.code == 0


def test_failures_are_shown_without_what_moves_a_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = {"task": "part-3", "attempts": 2, "error": "bad \x1b[2J", "where": "host", "traceback": "line 1\nline 2"}
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / FAILED).write_text(json.dumps(shard) + "\n")
    with pytest.raises(SystemExit) as left:
        main(["failures", str(tmp_path)])
    assert left.value.code == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'stage'}: part-3, 2 attempts: bad  [2J\n  on host\n  line 1\n  line 2\n1 shards failed\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["failures", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out) == shard
    (tmp_path / "stage" / FAILED).write_text("{}\n")
    with pytest.raises(SystemExit) as left:
        main(["failures", str(tmp_path)])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'stage' / FAILED}: line 1 is damaged\n"
    (tmp_path / "stage" / FAILED).unlink()
    with pytest.raises(SystemExit):
        main(["failures", str(tmp_path)])
    assert capsys.readouterr().out == "no shard has failed\n"
