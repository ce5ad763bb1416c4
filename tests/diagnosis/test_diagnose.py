"""`diagnose` end to end: numbers, verdicts, files, the page, and what it refuses."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode import diagnose
from motherlode.cli import main
from motherlode.diagnosis.agreement import spearman
from motherlode.diagnosis.kept import Kept
from motherlode.diagnosis.kernels import TRACE
from motherlode.diagnosis.result import Diagnosis
from motherlode.diagnosis.verdicts import at_least, at_most
from motherlode.errors import InputError
from motherlode.report.diagnosis import is_diagnosis, write_diagnosis_report
from tests.models import tiny
from tests.report.browser import look_at, needs_browser
from tests.report.conftest import HOSTILE
from tests.report.pages import Page

WORDS = "river stone lantern market ledger violet harbour thread copper window orchard signal".split()
OPTIONS: dict[str, Any] = {
    "device": "cpu",
    "max_length": 60,
    "lora_rank": 2,
    "domain_sample": 4,
    "pool_sample": 16,
    "top": 4,
    "vocabulary_sample": 6,
    "output_samples": 2,
    "probes": 4,
    "dimensions": (64,),
    "difference_steps": (1e-3,),
    "warmup_epochs": 2,
    "warmup_batch": 4,
    "kernel_samples": 6,
    "subsets": 2,
    "subset_size": 4,
}


def text(choice: random.Random, number: int) -> dict[str, str]:
    return {"prompt": f"{choice.choice(WORDS)} {number} ", "completion": " ".join(choice.choices(WORDS, k=3))}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diagnose")
    choice = random.Random(0)
    tiny.save(folder / "model")
    write(folder / "domain.jsonl", [text(choice, n) for n in range(6)])
    write(folder / "pool.jsonl", [text(choice, n) for n in range(24)])
    return folder


@pytest.fixture(scope="module")
def found(place: Path) -> Diagnosis:
    return diagnose(
        str(place / "model"), place / "domain.jsonl", place / "pool.jsonl", out=place / "out", quiet=True, **OPTIONS
    )


def test_what_a_diagnosis_holds(found: Diagnosis) -> None:
    assert (found.domain_samples, found.pool_samples, found.top) == (4, 16, 4)
    assert len(set(found.pool_rows)) == 16
    assert set(found.pool_rows) <= set(range(24))
    scores = {name: np.array(values) for name, values in found.scores.items()}
    for name in ("ntk", "loss", "loss-adam", "ntk-signs, 8 probes"):
        row = found.agreement(name, TRACE)
        assert row is not None
        assert row.spearman == spearman(scores[name], scores[TRACE])
        assert row.chance == 0.25
    for row in found.agreements:
        if row.name.startswith("contraction"):
            assert row.error is not None
            assert row.error < 1e-4
            assert row.spearman is not None
            assert row.spearman > 0.99
        if row.name.startswith("difference"):
            assert row.error is not None
            assert row.error < 0.05
    names = {row.name for row in found.agreements}
    assert {"contraction, packed", "contraction, padded left", "bf16 difference", "difference, step 0.001"} <= names
    assert {"rademacher projection to 64", "sparse projection to 64"} <= names
    assert found.cross_to_trace == pytest.approx(
        np.abs(scores["ntk"] - scores[TRACE]).sum() / np.abs(scores[TRACE]).sum()
    )
    assert [(state.kernel, state.step) for state in found.stability] == [
        (kernel, step) for kernel in ("ntk", "loss") for step in (0, 2, 4)
    ]
    assert all((state.share_of_a == 0) == (state.step == 0) for state in found.stability)
    assert {subset.subset for subset in found.subsets} == {"best", "worst", "random 1", "random 2"}
    small = {subset.subset: subset for subset in found.subsets if subset.training == "small step"}
    assert small["best"].predicted < small["worst"].predicted
    assert small["best"].predicted == pytest.approx(small["best"].measured, rel=0.1)
    assert len(found.settings["warmup_losses"]) == 4
    assert any("no --task" in note for note in found.notes)
    assert found.regression is None
    assert repr(found).startswith("Diagnosis(model=")
    verdicts = {verdict.assumption: verdict for verdict in found.verdicts}
    assert verdicts["The engine 'contraction' is exact, however samples are padded"].answer == "holds"
    assert all(verdict.answer == "holds" or verdict.advice for verdict in found.verdicts)


def test_the_command_repeats_it_to_the_byte_and_shows_it(
    place: Path, found: Diagnosis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["diagnose", "--out", str(tmp_path / "out")]
    for name in ("model", "domain", "pool"):
        arguments += [f"--{name}", str(place / (name if name == "model" else f"{name}.jsonl"))]
    for name, value in OPTIONS.items():
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        arguments += [f"--{name.replace('_', '-')}", shown]
    with pytest.raises(SystemExit) as left:
        main(arguments)
    said = capsys.readouterr()
    assert left.value.code == 0, said.err
    assert (tmp_path / "out" / "diagnosis.json").read_bytes() == (place / "out" / "diagnosis.json").read_bytes()
    shown = " ".join(said.out.split())  # lines of a table may break anywhere between words
    assert all(f"'{name}'" in shown for name in ("contraction", "difference"))
    assert all(verdict.answer in shown for verdict in found.verdicts)
    assert "other samples against the pool's" in shown
    page = (tmp_path / "out" / "report.html").read_text()
    assert is_diagnosis(tmp_path / "out")
    with pytest.raises(SystemExit) as left:
        main(["report", str(tmp_path / "out")])
    assert left.value.code == 0
    assert (tmp_path / "out" / "report.html").read_text() == page
    wrong = arguments[: arguments.index("--dimensions")]
    for option, line in (
        (["--dimensions", "0"], "0 is no dimension"),
        (["--difference-steps", "2"], "2 is no step"),
        (["--pool-sample", "4"], "pool-sample"),
        (["--top", "17"], "17 of 16 pool samples cannot be the best"),
        (["--domain", str(tmp_path / "absent.jsonl")], "absent.jsonl"),
        (["--out", str(place / "domain.jsonl")], "is a file"),
    ):
        with pytest.raises(SystemExit) as left:
            main([*wrong, *option])
        assert left.value.code == 2
        assert line in capsys.readouterr().err


def test_the_page_is_whole_and_holds_no_script(place: Path, found: Diagnosis) -> None:
    page = Page(write_diagnosis_report(place / "out").read_text())
    assert not page.unclosed
    assert page.tags <= Page.KNOWN_TAGS
    assert {name for _, name, _ in page.attributes} <= Page.KNOWN_ATTRIBUTES
    assert len(page.charts) == 7
    assert "Frobenius cosine" in page.text
    assert all(verdict.assumption in page.text for verdict in found.verdicts)
    for row in found.agreements:
        shown = [cells for cells in page.tables[f"Agreement with {row.against}"] if cells[0] == row.name]
        assert any(f"{row.spearman:.4f}" in cells for cells in shown)


@pytest.mark.slow
@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_phone_and_a_desk(place: Path, found: Diagnosis, tmp_path: Path, width: int) -> None:
    seen = look_at(write_diagnosis_report(place / "out"), width, tmp_path)
    assert seen.charts == 7
    assert seen.bars > 10


def test_hostile_names_are_inert_and_damage_is_named(place: Path, found: Diagnosis, tmp_path: Path) -> None:
    values = json.loads((place / "out" / "diagnosis.json").read_text())
    hostile = " ".join(HOSTILE)
    values["model"] = hostile
    values["notes"].append(hostile)
    values["settings"]["options"]["adapter"] = hostile
    for key in ("agreements", "preselections", "stability", "verdicts", "subsets"):
        for row in values[key]:
            for name, value in row.items():
                if isinstance(value, str) and name not in ("answer", "training"):
                    row[name] = f"{value} {hostile}"
    (tmp_path / "diagnosis.json").write_text(json.dumps(values))
    source = write_diagnosis_report(tmp_path).read_text()
    page = Page(source)
    assert page.tags <= Page.KNOWN_TAGS
    assert not page.unclosed
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "<script" not in source
    assert "\u202e" not in source
    for damage in ("[]", "{}", "not json", json.dumps({**values, "head": None}), json.dumps({**values, "scores": 3})):
        (tmp_path / "diagnosis.json").write_text(damage)
        with pytest.raises(InputError, match="is damaged"):
            write_diagnosis_report(tmp_path)
    (tmp_path / "diagnosis.json").unlink()
    with pytest.raises(InputError, match="holds no diagnosis"):
        write_diagnosis_report(tmp_path)
    assert not is_diagnosis(tmp_path)


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(place: Path, found: Diagnosis, tmp_path: Path) -> None:
    shutil.copytree(place / "out", tmp_path / "out")
    (tmp_path / "out" / "diagnosis.json").unlink()
    (work,) = (tmp_path / "out" / "work").iterdir()
    # killed within the stage `stability`; one of the results before it is damaged
    for name in ("stability-loss", "preselection", "subsets"):
        next(work.glob(f"{name}-*.json")).unlink()
    (outputs,) = work.glob("outputs-*.json")
    outputs.write_text('{"outputs": 3')
    before = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    again = diagnose(
        str(place / "model"), place / "domain.jsonl", place / "pool.jsonl", out=tmp_path / "out", **OPTIONS
    )
    assert again == found
    assert (tmp_path / "out" / "diagnosis.json").read_bytes() == (place / "out" / "diagnosis.json").read_bytes()
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {outputs.name}
    # an option of one stage runs that stage again, and no other
    more = {**OPTIONS, "vocabulary_sample": 7, "bf16": False}
    third = diagnose(str(place / "model"), place / "domain.jsonl", place / "pool.jsonl", out=tmp_path / "out", **more)
    assert third.outputs.outputs == 7
    assert third.scores == found.scores
    assert not any(row.name.startswith("bf16") for row in third.agreements)
    assert {path.name for path in work.iterdir()} - {path.name for path in before} - {
        path.name for path in (place / "out" / "work" / work.name).iterdir()
    } == {path.name for path in work.glob("outputs-*")} - {outputs.name}
    # what another setting left is not used
    other = Kept(tmp_path / "out" / "work", {**found.settings, "dtype": "bfloat16"})
    assert other.folder is not None
    assert other.folder != work
    assert other.warmed_up() is None


def test_too_little_to_compare_is_refused(place: Path, tmp_path: Path) -> None:
    few = write(tmp_path / "few.jsonl", [text(random.Random(0), 1)])
    with pytest.raises(InputError, match="too few to compare ranks"):
        diagnose(str(place / "model"), few, place / "pool.jsonl", device="cpu")


def test_limits() -> None:
    assert [at_least(value, (0.9, 0.5)) for value in (0.9, 0.89, 0.5, 0.49, None)] == [
        "holds",
        "doubtful",
        "doubtful",
        "fails",
        "fails",
    ]
    assert [at_most(value, (0.1, 1)) for value in (0.1, 0.2, 1.1)] == ["holds", "doubtful", "fails"]
