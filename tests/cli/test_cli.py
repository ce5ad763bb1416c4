"""The command line as a person meets it: exit codes, what is printed, and the one line that each error is.

What a process of its own decides is asked of real ones (`motherlode`): start-up, a whole pass, signals, pipes, limits
of the system, and a mistake of each kind; the other mistakes are made in this process (`typed`).
"""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from motherlode.shards.manifest import Manifest
from tests.command import Done, typed
from tests.invented import TOPICS, records, write_lines
from tests.kill import contents

COMMANDS = [
    (),
    ("corpus",),
    ("corpus", "build"),
    ("corpus", "stats"),
    ("corpus", "encode"),
    ("corpus", "deduplicate"),
    ("corpus", "index"),
    ("seeds",),
    ("seeds", "list"),
    ("seeds", "check"),
    ("seeds", "generate"),
    ("mine",),
    ("judge",),
    ("search",),
    ("report",),
    ("demo",),
    ("plan",),
]
HEAVY = ("numpy", "pyarrow", "sklearn", "scipy", "torch", "sentence_transformers", "pandas")
PATIENCE = 120.0
QUICK = ("--contrast", "background", "--rounds", 1)


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200", **changes}


def motherlode(
    *arguments: object, prepare: Callable[[], None] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "motherlode", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(),
        preexec_fn=prepare,
        cwd=cwd,
    )


def refused(done: subprocess.CompletedProcess[str] | Done, code: int, *said: str) -> str:
    """Demand one line of error that says some things, and nothing else that looks like one."""
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1, done.stderr
    assert lines[-1] == errors[0]
    assert "Traceback" not in done.stderr
    assert "this is a defect" not in done.stderr
    assert "\x1b" not in done.stderr
    for words in said:
        assert words in errors[0]
    return errors[0]


def only(done: subprocess.CompletedProcess[str] | Done, code: int, *said: str) -> None:
    """Demand one line of error and nothing beside it."""
    line = refused(done, code, *said)
    assert done.stderr == f"{line}\n"
    assert done.stdout == ""


