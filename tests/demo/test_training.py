"""The demo's model: what is split from what, that all of it runs, and what is said without PyTorch."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from motherlode.demo.split import CHOICES, TOPIC, Document, continuations, split
from motherlode.demo.training import BASE, DOMAIN, RANDOM, SELECTED, Measured, Sizes, Trained, missing
from tests.invented import document


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    choice = random.Random(0)
    made = [Document(document(["velmar"], choice, 60), f"net.m{n % 12}", TOPIC) for n in range(60)]
    made += [Document(document(["hum"], choice, 60), f"other.m{n % 20}", "other") for n in range(100)]
    return [*made, Document(document(["drone"], choice, 60), "border", None), Document("short", "net.m1", TOPIC)]


def test_what_is_tested_on_is_nowhere_else(documents: list[Document]) -> None:
    parts = split(documents, domain=10, test=15, held_out=5)
    module = {" ".join(d.text.split())[:60]: d.module for d in documents}

    def modules(rows: list[dict[str, str]]) -> set[str]:
        return {module[f"{row['prompt']}{row['completion']}"[:60]] for row in rows}

    tested = modules(parts.test)
    assert tested and not tested & (modules(parts.domain) | modules(parts.pool))
    assert {row["topic"] for row in parts.domain + parts.test} == {TOPIC}
    assert {row["topic"] for row in parts.pool} == {TOPIC, "other"}
    read = {module[" ".join(text.split())[:60]] for text in parts.base + parts.held_out}
    assert not read & modules(parts.pool) and all(name.startswith("other") for name in read)
    assert (len(parts.domain), len(parts.held_out)) == (10, 5) and len(parts.test) <= 15
    assert split(documents, domain=10, test=15, held_out=5) == parts


def test_the_first_choice_is_the_true_one(documents: list[Document]) -> None:
    test = split(documents, domain=10, test=15, held_out=5).test
    for sample, choices in zip(test, continuations(test), strict=True):
        assert choices[0] == sample["completion"] and len(choices) == CHOICES == len(set(choices))


def invented(selected: float) -> Trained:
    noise = np.random.default_rng(0)
    losses = {BASE: 5.0, DOMAIN: 4.8, RANDOM: 4.6, SELECTED: selected}
    rows = [
        Measured(name, 10, 5, mean + noise.normal(0, 0.05, 60), (noise.random(60) < 0.4).astype(float))
        for name, mean in losses.items()
    ]
    return Trained(1000, 5000, 6.2, ((0, 6.2), (9, 5.0)), 95, 35, tuple(rows))


@pytest.mark.parametrize(("loss", "said"), [(4.3, "is lower than"), (4.6, "cannot be told apart"), (4.9, "is higher")])
def test_the_verdict_says_what_the_interval_says(loss: float, said: str) -> None:
    assert said in invented(loss).verdict


@pytest.mark.slow
def test_all_of_it_runs(documents: list[Document], tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the extra 'train' is not installed")
    from motherlode.demo.run import model_table
    from motherlode.demo.training import train_and_compare

    assert not missing()
    sizes = Sizes(vocabulary=300, hidden=32, layers=1, tokens=4000, domain=10, selected=10, test=12, steps=3)
    found = train_and_compare(documents, tmp_path, sizes, quiet=True)
    assert [model.name for model in found.models] == [BASE, DOMAIN, RANDOM, SELECTED]
    assert [model.samples for model in found.models] == [0, 10, 20, 20]
    assert found.validation[-1][1] < found.validation[0][1]
    assert found.model(DOMAIN).losses.mean() < found.model(BASE).losses.mean()
    assert all(len(model.losses) == len(model.right) == 12 for model in found.models)
    assert model_table(found).row_count == 4
    again = train_and_compare(documents, tmp_path, sizes, quiet=True)
    assert all((a.losses == b.losses).all() for a, b in zip(found.models, again.models, strict=True))


def test_without_pytorch_one_line_says_what_is_needed() -> None:
    source = "import sys; sys.modules['torch'] = None\nfrom motherlode.demo.training import missing\nprint(missing())"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert "'torch'" in done.stdout
    light = "import sys, motherlode.demo.run\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
