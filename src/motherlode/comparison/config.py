"""What a comparison is: a YAML file that names models, domains, methods, sizes and budgets.

Every name is checked before any work starts, and an unknown one is refused with the nearest valid one. Paths are
relative to the file's own folder, so that a comparison can be moved with its data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from motherlode.comparison.methods import MethodConfig, VariantConfig
from motherlode.config import Config
from motherlode.errors import InputError
from motherlode.shards.local_copy import beside
from motherlode.yaml_file import read_yaml


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class DomainConfig(Config):
    """A domain: what is learnt from, and what it is tested on."""

    train: tuple[str, ...] = Field((), description="its samples, or task files; drawn from evenly")
    dev: str | None = Field(None, description="held-out samples, or a task file, that epochs are tuned on")
    tasks: tuple[str, ...] = Field((), description="what is tested on: task files, or names of the harness's tasks")
    label: str | None = Field(None, description="its value in the pool's field; default: the domain's name")
    seeds: str | None = Field(None, description="seeds for `mining`: a file, or 'builtin' for the pack of that name")
    heldout: str | None = Field(None, description="documents of the domain that nothing is trained on, for `mining`")

    _as_lists = field_validator("train", "tasks", mode="before")(_listed)


class MiningConfig(Config):
    """Variants of `mine`, compared through continued pre-training."""

    corpus: str = Field(description="folder that `corpus build` wrote")
    general: str | None = Field(None, description="general texts to mix in; default: the corpus itself")
    general_heldout: str = Field(description="general documents that nothing is trained on")
    tokens: int = Field(ge=1, description="tokens that every variant is trained on")
    labels: str | None = Field(None, description="JSONL of `id` and `label`: the truth, for quality and the oracle")
    variants: dict[str, VariantConfig] = Field(min_length=1, description="variants by name")
    training: dict[str, Any] = Field(default_factory=dict, description="options of `adapt cpt`")
    mine: dict[str, Any] = Field(default_factory=dict, description="options of `mine` for all variants")


class CompareConfig(Config):
    """A comparison; every field is a name in the YAML file."""

    model: str = Field(description="Hugging Face folder or hub name of a causal language model")
    domains: dict[str, DomainConfig] = Field(min_length=1, description="domains by name")
    pool: str | None = Field(None, description="samples that methods select from")
    methods: dict[str, MethodConfig] = Field(default_factory=dict, description="methods by name")
    sizes: tuple[int, ...] = Field((100,), description="numbers of domain samples, |D|")
    budgets: tuple[int, ...] = Field((1000,), description="numbers of selected samples, N")
    random_seeds: tuple[int, ...] = Field((0, 1, 2), description="random seeds, or how many")
    equal: Literal["steps", "tokens"] = Field("steps", description="what all methods of a budget have the same of")
    in_domain_field: str = Field("domain", description="field of the pool's rows that names the domain, for 'oracle'")
    decontaminate: bool = Field(True, description="whether pool rows that hold test items are left out for all")
    share: bool = Field(
        False, description="whether methods share warm-up and vectors; seconds then count where they were spent"
    )
    selection: dict[str, Any] = Field(default_factory=dict, description="options of `select` for all methods")
    training: dict[str, Any] = Field(default_factory=dict, description="options of `adapt sft`")
    evaluation: dict[str, Any] = Field(default_factory=dict, description="options of `evaluate`")
    mining: MiningConfig | None = Field(None, description="variants of `mine`")

    @field_validator("random_seeds", mode="before")
    @classmethod
    def _counted(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("sizes", "budgets", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name in ("sizes", "budgets", "random_seeds"):
            values = getattr(self, name)
            least = 0 if name == "random_seeds" else 1
            if not values or min(values) < least or len(set(values)) < len(values):
                raise ValueError(f"{name.replace('_', '-')} are not different numbers of {least} or more, 1 at least")
        if not self.methods and self.mining is None:
            raise ValueError("nothing is compared: add `methods`, or `mining`")
        if self.methods and self.pool is None:
            raise ValueError("methods select from a pool: name one with `pool`")
        for name, domain in self.domains.items():
            if self.methods and not domain.train:
                raise ValueError(f"the domain {name!r} has no samples: name files with `train`")
            if self.methods and not domain.tasks:
                raise ValueError(f"the domain {name!r} is tested on nothing: name files with `tasks`")
            if self.mining is not None and domain.seeds is None:
                raise ValueError(f"the domain {name!r} has no `seeds`, which mining starts from")
            if self.mining is not None and domain.heldout is None:
                raise ValueError(f"the domain {name!r} has no `heldout` documents, which mining is measured on")
        return self


def read_config(path: Path) -> CompareConfig:
    """Read a comparison's file.

    Args:
        path: The YAML file.

    Returns:
        The comparison; paths in it are relative to nothing but the working directory.

    Raises:
        InputError: The file is missing or no YAML, or a name or a value in it must be changed.
    """
    values = read_yaml(path)
    where = str(path)
    base = path.parent
    for name in ("pool", "model"):
        if isinstance(values.get(name), str):
            values[name] = _placed(values[name], base, must=name == "pool")
    values["domains"] = {
        name: DomainConfig.parse(_domain(part, base), f"{where}: domains: {name}")
        for name, part in _mapping(values.get("domains"), "domains", where).items()
    }
    values["methods"] = {
        name: MethodConfig.read(name, part, f"{where}: methods: {name}")
        for name, part in _entries(values.get("methods"), "methods", where).items()
    }
    if values.get("mining") is not None:
        mining = dict(_mapping(values["mining"], "mining", where))
        for name in ("corpus", "general", "general_heldout", "labels"):
            if isinstance(mining.get(name), str):
                mining[name] = _placed(mining[name], base, must=True)
        mining["variants"] = {
            given: variant
            for name, part in _entries(mining.get("variants"), "mining: variants", where).items()
            for given, variant in VariantConfig.read(name, part, f"{where}: mining: variants: {name}").items()
        }
        values["mining"] = MiningConfig.parse(mining, f"{where}: mining")
    return CompareConfig.parse(values, where)


def _mapping(value: Any, name: str, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError("does not hold names and values", where=f"{where}: {name}")
    return value


def _entries(value: Any, name: str, where: str) -> dict[str, Any]:
    """Return named entries; a list may hold names, or single names with options."""
    if not isinstance(value, list):
        return _mapping(value, name, where)
    found: dict[str, Any] = {}
    for item in value:
        part = {item: None} if isinstance(item, str) else item
        if not isinstance(part, dict) or len(part) != 1 or {*part} & {*found}:
            hint = "write a name, or `name: {option: value}`, each name once"
            raise InputError(f"{item!r} is no entry of its own", where=f"{where}: {name}", hint=hint)
        found |= part
    return _mapping(found, name, where)


def _domain(part: Any, base: Path) -> Mapping[str, Any]:
    if not isinstance(part, dict):
        return {"train": part}
    placed = dict(part)
    for name in ("train", "tasks"):
        if isinstance(placed.get(name), (str, list)):
            files = [placed[name]] if isinstance(placed[name], str) else placed[name]
            placed[name] = [_placed(f, base, must=name == "train") if isinstance(f, str) else f for f in files]
    for name in ("dev", "heldout", "seeds"):
        if isinstance(placed.get(name), str):
            placed[name] = _placed(placed[name], base, must=name != "seeds")
    return placed


def _placed(value: str, base: Path, must: bool) -> str:
    """Return a path in the file's folder; what may also be a name stays one if there is no such file."""
    path = beside(base, value)
    return str(path) if must or path.exists() else value
