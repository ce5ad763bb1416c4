"""`motherlode adapt` as it is typed: plans, tables, reports, and one line for each mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import transformers
from safetensors.torch import load_file

from motherlode.adaptation.cpt import Pretrained, continue_pretraining
from motherlode.adaptation.options import CptOptions, SftOptions
from motherlode.adaptation.sft import FineTuned, fine_tune
from motherlode.cli import main
from motherlode.cli.main import app
from motherlode.config import Config
from motherlode.errors import InputError
from tests.adaptation import setting
from tests.models import tiny

SMALL = ("--sequence-length", "48", "--batch", "4", "--learning-rate", "1e-2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, samples (in `samples`) and documents; its name is hostile."""
    folder = setting.documents(tmp_path_factory.mktemp("<b>place"))
    (folder / "samples").mkdir()
    setting.samples(folder / "samples")
    tiny.save(folder / "other", random_seed=3)
    (folder / "empty.jsonl").write_text("")
    (folder / "blank.jsonl").write_text('{"text": "  "}\n')
    (folder / "one.jsonl").write_text('{"text": "anchor mast"}\n')
    (folder / "untitled.jsonl").write_text('{"body": "anchor mast"}\n')
    return folder


def _run(place: Path, *arguments: str) -> int:
    """Run a command with paths relative to the place written as `@name`."""
    with pytest.raises(SystemExit) as left:
        main([str(place / part[1:]) if part.startswith("@") else part for part in arguments])
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def tuned(place: Path) -> Path:
    files = ("--train", "@samples/domain.jsonl", "--train", "@samples/pool.jsonl", "--dev", "@samples/domain.jsonl")
    how = ("--epochs", "2", "--batch", "4", "--learning-rate", "1e-2", "--merge", "--gradient-checkpointing")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", "@tuned", *how) == 0
    return place / "tuned"


@pytest.mark.parametrize(("verb", "fields"), [("sft", SftOptions), ("cpt", CptOptions)])
def test_options_are_the_fields_with_their_defaults(verb: str, fields: type[Config]) -> None:
    group = typer.main.get_command(app).commands["adapt"]  # type: ignore[attr-defined]
    options = {option.name: option for option in group.commands[verb].params}
    assert set(fields.model_fields) <= set(options)
    for name, field in fields.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        assert options[name].default == default or not (options[name].default or default), name


def test_fine_tuning_from_plan_to_report(place: Path, tuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = FineTuned.read(tuned)
    assert again.losses[-1] < again.losses[0]
    assert again.merged is not None
    transformers.AutoModelForCausalLM.from_pretrained(again.merged)
    record = json.loads((tuned / "record.json").read_text())
    assert record["versions"].keys() >= {"motherlode", "torch", "trl", "python"}
    assert [described["rows"] for described in record["train"]] == [10, 14]
    assert record["options"]["random_seed"] == 0
    assert record["plan"]["steps"] == 12 == again.steps
    page = (tuned / "report.html").read_text()
    assert page.count('class="chart"') == 2
    assert not re.search(r"<script|<b>place", page)
    (tuned / "report.html").unlink()
    assert _run(place, "report", "@tuned") == 0
    assert (tuned / "report.html").read_text() == page
    assert capsys.readouterr().out.strip().endswith("report.html")


@pytest.mark.parametrize("verb", ["sft", "cpt"])
def test_a_finished_run_answers_without_loading_the_model(
    verb: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str) -> FineTuned | Pretrained:
        if verb == "sft":
            return fine_tune(place / "samples" / "domain.jsonl", tmp_path / name, model=model, max_steps=1)
        settings = {"ratio": 1.0, "tokens": 96, "sequence_length": 48, "batch": 2, "holdout": 0.2}
        return continue_pretraining(place / "domain.jsonl", tmp_path / name, model=model, **settings)

    model = str(place / "model")
    done = run("out")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model is loaded")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", refuse)
    assert run("out") == done
    with pytest.raises(InputError, match="the model is loaded"):
        run("other")
    assert not (tmp_path / "other").exists()


def test_recomputed_activations_and_an_adapter_that_goes_on(place: Path, tuned: Path) -> None:
    files = ("--train", "@samples/domain.jsonl", "--train", "@samples/pool.jsonl", "--dev", "@samples/domain.jsonl")
    how = ("--epochs", "2", "--batch", "4", "--learning-rate", "1e-2")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", "@kept", *how) == 0
    recomputed, kept = FineTuned.read(tuned), FineTuned.read(place / "kept")
    assert kept.losses == pytest.approx(recomputed.losses, rel=1e-4)
    more = ("--adapter", "@tuned/adapter", "--max-steps", "1", "--batch", "24")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", "@more", *more) == 0
    assert FineTuned.read(place / "more").dev_losses[0][1] == pytest.approx(recomputed.dev_losses[-1][1], rel=1e-4)


