import io
import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from motherlode.cli.seeds import seeds_app
from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError
from motherlode.seeds.check import check, cut, sample_documents
from motherlode.seeds.lexical import measure_all
from motherlode.seeds.near_duplicates import near_duplicates
from motherlode.seeds.seeds import Seed, Seeds
from motherlode.seeds.table import print_check
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES

texts = st.lists(st.lists(st.sampled_from(["a", "b", "B,", "c"]), max_size=12).map(" ".join), max_size=12)


def seed(number: int, text: str | None = None, **fields: object) -> Seed:
    words = text or " ".join(f"word{number}x{i}" for i in range(90))
    return Seed(f"s{number}", words, **{"labels": ("law",)} | fields)  # type: ignore[arg-type]


def findings(seeds: Seeds, **options: object) -> list[str]:
    return [str(verdict) for verdict in check(seeds, **options).verdicts]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    sentence = (
        "The committee of the town met on the first day of month {0}, and it then spoke of the matter {0} once more. "
    )
    lines = (json.dumps({"id": str(i), "text": sentence.format(f"m{i}") * (1 + i % 9)}) for i in range(120))
    (folder / "in.jsonl").write_text("\n".join(lines))
    return Corpus.build(folder / "in.jsonl", folder / "out")


@given(texts=texts, threshold=st.sampled_from([0.01, 0.3, 0.5, 1.0]))
def test_near_duplicates_are_those_of_the_definition(texts: list[str], threshold: float) -> None:
    sets = []
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        sets.append({tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))})
    expected = {}
    for i, j in itertools.combinations(range(len(texts)), 2):
        similarity = len(sets[i] & sets[j]) / len(sets[i] | sets[j])
        if similarity >= threshold:
            expected[i, j] = similarity
    found = near_duplicates(texts, threshold)
    assert {(i, j): value for i, j, value in found} == pytest.approx(expected)
    assert [value for *_, value in found] == sorted((value for *_, value in found), reverse=True)


def test_near_duplicates_across_blocks() -> None:
    many = [f"text number {i} has words {i} of its own {i}" for i in range(1200)]
    many[1100] = many[3].upper()
    assert near_duplicates(many, 0.9) == [(3, 1100, 1.0)]


@given(text=st.text(max_size=100), words=st.integers(1, 20))
@settings(max_examples=200)
def test_cut_keeps_the_first_words(text: str, words: int) -> None:
    assert cut(text, words).split() == text.split()[:words]
    assert text.startswith(cut(text, words))


def test_a_good_set_needs_no_fixing() -> None:
    found = check(Seeds.builtin("legal"))
    assert found.ok and found.near_duplicates == () and found.count == 88
    assert found.types.missing == found.demeanours.missing == found.types.unknown == ()
    assert found.several_labels == 17 and found.labels["legal"] == 88
    assert found.lexical == measure_all(Seeds.builtin("legal").texts)
    assert found.real is found.real_cut is found.real_words is None
    assert [v.level for v in found.verdicts] == ["consider"] and "all seeds are short" in found.verdicts[0].what
    assert repr(found).startswith("SeedCheck('legal': 88 seeds of 104 to 242 words, 17 with several labels, 0 near-dup")


def test_each_gap_is_named_with_what_to_do() -> None:
    seeds = [
        seed(i, type=kind, demeanour=DEMEANOURS[i % 11], length="short", labels=("law", "tax"))
        for i, kind in enumerate(DOCUMENT_TYPES * 2)
        if kind not in ("contract", "memo")
    ]
    complete = Seeds("law", tuple(seeds))
    said = findings(complete)
    assert any(line.startswith("consider: no seed of type contract, memo; write one of each") for line in said)
    assert len(said) == 2 and any("all seeds are short (90 to 90 words)" in line for line in said)
    copied = Seeds("law", (*seeds, *(seed(100 + i, seeds[i].text + " more", type="Contrakt") for i in range(12))))
    said = findings(copied)
    assert said[0].startswith(
        "fix: 24 seeds are near-duplicates of another (similarity 0.3 or more); remove or rewrite s100,"
    )
    assert any("type 'contrakt' is not in the template; did you mean 'contract'?" in line for line in said)
    assert any("12 seeds do not say the demeanour" in line for line in said)
    assert not check(copied).ok


