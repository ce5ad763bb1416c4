"""`compare` from end to end on tiny models: budgets, results, what is done again, failures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

from motherlode.cli import main
from motherlode.comparison.compare import Plan, compare
from motherlode.comparison.results import COSTS, ITEMS, RESULTS, read_rows
from motherlode.evaluation.evaluate import evaluate
from motherlode.shards.manifest import Manifest
from tests.comparison.setting import config, files, save
from tests.kill import contents

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow; nothing here measures time

METHODS: dict[str, Any] = {"base": None, "domain-only": {"epochs": [1]}, "random": None, "longest": None}
METHODS |= {"ntk": {"warmup_epochs": 1, "preselect": "none"}, "oracle": None}


def cells(folder: Path, **wanted: Any) -> list[dict[str, Any]]:
    return [row for row in read_rows(folder, RESULTS) if all(row[name] == value for name, value in wanted.items())]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison: its files, and its folder `out`."""
    folder = files(tmp_path_factory.mktemp("compare"))
    path = save(folder, config(methods=METHODS, budgets=[4, 8], random_seeds=2))
    with pytest.raises(SystemExit) as left:
        main(["compare", str(path), "--out", str(folder / "out")])
    assert left.value.code == 0
    return folder


def test_every_cell_has_its_row(place: Path) -> None:
    out = place / "out"
    assert len(cells(out, method="base")) == 1
    for method in METHODS:
        for n in (4, 8):
            found = cells(out, method=method, n=n)
            assert len(found) == (0 if method == "base" else 2)
            assert {row["size"] for row in found} <= {6}
    for row in read_rows(out, RESULTS):
        assert row["task"] == "stones.test"
        assert row["items"] == 12
        assert row["chance"] == 0.5
        assert row["low"] <= row["score"] <= row["high"]
        own = [
            (item["outcome"], item["probability"])
            for item in read_rows(out, ITEMS)
            if all(item[name] == row[name] for name in ("method", "n", "random_seed"))
        ]
        assert len(own) == 12
        outcomes, shares = zip(*own, strict=True)
        assert sum(outcomes) / 12 == pytest.approx(row["score"])
        assert sum(shares) / 12 == pytest.approx(row["probability"])
        for outcome, share in own:  # of two choices: right where it has more than half
            assert share == 0.5 or outcome == (share > 0.5)
        assert 0 < row["probability_low"] <= row["probability"] <= row["probability_high"] < 1
    costs = read_rows(out, COSTS)
    assert len(costs) == len(read_rows(out, RESULTS))
    assert all(row["training_seconds"] > 0 for row in costs if row["method"] != "base")
    assert (out / "report.html").is_file()


def test_budgets_are_equal(place: Path) -> None:
    out = place / "out"
    for n, steps in ((4, 3), (8, 4)):  # 6 + N samples in batches of 4, once
        for method in ("random", "longest", "ntk", "oracle"):
            assert {row["steps"] for row in cells(out, method=method, n=n)} == {steps}
        assert all(row["steps"] <= steps for row in cells(out, method="domain-only", n=n))
        assert {row["selected"] for row in cells(out, method="ntk", n=n)} == {n}
        assert {row["samples"] for row in cells(out, method="random", n=n)} == {6 + n}
        assert {row["samples"] for row in cells(out, method="domain-only", n=n)} == {6}
    assert {row["selected"] for row in cells(out, method="oracle")} == {12}


def test_what_is_tuned_is_the_best_on_dev(place: Path) -> None:
    plan = Plan(place / "compare.yaml")
    for cell in plan.cells:
        if cell.place["method"] == "domain-only":
            losses = {}
            for role, job in cell.job.after.items():
                result = json.loads((place / "out" / job.folder / "result.json").read_text())
                losses[role] = min(loss for _, loss in result["dev_losses"])
            assert len(losses) == 2
            chosen = json.loads((place / "out" / cell.job.folder / "result.json").read_text())["chosen"]
            assert losses[chosen] == min(losses.values())


def test_a_score_is_that_of_the_adapter_on_disk(place: Path) -> None:
    plan = Plan(place / "compare.yaml")
    cell = next(cell for cell in plan.cells if cell.place == {**cell.place, "method": "ntk", "n": 8, "random_seed": 1})
    (trained,) = cell.job.after.values()
    adapter = place / "out" / trained.folder / "adapted" / "adapter"
    found = evaluate([place / "stones.test.jsonl"], model=str(place / "model"), adapter=adapter, device="cpu")
    (row,) = cells(place / "out", method="ntk", n=8, random_seed=1)
    assert found.tasks["stones.test"].score == pytest.approx(row["score"])
    assert found.tasks["stones.test"].probability == pytest.approx(row["probability"])


def test_a_small_selection_is_cut_from_the_large_one(place: Path) -> None:
    jobs = [job for job in Plan(place / "compare.yaml").jobs if job.kind == "select" and "random" in job.name]
    assert len(jobs) == 2
    drawn = []
    for job in jobs:
        few, many = (lines(place / "out" / job.folder / f"selected-{n}.jsonl") for n in (4, 8))
        assert [row["prompt"] for row in few] == [row["prompt"] for row in many[:4]]
        drawn.append({row["prompt"] for row in many})
    assert drawn[0] != drawn[1]  # another random seed


