"""Near-duplicates: signatures, pairs, similarities and clusters against brute force; then whole builds."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus import words
from motherlode.corpus.corpus import Corpus
from motherlode.corpus.near_duplicates import bands, verify
from motherlode.corpus.near_duplicates.bands import pairs_of
from motherlode.corpus.near_duplicates.components import cluster, join
from motherlode.corpus.near_duplicates.minhash import band_keys, shingle_sets, shingles, signatures
from motherlode.corpus.near_duplicates.options import NearDuplicateOptions, candidate_probability, choose_bands
from motherlode.corpus.near_duplicates.report import read_clusters
from motherlode.corpus.words import fold
from motherlode.errors import InputError
from motherlode.shards.engine import LocalEngine
from tests.corpus.inputs import build, documents, texts, write_lines
from tests.invented import TOPICS, document
from tests.kill import contents

N = 5


def sets(many: list[str], n: int = N) -> list[set[tuple[str, ...]]]:
    """Return the n-grams of texts, in plain Python."""
    found = []
    for text in many:
        own = fold(text)
        found.append({tuple(own[k : k + n]) for k in range(max(1, len(own) - n + 1))} if own else set())
    return found


def similarity(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(left & right) / len(left | right) if left | right else 0.0


def truth(many: list[str], threshold: float = 0.8) -> dict[tuple[int, int], float]:
    """Return all pairs that are alike, by comparing each with each."""
    of = sets(many)
    pairs = itertools.combinations(range(len(many)), 2)
    alike = {pair: similarity(of[pair[0]], of[pair[1]]) for pair in pairs}
    return {pair: value for pair, value in alike.items() if value >= threshold and of[pair[0]]}


def components(pairs: set[tuple[int, int]]) -> list[set[int]]:
    """Return connected components, in plain Python."""
    groups: list[set[int]] = []
    for left, right in sorted(pairs):
        touched = [group for group in groups if left in group or right in group]
        groups = [group for group in groups if group not in touched] + [{left, right}.union(*touched)]
    return groups


def planted(count: int, random_seed: int = 0) -> list[str]:
    """Invent texts of which a third is another one with words replaced, put in, left out or cut off."""
    choice = random.Random(random_seed)
    made = [document([choice.choice(TOPICS)], choice, choice.randint(30, 160)) for _ in range(count)]
    for place in choice.sample(range(1, count), count // 3):
        words = made[choice.randrange(place)].split()
        for _ in range(choice.randrange(4)):
            at = choice.randrange(len(words))
            kind = choice.random()
            words[at : at + 1] = [] if kind < 0.3 else ["other"] if kind < 0.6 else [words[at], "more"]
        made[place] = " ".join(words[: choice.choice([len(words), len(words), int(0.9 * len(words))])])
    return made


# ---- the parts


@settings(max_examples=60)
@given(st.lists(st.text("ab c漢", max_size=40), max_size=8), st.integers(1, 4))
def test_the_sets_are_the_distinct_ngrams_of_each_text(many: list[str], n: int) -> None:
    values, bounds = shingle_sets(shingles(many, n))
    sizes = [len(found) for found in sets(many, n)]
    assert np.diff(bounds).tolist() == sizes
    for low, high in itertools.pairwise(bounds.tolist()):
        assert (np.diff(values[low:high].astype(np.int64)) > 0).all()


def test_signatures_estimate_the_jaccard_similarity_without_bias() -> None:
    many = planted(60, 1)
    of = sets(many)
    signature = signatures(shingles(many, N), 512)
    errors = []
    for left, right in itertools.combinations(range(len(many)), 2):
        errors.append((signature[left] == signature[right]).mean() - similarity(of[left], of[right]))
    alike = [
        error for error, pair in zip(errors, itertools.combinations(of, 2), strict=True) if similarity(*pair) > 0.2
    ]
    assert abs(np.mean(errors)) < 0.001
    assert abs(np.mean(alike)) < 0.02
    assert np.std(alike) < 1.5 * 0.5 / np.sqrt(512)


def test_signatures_do_not_depend_on_the_other_texts() -> None:
    many = ["", *planted(20, 2), "", "..."]
    together = signatures(shingles(many, N), 12)
    for text, row in zip(many, together, strict=True):
        assert (signatures(shingles([text], N), 12)[0] == row).all()
    keys = band_keys(together, 4, 3)
    assert keys.shape == (len(many), 4)
    assert len(np.unique(keys[1:21])) == sum(len(np.unique(keys[1:21, band])) for band in range(4))
    for band in range(4):
        same = (together[1, 3 * band : 3 * band + 3] == together[:, 3 * band : 3 * band + 3]).all(axis=1)
        assert ((keys[:, band] == keys[1, band]) == same).all()


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_find_what_is_at_the_threshold(threshold: float) -> None:
    count, rows = choose_bands(threshold)
    assert count * rows <= 128
    assert candidate_probability(threshold, count, rows) >= 0.99
    assert candidate_probability(1.0, count, rows) == 1
    assert candidate_probability(0.0, count, rows) == 0
    longer = candidate_probability(threshold, 128 // (rows + 1), rows + 1) if rows < 128 else 0
    assert longer < 0.99


@settings(max_examples=80)
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(0, 3))
def test_documents_with_one_key_are_paired(keys: list[int], seed: int) -> None:
    numbers = np.cumsum(np.random.default_rng(seed).integers(1, 4, len(keys))).astype(np.int64)
    found = [tuple(pair) for pair in pairs_of(np.array(keys, dtype=np.uint64) << np.uint64(60), numbers).tolist()]
    assert len(found) == len(set(found))
    by_key = {key: [n for k, n in zip(keys, numbers.tolist(), strict=True) if k == key] for key in set(keys)}
    every = {pair for these in by_key.values() for pair in itertools.combinations(these, 2)}
    assert set(found) <= every
    small = {pair for these in by_key.values() if len(these) <= 17 for pair in itertools.combinations(these, 2)}
    assert small <= set(found)
    groups = components(set(found))
    for these in by_key.values():
        assert len(these) < 2 or set(these) in groups


def test_a_key_of_very_many_documents_costs_few_pairs_a_document() -> None:
    found = pairs_of(np.zeros(5000, dtype=np.uint64), np.arange(5000))
    assert len(found) < 6 * 5000
    assert np.bincount(found[:, 0]).max() <= 1024 + 4
    assert (join(np.arange(5000), [found]) == 0).all()


def test_similarities_are_those_of_the_sets() -> None:
    choice = np.random.default_rng(3)
    lefts = [np.unique(choice.integers(0, 50, choice.integers(1, 60), dtype=np.uint32)) for _ in range(200)]
    rights = [np.unique(choice.integers(0, 50, choice.integers(1, 60), dtype=np.uint32)) for _ in range(200)]
    rights[:3] = lefts[:3]
    expected = [len({*a} & {*b}) / len({*a} | {*b}) for a, b in zip(lefts, rights, strict=True)]
    assert verify.jaccard(lefts, rights).tolist() == expected


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda p: p[0] != p[1]), max_size=40), st.data()
)
def test_clusters_are_connected_components_and_the_best_stays(
    edges: list[tuple[int, int]], data: st.DataObject
) -> None:
    edges = [(min(pair), max(pair)) for pair in edges]
    members = np.array(sorted({number for pair in edges for number in pair}), dtype=np.int64)
    parts = [np.array(edges[k::3], dtype=np.int64).reshape(-1, 2) for k in range(3)]
    ranks = [float(data.draw(st.integers(0, 2))) for _ in members]
    found = cluster(members, join(members, parts), np.array(ranks))
    rank = dict(zip(members.tolist(), ranks, strict=True))
    groups = sorted(components(set(edges)), key=min)
    assert found.sizes.tolist() == [len(group) for group in groups]
    for group, low, high in zip(groups, found.starts[:-1], found.starts[1:], strict=True):
        these = found.members[low:high].tolist()
        best = min(group, key=lambda number: (-rank[number], number))
        assert these == [best, *sorted(group - {best})]
    assert found.dropped.tolist() == sorted(
        set(found.members.tolist()) - set(found.members[found.starts[:-1]].tolist())
    )


# ---- whole builds


def test_a_build_drops_what_brute_force_does(tmp_path: Path) -> None:
    many = list(dict.fromkeys(planted(250)))
    alike = truth(many)
    groups = components(set(alike))
    assert len(groups) > 12
    longest = {min(group, key=lambda n: (-len(many[n].split()), n)) for group in groups}
    dropped = set().union(*groups) - longest
    path = write_lines(tmp_path / "a.jsonl", [{"text": text, "id": n} for n, text in enumerate(many)])
    corpus = build(path, tmp_path / "out", shard_rows=37, clean=False)
    kept = {int(row["id"]) for row in documents(corpus)}
    assert set(range(len(many))) - kept == dropped
    stats = corpus.stats()
    assert stats.dropped == {"near duplicate": len(dropped)}
    report = stats.near_duplicates
    assert report is not None
    assert (report["clusters"], report["documents"], report["dropped"]) == (
        len(groups),
        len(dropped) + len(groups),
        len(dropped),
    )
    assert report["pairs"]["candidates"] >= report["pairs"]["alike"] >= len(alike) - sum(len(g) > 17 for g in groups)
    sizes = Counter(int(np.log2(len(group))) for group in groups)
    assert report["size_histogram"] == [sizes[b] for b in range(max(sizes) + 1)]
    assert len(report["examples"]) == 10
    for example in report["examples"]:
        ids = [int(row["id"]) for row in example["documents"]]
        assert ids[0] in longest
        (group,) = [group for group in groups if ids[0] in group]
        assert set(ids) <= group
        assert example["size"] == len(group)
        assert all(" ".join(many[int(row["id"])].split()).startswith(row["text"]) for row in example["documents"])


@pytest.mark.parametrize("mode", ["signature", "none"])
def test_without_all_ngrams_the_result_is_about_the_same(tmp_path: Path, mode: str) -> None:
    many = list(dict.fromkeys(planted(200, 5)))
    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in many])
    exact = build(path, tmp_path / "exact").stats().dropped["near duplicate"]
    other = build(path, tmp_path / mode, near_duplicate_verify=mode).stats().dropped["near duplicate"]
    assert other >= exact if mode == "none" else abs(other - exact) <= 0.15 * exact


def test_the_bytes_do_not_depend_on_workers_nor_on_what_is_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": text, "id": n % 90} for n, text in enumerate(planted(200, 6))])
    settings_ = {"shard_rows": 60, "split_bytes": 20_000, "repeated_paragraphs": "first"}
    with LocalEngine(2, quiet=True) as engine:
        Corpus.build(path, tmp_path / "two", engine=engine, **settings_)
    Corpus.build(path, tmp_path / "one", engine=LocalEngine(1, quiet=True), **settings_)
    wanted = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == wanted
    for name, value in (("_KEYS", 16), ("_WORK", 1), ("_FILE_PAIRS", 7)):
        monkeypatch.setattr(bands, name, value)
    for name, value in (("_TASK_PAIRS", 10), ("_VALUES", 500)):
        monkeypatch.setattr(verify, name, value)
    monkeypatch.setattr(words, "_RUN_CHARACTERS", 900)
    Corpus.build(path, tmp_path / "small", engine=LocalEngine(1, quiet=True), **settings_)
    assert contents(tmp_path / "small") == wanted


def versions() -> list[str]:
    """Return three texts that are alike, of 60, 64 and 62 words."""
    words = document([TOPICS[0]], random.Random(7), 60).split()
    return [" ".join(words), " ".join([*words, "and", "some", "more", "words"]), " ".join(["also", "this", *words])]


def test_who_stays(tmp_path: Path) -> None:
    three = versions()
    scores = [0.5, 0.1, 0.9]
    rows = [{"text": text, "id": n, "score": score} for n, (text, score) in enumerate(zip(three, scores, strict=True))]
    path = write_lines(tmp_path / "a.jsonl", rows)

    def kept(name: str, **more: object) -> list[str]:
        return [row["id"] for row in documents(build(path, tmp_path / name, **more))]

    assert kept("longest") == ["1"]
    assert kept("first", near_duplicate_keep="first") == ["0"]
    assert kept("quality", near_duplicate_keep="quality", quality_field="score") == ["2"]
    assert kept("all", near_duplicates=False) == ["0", "1", "2"]
    assert kept("none", deduplicate=False) == ["0", "1", "2"]
    assert kept("only near", deduplicate=False, near_duplicates=True) == ["1"]
    assert kept("strict", near_duplicate_threshold=0.99) == ["0", "1", "2"]
    with pytest.raises(InputError, match="no document has a number in the field 'stars'"):
        kept("missing", near_duplicate_keep="quality", quality_field="stars")
    assert kept("missing", near_duplicate_keep="quality", quality_field="score", overwrite=True) == ["2"]


def test_some_documents_without_a_score_come_last(tmp_path: Path) -> None:
    rows = [{"text": text, "id": n} for n, text in enumerate(versions())]
    rows[0]["score"], rows[1]["score"] = -3, "best"
    path = write_lines(tmp_path / "a.jsonl", rows)
    corpus = build(path, tmp_path / "out", near_duplicate_keep="quality", quality_field="score")
    assert [row["id"] for row in documents(corpus)] == ["0"]


def test_short_texts_are_alike_if_all_their_words_are(tmp_path: Path) -> None:
    lines = [
        "One two three.",
        "one, two, three",
        "one two four",
        "two three",
        "...",
        "!!!",
        "東京は大きい",
        "東京は、大きい。",
    ]
    path = write_lines(tmp_path / "a.jsonl", [{"text": line} for line in lines])
    corpus = build(path, tmp_path / "out", min_words=0)
    assert texts(corpus) == ["One two three.", "one two four", "two three", "...", "!!!", "東京は大きい"]


def test_scripts_without_spaces_are_compared_by_character(tmp_path: Path) -> None:
    choice = random.Random(8)
    one = "".join(choice.choices("日月火水木金土山川田人口手目耳", k=200))
    edited = one[:100] + "犬" + one[101:]
    other = "".join(choice.choices("日月火水木金土山川田人口手目耳", k=200))
    path = write_lines(tmp_path / "a.jsonl", [{"text": text} for text in (one, edited, other)])
    assert texts(build(path, tmp_path / "out", min_words=0)) == [one, other]


def test_a_template_in_thousands_of_documents_is_one_cluster(tmp_path: Path) -> None:
    words = document([TOPICS[1]], random.Random(9), 120).split()
    rows = [{"text": " ".join([*words[:60], f"number{n}", *words[60:]])} for n in range(2500)]
    rows += [{"text": text} for text in versions()[:1]]
    corpus = build(write_lines(tmp_path / "a.jsonl", rows), tmp_path / "out")
    report = read_clusters(corpus.folder)
    assert report is not None
    assert (report["clusters"], report["documents"], len(corpus)) == (1, 2500, 2)
    assert report["pairs"]["candidates"] < 20 * 2500


def test_what_is_set_must_make_sense(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "five words are enough here"}])
    for more, line in (
        ({"near_duplicate_bands": 4}, "bands and rows of near-duplicates are given together"),
        ({"near_duplicate_bands": 4096, "near_duplicate_rows": 2}, "are more than 4096 values"),
        ({"near_duplicate_threshold": 0}, "near-duplicate-threshold = 0: input should be greater than 0"),
        ({"near_duplicate_keep": "best"}, "near-duplicate-keep = 'best': input should be 'longest'"),
    ):
        with pytest.raises(InputError) as error:
            build(path, tmp_path / "out", **more)
        assert line in str(error.value)
    options = NearDuplicateOptions(near_duplicate_bands=4, near_duplicate_rows=3)
    assert options.bands_and_rows == (4, 3)
    assert json.loads((build(path, tmp_path / "out").folder / "duplicates" / "near.json").read_text())["clusters"] == 0
