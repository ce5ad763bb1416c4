"""On a trained model, half precision ranks as single precision does; skipped where there is no such model."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")
import numpy as np  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from motherlode.models.batches import Batcher  # noqa: E402
from motherlode.models.load import load_model  # noqa: E402
from motherlode.models.lora import AdaptedModel  # noqa: E402
from motherlode.models.samples import Sample  # noqa: E402
from motherlode.models.tokens import Tokeniser, Tokens  # noqa: E402
from motherlode.selection.kernels import Kernel  # noqa: E402
from motherlode.selection.options import SelectOptions  # noqa: E402
from motherlode.selection.scoring import choose_engine, make_scorer  # noqa: E402
from motherlode.selection.warmup import WarmupOptions, warm_up  # noqa: E402

MODEL = Path(__file__).resolve().parents[3] / "shared" / "models" / "base-8m"  # beside the repository

SUBJECTS = "The committee,A small company,My neighbour,The old river,Every student,The new engine".split(",")
VERBS = "reported,forgot,built,measured,sold,described".split(",")
OBJECTS = "a better result than last year,two bridges,the price of grain,a long letter,its own map,very little".split(
    ","
)


def sentences(count: int, random_seed: int) -> list[Sample]:
    choice = random.Random(random_seed)

    def sentence() -> str:
        return f"{choice.choice(SUBJECTS)} {choice.choice(VERBS)} {choice.choice(OBJECTS)}."

    return [Sample(sentence() + "\nAnswer: ", sentence()) for _ in range(count)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, AdaptedModel], list[Tokens], list[Tokens]]:
    """The model in both precisions with the same adapter, and samples of a domain and a pool."""
    if not MODEL.is_dir():
        pytest.skip("there is no shared/models/base-8m beside the repository")
    loaded = load_model(str(MODEL), dtype="fp32", device="cpu")
    tokeniser = Tokeniser(loaded.tokenizer, max_length=96)
    domain, pool = tokeniser.many(sentences(3, 1)), tokeniser.many(sentences(16, 2))
    single = AdaptedModel.attach(loaded)
    options = WarmupOptions(warmup_epochs=3, warmup_batch=3, learning_rate=1e-3)
    warm_up(single, domain, Batcher(2048), options, random_seed=0)
    folder = tmp_path_factory.mktemp("adapter")
    single.save(folder)
    half = AdaptedModel.load(load_model(str(MODEL), dtype="bf16", device="cpu"), folder)
    return {"fp32": single, "bf16": half}, domain, pool


@pytest.mark.long  # where the CPU has no instructions for bf16
@pytest.mark.parametrize("kernel", ["ntk", "loss"])
def test_the_default_engine_ranks_as_the_reference_does(
    kernel: Kernel, models: tuple[dict[str, AdaptedModel], list[Tokens], list[Tokens]]
) -> None:
    both, domain, pool = models
    batcher, options = Batcher(2048), SelectOptions.parse({"n": 1, "model": "-", "kernel": kernel}, "test")
    scores = {"exact": make_scorer(both["fp32"], options, "reference", domain, batcher).score(pool)}
    engine = choose_engine(options)
    assert engine == "contraction"
    for name, model in both.items():
        scores[name] = make_scorer(model, options, engine, domain, batcher).score(pool)
    np.testing.assert_allclose(scores["fp32"], scores["exact"], atol=1e-5 * np.abs(scores["exact"]).max())
    assert spearmanr(scores["bf16"], scores["exact"]).statistic >= 0.99
