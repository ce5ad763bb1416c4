"""Options of `corpus build`: from the command line, from files, and what is refused, in one line with exit code 2."""

from __future__ import annotations

import inspect
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from motherlode.cli.corpus import build_command
from motherlode.cli.main import main
from motherlode.corpus.build import BuildConfig
from motherlode.corpus.corpus import Corpus
from motherlode.shards.manifest import Manifest

TEXT = "The river and the stone have to be part of it, with all that they were and are and will be to us. " * 4


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """The command line in this process, up to its exit; `test_cli.py` starts real ones."""
    monkeypatch.setenv("COLUMNS", "200")
    before = signal.getsignal(signal.SIGTERM)

    def command(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as left:
            main([*map(str, arguments)])
        said = capsys.readouterr()
        return Done(int(left.value.code or 0), said.out, said.err)

    yield command
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in (TEXT, "five words are not many")))
    return path


def test_options_have_the_defaults_of_the_configuration() -> None:
    shared = 0
    for name, parameter in inspect.signature(build_command).parameters.items():
        if name in BuildConfig.model_fields:
            default = BuildConfig.model_fields[name].get_default()
            assert parameter.default == default or (parameter.default is None and not default), name
            shared += 1
    assert shared >= 38
    apart = {"quality_rules", "shard_bytes", "split_bytes"}  # the first has a file of its own, the others are for tests
    assert set(BuildConfig.model_fields) - set(inspect.signature(build_command).parameters) == apart


def test_typed_options_win_over_the_file_and_the_file_over_defaults(
    run: Callable[..., Done], tmp_path: Path, lines: Path
) -> None:
    (tmp_path / "motherlode.yaml").write_text(
        "mine:\n  other: section\ncorpus:\n  min_words: 2\n  quality: [gopher]\n  keep_rejected: true\n"
        "  quality_rules: {gopher: {min_words: 3, repetition: {top_ngrams: {}, repeated_ngrams: {}}}}\n"
    )
    out = tmp_path / "out"
    done = run(
        "corpus",
        "build",
        lines,
        "--out",
        out,
        "--config",
        tmp_path / "motherlode.yaml",
        "--min-words",
        1,
        "--workers",
        1,
    )
    assert done.returncode == 0, done.stderr
    settings = Manifest.read(out).settings
    assert (settings["min_words"], settings["quality"], settings["keep_rejected"]) == (1, "gopher", True)
    assert settings["quality_rules"]["gopher"]["min_words"] == 3 and settings["clean"] is True
    stats = json.loads(run("corpus", "stats", out, "--json").stdout)
    assert stats["adds_up"] and stats["stages"]["quality"] == {"gopher: too few stop words": 1}
    table = run("corpus", "stats", out).stdout
    assert "quality: gopher: too few stop words" in table and "Records by source" in table
    report = run("report", out)
    assert report.returncode == 0 and (out / "report.html").exists()


def test_options_of_all_parts_can_be_typed_and_stand_in_a_file(
    run: Callable[..., Done], tmp_path: Path, lines: Path
) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "an item of fourteen words " * 3}) + "\n")
    (tmp_path / "motherlode.yaml").write_text(
        f"corpus:\n  languages: [de]\n  mask_personal_data: true\n  near_duplicate_threshold: 0.7\n"
        f"  repeated_paragraphs: drop\n  decontaminate: ['{tmp_path / 'test.jsonl'}']\n  identifier: none\n"
    )
    options = [
        "--config",
        tmp_path / "motherlode.yaml",
        "--languages",
        "en, de",
        "--identifier",
        "cld2",
        "--workers",
        1,
    ]
    done = run("corpus", "build", lines, "--out", tmp_path / "out", *options, "--repeated-in", 5)
    assert done.returncode == 0, done.stderr
    settings = Manifest.read(tmp_path / "out").settings
    assert settings["languages"] == ["en", "de"] and settings["identifier"] == "cld2"
    assert settings["mask_personal_data"] is True and settings["near_duplicate_threshold"] == 0.7
    assert (settings["repeated_paragraphs"], settings["repeated_in"]) == ("drop", 5)
    assert settings["decontaminate"] == [str(tmp_path / "test.jsonl")]


def test_input_that_is_not_from_the_web_is_not_filtered_unasked(
    run: Callable[..., Done], tmp_path: Path, lines: Path
) -> None:
    assert run("corpus", "build", lines, "--out", tmp_path / "out", "--workers", 1).returncode == 0
    assert len(Corpus(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("options", "file", "said"),
    [
        (["--quality", "gofer"], "", "--quality: unknown filter 'gofer'; did you mean 'gopher'?"),
        (["--quality", "none,c4"], "", "--quality: 'none,c4' is no choice of filters; use one of"),
        (["--chunk-words", "-1"], "", "corpus build: chunk-words = -1: input should be greater than or equal to 0"),
        (["--chunk-words", "9"], "", "corpus build: chunk_words = 9 is less than min_chunk_words = 20"),
        (["--contaminated", "tag"], "", "--contaminated: has no effect without --decontaminate; add it, or leave"),
        (["--decontaminate-fuzzy", "0.5"], "", "--decontaminate-fuzzy: has no effect without --decontaminate"),
        (["--repeated-in", "3"], "", "--repeated-in: has no effect without --repeated-paragraphs first (or drop)"),
        (["--no-deduplicate", "--near-duplicate-ngram", "4"], "", "has no effect without --near-duplicates"),
        (["--quality-field", "score"], "", "--quality-field: has no effect without --near-duplicate-keep quality"),
        (["--min-chunk-words", "5"], "", "--min-chunk-words: has no effect without --chunk-words"),
        (["--min-language-score", "0.6"], "", "--min-language-score: has no effect without --languages"),
        (["--quality-config", "{file}"], "gopher: {min_words: 3}", "no filter holds for this input"),
        (["--quality-config", "{file}"], "gopher: {min_word: 3}", "unknown key 'gopher.min_word'; did you mean"),
        (["--quality-config", "{file}"], "c4: {min_sentences: -1}", "c4.min_sentences = -1: input should be greater"),
        (["--quality-config", "{file}"], "gopher: [1", "line 1: is not YAML"),
        (["--quality-config", "{file}"], "!!python/object/apply:os.system [ls]", "is not YAML"),
        (["--quality-config", "{file}.no"], "", "cannot be read (No such file or directory)"),
        (["--config", "{file}"], "corpsu: {}", "has no section 'corpus'; did you mean 'corpsu'?"),
        (["--config", "{file}"], "corpus: {min_wrods: 3}", "corpus: unknown key 'min_wrods'; did you mean 'min_words'"),
        (["--config", "{file}"], "corpus: [a, b]", "the section 'corpus' does not hold names and values"),
        (["--config", "{file}"], "- a", "does not hold names and values"),
    ],
)
def test_refusals_are_one_line(
    run: Callable[..., Done], tmp_path: Path, lines: Path, options: list[str], file: str, said: str
) -> None:
    path = tmp_path / "options.yaml"
    path.write_text(file)
    done = run("corpus", "build", lines, "--out", tmp_path / "out", *(part.format(file=path) for part in options))
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
