"""Variants of `mine` through continued pre-training: equal tokens, sets and their quality, nothing held out is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("trl", reason="the extra 'train' is not installed")
pytest.importorskip("lm_eval", reason="the extra 'evaluate' is not installed")

from motherlode.comparison.compare import Plan, compare
from motherlode.comparison.results import RESULTS, SETS, read_rows
from motherlode.corpus.corpus import Corpus
from motherlode.report.comparison import write_comparison_report
from tests.comparison.setting import save, write
from tests.invented import records
from tests.models import tiny

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow; nothing here measures time

TOKENS = 3_000
VARIANTS: dict[str, Any] = {
    "base": None,
    "general-only": None,
    "mine": {"method": "mine", "mix_seeds": True},
    "nothing": {"method": "mine", "max_tokens": 1, "t_sim": 0.99},
    "oracle": None,
    "dsir": {"documents": 40},
}


@pytest.fixture(scope="module")
def place(
    invented_corpus: Corpus, seed_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A finished comparison: its file and its folder."""
    folder = tmp_path_factory.mktemp("mining")
    tiny.save(folder / "model")
    held = [row for row in records(400, random_seed=9) if row["truth"] == "velmar"][:8]
    documents = records(600)
    leaked = next(row for row in documents if row["truth"] == "velmar")
    write(folder / "held.jsonl", [*held, {"id": "leak", "text": leaked["text"]}])
    write(folder / "general.jsonl", [row for row in records(60, random_seed=8) if not row["truth"]][:8])
    write(folder / "labels.jsonl", [{"id": row["id"], "label": row["truth"].split(" ")[0]} for row in documents])
    mining = {
        "corpus": str(invented_corpus.folder),
        "general_heldout": "general.jsonl",
        "labels": "labels.jsonl",
        "tokens": TOKENS,
        "variants": VARIANTS,
        "training": {"sequence_length": 128, "batch": 8, "ratio": 0.5, "device": "cpu", "learning_rate": 1e-3},
        "mine": {"rounds": 1, "contrast": ["background"]},
    }
    domain = {"seeds": str(seed_files["velmar"]), "heldout": "held.jsonl"}
    values = {"model": "model", "domains": {"velmar": domain}, "random_seeds": [3], "mining": mining}
    values["evaluation"] = {"device": "cpu"}
    path = save(folder, values)
    made = compare(path, folder / "out")
    assert not made.failures, made.failures
    return path, folder / "out"


def test_equal_tokens_and_both_texts(place: tuple[Path, Path]) -> None:
    rows = read_rows(place[1], RESULTS)
    assert {row["task"] for row in rows} == {"text: domain", "text: general"}
    assert {row["method"] for row in rows} == {*VARIANTS}
    assert {row["metric"] for row in rows} == {"loss"}
    for row in rows:
        assert row["low"] <= row["score"] <= row["high"]
        if row["method"] != "base":
            assert row["tokens"] == pytest.approx(TOKENS, rel=0.05)
    loss = {row["method"]: row["score"] for row in rows if row["task"] == "text: domain"}
    assert loss["oracle"] < loss["base"]
    assert loss["nothing"] == loss["general-only"]


def test_sets_and_their_quality(place: tuple[Path, Path]) -> None:
    found = {row["method"]: row for row in read_rows(place[1], SETS)}
    assert set(found) == {*VARIANTS} - {"base", "general-only"}
    oracle = found["oracle"]
    assert oracle["precision"] == 1.0
    assert oracle["leaked"] == 1
    assert oracle["recall"] == oracle["documents"] / (oracle["documents"] + 1)
    assert found["dsir"]["documents"] + found["dsir"]["leaked"] == 40
    assert found["nothing"]["documents"] == 0
    assert found["mine"]["seeds"] > 0
    assert found["dsir"]["seeds"] == 0
    assert found["mine"]["precision"] > 0.5
    assert found["nothing"]["t_sim"] == 0.99
    assert found["mine"]["retrieved"] > found["nothing"]["retrieved"] == 0
    assert found["dsir"]["retrieved"] is None


def test_nothing_held_out_is_read(place: tuple[Path, Path]) -> None:
    path, out = place
    held = {json.loads(line)["text"] for line in (path.parent / "held.jsonl").read_text().splitlines()}
    for job in Plan(path).jobs:
        for name in ("documents.jsonl", "general.jsonl"):
            file = out / job.folder / name
            if file.is_file():
                assert not held & {json.loads(line)["text"] for line in file.read_text().splitlines()}


def test_random_documents_differ_by_domain(place: tuple[Path, Path], seed_files: dict[str, Path]) -> None:
    values = yaml.safe_load(place[0].read_text("utf-8"))
    heldout = values["domains"]["velmar"]["heldout"]
    values["domains"] = {name: {"seeds": str(path), "heldout": heldout} for name, path in seed_files.items()}
    values["mining"]["variants"] = {"random": {"documents": 40}, "dsir": {"documents": 40}}
    jobs = {
        job.name: job for job in Plan(save(place[0].parent, values, "domains.yaml")).jobs if job.kind == "documents"
    }
    seeds = {
        method: [jobs[f"documents {name} {method}"].settings["random_seed"] for name in seed_files]
        for method in ("random", "dsir")
    }
    assert len(set(seeds["random"])) == len(seed_files) > 1
    assert set(seeds["dsir"]) == {3}


def test_the_page_shows_sets(place: tuple[Path, Path]) -> None:
    page = write_comparison_report(place[1]).read_text("utf-8")
    assert "Mining variants" in page
    assert "What was mined" in page
