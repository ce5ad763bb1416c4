"""A tiny model, trained on the spot, and fine-tuned with and without what `select` picks: does it help?

Four models from one base: none, the few samples of the topic alone, with as many random samples of the pool as are
selected, and with the selected ones. All fine-tunings take the same number of steps. What is measured is the loss on
completions of modules that were nowhere in training, and how often a model finds the right continuation among four.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motherlode.demo.split import CHOICES, TOPIC, Document, Split, continuations, split
from motherlode.shards import store
from motherlode.statistics import Difference, bootstrap_interval, paired_bootstrap

BASE, DOMAIN, RANDOM, SELECTED = "base model", "domain samples", "+ random", "+ selected"
_NEEDS = ("accelerate", "datasets", "peft", "tokenizers", "torch", "transformers", "trl")
EXTRA = "motherlode[train]"
CAUTION = (
    "One run of each: another random seed moves these numbers, and a model this small is no evidence about large ones."
)
_LENGTH = 128  # tokens of a sample, at most
_RATE = 8e-3


@dataclass(frozen=True)
class Sizes:
    """How much is trained.

    Attributes:
        vocabulary: Tokens of the tokenizer.
        hidden: Width of the model.
        layers: Its layers.
        tokens: Tokens that the base model is trained on.
        domain: Samples of the topic.
        selected: Samples that are selected, and drawn at random.
        test: Test samples, at most.
        steps: Steps of each fine-tuning.
    """

    vocabulary: int = 1024
    hidden: int = 96
    layers: int = 3
    tokens: int = 260_000
    domain: int = 50
    selected: int = 200
    test: int = 100
    steps: int = 45


@dataclass(frozen=True)
class Measured:
    """One model on the test samples.

    Attributes:
        name: The model.
        samples: Samples that it was fine-tuned on.
        of_topic: How many of them are of the topic, by their modules.
        losses: `[n]` mean loss of each test completion, nats per token.
        right: `[n]` whether the right continuation was the likeliest.
    """

    name: str
    samples: int
    of_topic: int
    losses: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def loss(self) -> tuple[float, float, float]:
        """Mean loss and its interval."""
        return (float(self.losses.mean()), *bootstrap_interval(self.losses))

    @property
    def accuracy(self) -> tuple[float, float, float]:
        """Share of right continuations and its interval."""
        return (float(self.right.mean()), *bootstrap_interval(self.right))

    def against(self, other: Measured) -> Difference:
        """Return the difference of losses to another model on the same samples; less is better."""
        return paired_bootstrap(self.losses, other.losses)


@dataclass(frozen=True)
class Trained:
    """What the demo's training found.

    Attributes:
        parameters: Of the model.
        tokens: That the base model was trained on.
        uniform: Loss of a guess that knows nothing: the logarithm of the vocabulary.
        validation: `(step, loss)` of the base model on held-out text.
        pool: Samples that could be selected.
        pool_of_topic: How many of them are of the topic.
        models: The models, the base model first.
    """

    parameters: int
    tokens: int
    uniform: float
    validation: tuple[tuple[int, float], ...]
    pool: int
    pool_of_topic: int
    models: tuple[Measured, ...]

    chance = 1 / CHOICES

    def model(self, name: str) -> Measured:
        """Return a model by its name."""
        return next(model for model in self.models if model.name == name)

    @property
    def verdict(self) -> str:
        """What the numbers say, in a sentence."""
        gap = self.model(SELECTED).against(self.model(RANDOM))
        size = f"{abs(gap.mean):.3f} nats per token (95 % interval of the difference {gap.low:+.3f} to {gap.high:+.3f})"
        if not gap.certain:
            return f"Selected and random samples cannot be told apart by this test: the losses differ by {size}"
        word = "lower" if gap.mean < 0 else "higher"
        return f"With selected samples the loss is {word} than with as many random ones, by {size}"


def missing() -> list[str]:
    """Return the packages that this part needs and that are not installed."""
    return [name for name in _NEEDS if find_spec(name) is None]


def train_and_compare(
    documents: Sequence[Document], out: Path, sizes: Sizes | None = None, random_seed: int = 0, quiet: bool = False
) -> Trained:
    """Train the base model, select, fine-tune three times, and measure.

    Args:
        documents: The demo's documents.
        out: Folder of all that is trained; an interrupted training goes on.
        sizes: How much is trained.
        random_seed: Seed of all random choices.
        quiet: Whether no progress is shown.

    Returns:
        What was found.

    Raises:
        MissingExtraError: The extra `train` is not installed.
    """
    from motherlode.adaptation.cpt import continue_pretraining
    from motherlode.adaptation.sft import fine_tune
    from motherlode.models.fresh import Shape, write_fresh
    from motherlode.selection.select import select

    sizes = sizes or Sizes()
    parts = split(documents, sizes.domain, sizes.test, held_out=60, random_seed=random_seed)
    store.make_folder(out)
    files = _write(parts, out)
    shape = Shape(
        vocabulary=sizes.vocabulary,
        hidden=sizes.hidden,
        layers=sizes.layers,
        heads=sizes.hidden // 32,
        key_value_heads=sizes.hidden // 32,
        feed_forward=sizes.hidden * 3,
        window=256,
    )
    parameters = write_fresh(out / "start", parts.base, shape, random_seed)
    length, batch = 128, 8
    base = continue_pretraining(
        files["base"],
        out / "base",
        model=str(out / "start"),
        ratio=1.0,
        tokens=sizes.tokens,
        sequence_length=length,
        batch=batch,
        learning_rate=3e-3,
        warmup=0.05,
        weight_decay=0.1,
        domain_dev=files["held_out"],
        eval_every=max(1, sizes.tokens // (length * batch) // 4),
        device="cpu",
        random_seed=random_seed,
        overwrite=True,
        quiet=quiet,
    )
    common: dict[str, Any] = {
        "device": "cpu",
        "max_length": _LENGTH,
        "random_seed": random_seed,
        "learning_rate": _RATE,
    }
    taken: dict[str, tuple[Path | None, int]] = {DOMAIN: (None, 0)}
    for name, method in ((RANDOM, "random"), (SELECTED, "ntk")):
        path = out / f"{method}.jsonl"
        more: dict[str, Any] = {}
        if method == "ntk":
            more = {"preselect_encoder": "lexical", "preselect_factor": 2, "warmup_epochs": 2}
        model = str(base.model) if method == "ntk" else None
        picked = select(
            files["domain"], files["pool"], sizes.selected, model=model, method=method, out=path, **common, **more
        )
        taken[name] = (path, sum(parts.pool[row]["topic"] == TOPIC for row in picked.rows))
    choices = continuations(parts.test, random_seed)
    models = [_measure(BASE, 0, 0, base.model, None, parts, choices)]
    for name, (added, of_topic) in taken.items():
        train = [files["domain"]] if added is None else [files["domain"], added]
        folder = out / name.strip("+ ").replace(" ", "-")
        tuned = fine_tune(
            train, folder, model=str(base.model), max_steps=sizes.steps, overwrite=True, quiet=quiet, **common
        )
        samples = len(parts.domain) + (0 if added is None else sizes.selected)
        models.append(_measure(name, samples, len(parts.domain) + of_topic, base.model, tuned.adapter, parts, choices))
    return Trained(
        parameters=parameters,
        tokens=base.tokens,
        uniform=float(np.log(sizes.vocabulary)),
        validation=base.domain_losses,
        pool=len(parts.pool),
        pool_of_topic=sum(sample["topic"] == TOPIC for sample in parts.pool),
        models=tuple(models),
    )


def _write(parts: Split, out: Path) -> dict[str, Path]:
    found = {}
    for name, rows in (
        ("base", parts.base),
        ("held_out", parts.held_out),
        ("domain", parts.domain),
        ("pool", parts.pool),
    ):
        records = [{"text": row} if isinstance(row, str) else row for row in rows]
        found[name] = out / f"{name}.jsonl"
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        store.write_bytes(found[name], lines.encode("utf-8", "replace"))
    return found


def _measure(
    name: str,
    samples: int,
    of_topic: int,
    model: Path,
    adapter: Path | None,
    parts: Split,
    choices: Sequence[Sequence[str]],
) -> Measured:
    from motherlode.models.batches import Batcher
    from motherlode.models.load import load_model
    from motherlode.models.lora import AdaptedModel
    from motherlode.models.samples import Sample
    from motherlode.models.tokens import Tokeniser
    from motherlode.selection.warmup import completion_losses

    loaded = load_model(str(model), device="cpu")
    adapted = AdaptedModel.attach(loaded) if adapter is None else AdaptedModel.load(loaded, adapter)
    tokeniser = Tokeniser(loaded.tokenizer, max_length=2 * _LENGTH)
    asked = [
        Sample(sample["prompt"], completion)
        for sample, others in zip(parts.test, choices, strict=True)
        for completion in others
    ]
    losses = completion_losses(adapted, tokeniser.many(asked), Batcher(2048)).reshape(len(parts.test), CHOICES)
    right = (losses.argmin(axis=1) == 0).astype(np.float64)
    return Measured(name, samples, of_topic, losses[:, 0], right)