def test_another_run_does_nothing_and_a_new_method_adds_only_its_own(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(place / "out", out)
    before = contents(out)
    compare(place / "compare.yaml", out)
    after = contents(out)
    assert {name for name in before if before[name] != after.get(name)} == set()
    more = {"base": None, "random": None, "dsir": None}
    path = save(tmp_path, config(methods=more, budgets=[8], random_seeds=[1]))
    for name in ("model", "pool.jsonl", "stones.train.jsonl", "stones.dev.jsonl", "stones.test.jsonl"):
        (tmp_path / name).symlink_to(place / name)
    with pytest.raises(SystemExit) as left:
        main(["compare", str(path), "--out", str(out), "--dry-run"])
    assert left.value.code == 0
    assert contents(out) == after
    told = capsys.readouterr().out
    assert "evaluate stones d6 n8 s1 dsir" in told
    done = {name: entry.stats["seconds"] for name, entry in Manifest.read(out).entries.items()}
    made = compare(path, out)
    assert not made.failures
    entries = Manifest.read(out).entries
    redone = {name for name, entry in entries.items() if done.get(name) != entry.stats["seconds"]}
    budgets = {"select stones d6 s1 random"}  # another list of budgets is another selection
    budgets |= {name for name in redone if name.endswith(" random")}
    assert redone - budgets == {
        "select stones d6 s1 dsir",
        "train stones d6 n8 s1 dsir",
        "evaluate stones d6 n8 s1 dsir",
    }
    assert {row["method"] for row in read_rows(out, RESULTS)} == {*more}


def test_a_job_that_fails_leaves_the_others_alone(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("model", "pool.jsonl", "stones.train.jsonl", "stones.dev.jsonl", "stones.test.jsonl"):
        (tmp_path / name).symlink_to(place / name)
    broken = {"method": "ntk", "max_length": 2, "truncate": "right"}
    methods = {"base": None, "random": None, "broken": broken}
    path = save(tmp_path, config(methods=methods, budgets=[4], random_seeds=1))
    with pytest.raises(SystemExit) as left:
        main(["compare", str(path), "--out", str(tmp_path / "out")])
    assert left.value.code == 1
    said = capsys.readouterr()
    assert "! select stones d6 s0 broken failed" in said.out
    assert "1 of 8 jobs failed, 2 were left out for them" in " ".join(said.out.split())
    assert {row["method"] for row in read_rows(tmp_path / "out", RESULTS)} == {"base", "random"}
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "select stones d6 s0 broken" in page
    mended = {**methods, "broken": {"method": "longest"}}
    assert not compare(save(tmp_path, config(methods=mended, budgets=[4], random_seeds=1)), tmp_path / "out").failures
    assert {row["method"] for row in read_rows(tmp_path / "out", RESULTS)} == {*methods}


def test_equal_tokens(place: Path, tmp_path: Path) -> None:
    for name in ("model", "stones.train.jsonl", "stones.dev.jsonl", "stones.test.jsonl"):
        (tmp_path / name).symlink_to(place / name)
    rows = lines(place / "pool.jsonl")
    for row in rows[::2]:
        row["completion"] += " again" * 8
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = config(methods={"random": None, "longest": None}, budgets=[12], random_seeds=1, equal="tokens")
    values["training"]["epochs"] = 4
    assert not compare(save(tmp_path, values), tmp_path / "out").failures
    found = {row["method"]: row for row in read_rows(tmp_path / "out", RESULTS)}
    step = max(row["tokens"] / row["steps"] for row in found.values())
    assert found["longest"]["steps"] < found["random"]["steps"]
    assert abs(found["longest"]["tokens"] - found["random"]["tokens"]) <= 1.5 * step


def test_the_tables_are_tidy(place: Path) -> None:
    table = pq.read_table(place / "out" / "results.parquet")
    keys = ["comparison", "method", "domain", "size", "n", "random_seed", "task"]
    rows = [tuple(row[key] for key in keys) for row in table.to_pylist()]
    assert len(rows) == len(set(rows))
    mix = pq.read_table(place / "out" / "sources.parquet").to_pylist()
    for method in ("random", "ntk"):
        assert sum(row["selected"] for row in mix if row["method"] == method) == 2 * (4 + 8)


def test_sharing_warm_up_and_vectors_changes_no_result(place: Path, tmp_path: Path) -> None:
    for name in ("model", "pool.jsonl", "stones.train.jsonl", "stones.dev.jsonl", "stones.test.jsonl"):
        (tmp_path / name).symlink_to(place / name)
    methods = {"longest": None, "ntk": METHODS["ntk"]}
    path = save(tmp_path, config(methods=methods, budgets=[4, 8], random_seeds=[1], share=True))
    assert {job.lane for job in Plan(path).jobs if job.kind == "select"} == {"stones d6 s1"}
    assert not compare(path, tmp_path / "out").failures
    wanted = [row for row in cells(place / "out", random_seed=1) if row["method"] in methods]
    assert cells(tmp_path / "out") == wanted
    assert not (tmp_path / "out" / "work").exists()
