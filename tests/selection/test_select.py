"""`select` end to end on tiny models: what it writes, what it refuses, and that kills leave no trace."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode import select
from motherlode.cli import main
from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batcher
from motherlode.models.load import load_model
from motherlode.models.lora import AdaptedModel
from motherlode.models.samples import to_sample
from motherlode.models.tokens import Tokeniser
from motherlode.selection.direction import domain_direction
from motherlode.selection.engines import Reference
from motherlode.selection.kernels import make_objective
from motherlode.selection.warmup import WarmupOptions, completion_losses, warm_up
from tests.kill import Program, contents, kill_and_rerun
from tests.models import tiny

WORDS = "river stone lantern market ledger violet harbour thread copper window orchard signal".split()


def row(choice: random.Random, number: int, **more: Any) -> dict[str, Any]:
    prompt = " ".join(choice.choices(WORDS, k=choice.randint(1, 5))) + f" {number}? "
    completion = " ".join(choice.choices(WORDS, k=choice.randint(1, 6)))
    return {"prompt": prompt, "completion": completion, "source": f"s{number % 3}", **more}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in rows))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("select")
    choice = random.Random(0)
    tiny.save(folder / "model")
    write(folder / "domain.jsonl", [row(choice, n) for n in range(8)])
    write(folder / "pool.jsonl", [row(choice, n, extra={"n": [n, None, 1.5]}) for n in range(40)])
    return folder


def given(place: Path, **options: Any) -> Any:
    fixed = {"model": str(place / "model"), "device": "cpu", "max_length": 100}
    return select(place / "domain.jsonl", place / "pool.jsonl", **{**fixed, **options})


def test_scores_are_those_of_the_reference(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    selection = given(place, n=6, preselect="none", out=out, scores_out=tmp_path / "scores.parquet")
    adapter = next((tmp_path / "out.jsonl.work").glob("adapter-*"))
    adapted = AdaptedModel.load(load_model(str(place / "model"), device="cpu"), adapter)
    tokeniser = Tokeniser(adapted.loaded.tokenizer, max_length=100)
    pools = [json.loads(line) for line in (place / "pool.jsonl").read_text().splitlines()]
    domain = [json.loads(line) for line in (place / "domain.jsonl").read_text().splitlines()]
    objective = make_objective(adapted, "ntk")
    tokens = tokeniser.many([to_sample(item) for item in domain])
    direction = domain_direction(adapted, objective, tokens, Batcher(50))
    wanted = Reference(adapted, objective, direction).score(tokeniser.many([to_sample(item) for item in pools]))
    np.testing.assert_allclose(selection.scores, wanted, atol=1e-4 * np.abs(wanted).max())
    assert selection.rows == tuple(np.argsort(-selection.scores, kind="stable")[:6])
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.column_names == ["index", "score"]
    assert table["index"].to_pylist() == list(range(40))
    assert table["score"].to_numpy().tolist() == selection.scores.tolist()
    for rank, line in enumerate(out.read_text().splitlines()):
        written = json.loads(line)
        assert written.pop("motherlode_rank") == rank + 1
        assert written.pop("motherlode_score") == selection.scores[selection.rows[rank]]
        assert len(written.pop("motherlode_nearest")) == 3
        assert written == pools[selection.rows[rank]]
    record = json.loads((tmp_path / "out.record.json").read_text())
    assert record["pool"]["rows"] == 40
    assert record["options"]["kernel"] == "ntk"
    assert len(record["model"]["warmup_losses"]) == 3
    # a given adapter takes the place of the warm-up, and gives the same
    again = given(place, n=6, preselect="none", adapter=str(adapter))
    assert again.rows == selection.rows


def test_a_selection_is_cut_explained_and_compared(place: Path) -> None:
    whole = given(place, n=4, preselect_encoder="lexical")
    assert len(whole.indices) == 16
    assert whole.record["preselected_by_votes"]
    assert whole.cut(10).rows[:4] == whole.rows
    with pytest.raises(InputError, match="17 of 16"):
        whole.cut(17)
    told = whole.explain(whole.rows[1])
    assert (told["rank"], told["selected"], len(told["nearest"])) == (2, True, 3)
    other = given(place, n=4, method="random", random_seed=3)
    compared = whole.compare(other)
    assert compared.chance == pytest.approx(0.1)
    assert compared.scored_by_both == 16
    assert whole.compare(whole).overlap == 1
    assert whole.compare(whole).rank_correlation == pytest.approx(1)
    with pytest.raises(InputError, match="no row 40"):
        whole.explain(40)


@pytest.mark.parametrize("method", ["random", "longest", "embedding", "votes", "perplexity-middle"])
def test_baselines(place: Path, method: str) -> None:
    selection = given(place, n=7, method=method, preselect_encoder="lexical")
    assert len(selection) == 7
    pool = [json.loads(line) for line in (place / "pool.jsonl").read_text().splitlines()]
    if method == "longest":
        lengths = sorted((len(item["completion"]) for item in pool), reverse=True)
        assert [len(pool[i]["completion"]) for i in selection.rows] == lengths[:7]
    if method == "perplexity-middle":
        assert np.sort(selection.scores).tolist()[-2:] == pytest.approx([-0.0125, -0.0125])


def test_round_robin_quota_and_maximum(place: Path) -> None:
    turns = given(place, n=8, method="embedding", selector="round-robin", preselect_encoder="lexical")
    assert len({*turns.rows}) == 8
    most = given(place, n=8, method="embedding", similarity="max", preselect_encoder="lexical", quota=0.5)
    pool = [json.loads(line) for line in (place / "pool.jsonl").read_text().splitlines()]
    sources = [pool[index]["source"] for index in most.rows]
    assert max(sources.count(name) for name in sources) <= 4
    with pytest.raises(InputError, match="round-robin"):
        given(place, n=8, method="votes", selector="round-robin")


def test_identical_samples_evaluation_items_and_a_domain_of_one(place: Path, tmp_path: Path) -> None:
    choice = random.Random(5)
    rows = [row(choice, n) for n in range(6)]
    held = {"prompt": " ".join(f"item{n}" for n in range(20)), "completion": "answer"}
    pool = write(tmp_path / "pool.jsonl", [*rows, *rows, held, {"prompt": "x", "completion": ""}])
    tests = write(tmp_path / "test.jsonl", [{"question": held["prompt"]}])
    domain = write(tmp_path / "one.jsonl", [row(choice, 1)])
    fixed: dict[str, Any] = {"model": str(place / "model"), "device": "cpu", "warmup_epochs": 0}
    with pytest.raises(InputError, match=r"pool.jsonl:14: has an empty completion"):
        select(domain, pool, 12, **fixed)
    selection = select(domain, pool, 12, bad_rows="skip", eval_files=(str(tests),), **fixed)
    assert len(selection) == 6
    assert len(selection.duplicates) == 6
    assert selection.record["left_out"] == {"holds an evaluation item": 1, "no sample": 1}
    with pytest.raises(InputError, match="13 samples are wanted, but the pool has 12"):
        select(domain, pool, 13, bad_rows="skip", eval_files=(str(tests),), **fixed)


def test_a_model_that_computes_nan_is_named(place: Path, tmp_path: Path) -> None:
    model = tiny.model("qwen3")
    model.model.layers[0].mlp.up_proj.weight.data[:] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    tiny.tokenizer().save_pretrained(tmp_path / "broken")
    with pytest.raises(MotherlodeError, match="not finite"):
        given(place, n=2, model=str(tmp_path / "broken"))


def test_the_warm_up_lowers_the_loss_and_repeats_to_the_bit(place: Path) -> None:
    def trained() -> tuple[AdaptedModel, list[float], float]:
        adapted = AdaptedModel.attach(load_model(str(place / "model"), device="cpu"))
        rows = [json.loads(line) for line in (place / "domain.jsonl").read_text().splitlines()]
        tokens = Tokeniser(adapted.loaded.tokenizer).many([to_sample(item) for item in rows])
        before = float(completion_losses(adapted, tokens, Batcher(500)).mean())
        options = WarmupOptions(warmup_epochs=6, warmup_batch=3, learning_rate=5e-3)
        losses = warm_up(adapted, tokens, Batcher(60), options, random_seed=1)
        assert float(completion_losses(adapted, tokens, Batcher(500)).mean()) < before - 0.3
        return adapted, losses, before

    first, losses, _ = trained()
    again, same, _ = trained()
    assert len(losses) == 18
    assert losses == same
    assert all((a == b).all() for a, b in zip(first.parameters, again.parameters, strict=True))


def test_the_command(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["select", "--domain", str(place / "domain.jsonl"), "--pool", str(place / "pool.jsonl"), "-n", "3"]
    out = ["--out", str(tmp_path / "out.jsonl")]
    with pytest.raises(SystemExit) as left:
        main([*arguments, *out, "--model", str(place / "model"), "--device", "cpu", "--engine", "difference"])
    assert left.value.code == 0
    assert "selected 3 of 40" in capsys.readouterr().out
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3
    for wrong, line in (
        (["--method", "magic", *out], "method"),
        ([*out], "needs a model"),
        (["--method", "random", "--out", str(tmp_path / "absent" / "out.jsonl")], "folder does not exist"),
        (["--method", "random", "--fields", "prompt", *out], "no pair"),
        (["--model", str(tmp_path / "absent"), *out], "no such folder"),
    ):
        with pytest.raises(SystemExit) as left:
            main([*arguments, *wrong])
        assert left.value.code == 2
        said = capsys.readouterr().err.strip()
        assert line in said
        assert len(said.splitlines()) == 1


def test_without_a_model_torch_is_not_imported(place: Path, tmp_path: Path) -> None:
    source = (
        "import sys; from motherlode import select;"
        f"select({str(place / 'domain.jsonl')!r}, {str(place / 'pool.jsonl')!r}, 3, method='votes');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", source], check=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_a_killed_selection_ends_in_the_same_bytes(place: Path, tmp_path: Path, kills: int) -> None:
    sizes = {"shard_rows": 4, "preselect_factor": 6, "device": "cpu"}
    ways: list[dict[str, Any]] = [{}, {"engine": "sketch", "kernel": "loss-adam", "projection_dimension": 512}]
    body = (
        "place, out = Path(sys.argv[2]), Path(sys.argv[1])\n"
        "out.mkdir(exist_ok=True)\n"
        f"for way in {ways!r}:\n"
        "    select.select(place / 'domain.jsonl', place / 'pool.jsonl', 3, model=str(place / 'model'),\n"
        f"        out=out / 'out.jsonl', scores_out=out / 'scores.parquet', **{sizes!r}, **way)\n"
    )
    imports = (
        "import torch, transformers, peft\nfrom pathlib import Path\nfrom motherlode.selection import select, stages"
    )
    program = Program(imports, body, (str(place),))
    out = tmp_path / "undisturbed"
    out.mkdir()
    began = time.monotonic()
    for way in ways:  # in this process, which has all that has to be imported
        files = {"out": out / "out.jsonl", "scores_out": out / "scores.parquet"}
        select(place / "domain.jsonl", place / "pool.jsonl", 3, model=str(place / "model"), **files, **sizes, **way)  # type: ignore[arg-type]
    seconds = time.monotonic() - began
    wanted = contents(tmp_path / "undisturbed")
    assert sum(name.endswith(".parquet") for name in wanted) == 1 + 10 + 5  # both have the same vectors
    assert sum(name.endswith(".arrow") for name in wanted) == 5 + 2
    assert kill_and_rerun(program, tmp_path / "out", wanted, seconds, ["driver"] * kills, 7, chain=kills) == kills
