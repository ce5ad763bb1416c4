"""`init`, `run`, `status` as a person types them: exit codes, one line an error; `run` is a real process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motherlode.corpus.corpus import Corpus
from tests.cli.test_cli import motherlode
from tests.command import typed
from tests.workflow.setting import write_config, write_data


@pytest.mark.slow
def test_a_project_from_init_to_status(tmp_path: Path) -> None:
    made = typed("init", tmp_path / "new")
    assert made.returncode == 0 and "motherlode run" in made.stdout
    again = typed("init", tmp_path / "new")
    assert again.returncode == 2 and again.stderr.count("\n") == 1 and "is there already" in again.stderr

    folder = write_data(tmp_path / "p", 120)
    config = write_config(folder, mine=None)
    before = typed("status", folder)
    assert before.returncode == 0 and before.stdout.count("missing") == 4
    done = motherlode("run", config, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "corpus: not done yet" in done.stdout and "120 documents of 120 records" in done.stdout
    assert "report.html" in done.stdout and "Traceback" not in done.stderr
    write_config(folder, mine=None, corpus={"inputs": ["data/raw.jsonl"], "shard_rows": 100, "min_words": 6})
    found = json.loads(typed("status", config, "--json").stdout)
    assert found[0] == {"name": "corpus", "state": "stale", "why": ["min_words: 5 -> 6"]}
    table = typed("status", config).stdout
    assert "stale" in table and "min_words: 5 -> 6" in table and "follows corpus, which is stale" in table
    wrong = typed("run", config, "--only", "mine")
    assert wrong.returncode == 2 and "it is off: the file has no section 'mine'" in wrong.stderr
    assert typed("status", tmp_path / "nowhere.yaml").returncode == 2


def test_corpus_build_reads_the_section_as_a_run_does(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "p", 60)
    (folder / "data" / "test.jsonl").write_text(json.dumps({"question": "an item of fourteen words " * 3}) + "\n")
    corpus = {"inputs": ["data/raw.jsonl"], "decontaminate": ["data/test.jsonl:question"]}
    config = write_config(folder, corpus=corpus)
    done = typed("corpus", "build", "--config", config, "--out", tmp_path / "out", "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert len(Corpus(tmp_path / "out")) == 60
    inputs = typed(
        "corpus",
        "build",
        folder / "data" / "velmar.jsonl",
        "--config",
        config,
        "--out",
        tmp_path / "two",
        "--workers",
        1,
    )
    assert inputs.returncode == 0 and len(Corpus(tmp_path / "two")) == 16
    nothing = typed("corpus", "build", "--out", tmp_path / "three")
    assert nothing.returncode == 2 and "no input was given" in nothing.stderr and nothing.stderr.count("\n") == 1