# ---- what costs nothing


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...]) -> None:
    done = motherlode("--help") if command == () else typed(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"Usage: motherlode {' '.join(command)}".strip() in done.stdout


def test_version() -> None:
    done = motherlode("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"motherlode \d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("command", [(), ("corpus",), ("seeds",)])
def test_no_command_shows_the_help(command: tuple[str, ...]) -> None:
    done = typed(*command)
    assert done.returncode == 2
    assert "Usage: motherlode" in done.stderr
    assert "error:" not in done.stderr


@pytest.mark.parametrize(
    "what",
    [
        "import motherlode",
        "import motherlode; dir(motherlode); motherlode.InputError",
        "import motherlode; motherlode.Seeds.builtin('finance')",
        "from motherlode.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from motherlode.cli import main\ntry: main(['mine', '--help'])\nexcept SystemExit: pass",
        "from motherlode.cli import main\ntry: main(['seeds', 'list'])\nexcept SystemExit: pass",
    ],
)
def test_nothing_heavy_is_imported(what: str) -> None:
    source = f"{what}\nimport sys\nsys.stderr.write(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, env=environment())
    assert done.stderr == ""


def test_the_installed_command_is_the_module() -> None:
    installed = Path(sys.executable).parent / "motherlode"
    if not installed.exists():
        pytest.skip("the package is not installed as a command")
    done = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == motherlode("--version").stdout


# ---- a whole pass


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, seed_files: Mapping[str, Path]) -> Path:
    """A folder with a corpus and a mined run, made by the command line alone."""
    home = tmp_path_factory.mktemp("home")
    write_lines(home / "documents.jsonl", records(300))
    built = motherlode(
        "corpus", "build", "documents.jsonl", "--out", "corpus", "--shard-rows", 100, "--workers", 1, cwd=home
    )
    assert built.returncode == 0, built.stderr
    assert "kept" in built.stdout
    seeds = [part for topic, path in seed_files.items() for part in ("--seeds", f"{topic}={path}")]
    mined = motherlode("mine", "--corpus", "corpus", *seeds, "--out", "mined", "--workers", 1, *QUICK, cwd=home)
    assert mined.returncode == 0, mined.stderr
    assert all(topic in mined.stdout for topic in TOPICS)
    assert "Traceback" not in mined.stderr
    return home


def test_the_same_command_again_answers_at_once_with_the_same(home: Path, seed_files: Mapping[str, Path]) -> None:
    before = contents(home / "mined")
    seeds = [part for topic, path in seed_files.items() for part in ("--seeds", f"{topic}={path}")]
    again = typed("mine", "--corpus", "corpus", *seeds, "--out", "mined", "--workers", 2, *QUICK, cwd=home)
    assert (again.returncode, again.stderr) == (0, "")
    assert contents(home / "mined") == before


def test_stats_and_search(home: Path) -> None:
    stats = typed("corpus", "stats", home / "corpus", "--json")
    assert json.loads(stats.stdout)["kept"] == 300
    text = records(300)[7]["text"]
    found = typed("search", "--corpus", home / "corpus", text, "-k", 3, "--json")
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert [len(hits), hits[0]["id"]] == [3, "doc-00007"]
    assert typed("search", "--corpus", home / "corpus", text).returncode == 0


def test_report(home: Path) -> None:
    done = typed("report", home / "mined")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_text("utf-8").startswith("<!")


# ---- bad input


def test_refused_options(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    base = ("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", out)
    only(motherlode(*base, "--rouns", 3), 2, "--rouns", "--rounds")
    only(typed("mien"), 2, "mien")
    only(typed("mine", "--seeds", "finance", "--out", out), 2, "--corpus")
    only(typed("corpus", "build", "--out", out), 2, "no input was given")
    only(typed(*base, "--top-k", "many"), 2, "--top-k")
    assert not out.exists()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--top-k", 0, "top-k"),
        ("--rounds", -1, "rounds"),
        ("--rounds", 1000, "rounds"),
        ("--t-sim", "high", "--t-sim"),
        ("--t-sim", 85, "t-sim"),
        ("--t-sim", "nan", "t-sim"),
        ("--target-precision", 90, "target-precision"),
        ("--min-score", 1.5, "min-score"),
        ("--max-documents", 0, "max-documents"),
        ("--max-tokens", -5, "max-tokens"),
        ("--random-seed", -1, "random-seed"),
        ("--workers", 0, "--workers"),
        ("--format", "xml", "known: jsonl, parquet"),
        ("--encoder", "lexcal", "did you mean 'lexical'"),
        ("--encoder", "st:", "st:MODEL"),
        ("--contrast", "backgroud", "did you mean 'background'"),
        ("--retrieval", "fast", "--retrieval"),
        ("--seeds", "finance", "given twice"),
    ],
)
def test_bad_values(home: Path, tmp_path: Path, option: str, value: object, said: str) -> None:
    out = tmp_path / "out"
    only(typed("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", out, option, value), 2, said)
    assert not (out / "manifest.jsonl").exists() or not Manifest.read(out).entries, "the way is free for a second try"


def test_bad_inputs_of_a_corpus(tmp_path: Path) -> None:
    empty, binary, locked = tmp_path / "empty.jsonl", tmp_path / "binary.jsonl", tmp_path / "nothing"
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 40)
    locked.mkdir()
    cases = [
        (tmp_path / "none.jsonl", "none.jsonl"),
        (empty, ""),
        (binary, ""),
        (locked, "nothing"),
        (write_lines(tmp_path / "fields.jsonl", [{"body": "some text of seven words or so"}]), "body"),
        (write_lines(tmp_path / "short.jsonl", [{"text": "one"}]), "--min-words"),
        (tmp_path / "a.zip", "a.zip"),
    ]
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    for number, (path, said) in enumerate(cases):
        refused(typed("corpus", "build", path, "--out", tmp_path / str(number), "--workers", 1), 2, said)
    damaged = tmp_path / "cut.jsonl.gz"
    damaged.write_bytes(gzip.compress(b'{"text": "a document of some seven words"}\n' * 2000)[:-20])
    done = typed("corpus", "build", damaged, "--out", tmp_path / "cut", "--workers", 1)
    assert done.returncode in (0, 1, 2)
    assert "Traceback" not in done.stderr


