"""The engine `sketch` end to end: unbiased scores, a score for each domain sample, vectors on disk, kills."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode import select
from motherlode.cli import main
from motherlode.models.rows import Rows, Samples
from motherlode.selection.options import SelectOptions
from motherlode.selection.stages import ModelStages
from tests.kill import Program, contents, kill_and_rerun
from tests.selection import setting

FIXED: dict[str, Any] = {"device": "cpu", "preselect": "none", "lora_rank": 4, "shard_rows": 5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setting.files(tmp_path_factory.mktemp("sketch"))


def given(place: Path, work: Path, **options: Any) -> Any:
    fixed = {**FIXED, "model": str(place / "model"), "work": work}
    return select(place / "domain.jsonl", place / "pool.jsonl", 5, **{**fixed, **options})


def test_scores_are_unbiased_and_kept(place: Path, tmp_path: Path) -> None:
    exact = given(place, tmp_path).scores
    found = given(place, tmp_path, engine="sketch", projection_dimension=4096).scores
    dense = given(place, tmp_path, engine="sketch", projection_dimension=4096, projection="rademacher").scores
    for scores in (found, dense):
        assert np.corrcoef(exact, scores)[0, 1] > 0.98
    sizes = {path.stat().st_size // (4 * 4096) for path in tmp_path.glob("gradients-*/*.arrow")}
    assert sizes == {2, 5}
    # the vectors themselves, mapped, with the inner products that the scores are made of
    stages = opened(place, tmp_path, engine="sketch", projection_dimension=4096)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")}
    parts = list(stages.gradients(np.arange(17)))
    assert [part.shape for part in parts] == [(5, 4096)] * 3 + [(2, 4096)]
    assert not any(part.flags.owndata or part.flags.writeable for part in parts)
    np.testing.assert_allclose(np.concatenate(parts) @ stages.sketches.domain.mean(0), found, rtol=1e-4)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.arrow")}


def opened(place: Path, work: Path, **options: Any) -> ModelStages:
    values = {**FIXED, "model": str(place / "model"), "n": 5, **options}
    domain, pool = (Samples(Rows(place / f"{name}.jsonl"), {}) for name in ("domain", "pool"))
    return ModelStages(SelectOptions.parse(values, "test"), work, domain, range(6), pool, True)


@pytest.mark.parametrize("kernel", ["ntk", "ntk-signs", "loss"])
def test_round_robin_lets_each_domain_sample_choose(place: Path, tmp_path: Path, kernel: str) -> None:
    options = {"selector": "round-robin", "normalize": "cosine", "near_duplicates": None, "kernel": kernel}
    turns = given(place, tmp_path, **options)
    stages = opened(place, tmp_path, **options)
    assert stages.engine == "sketch"
    cosines = stages.sketches.similarities(np.arange(17))
    assert cosines.shape == (17, 6)
    np.testing.assert_allclose(cosines.mean(1), turns.scores, atol=1e-5)
    assert np.abs(cosines).max() <= 1 + 1e-5
    wanted: list[int] = []
    for sample in range(5):
        wanted.append(next(int(row) for row in np.argsort(-cosines[:, sample], kind="stable") if row not in wanted))
    assert turns.rows == tuple(wanted)
    # cosines without a projection
    exact = given(place, tmp_path, normalize="cosine", kernel=kernel).scores
    assert np.abs(exact - turns.scores).max() < 0.05


def test_the_command_passes_its_options_on(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    files = ["--domain", str(place / "domain.jsonl"), "--pool", str(place / "pool.jsonl"), "--out", str(out)]
    how = ["--projection", "rademacher", "--projection-dimension", "64", "--normalize", "cosine", "--engine", "sketch"]
    with pytest.raises(SystemExit) as left:
        main(
            [
                "select",
                "-n",
                "3",
                "--model",
                str(place / "model"),
                "--device",
                "cpu",
                "--preselect",
                "none",
                *files,
                *how,
            ]
        )
    assert left.value.code == 0
    record = json.loads((tmp_path / "out.record.json").read_text())
    assert record["model"]["engine"] == "sketch"
    wanted = {"projection": "rademacher", "projection_dimension": 64, "normalize": "cosine", "engine": "sketch"}
    assert wanted.items() <= record["options"].items()
    (column,) = (table.column("gradient") for table in map(mapped, tmp_path.glob("out.jsonl.work/gradients-*/*.arrow")))
    assert column.type.list_size == 64


def mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


@pytest.mark.long
def test_a_killed_sketch_ends_in_the_same_bytes(place: Path, tmp_path: Path) -> None:
    imports = (
        "import torch, transformers, peft\nfrom pathlib import Path\nfrom motherlode.selection import select, stages\n"
    )
    body = (
        "place, out = Path(sys.argv[2]), Path(sys.argv[1])\n"
        "out.mkdir(exist_ok=True)\n"
        "for options in ({'engine': 'sketch', 'kernel': 'loss-adam'}, {'method': 'less'}):\n"
        "    select.select(place / 'domain.jsonl', place / 'pool.jsonl', 5, model=str(place / 'model'), device='cpu',\n"
        "        out=out / 'out.jsonl', preselect='none', shard_rows=3, projection_dimension=512, lora_rank=4,\n"
        "        work=out / 'work', warmup_batch=2, **options)\n"
    )
    program = Program(imports, body, (str(place),))
    seconds = program.run(tmp_path / "undisturbed")
    wanted = contents(tmp_path / "undisturbed")
    assert sum(name.endswith(".arrow") for name in wanted) == (2 + 6) * 4
    assert sum("epoch-" in name for name in wanted) == 3
    assert kill_and_rerun(program, tmp_path / "out", wanted, seconds, ["driver"] * 3, 7, chain=3) == 3
