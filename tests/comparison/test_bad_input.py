"""What a person may do wrong: one clear line, exit code 2, and no work begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

from motherlode.cli import main
from tests.comparison.setting import config, files, items, save, write

Spoil = Callable[[Path, dict[str, Any]], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(tmp_path_factory.mktemp("bad"))


def _set(**changes: Any) -> Spoil:
    return lambda _folder, values: values.update(changes)


def _domain(**changes: Any) -> Spoil:
    return lambda _folder, values: values["domains"]["stones"].update(changes)


def _file(name: str, rows: list[dict[str, Any]] | str) -> Spoil:
    def spoil(folder: Path, _values: dict[str, Any]) -> None:
        path = folder / name
        path.unlink()
        if isinstance(rows, str):
            path.write_text(rows)
        else:
            write(path, rows)

    return spoil


def _changed(**changes: Any) -> list[dict[str, Any]]:
    rows = items(4, 0, "x")
    rows[2] |= changes
    return rows


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (_set(methods={"nkt": None}), "unknown method 'nkt'; did you mean 'ntk'?"),
        (_set(budgets=[37]), "37 samples are to be selected, but the pool has 36"),
        (_set(sizes=[21]), "the domain 'stones' has 20 samples, fewer than the 21 of `sizes`"),
        (_set(pool="absent.jsonl"), "absent.jsonl: no such file"),
        (_set(model="/absent/model"), "model: /absent/model: no such folder"),
        (_domain(train="absent.jsonl"), "absent.jsonl: no such file"),
        (_domain(tasks="absent.jsonl"), "absent.jsonl: no such file"),
        (_domain(dev="absent.jsonl"), "absent.jsonl: no such file"),
        (_domain(label="nowhere"), "no row has domain = 'nowhere', which the oracle of 'stones' takes"),
        (_file("stones.dev.jsonl", ""), "stones.dev.jsonl: is empty"),
        (_file("stones.test.jsonl", _changed(answer="maybe")), "stones.test.jsonl:3: the answer 'maybe' is not among"),
        (
            _file("stones.test.jsonl", _changed(choices=["yes", "yes"])),
            "stones.test.jsonl:3: the choice 'yes' is there",
        ),
        (_file("stones.train.jsonl", _changed(choices=[])), ""),
        (_file("pool.jsonl", [{"text": "no sample"}]), "pool.jsonl:1: is no sample"),
        (_set(training={"epoch": 1}), "training: unknown key 'epoch'; did you mean 'epochs'?"),
        (_set(training={"max_steps": 9}), "training: max_steps is set by the comparison"),
        (_set(selection={"engin": "sketch"}), "unknown key 'engin'; did you mean 'engine'?"),
        (_set(methods={"ntk": {"kernel": "nkt"}}), "methods: ntk: kernel = 'nkt'"),
        (_set(methods={"dsir": {"kernel": "loss"}}), "kernel is read with --method ntk only"),
        (_set(evaluation={"shot": 1}), "evaluation: unknown key 'shot'; did you mean 'shots'?"),
    ],
)
def test_one_line_and_nothing_begun(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Spoil, line: str
) -> None:
    for path in place.iterdir():
        (tmp_path / path.name).symlink_to(path)
    values = config(methods={"base": None, "random": None, "oracle": None})
    spoil(tmp_path, values)
    if not line:  # a domain of free answers, too small
        values["sizes"], line = [6], "the domain 'stones' has 4 samples"
    path = save(tmp_path, values)
    with pytest.raises(SystemExit) as left:
        main(["compare", str(path), "--out", str(tmp_path / "out")])
    said = [part for part in capsys.readouterr().err.splitlines() if part.startswith("error: ")]
    assert left.value.code == 2, said
    assert len(said) == 1
    assert line in said[0]
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_and_no_workers(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(place, config(methods={"base": None}))
    (tmp_path / "note.txt").write_text("mine")
    for more, line in (([], "is not empty and was not made by motherlode"), (["--workers", "0"], "0 is not a number")):
        with pytest.raises(SystemExit) as left:
            main(["compare", str(path), "--out", str(tmp_path), *more])
        assert left.value.code == 2
        assert line in capsys.readouterr().err
    assert [item.name for item in tmp_path.iterdir() if item.name != ".lock"] == ["note.txt"]
