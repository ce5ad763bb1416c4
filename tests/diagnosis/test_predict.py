"""Prediction of the domain's loss: exact to first order, additive, and harmless."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

from motherlode import predict_loss_change  # noqa: E402
from motherlode.cli import main  # noqa: E402
from motherlode.diagnosis.predict import Training, mean_gradient, measure_change, predict_change  # noqa: E402
from motherlode.errors import InputError, MotherlodeError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from tests.models import tiny  # noqa: E402
from tests.models.tiny import SHAPES  # noqa: E402
from tests.selection.setting import adapted, samples  # noqa: E402

BATCHER = Batcher(300)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_of_a_step_is_of_second_order(shape: str) -> None:
    model, domain, train = adapted(shape), samples(6, 1), samples(8, 2)
    squared = sum(float(part.double().square().sum()) for part in mean_gradient(model, domain, BATCHER))
    errors, changes = [], []
    for share in (0.8, 0.4, 0.2):  # of a nat, that such a step on the domain itself would take off
        training = Training(share / squared)
        predicted = predict_change(model, domain, train, BATCHER, training).predicted
        changes.append(measure_change(model, domain, train, BATCHER, training))
        errors.append(abs(predicted - changes[-1]))
    assert errors[-1] < 0.03 * abs(changes[-1])
    for larger, smaller in pairwise(errors):  # a quarter for half the rate, to rounding of losses of 5 nats in float32
        assert smaller < larger / 3 + 3e-6


def test_training_on_the_domain_lowers_its_loss_by_the_squared_gradient() -> None:
    model, domain = adapted(), samples(6, 1)
    squared = sum(float(part.double().square().sum()) for part in mean_gradient(model, domain, BATCHER))
    found = predict_change(model, domain, domain, BATCHER, Training(1e-4))
    assert found.predicted == pytest.approx(-1e-4 * squared, rel=1e-4)
    measured = measure_change(model, domain, domain, BATCHER, Training(1e-4))
    assert found.predicted == pytest.approx(measured, rel=0.02)


def test_parts_of_samples_add_up_over_batches_and_epochs() -> None:
    model, domain, train = adapted(), samples(4, 1), samples(7, 2)
    training = Training(1e-4, epochs=3, batch=3, random_seed=2)
    found = predict_change(model, domain, train, BATCHER, training)
    assert found.steps == 9
    assert sorted(row for step in training.batches(7)[:3] for row in step) == list(range(7))
    towards = mean_gradient(model, domain, BATCHER)
    wanted = 0.0
    for step in training.batches(7):
        batch = mean_gradient(model, [train[row] for row in step], BATCHER)
        wanted -= 1e-4 * sum(float((a.double() * b.double()).sum()) for a, b in zip(towards, batch, strict=True))
    assert found.predicted == pytest.approx(wanted, rel=1e-4)
    assert found.contributions is not None
    assert found.contributions.sum() == pytest.approx(found.predicted)
    assert found.predicted == pytest.approx(measure_change(model, domain, train, BATCHER, training), rel=0.1)


def test_adam_is_predicted_by_running_it_on_frozen_gradients() -> None:
    model, domain, train = adapted(), samples(6, 1), samples(8, 2)
    towards = mean_gradient(model, domain, BATCHER)
    gradient = mean_gradient(model, train, BATCHER)
    # the first step of Adam: lr g / (|g| + eps)
    wanted = -1e-5 * sum(
        float((t.double() * g.double() / (g.double().abs() + 1e-8)).sum())
        for t, g in zip(towards, gradient, strict=True)
    )
    training = Training(1e-5, "adam")
    found = predict_change(model, domain, train, BATCHER, training)
    assert found.predicted == pytest.approx(wanted, rel=1e-3)
    assert found.contributions is None
    assert found.predicted == pytest.approx(measure_change(model, domain, train, BATCHER, training), rel=0.05)
    several = Training(1e-5, "adam", epochs=2, batch=4)
    predicted = predict_change(model, domain, train, BATCHER, several).predicted
    assert predicted == pytest.approx(measure_change(model, domain, train, BATCHER, several), rel=0.05)


def test_the_model_is_left_as_it_was() -> None:
    model, domain, train = adapted(), samples(3, 1), samples(3, 2)
    before = model.state()
    for optimiser in ("sgd", "adam"):
        training = Training(1e-2, optimiser)  # type: ignore[arg-type]
        predict_change(model, domain, train, BATCHER, training)
        measure_change(model, domain, train, BATCHER, training)
    with pytest.raises(MotherlodeError, match="not finite"):
        measure_change(model, domain, train, BATCHER, Training(1e30))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters, before, strict=True))
    assert all(p.grad is None and not p.requires_grad for p in model.parameters)


def test_the_command_and_the_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.save(tmp_path / "model")
    for name, count in (("domain", 4), ("train", 6)):
        rows = [{"prompt": f"{name} {n * 7 % 5} asks ", "completion": f"{n} of {name}"} for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, domain, train = (str(tmp_path / name) for name in ("model", "domain.jsonl", "train.jsonl"))
    found = predict_loss_change(model, domain, train, learning_rate=1e-3, measure=True, device="cpu")
    assert found.measured is not None
    assert found.relative_error is not None
    assert found.relative_error < 0.1
    assert "measured=" in repr(found)
    assert "measured" not in repr(dataclasses.replace(found, measured=None))
    given = ["--model", model, "--domain", domain, "--train", train, "--learning-rate", "1e-3", "--device", "cpu"]
    with pytest.raises(SystemExit) as left:
        main(["predict", *given, "--measure", "--out", str(tmp_path / "out.json")])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"predicted change {found.predicted:+.6f} from 1 step of sgd on 6 samples" in said
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["predicted"] == found.predicted
    assert np.sum(written["contributions"]) == pytest.approx(found.predicted)
    # a folder with a Parquet file, and rows that are no sample
    rows = [{"prompt": "", "completion": None}, *map(json.loads, Path(train).read_text().splitlines())]
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "folder" / "train.parquet")
    with pytest.raises(InputError, match=r"train.parquet: row 0: is no sample"):
        predict_loss_change(model, domain, tmp_path / "folder", device="cpu")
    again = predict_loss_change(model, domain, tmp_path / "folder", bad_rows="skip", device="cpu")
    assert again.predicted == found.predicted
    assert again.rows == tuple(range(1, 7))
    for wrong, line in (
        (["--optimiser", "magic"], "optimiser"),
        (["--out", str(tmp_path / "absent" / "x.json")], "folder does not exist"),
        (["--out", train], "which is read"),
        (["--lora-targets", "nothing"], "no modules"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["predict", *given, *wrong])
        assert left.value.code == 2
        assert line in capsys.readouterr().err
    with pytest.raises(InputError, match="learning-rate"):
        predict_loss_change(model, domain, train, learning_rate=-1)
