"""What the demo's model is trained, fine-tuned and tested on; no module stands in two of these.

A sample is a document cut in two: the beginning is the prompt, what follows the completion. The base model reads other
documents than those that can be selected, and none of the topic, as a general model that knows little of a domain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from motherlode.corpus.corpus import Corpus
from motherlode.demo.docstrings import true_topic

TOPIC = "networking"
CHOICES = 4
_PROMPT, _COMPLETION = 120, 160  # characters
_LEAST = 200  # characters of a document that is cut


@dataclass(frozen=True)
class Document:
    """A documentation string, its module, and the topic that the module tells (None at the border of one)."""

    text: str
    module: str
    topic: str | None


@dataclass(frozen=True)
class Split:
    """The demo's documents by what they are for.

    Attributes:
        base: Texts that the base model is trained on; none of the topic.
        held_out: Texts that its validation loss is measured on.
        domain: The few samples of the topic.
        pool: Samples of all topics that can be selected.
        test: Samples of the topic, of modules that are nowhere else.
    """

    base: list[str]
    held_out: list[str]
    domain: list[dict[str, str]]
    pool: list[dict[str, str]]
    test: list[dict[str, str]]


def documents_of(corpus: Corpus) -> list[Document]:
    """Read the demo's corpus."""
    found = []
    for batch in corpus.batches(["text", "metadata"]):
        for row in batch.to_pylist():
            module = json.loads(row["metadata"])["module"]
            found.append(Document(row["text"], module, true_topic(module)))
    return found


def split(documents: Iterable[Document], domain: int, test: int, held_out: int, random_seed: int = 0) -> Split:
    """Divide documents by their modules.

    Args:
        documents: All of them.
        domain: Samples of the topic.
        test: Test samples, at most.
        held_out: Texts for the base model's validation loss, at most.
        random_seed: Seed of what goes where.
    """
    choice = np.random.default_rng(random_seed)
    given = list(documents)
    documents = [given[place] for place in choice.permutation(len(given))]
    wanted = [document for document in documents if document.topic == TOPIC and len(document.text) >= _LEAST]
    others = [document for document in documents if document.topic not in (TOPIC, None)]
    modules = sorted({document.module for document in wanted})
    choice.shuffle(modules)
    testing: set[str] = set()
    count = 0
    for module in modules:
        if count >= test:
            break
        testing.add(module)
        count += sum(document.module == module for document in wanted)
    tests = [document for document in wanted if document.module in testing][:test]
    left = [document for document in wanted if document.module not in testing]
    modules = sorted({document.module for document in others})
    choice.shuffle(modules)
    reading = set(modules[: len(modules) // 2])
    general = [document for document in others if document.module in reading]
    aside = min(held_out, len(general) // 10)
    offered = [d for d in others if d.module not in reading and len(d.text) >= _LEAST] + left[domain:]
    offered = [offered[place] for place in choice.permutation(len(offered))]
    return Split(
        base=[document.text for document in general[aside:]],
        held_out=[document.text for document in general[:aside]],
        domain=[_sample(document) for document in left[:domain]],
        pool=[_sample(document) for document in offered],
        test=[_sample(document) for document in tests],
    )


def _sample(document: Document) -> dict[str, str]:
    text = " ".join(document.text.split())
    cut = text.rfind(" ", 0, _PROMPT) if " " in text[:_PROMPT] else _PROMPT
    completion = text[cut : cut + _COMPLETION]
    return {
        "prompt": text[:cut],
        "completion": completion if completion.strip() else " .",
        "source": document.module.partition(".")[0],
        "topic": document.topic or "",
    }


def continuations(test: Sequence[dict[str, str]], random_seed: int = 0) -> list[list[str]]:
    """Return the choices of each test sample: its own completion, then those of three others.

    Args:
        test: The samples, four or more.
        random_seed: Seed of which others.
    """
    choice = np.random.default_rng(random_seed)
    found = []
    for number, sample in enumerate(test):
        others = [other["completion"] for place, other in enumerate(test) if place != number]
        picked = choice.choice(len(others), CHOICES - 1, replace=False)
        found.append([sample["completion"], *(others[place] for place in picked)])
    return found
