"""The file of a comparison: what it may hold, and that every mistake is one line before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from motherlode.comparison.config import CompareConfig, read_config
from motherlode.errors import InputError

GOOD: dict[str, Any] = {
    "model": "model",
    "pool": "pool.jsonl",
    "domains": {"medicine": {"train": "train.jsonl", "tasks": ["test.jsonl"], "dev": "dev.jsonl"}},
    "methods": {"base": None, "domain-only": None, "random": {}, "plain": {"method": "ntk", "kernel": "ntk-signs"}},
}


def read(folder: Path, values: Any) -> CompareConfig:
    path = folder / "compare.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return read_config(path)


def test_names_options_and_paths(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "test.jsonl").touch()
    config = read(tmp_path, {**GOOD, "random_seeds": 2, "sizes": 5, "budgets": [10, 20]})
    assert config.model == str(tmp_path / "model")
    assert config.domains["medicine"].train == (str(tmp_path / "train.jsonl"),)
    assert config.domains["medicine"].tasks == (str(tmp_path / "test.jsonl"),)
    assert config.random_seeds == (0, 1)
    assert (config.sizes, config.budgets) == ((5,), (10, 20))
    plain = config.methods["plain"]
    assert (plain.method, plain.options, plain.baseline) == ("ntk", {"kernel": "ntk-signs"}, False)
    assert config.methods["random"].baseline
    assert not config.methods["base"].baseline


def test_a_hub_model_and_a_task_of_the_harness_stay_names(tmp_path: Path) -> None:
    domains = {"medicine": {"train": "train.jsonl", "tasks": "pubmedqa"}}
    config = read(tmp_path, {**GOOD, "model": "Qwen/Qwen3-0.6B", "domains": domains})
    assert config.model == "Qwen/Qwen3-0.6B"
    assert config.domains["medicine"].tasks == ("pubmedqa",)


def test_methods_as_a_list(tmp_path: Path) -> None:
    methods = ["base", "random", {"signs": {"method": "ntk", "kernel": "ntk-signs"}}]
    config = read(tmp_path, {**GOOD, "methods": methods})
    assert list(config.methods) == ["base", "random", "signs"]
    with pytest.raises(InputError, match="is no entry of its own"):
        read(tmp_path, {**GOOD, "methods": ["base", "base"]})


def test_a_sweep_of_thresholds_is_as_many_variants(tmp_path: Path) -> None:
    domains = {"finance": {"seeds": "builtin", "heldout": "held.jsonl"}}
    variants = {"general-only": None, "t": {"t_sim": [0.7, 0.8, "auto"]}, "paper": {"t_sim": 0.85, "contrast": []}}
    mining = {"corpus": "corpus", "general_heldout": "general.jsonl", "tokens": 1000, "variants": variants}
    found = read(tmp_path, {"model": "m", "domains": domains, "mining": mining}).mining
    assert found is not None
    assert list(found.variants) == ["general-only", "t 0.7", "t 0.8", "t auto", "paper"]
    assert [found.variants[name].options.get("t_sim") for name in ("t 0.7", "t auto")] == [0.7, None]
    assert found.corpus == str(tmp_path / "corpus")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"methods": {"ramdom": None}}, "methods: ramdom: unknown method 'ramdom'; did you mean 'random'?"),
        ({"methods": {"mine": {"method": "nkt"}}}, "unknown method 'nkt'; did you mean 'ntk'?"),
        ({"methods": {"base": {"kernel": "ntk"}}}, "base has no option 'kernel'"),
        ({"methods": {"random": {"epochs": 2}}}, "epochs are tuned for domain-only alone"),
        ({"methods": {"domain-only": {"epochs": [0]}}}, "epochs are not numbers of 1 or more"),
        ({"methods": "random"}, "methods: does not hold names and values"),
        ({"methods": {}}, "nothing is compared"),
        ({"pool": None}, "methods select from a pool"),
        ({"budget": 3}, "unknown key 'budget'; did you mean 'budgets'?"),
        ({"budgets": [0]}, "budgets are not different numbers"),
        ({"sizes": [5, 5]}, "sizes are not different numbers"),
        ({"random_seeds": 0}, "random-seeds are not different numbers"),
        ({"equal": "epochs"}, "equal = 'epochs'"),
        ({"domains": {}}, "domains = {}"),
        ({"domains": {"law": {"tasks": "t.jsonl"}}}, "the domain 'law' has no samples"),
        ({"domains": {"law": {"train": "t.jsonl"}}}, "the domain 'law' is tested on nothing"),
        ({"domains": {"law": {"train": "t.jsonl", "task": "t.jsonl"}}}, "unknown key 'task'; did you mean 'tasks'?"),
        ({"model": None}, "model"),
    ],
)
def test_mistakes(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {**GOOD, **change})
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variants", "line"),
    [
        ({"dsri": None}, "unknown method 'dsri'; did you mean 'dsir'?"),
        ({"dsir": None}, "dsir needs `documents`"),
        ({"oracle": {"documents": 3}}, "oracle takes no `documents`"),
        ({"mine": {"t_simm": 0.8}}, "unknown key 't_simm'; did you mean 't_sim'?"),
        ({"mine": {"t_sim": [0.7, 1.5]}}, "t-sim = 1.5"),
        ({}, "variants"),
    ],
)
def test_mistakes_in_variants(tmp_path: Path, variants: dict[str, Any], line: str) -> None:
    domains = {"finance": {"seeds": "builtin", "heldout": "held.jsonl"}}
    mining = {"corpus": "corpus", "general_heldout": "general.jsonl", "tokens": 1000, "variants": variants}
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"model": "m", "domains": domains, "mining": mining})
    assert line in str(caught.value)


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("methods: [")
    with pytest.raises(InputError, match="is not YAML"):
        read_config(tmp_path / "bad.yaml")
