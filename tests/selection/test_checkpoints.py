"""Checkpoints of the warm-up: they continue it to the bit; what looks back on them agrees with a slow computation."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")
from scipy.stats import spearmanr  # noqa: E402

from motherlode import select  # noqa: E402
from motherlode.errors import InputError  # noqa: E402
from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.models.load import load_model  # noqa: E402
from motherlode.models.lora import AdaptedModel  # noqa: E402
from motherlode.models.samples import to_sample  # noqa: E402
from motherlode.models.tokens import Tokeniser, Tokens  # noqa: E402
from motherlode.selection.checkpoints import Checkpoint  # noqa: E402
from motherlode.selection.choose import round_robin  # noqa: E402
from motherlode.selection.engines import Reference  # noqa: E402
from motherlode.selection.kernels import make_objective  # noqa: E402
from motherlode.selection.projection import project  # noqa: E402
from motherlode.selection.warmup import WarmupOptions, warm_up  # noqa: E402
from motherlode.shards.manifest import Manifest  # noqa: E402
from tests.selection import setting  # noqa: E402

EPOCHS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return setting.files(tmp_path_factory.mktemp("checkpoints"))


def selected(place: Path, work: Path, **options: Any) -> Any:
    fixed = {"model": str(place / "model"), "device": "cpu", "preselect": "none", "lora_rank": 4, "warmup_batch": 4}
    fixed |= {"warmup_epochs": EPOCHS, "learning_rate": 5e-3, "work": work, "projection_dimension": 400}
    return select(place / "domain.jsonl", place / "pool.jsonl", 5, **{**fixed, **options})


@pytest.fixture(scope="module")
def run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder of work, and of each checkpoint: share, step, moments, gradients of domain and pool by autograd."""
    work = tmp_path_factory.mktemp("work")
    selected(place, work, kernel="loss-adam")
    folder = next(work.glob("adapter-*"))
    entries = Manifest.read(folder).entries
    assert list(entries) == ["epoch-000001", "epoch-000002", "epoch-000003", "warm-up"]
    model = AdaptedModel.load(load_model(str(place / "model"), device="cpu"), folder)
    tokeniser = Tokeniser(model.loaded.tokenizer, max_length=128)
    texts = {name: (place / f"{name}.jsonl").read_text().splitlines() for name in ("domain", "pool")}
    tokens = {name: tokeniser.many([to_sample(json.loads(line)) for line in lines]) for name, lines in texts.items()}
    rates = [entry.stats["rate"] for entry in entries.values() if entry.task != "warm-up"]
    found, trained = [], [parameter.detach().clone() for parameter in model.parameters]
    for number, rate in enumerate(rates, 1):
        entry = entries[f"epoch-{number:06d}"]
        checkpoint = Checkpoint.read(folder / entry.files[0].name, entry.stats["step"], rate)
        if number == len(rates):  # the last one is the adapter itself
            assert all(torch.equal(a, b) for a, b in zip(trained, checkpoint.factors, strict=True))
        checkpoint.place(model)
        moments = [
            torch.cat([t.flatten() for t in part]).double().numpy() for part in (checkpoint.first, checkpoint.second)
        ]
        gradients = [by_autograd(model, tokens[name]) for name in ("domain", "pool")]
        found.append((rate / sum(rates), checkpoint.step, *moments, *gradients))
    assert [step for _, step, *_ in found] == [2, 4, 6]
    return work, found


def by_autograd(model: AdaptedModel, tokens: list[Tokens]) -> np.ndarray:
    reference = Reference(model, make_objective(model, "loss"), None)  # type: ignore[arg-type]
    rows = [torch.cat([part.flatten() for part in reference.gradient(item)]) for item in tokens]
    return torch.stack(rows).double().numpy()


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_exact_engines_compute_the_preconditioned_kernel(place: Path, run: tuple[Path, list[Any]]) -> None:
    work, checkpoints = run
    wanted = np.zeros(17)
    for share, step, _, second, domain, pool in checkpoints:
        scale = 1 / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        wanted += share * (pool * scale) @ domain.mean(0)
    for engine, close in (("contraction", 1e-4), ("reference", 1e-4), ("difference", 2e-2)):
        found = selected(place, work, kernel="loss-adam", engine=engine).scores
        assert relative(found, wanted) < close
        assert spearmanr(found, wanted).statistic > 0.99