def test_what_is_decided_over_a_corpus(home: Path, tmp_path: Path) -> None:
    test = write_lines(tmp_path / "test.jsonl", [{"question": records(3)[2]["text"]}])
    source = write_lines(tmp_path / "in.jsonl", [*records(30), {"text": records(30)[9]["text"] + " And more."}])
    build = ("corpus", "build", source, "--workers", 1, "--out")
    for number, (arguments, said) in enumerate(
        [
            (("--decontaminate", f"{test}:qestion"), "did you mean 'question'?"),
            (("--near-duplicate-bands", 4), "bands and rows of near-duplicates are given together"),
        ]
    ):
        only(typed(*build, tmp_path / str(number), *arguments), 2, said)
        assert not (tmp_path / str(number)).exists()
    more = ("--decontaminate", f"{test}:question", "--repeated-paragraphs", "first")
    done = typed(*build, tmp_path / "corpus", *more)
    assert done.returncode == 0, done.stderr
    shown = typed("corpus", "stats", tmp_path / "corpus").stdout
    for words in ("duplicates: near duplicate", "decontaminate: contaminated", "The largest clusters", "test.jsonl"):
        assert words in shown
    stats = json.loads(typed("corpus", "stats", tmp_path / "corpus", "--json").stdout)
    assert stats["near_duplicates"]["dropped"] == stats["dropped"]["near duplicate"] == 1
    assert stats["contamination"][0]["documents"] == 1
    only(typed("corpus", "deduplicate", tmp_path / "corpus", "--out", tmp_path / "x"), 2, "encode")
    done = typed("corpus", "deduplicate", home / "corpus", "--out", tmp_path / "x", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout


def test_folders_that_are_something_else(home: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("do not touch")
    only(typed("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", foreign), 2, "thesis.txt")
    only(typed("corpus", "build", home / "documents.jsonl", "--out", foreign), 2, "thesis.txt")
    only(typed("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", home / "corpus"), 2, "corpus")
    only(typed("mine", "--corpus", home / "mined", "--seeds", "finance", "--out", tmp_path / "x"), 2, "not a corpus")
    only(
        typed("mine", "--corpus", tmp_path / "no", "--seeds", "finance", "--out", tmp_path / "x"),
        2,
        "does not exist",
    )
    only(typed("corpus", "stats", foreign), 2, "not a motherlode folder")
    only(typed("search", "--corpus", tmp_path / "no", "words"), 2, "does not exist")
    refused(typed("report", home / "corpus" / "documents"), 2)
    file = tmp_path / "file"
    file.write_text("x")
    only(typed("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", file), 2, "is a file")
    assert (foreign / "thesis.txt").read_text() == "do not touch"
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_the_folder_of_another_run(home: Path, seed_files: Mapping[str, Path]) -> None:
    before = contents(home / "mined")
    done = typed("mine", "--corpus", home / "corpus", "--seeds", "finance", "--out", home / "mined")
    only(done, 2, str(home / "mined"), "other settings", "--overwrite")
    assert contents(home / "mined") == before


def test_bad_seeds(home: Path, tmp_path: Path) -> None:
    def mine(spec: object) -> Done:
        return typed("mine", "--corpus", home / "corpus", "--seeds", spec, "--out", tmp_path / "out")

    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a good one"}\n{"text": "torn\n')
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\x00\xff\xfe" * 50)
    (tmp_path / "empty.jsonl").write_text("")
    only(mine("finanse"), 2, "no pack 'finanse'", "did you mean 'finance'")
    only(mine(f"x={broken}"), 2, f"{broken}:2")
    only(mine(f"x={binary}"), 2, str(binary))
    only(mine(f"x={tmp_path / 'empty.jsonl'}"), 2, "is empty")
    only(mine(f"x={tmp_path / 'none.jsonl'}"), 2, "no such file")
    only(mine(f"x={tmp_path}"), 2, "is a folder")
    only(mine(broken), 2, "NAME=")
    only(mine(f"={broken}"), 2)
    only(mine(f"../x={broken}"), 2, "cannot name a domain")
    only(mine("x=" + str(write_lines(tmp_path / "fields.jsonl", [{"body": "no text"}]))), 2, "fields.jsonl:1", "'text'")
    assert not (tmp_path / "out").exists()


def test_seeds_of_one_domain_only(home: Path, tmp_path: Path, seed_files: Mapping[str, Path]) -> None:
    spec = f"{TOPICS[0]}={seed_files[TOPICS[0]]}"
    done = typed(
        "mine", "--corpus", home / "corpus", "--seeds", spec, "--out", tmp_path / "out", "--contrast", "none",
        "--rounds", 0, "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing shows what is not wanted" in done.stdout


def test_vectors_of_another_encoder(home: Path) -> None:
    done = typed("search", "--corpus", home / "corpus", "words", "--encoder", "minilm")
    only(done, 2, "no vectors of the encoder 'minilm'", "there: lexical", "motherlode corpus encode")


def test_queries_that_find_nothing(home: Path) -> None:
    only(typed("search", "--corpus", home / "corpus", " "), 2, "empty")
    only(typed("search", "--corpus", home / "corpus", "zzqx"), 2, "no word of the query")
    only(typed("search", "--corpus", home / "corpus", "words", "-k", 0), 2, "-k")


def small_files_only() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk(home: Path, tmp_path: Path, seed_files: Mapping[str, Path], workers: int) -> None:
    spec = f"{TOPICS[0]}={seed_files[TOPICS[0]]}"
    command = ("mine", "--corpus", home / "corpus", "--seeds", spec, "--out", tmp_path / "out", "--rounds", 0)
    command += ("--contrast", "none", "--workers")
    full = motherlode(*command, workers, prepare=small_files_only)
    refused(full, 1, "cannot be written", str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.tmp"))
    done = typed(*command, 1)
    assert done.returncode == 0, done.stderr


def test_debug_shows_where(tmp_path: Path) -> None:
    done = motherlode("--debug", "corpus", "stats", tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


# ---- terminals and signals


def test_mined_text_cannot_move_the_cursor(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b[2J \x9b5m \u202eright to left [bold]not bold[/bold] [/] [link=x]y[/link] \x07\r\n"
    rows = [
        {
            "id": f"\x1b]0;title\x07{n}",
            "source": "[red]src[/red]\x1b[1m",
            "text": f"{hostile} {TOPICS[n % 2]} words number {n}",
        }
        for n in range(30)
    ]
    source = write_lines(tmp_path / "hostile.jsonl", rows)
    for clean in ("--clean", "--no-clean"):
        corpus = tmp_path / f"corpus{clean} [bold] [/x]"
        built = typed("corpus", "build", source, "--out", corpus, clean, "--no-deduplicate", "--workers", 1)
        assert built.returncode == 0, built.stderr
        encoded = typed("corpus", "encode", corpus, "--workers", 1)
        assert encoded.returncode == 0, encoded.stderr
        for done in (
            typed("corpus", "stats", corpus),
            typed("search", "--corpus", corpus, f"{TOPICS[0]} words"),
        ):
            assert done.returncode == 0, done.stderr
            assert not set(done.stdout) & set("\x1b\x9b\x07\r\u202e")
        assert "[bold]not bold[/bold]" in done.stdout


def test_errors_cannot_move_the_cursor(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "fields.jsonl", [{"\x1b[2Jbody\x07": "a document of some seven words"}])
    line = refused(typed("corpus", "build", source, "--out", tmp_path / "out", "--workers", 1), 2, "body")
    assert not set(line) & set("\x1b\x07")


def interrupt_when(ready: Callable[[], bool], process: subprocess.Popen[str], number: int) -> tuple[str, str]:
    """Send a signal once something has happened, and wait for the end."""
    for _ in range(int(PATIENCE / 0.02)):
        if ready() or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(number)
    return process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("workers", "number", "after"),
    [
        pytest.param(1, signal.SIGINT, "out/retrieved/manifest.jsonl", marks=pytest.mark.long),
        (2, signal.SIGTERM, "out/seeds.jsonl"),
    ],
)
def test_interrupted_and_resumed(
    tmp_path: Path, seed_files: Mapping[str, Path], workers: int, number: int, after: str
) -> None:
    corpus = Corpus.build(write_lines(tmp_path / "documents.jsonl", records(300)), tmp_path / "corpus", shard_rows=40)
    corpus.encode()
    command = [
        sys.executable,
        "-m",
        "motherlode",
        "mine",
        "--corpus",
        "corpus",
        "--out",
        "out",
        "--contrast",
        "background",
    ]
    command += [part for topic, path in seed_files.items() for part in ("--seeds", f"{topic}={path}")]
    command += ["--workers", str(workers)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path
    )
    output, errors = interrupt_when((tmp_path / after).exists, process, number)
    assert process.returncode == 130, errors
    assert output == ""
    assert "\ninterrupted; what is finished is kept" in f"\n{errors}"
    assert "Traceback" not in errors
    assert not Manifest.read(tmp_path / "out").complete
    done = typed(*command[3:-1], 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Manifest.read(tmp_path / "out").complete


def test_a_closed_pipe_is_no_error(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "motherlode", "seeds", "list"], stdout=writer, stderr=subprocess.PIPE, text=True,
        check=False, env=environment(), timeout=PATIENCE,
    )  # fmt: skip
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
