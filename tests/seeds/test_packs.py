import re
from importlib import resources

import pytest

from motherlode.seeds.near_duplicates import near_duplicates
from motherlode.seeds.seeds import BUILTIN, Seeds
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, FURTHER_TYPES, LENGTHS, length_of

DOMAINS = ("healthcare", "finance", "legal", "psychology", "software", "science")
LARGE = DOMAINS[:4]
CONTRAST = ("background", "society", "everyday")
PACKS = {name: Seeds.builtin(name) for name in BUILTIN}

every_pack = pytest.mark.parametrize("name", BUILTIN)
every_domain = pytest.mark.parametrize("name", DOMAINS)


def test_every_pack_that_ships_is_named() -> None:
    folder = resources.files("motherlode.seeds") / "packs"
    assert sorted(item.name for item in folder.iterdir()) == sorted(f"{name}.jsonl" for name in BUILTIN)
    assert Seeds.builtin_names() == tuple(BUILTIN)


@every_pack
def test_packs_are_large_enough(name: str) -> None:
    assert len(PACKS[name]) >= (50 if name in LARGE else 30)


@every_pack
def test_every_seed_is_described_in_the_words_of_the_template(name: str) -> None:
    for seed in PACKS[name]:
        assert seed.type in (*DOCUMENT_TYPES, *FURTHER_TYPES), seed.id
        assert seed.demeanour in DEMEANOURS, seed.id
        assert seed.length in LENGTHS and seed.length == length_of(len(seed.text.split())), seed.id
        assert all((seed.topic, seed.premise, seed.author, seed.audience, seed.motive)), seed.id
        assert seed.text == seed.text.strip() and not seed.extra, seed.id


@every_pack
def test_every_seed_carries_its_packs_label_and_known_ones(name: str) -> None:
    pack = PACKS[name]
    known = {"networking", "statistics", "filesystem"} if name.startswith("demo-") else {*DOMAINS, *CONTRAST}
    assert pack.name == name.removeprefix("demo-")
    for seed in pack:
        assert pack.name in seed.labels and known.issuperset(seed.labels), seed.id


@every_domain
def test_domains_cover_the_template(name: str) -> None:
    assert {seed.type for seed in PACKS[name]}.issuperset(DOCUMENT_TYPES)
    assert {seed.demeanour for seed in PACKS[name]} == set(DEMEANOURS)
    topics = {seed.topic.lower() for seed in PACKS[name] if seed.topic}
    assert len(topics) > 0.8 * len(PACKS[name])


@every_domain
def test_domains_have_seeds_on_two_domains(name: str) -> None:
    assert sum(len(seed.labels) == 2 for seed in PACKS[name]) >= 8


@every_domain
def test_domain_seeds_are_of_80_to_250_words(name: str) -> None:
    assert [s.id for s in PACKS[name] if not 80 <= len(s.text.split()) <= 250] == []


def test_ids_are_unique_over_all_packs() -> None:
    ids = [seed.id for pack in PACKS.values() for seed in pack]
    assert len(set(ids)) == len(ids)


def test_no_two_seeds_of_any_packs_are_alike() -> None:
    seeds = [seed for pack in PACKS.values() for seed in pack]
    pairs = near_duplicates([seed.text for seed in seeds], 0.05)
    assert [(seeds[i].id, seeds[j].id, value) for i, j, value in pairs] == []


@every_pack
def test_no_addresses_and_no_telephone_numbers(name: str) -> None:
    private = re.compile(
        r"\S@\S+\.\w|https?:|www\.|\b[\w-]+\.(?:com|org|net|edu|gov|io|co)\b(?!\()"
        r"|(?<![\w.,])\+?\(?\d{3,4}\)?[ -]\d{3}[ -]\d{3,4}\b",
        re.IGNORECASE,
    )
    found = {seed.id: match.group() for seed in PACKS[name] if (match := private.search(seed.text))}
    assert found == {}
