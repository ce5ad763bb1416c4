"""What a person may do wrong: one clear line, the right exit code, and nothing written."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode.cli import main
from tests.models import tiny
from tests.selection.place import given, read, row, write

Spoil = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    choice = random.Random(0)
    tiny.save(folder / "model")
    write(folder / "domain.jsonl", [row(choice, n) for n in range(4)])
    write(folder / "pool.jsonl", [row(choice, n) for n in range(8)])
    return folder


def _model(spoil: Callable[[Path], None]) -> Spoil:
    """Save a fresh model and damage it."""

    def spoiled(folder: Path) -> list[str]:
        tiny.save(folder / "model")
        spoil(folder / "model")
        return ["--model", str(folder / "model")]

    return spoiled


def _cut_off(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def _pickled(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")


def _interrupted(model: Path) -> None:
    parts = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(parts))
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")


def _nan(model: Path) -> None:
    broken = tiny.model("qwen3")
    broken.model.layers[0].mlp.up_proj.weight.data[:] = float("nan")
    broken.save_pretrained(model)


def _pool(*rows: Any) -> Spoil:
    def written(folder: Path) -> list[str]:
        return ["--pool", str(write(folder / "pool.jsonl", list(rows)))]

    return written


def _parquet_cut_off(folder: Path) -> list[str]:
    pq.write_table(pa.table({"prompt": ["a"] * 99, "completion": ["b"] * 99}), folder / "pool.parquet")
    (folder / "pool.parquet").write_bytes((folder / "pool.parquet").read_bytes()[:-30])
    return ["--pool", str(folder / "pool.parquet")]


def _parquet_of_bytes(folder: Path) -> list[str]:
    columns = {"prompt": ["a"], "completion": ["b"], "image": [b"\xff"]}
    pq.write_table(pa.table(columns), folder / "pool.parquet")
    return ["--pool", str(folder / "pool.parquet")]


def _empty_folder(folder: Path) -> list[str]:
    (folder / "pool").mkdir()
    return ["--pool", str(folder / "pool")]


def _empty_domain(folder: Path) -> list[str]:
    return ["--domain", str(write(folder / "domain.jsonl", []))]


def _bad_dev(folder: Path) -> list[str]:
    return ["--dev", str(write(folder / "dev.jsonl", [{"text": "no sample"}]))]


GOOD = {"prompt": "a", "completion": "b"}


@pytest.mark.parametrize(
    ("spoil", "code", "line"),
    [
        (_pool(GOOD, {"prompt": "a"}), 2, "pool.jsonl:2: is no sample"),
        (_pool(GOOD, {"prompt": "a", "completion": " "}), 2, "pool.jsonl:2: has an empty completion"),
        (_pool(GOOD), 2, "-n: 2 samples are wanted, but the pool has 1"),
        (_parquet_cut_off, 2, "pool.parquet: cannot be read as Parquet"),
        (_parquet_of_bytes, 2, "pool.parquet: row 0: holds bytes"),
        (_empty_folder, 2, "holds no .jsonl"),
        (lambda folder: ["--pool", str(folder / "*.jsonl")], 2, "no file matches"),
        (lambda folder: ["--pool", str(folder / "absent.parquet")], 2, "no such file"),
        (_empty_domain, 2, "domain.jsonl: is empty"),
        (_bad_dev, 2, "dev.jsonl:1: is no sample"),
        (_model(_cut_off), 2, "cut off"),
        (_model(_pickled), 2, "only pickled weights"),
        (_model(_interrupted), 2, "download was interrupted"),
        (_model(_nan), 2, "not finite"),
        (lambda _: ["--lora-targets", "absent"], 2, "no modules that LoRA can adapt"),
        (lambda _: ["--template", "chat"], 2, "no chat template"),
        (lambda _: ["--max-length", "2", "--truncate", "right"], 2, "nothing of its completion is left in 2 tokens"),
        (lambda _: ["--method", "votes", "--selector", "round-robin"], 2, "needs a score for each domain sample"),
        (lambda _: ["--selector", "best"], 2, "selector = 'best'"),
        (lambda _: ["--selector", "diverse", "--diversity", "2"], 2, "diversity = 2"),
        (lambda _: ["--method", "tsds", "--tsds-alpha", "-1"], 2, "tsds-alpha = -1"),
    ],
)
def test_one_line_and_an_exit_code(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Spoil, code: int, line: str
) -> None:
    given_ = {"--domain": str(place / "domain.jsonl"), "--pool": str(place / "pool.jsonl"), "-n": "2"}
    given_ |= {"--model": str(place / "model"), "--device": "cpu", "--out": str(tmp_path / "out.jsonl")}
    wrong = spoil(tmp_path)
    given_ |= dict(zip(wrong[::2], wrong[1::2], strict=True))
    with pytest.raises(SystemExit) as left:
        main(["select", *(part for pair in given_.items() for part in pair)])
    said = [part for part in capsys.readouterr().err.splitlines() if part.startswith("error: ")]
    assert left.value.code == code, said
    assert len(said) == 1
    assert line in said[0]
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("option", "name", "line"),
    [
        ("--out", "pool.jsonl", "which is read"),
        ("--out", "pools/selected.jsonl", "which is read"),
        ("--out", "absent/selected.jsonl", "its folder does not exist"),
        ("--out", "/proc/selected.jsonl", "cannot be written"),
        ("--scores-out", "domain.jsonl", "which is read"),
        ("--scores-out", "absent/scores.parquet", "its folder does not exist"),
    ],
)
def test_nothing_is_replaced_and_places_are_checked_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, name: str, line: str
) -> None:
    choice = random.Random(0)
    (tmp_path / "pools").mkdir()
    pool = tmp_path / "pools" if name.startswith("pools") else tmp_path / "pool.jsonl"
    write(pool / "a.jsonl" if pool.is_dir() else pool, [row(choice, n) for n in range(8)])
    write(tmp_path / "domain.jsonl", [row(choice, n) for n in range(4)])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    given_ = {"--domain": tmp_path / "domain.jsonl", "--pool": pool, "-n": 2, "--method": "random"}
    given_ |= {"--out": tmp_path / "out.jsonl", option: tmp_path / name}
    with pytest.raises(SystemExit) as left:
        main(["select", *(str(part) for pair in given_.items() for part in pair)])
    said = [part for part in capsys.readouterr().err.splitlines() if part.startswith("error: ")]
    assert left.value.code == 2
    assert len(said) == 1
    assert option in said[0]
    assert line in said[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")} == before


def test_long_samples_are_cut_and_counted(place: Path, tmp_path: Path) -> None:
    choice = random.Random(2)
    rows = [row(choice, n) for n in range(8)]
    rows[3]["prompt"] = rows[5]["prompt"] = "long " * 60
    pool = write(tmp_path / "pool.jsonl", rows)
    write(tmp_path / "domain.jsonl", [*read(place / "domain.jsonl"), {"prompt": "long " * 60, "completion": "end"}])
    (tmp_path / "model").symlink_to(place / "model")
    selection = given(tmp_path, n=2, preselect="none", warmup_epochs=1)
    assert selection.pool_rows == len(read(pool))
    assert selection.record["model"]["truncated_candidates"] == 2
    assert selection.record["model"]["truncated_domain_samples"] == 1


def test_a_chat_model_and_a_domain_of_one_that_is_in_the_pool(place: Path, tmp_path: Path) -> None:
    tiny.save(tmp_path / "model", chat=True)
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    write(tmp_path / "domain.jsonl", [{"messages": turns}])
    write(tmp_path / "pool.jsonl", [*read(place / "pool.jsonl"), {"messages": turns}, {"messages": turns}])
    selection = given(tmp_path, n=3)
    assert len(selection) == 3
    assert len(set(selection.rows) & {8, 9}) <= 1