def test_the_sketch_of_the_preconditioned_kernel_is_that_of_its_root(place: Path, run: tuple[Path, list[Any]]) -> None:
    work, checkpoints = run
    parts: list[list[np.ndarray]] = [[], []]
    for share, step, _, second, domain, pool in checkpoints:
        scale = np.sqrt(share / (np.sqrt(second / (1 - 0.999**step)) + 1e-8))
        parts[0].append(domain * scale)
        parts[1].append(pool * scale)
    whole = [np.concatenate(part, axis=1) for part in parts]
    for kind in ("sparse", "rademacher"):
        left, right = (project(rows, 400, kind) for rows in whole)  # type: ignore[arg-type]
        found = selected(place, work, kernel="loss-adam", engine="sketch", projection=kind).scores
        assert relative(found, (right @ left.T).mean(1)) < 1e-3
        cosines = selected(place, work, kernel="loss-adam", normalize="cosine", projection=kind).scores
        assert relative(cosines, (unit(right) @ unit(left).T).mean(1)) < 1e-3


def test_less_is_its_published_definition(place: Path, run: tuple[Path, list[Any]]) -> None:
    work, checkpoints = run
    total = np.zeros((17, 6)), np.zeros((17, 3)), np.zeros((17, 1))
    groups = [[d] for d in range(6)], [[d for d in range(6) if d % 3 == task] for task in range(3)], [list(range(6))]
    for share, step, first, second, domain, pool in checkpoints:
        moment = (0.9 * first + 0.1 * pool) / (1 - 0.9 ** (step + 1))
        square = (0.999 * second + 0.001 * pool**2) / (1 - 0.999 ** (step + 1))
        candidates = unit(project(moment / (np.sqrt(square) + 1e-8), 400, "rademacher"))
        plain = project(domain, 400, "rademacher")
        for number, tasks in enumerate(groups):
            total[number][:] += share * candidates @ unit(np.stack([plain[task].mean(0) for task in tasks])).T
    settings: tuple[dict[str, Any], ...] = ({"similarity": "max"}, {"subtask_field": "task"}, {})
    for wanted, options in zip(total, settings, strict=True):
        selection = selected(place, work, method="less", **options)
        np.testing.assert_allclose(selection.scores, wanted.max(1), atol=1e-4)
        assert selection.rows == tuple(np.argsort(-selection.scores, kind="stable")[:5])
    turns = selected(place, work, method="less", selector="round-robin", near_duplicates=None)
    assert turns.rows == tuple(islice(round_robin(total[0].astype(np.float32)), 5))
    # votes would leave out some, and are not asked by themselves
    assert len(selected(place, work, method="less", preselect="auto", preselect_factor=1).indices) == 17
    assert len(selected(place, work, method="less", preselect="votes", preselect_factor=1).indices) == 5
    # nothing was warmed up, nor projected, twice
    assert len(list(work.glob("adapter-*"))) == 1


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_warm_up_goes_on_from_any_epoch_to_the_bit(epochs: int) -> None:
    domain, options = setting.samples(7, 1), WarmupOptions(warmup_epochs=3, warmup_batch=3, learning_rate=5e-3)
    whole, kept = setting.adapted(), []
    losses = warm_up(whole, domain, Batcher(60), options, 4, keep=lambda state, part: kept.append((state, part)))
    assert [state.step for state, _ in kept] == [3, 6, 9]
    again = setting.adapted()
    assert warm_up(again, domain, Batcher(60), options, 4, done=kept[:epochs]) == losses
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters, again.parameters, strict=True))


def test_what_cannot_be_combined_is_one_line(place: Path, tmp_path: Path) -> None:
    for options, line in (
        ({"kernel": "loss-adam", "adapter": "somewhere"}, "leave out --adapter"),
        ({"method": "less", "warmup_epochs": 0}, "--warmup-epochs 1 or more"),
        ({"normalize": "cosine", "engine": "difference"}, "cannot know the length"),
        ({"normalize": "cosine", "engine": "contraction", "kernel": "loss-adam"}, "--engine sketch, or --method less"),
        ({"selector": "round-robin", "engine": "contraction"}, "--engine sketch for round-robin"),
        ({"projection": "gauss"}, "projection"),
        ({"method": "less", "kernel": "loss"}, "kernel is read with --method ntk only"),
        ({"method": "votes", "preselect": "votes"}, "preselect is read with --method ntk or less only"),
        ({"similarity": "max"}, "similarity is read with --method embedding, rds or less only"),
        ({"probes": 3}, "probes is read with --kernel ntk-signs only"),
        ({"diversity": 0.3}, "diversity is read with --selector diverse only"),
        ({"method": "random", "tsds_alpha": 0.3}, "tsds-alpha is read with --method tsds only"),
        ({"quota": 0.5}, "no row of the pool has a field 'source'"),
        ({"selector": "quota"}, "no row of the pool has a field 'source'"),
    ):
        with pytest.raises(InputError, match=line):
            selected(place, tmp_path, **options)