def test_small_short_and_mislabelled_sets() -> None:
    seeds = Seeds("tax", (seed(1, "Too short."), seed(2, length="long"), seed(3, text="word " * 600)))
    said = "\n".join(findings(seeds))
    for part in (
        "there are only 3 seeds",
        "fix: 1 seed has fewer than 20 words (s1)",
        "3 seeds do not carry the label 'tax' (labels: law)",
        "no seed is about two domains",
        "no seed says its type",
        "no seed says its demeanour",
        "1 seed is not as long as 'length' says (s2)",
    ):
        assert part in said
    assert "all seeds are" not in said
    assert check(seeds).lengths.counts == {"short": 2, "long": 1}


def test_against_real_documents(corpus: Corpus) -> None:
    found = check(Seeds.builtin("legal"), corpus, sample=50)
    assert found.real is not None and found.real_cut is not None and found.real_words is not None
    assert found.real.documents == 50
    assert found.real_cut.mean.words < found.real.mean.words
    assert found.real_cut == measure_all(cut(text, 186) for text in sample_documents(corpus, 50, 0))
    assert found.real_words.most <= 9 * 23
    assert any("seeds are more varied in their words than real documents" in str(v) for v in found.verdicts)
    assert not any("all seeds are short" in str(v) for v in found.verdicts)  # as the real ones are


def test_a_corpus_against_itself_is_like_itself(corpus: Corpus) -> None:
    same = sample_documents(corpus, 60, random_seed=3)
    seeds = Seeds("law", tuple(seed(i, text) for i, text in enumerate(same)))
    assert not any("than real documents" in line for line in findings(seeds, corpus=corpus))


def test_the_sample_is_random_and_repeatable(corpus: Corpus) -> None:
    whole = [text for batch in corpus.batches(["text"]) for text in batch.column("text").to_pylist()]
    first = sample_documents(corpus, 20, random_seed=1)
    assert first == sample_documents(corpus, 20, random_seed=1) != sample_documents(corpus, 20, random_seed=2)
    assert len(set(first)) == 20 and first == [text for text in whole if text in set(first)]
    assert sample_documents(corpus, 10_000, random_seed=1) == whole


def test_a_corpus_of_many_shards_is_sampled(tmp_path: Path) -> None:
    lines = (json.dumps({"text": f"document {i} has words of its own {i * 7}"}) for i in range(600))
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    many = Corpus.build(tmp_path / "in.jsonl", tmp_path / "out", split_bytes=1024)
    assert len(many.documents.shards) > 16
    assert len(set(sample_documents(many, 30, 0))) == 30


def test_options_out_of_range() -> None:
    seeds = Seeds.builtin("science")
    for options in ({"threshold": 0.0}, {"threshold": 1.5}, {"sample": 1}):
        with pytest.raises(InputError):
            check(seeds, **options)  # type: ignore[arg-type]


def test_the_table_shows_it_all(corpus: Corpus) -> None:
    seeds = Seeds("law", (seed(1, type="[red]note"), seed(2, seed(1).text, type="memo")))
    stream = io.StringIO()
    print_check(check(seeds, corpus), Console(file=stream, width=200))
    shown = stream.getvalue()
    for part in (
        "law: 2 seeds",
        "real, first 90 words",
        "Flesch-Kincaid",
        "1 of 17",
        "near-duplicate pairs: 1",
        "[red]note",
    ):
        assert part in shown
    assert shown.rstrip().endswith("fix the above before mining")


def test_the_command_checks(tmp_path: Path, corpus: Corpus) -> None:
    run = CliRunner().invoke
    result = run(seeds_app, ["check", "science"])
    assert result.exit_code == 0 and "nothing must be fixed" in result.stdout
    result = run(seeds_app, ["check", "science", "--corpus", str(corpus.folder), "--sample", "10", "--json"])
    found = json.loads(result.stdout)
    assert found["real"]["documents"] == 10 and found["ok"] is True and found["types"]["missing"] == []
    (tmp_path / "mine.jsonl").write_text('{"text": "one"}\n{"text"\n')
    for arguments in (["sience"], [str(tmp_path / "mine.jsonl")], ["science", "--corpus", str(tmp_path)]):
        assert isinstance(run(seeds_app, ["check", *arguments]).exception, InputError)
