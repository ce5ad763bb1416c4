"""The project's file: what it may hold, and what is said about one that must be changed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from motherlode.corpus.build import BuildConfig
from motherlode.errors import InputError
from motherlode.workflow.init import template, write_project
from motherlode.workflow.project import Project
from motherlode.workflow.run import project_status
from motherlode.workflow.stage import SECTIONS
from tests.workflow.setting import run, write_config, write_data


def uncommented() -> str:
    """The template with all its sections on: comments that are YAML become YAML."""
    lines = []
    for line in template().splitlines():
        found = re.fullmatch(r"( *)# ( *[a-z_]+: ?.*)", line)
        lines.append(found[1] + found[2] if found and "motherlode run" not in line else line)
    return "\n".join(lines)


def test_the_template_is_sound_as_it_is(tmp_path: Path) -> None:
    project = Project.read(write_project(tmp_path / "new"))
    assert [stage.name for stage in project.stages] == ["corpus", "seeds", "mine", "report"]
    found = {stage.name: stage for stage in project_status(project)}
    assert found["corpus"].why == ("its input data/raw is not there",)
    assert {stage.state for stage in found.values()} == {"missing"}


def test_every_line_of_the_template_is_explained() -> None:
    for line in uncommented().splitlines():
        if re.match(r" +[a-z_]+:", line):
            assert " # " in line, line


@pytest.mark.parametrize("section", ["corpus", "seeds", "mine", "select"])
def test_values_of_the_template_are_the_defaults(section: str, tmp_path: Path) -> None:
    values = yaml.safe_load(uncommented())
    assert set(SECTIONS) <= set(values)
    del values["seeds"]["generate"]
    for other in ("adapt", "evaluate"):
        del values[other]
    values["mine"].pop("max_documents")
    (tmp_path / "full.yaml").write_text(yaml.safe_dump(values))
    written = {stage.name: stage.options for stage in Project.read(tmp_path / "full.yaml").stages}
    needed = {
        "corpus": {"inputs"},
        "seeds": {"domains"},
        "mine": set[str](),
        "select": {"domain", "pool", "n"},
    }
    for name, keys in needed.items():
        values[name] = {key: values[name][key] for key in keys}
    (tmp_path / "least.yaml").write_text(yaml.safe_dump(values))
    least = {stage.name: stage.options for stage in Project.read(tmp_path / "least.yaml").stages}
    assert written[section] == least[section]


def test_the_template_runs_once_its_paths_are_real(tmp_path: Path) -> None:
    folder = write_data(tmp_path / "p", 150)
    path = write_project(folder)
    text = (
        path.read_text()
        .replace("data/raw]", "data/raw.jsonl]")
        .replace("healthcare: builtin ", "velmar: data/velmar.jsonl ")
    )
    path.write_text(text)
    assert run(path).ran == ("corpus", "seeds", "mine", "report")


def test_init_replaces_nothing(tmp_path: Path) -> None:
    path = write_project(tmp_path)
    path.write_text("mine: {}")
    with pytest.raises(InputError, match="is there already"):
        write_project(tmp_path)
    assert path.read_text() == "mine: {}"
    with pytest.raises(InputError, match="is a file, not a folder"):
        write_project(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corpsu: {}", r"motherlode\.yaml: unknown section 'corpsu'; did you mean 'corpus'\?"),
        ("outt: x\nseeds: {domains: {finance: builtin}}", r"unknown section 'outt'; did you mean 'out'\?"),
        ("out: x", r"has no section; known: corpus, seeds, mine, select, adapt, evaluate, report"),
        ("- a", r"does not hold names and values"),
        ("corpus: [a]", r"the section 'corpus' does not hold names and values"),
        ("corpus: {}", r"motherlode\.yaml: corpus: inputs"),
        ("corpus: {inputs: []}", r"corpus: inputs = \[\]"),
        ("corpus: {inputs: [a], min_wrods: 3}", r"corpus: unknown key 'min_wrods'; did you mean 'min_words'"),
        (
            "corpus: {inputs: [a], quality_rules: {gofer: {}}}",
            r"unknown key 'quality_rules.gofer'; did you mean 'gopher'",
        ),
        ("mine: {}", r"mine: there are no seeds to mine by; add a section `seeds`"),
        ("mine: {}\nseeds: {domains: {finance: builtin}}", r"mine: there is no corpus; add a section `corpus`"),
        ("seeds: {domains: {finnance: builtin}}", r"there is no pack 'finnance'; did you mean 'finance'\?"),
        ("seeds: {domains: {a/b: x.jsonl}}", r"'a/b' cannot name a domain"),
        ("seeds: {domains: {bees: generate}}", r"nobody is named who writes the seeds of 'bees'"),
        ("seeds: {domains: {bees: generate}, generate: {}}", r"seeds: generate.endpoint"),
        (
            "seeds: {domains: {finance: builtin}, generate: {endpoint: {url: 'http://h/v1', model: m}}}",
            "no domain is marked",
        ),
        ("select: {domain: a, pool: b, n: 0}", r"select: "),
        ("select: {domain: a, pool: b, n: 3}", r"the method 'ntk' needs a model"),
        (
            "select: {domain: a, pool: b, n: 3, method: random, kernle: loss}",
            r"unknown key 'kernle'; did you mean 'kernel'",
        ),
        ("report: {titel: x}", r"report: unknown key 'titel'; did you mean 'title'"),
        ("random_seed: -1\nreport: {}", r"random-seed = -1"),
    ],
)
def test_refusals_name_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "motherlode.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as refused:
        Project.read(path)
    assert "\n" not in str(refused.value)


def test_an_address_with_a_password_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "motherlode.yaml"
    path.write_text(
        "seeds: {domains: {bees: generate}, generate: {endpoint: {url: 'http://me:hunter2@h/v1', model: m}}}"
    )
    with pytest.raises(InputError, match="does not belong in an address") as refused:
        Project.read(path)
    assert "hunter2" not in str(refused.value)


@pytest.mark.skipif(find_spec("torch") is None, reason="the extra 'select' is not installed")
def test_what_stands_at_the_top_holds_for_sections_that_say_nothing(tmp_path: Path) -> None:
    select: dict[str, Any] = {"domain": ["data/domain.jsonl"], "pool": "data/pool.jsonl", "n": 5, "random_seed": 4}
    path = write_config(tmp_path, model="some/model", random_seed=7, device="cpu", select=select)
    found = {stage.name: stage.options for stage in Project.read(path).stages}
    assert found["mine"]["random_seed"] == 7
    assert (found["select"]["random_seed"], found["select"]["model"], found["select"]["device"]) == (
        4,
        "some/model",
        "cpu",
    )


def test_corpus_options_are_those_of_corpus_build() -> None:
    from motherlode.workflow.stages.corpus import CorpusSection

    assert set(CorpusSection.model_fields) - set(BuildConfig.model_fields) == {"inputs"}