def test_early_stopping_takes_the_best_weights(place: Path) -> None:
    files = ("--train", "@samples/pool.jsonl", "--dev", "@samples/domain.jsonl")
    how = ("--batch", "4", "--learning-rate", "0.3", "--eval-every", "1", "--patience", "2", "--max-steps", "60")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", "@stopped", *how, "--merge") == 0
    stopped = FineTuned.read(place / "stopped")
    losses = [loss for _, loss in stopped.dev_losses]
    assert stopped.best_step == min(stopped.dev_losses, key=lambda point: point[1])[0] == stopped.steps - 2
    assert min(losses[-2:]) >= min(losses)
    assert stopped.steps < 60
    files = ("--train", "@samples/pool.jsonl", "--dev", "@samples/domain.jsonl", "--adapter", "@stopped/adapter")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", "@taken", "--max-steps", "1") == 0
    assert FineTuned.read(place / "taken").dev_losses[0][1] == pytest.approx(min(losses), rel=1e-4)


def test_pretraining_with_an_adapter_in_bf16(place: Path) -> None:
    files = ("--domain", "@domain.jsonl", "--general", "@general.jsonl", "--domain-dev", "@domain-dev.jsonl")
    how = (*SMALL, "--tokens", "2000", "--lora", "--dtype", "bf16", "--ratio", "0.4")
    assert _run(place, "adapt", "cpt", "--model", "@model", *files, "--out", "@lora", *how) == 0
    trained = Pretrained.read(place / "lora")
    assert (trained.tokens, trained.domain_tokens, trained.general_tokens) == (2000, 800, 1200)
    assert trained.domain_loss is not None
    assert trained.domain_loss_before is not None
    assert trained.domain_loss < trained.domain_loss_before
    assert trained.general_loss is trained.forgetting is None
    weights = load_file(trained.model / "model.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} == {"torch.bfloat16"}
    assert _run(place, "adapt", "cpt", "--model", "@model", *files, "--out", "@lora", *how, "--batch", "8") == 2
    more = ("--batch", "8", "--overwrite")
    assert _run(place, "adapt", "cpt", "--model", "@model", *files, "--out", "@lora", *how, *more) == 0
    assert Pretrained.read(place / "lora").steps < trained.steps


def test_a_sweep_shows_what_is_gained_and_what_is_forgotten(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "options.yaml").write_text(
        "adapt:\n  cpt: {domain: law, sequence_length: 48, batch: 4, learning_rate: 0.01}\n"
    )
    files = ("--domain", "@domain.jsonl", "--general", "@general.jsonl", "--config", "@options.yaml")
    sweep = ("--ratio-sweep", "0.1,0.9", "--holdout", "0.1", "--tokens", "3000")
    command = ("adapt", "cpt", "--model", "@model", *files, *sweep)
    assert _run(place, *command, "--plan-only") == 0
    assert capsys.readouterr().out.count("Plan") == 2
    assert not (place / "swept").exists()
    assert _run(place, *command, "--out", "@swept") == 0
    shown = capsys.readouterr().out
    assert "forgetting" in shown
    few, many = (Pretrained.read(place / "swept" / f"ratio-{ratio}") for ratio in ("0.1", "0.9"))
    assert (few.domain_tokens, many.domain_tokens) == (300, 2700)
    assert few.domain_loss_before == many.domain_loss_before
    assert few.domain_loss is not None
    assert many.domain_loss is not None
    assert many.domain_loss < few.domain_loss
    assert few.forgetting is not None
    assert many.forgetting is not None
    assert many.forgetting > few.forgetting
    page = (place / "swept" / "report.html").read_text()
    assert page.count('class="chart"') == 2
    done = (place / "swept" / "ratio-0.1" / "result.json").stat().st_mtime_ns
    assert _run(place, *command, "--out", "@swept") == 0  # done: nothing is trained again
    assert (place / "swept" / "ratio-0.1" / "result.json").stat().st_mtime_ns == done


_SFT = ("adapt", "sft", "--model", "@model", "--out", "@none", "--train", "@samples/domain.jsonl")
_CPT = ("adapt", "cpt", "--model", "@model", "--out", "@none", "--general", "@general.jsonl", *SMALL)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ((*_SFT, "--train", "@empty.jsonl"), 2, "empty.jsonl: is empty"),
        ((*_SFT, "--dev", "@empty.jsonl"), 2, "empty.jsonl: is empty"),
        ((*_SFT, "--dev", "@missing.jsonl"), 2, "missing.jsonl: no such file"),
        ((*_SFT, "--schedule", "cosin"), 2, "schedule = 'cosin'"),
        ((*_SFT, "--template", "chat"), 2, "the tokenizer has no chat template"),
        ((*_SFT, "--out", "@nan", "--learning-rate", "1e30"), 1, "is not finite; use a smaller --learning-rate"),
        ((*_SFT, "--out", "@samples"), 2, "is not empty and was not made by motherlode"),
        ((*_SFT, "--out", "@tuned"), 2, "holds the output of other settings"),
        ((*_SFT, "--out", "@model/config.json"), 2, "is a file, not a folder"),
        ((*_SFT, "--model", "@other", "--adapter", "@tuned/adapter"), 2, "was trained on another model"),
        ((*_SFT, "--adapter", "@samples"), 2, "has no adapter_config.json"),
        ((*_SFT, "--adapter", "@tuned/adapter", "--lora-rank", "4"), 2, "lora-rank has no effect on an adapter"),
        (("adapt", "sft", "--train", "@samples/domain.jsonl", "--out", "@none"), 2, "--model: names no model"),
        (("adapt", "sft", "--train", "@samples/domain.jsonl", "--model", "@model"), 2, "--out: names no folder"),
        ((*_CPT, "--domain", "@one.jsonl"), 2, "one.jsonl: holds 12 tokens, less than its share of one batch (48)"),
        ((*_CPT, "--domain", "@blank.jsonl"), 2, "blank.jsonl: holds no text"),
        ((*_CPT, "--domain", "@empty.jsonl"), 2, "empty.jsonl: is empty; name a corpus"),
        ((*_CPT, "--domain", "@untitled.jsonl"), 2, "untitled.jsonl:1: has no field 'text'"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio", "1.5"), 2, "ratio = 1.5"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio", "nan"), 2, "ratio = nan"),
        ((*_CPT, "--domain", "@domain.jsonl", "--domain-dev", "@blank.jsonl"), 2, "holds no text to measure a loss"),
        ((*_CPT, "--domain", "@domain.jsonl", "--adapter", "@tuned/adapter"), 2, "with lora only"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio-sweep", "0.1,x"), 2, "'x' is no number"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio-sweep", "0.1,0.1"), 2, "stands there twice"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio-sweep", "0.1,2"), 2, "is not from 0 to 1"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio-sweep", "0.1,0.2"), 2, "a sweep needs dev documents"),
        ((*_CPT, "--domain", "@domain.jsonl", "--ratio-sweep", "0.1", "--ratio", "0.2"), 2, "--ratio: cannot be given"),
        ((*_CPT, "--domain", "@tuned"), 2, "holds no documents but the output of 'adapt-sft'"),
        ((*_CPT, "--domain", "@blank.jsonl", "--out", "@tuned", "--overwrite"), 2, "holds no text"),
        ((*_CPT, "--domain", "@domain.jsonl", "--out", "@samples", "--overwrite"), 2, "was not made by motherlode"),
        ((*_CPT, "--domain", "@domain.jsonl", "--out", "@tuned"), 2, "holds the output of a run of another kind"),
        (("adapt", "cpt", "--model", "@model", "--domain", "@domain.jsonl", "--out", "@none"), 2, "--general: general"),
    ],
)
def test_a_mistake_is_one_line(
    place: Path, tuned: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], code: int, said: str
) -> None:
    assert _run(place, *command) == code
    errors = capsys.readouterr().err
    line = errors.splitlines()[-1]
    assert line.startswith("error: ")
    assert said in line
    assert len(errors.splitlines()) == 1 or code == 1
    assert not (place / "none").exists()
    assert FineTuned.read(tuned).steps == 12


def test_a_damaged_checkpoint_and_a_folder_without_result_are_told(
    place: Path, tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "checkpoint").mkdir(parents=True)
    (tmp_path / "out" / "manifest.jsonl").write_bytes((tuned / "manifest.jsonl").read_bytes().split(b"\n")[0] + b"\n")
    lines = (tmp_path / "out" / "manifest.jsonl").read_text().replace('"complete":true', '"complete":false')
    (tmp_path / "out" / "manifest.jsonl").write_text(lines)
    (tmp_path / "out" / "checkpoint" / "state.json").write_text("{")
    files = ("--train", "@samples/domain.jsonl", "--train", "@samples/pool.jsonl", "--dev", "@samples/domain.jsonl")
    how = ("--epochs", "2", "--batch", "4", "--learning-rate", "1e-2", "--merge", "--gradient-checkpointing")
    assert _run(place, "adapt", "sft", "--model", "@model", *files, "--out", str(tmp_path / "out"), *how) == 2
    assert "checkpoint: is damaged; remove it" in capsys.readouterr().err
    assert _run(place, "report", str(tmp_path / "out")) == 2
    assert "the run is not done" in capsys.readouterr().err
