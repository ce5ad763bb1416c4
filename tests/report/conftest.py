"""Two small runs of `mine`: one of plain invented texts, one whose texts, names and sources are hostile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.mining.mine import mine
from motherlode.seeds.seeds import Seed, Seeds
from motherlode.shards.engine import LocalEngine

VOCABULARIES = {
    "baking": "dough yeast oven flour crust knead proof loaf butter sugar batter whisk glaze crumb rye starter bake",
    "sailing": "mast keel rudder halyard jib tack gybe mooring anchor tide helm boom spinnaker harbour buoy leeward",
    "pottery": "clay kiln wheel glaze slip bisque stoneware porcelain throw coil fire celadon trim wedge engobe shard",
}
FILLER = "the a of and then it was with for on that by as we they one some when after before small long day first"
HOSTILE = [
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "]]> <![CDATA[ <!-- --> <?php ?> &amp; &lt; &#0; &",
    '<a href="javascript:alert(1)">javascript:alert(1)</a>',
    "\u202egnp.exe\u202c \u2066isolate\u2069 \u200bhidden\ufeff \U000e0041tags",
    "nul\0bell\x07escape\x1b[31m c1\x9b del\x7f",
    "</style></svg></desc><style>*{display:none}</style>",
    "{{ 7 * 7 }} {% raw %} ${x}",
    "w" * 5000,
    "e" + "\u0301" * 500,
    "مرحبا بالعالم שלום",
]
HOSTILE_DOMAIN = '<script>alert("1")<svg onload>&amp;'  # what a domain may be called at worst


def sentence(generator: random.Random, vocabulary: str, words: int) -> str:
    pools = vocabulary.split(), FILLER.split()
    return " ".join(generator.choice(pools[generator.random() < 0.5]) for _ in range(words))


def run_small(
    folder: Path, wanted: dict[str, str], twist: Callable[[str, int], str], sources: Callable[[str], str]
) -> Path:
    """Build a corpus of the vocabularies and mine some of them.

    Args:
        folder: An empty folder.
        wanted: Vocabulary by domain.
        twist: What is done to each text, given its number.
        sources: The source of a vocabulary's documents.
    """
    generator = random.Random(0)
    lines, number = [], 0
    for vocabulary, words in VOCABULARIES.items():
        for _ in range(120):
            text = twist(sentence(generator, words, generator.randint(30, 90)), number)
            lines.append({"id": twist(f"d{number}", number), "text": text, "source": sources(vocabulary)})
            number += 1
    lines += [{"id": "short", "text": "too short"}, {"id": "again", "text": lines[0]["text"]}]
    raw = folder / "raw.jsonl"
    raw.write_text("".join(json.dumps(line) + "\n" for line in lines) + "not json\n", "utf-8")
    seeds = {
        domain: Seeds(
            f"pack{place}",
            tuple(
                Seed(
                    f"{vocabulary}-{i}", twist(sentence(generator, VOCABULARIES[vocabulary], 60), i), (f"pack{place}",)
                )
                for i in range(12)
            ),
        )
        for place, (domain, vocabulary) in enumerate(wanted.items())
    }
    with LocalEngine(1, quiet=True) as engine:
        corpus = Corpus.build(raw, folder / "corpus", engine=engine, clean=False, shard_rows=128)
        mine(corpus, seeds, folder / "mined", engine=engine, contrast=("background",), rounds=1, sample=400)
    return folder / "mined"


@pytest.fixture(scope="session")
def mined_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: two domains and one vocabulary that is not wanted."""
    names = {"baking": "baking", "sailing": "sailing"}
    return run_small(tmp_path_factory.mktemp("plain"), names, lambda text, _: text, lambda name: f"{name}.txt")


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with hostile texts, ids, sources, seeds and a hostile domain name."""
    names = {HOSTILE_DOMAIN: "baking", "sailing": "sailing"}
    return run_small(
        tmp_path_factory.mktemp("hostile"),
        names,
        lambda text, number: f"{HOSTILE[number % len(HOSTILE)]} {text}",
        lambda name: f"<b>{name}</b>\u202e{HOSTILE[1]}",
    )
