"""The inputs of a comparison, looked through before any work starts, and the draw of a domain's samples.

A domain's samples come from files of samples, or from the training parts of tasks, whose items become prompts by the
very rule that the evaluation uses. For each number |D| and random seed as many are drawn, evenly from the files.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.comparison.config import CompareConfig, DomainConfig
from motherlode.errors import InputError
from motherlode.models.rows import Rows, Samples
from motherlode.shards import store
from motherlode.shards.fingerprint import bytes_digest, file_digest, fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.location import location

if TYPE_CHECKING:
    from motherlode.evaluation.prompt import Style

INPUTS = "inputs"  # the folder of what was drawn


@dataclass(frozen=True)
class Drawn:
    """Samples that were drawn, as they are written.

    Attributes:
        data: Lines of JSON.
        count: How many.
    """

    data: bytes
    count: int

    @cached_property
    def digest(self) -> str:
        """Digest of the bytes."""
        return bytes_digest(self.data)

    @property
    def name(self) -> str:
        """Where it is written, below the output folder."""
        return f"{INPUTS}/{self.digest[:16]}.jsonl"

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Drawn:
        """Take rows."""
        return cls("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(), len(rows))

    def write(self, folder: Path) -> None:
        """Write the file, unless it is there."""
        path = folder / self.name
        if not path.is_file():
            store.make_folder(path.parent)
            store.write_bytes(path, self.data)


class DomainSamples:
    """All samples of a domain's training files."""

    def __init__(self, name: str, config: DomainConfig, fields: Mapping[str, str], style: Style = "cloze") -> None:
        """Read and check them.

        Args:
            name: The domain.
            config: Its files.
            fields: Names of fields, ours to the files'.
            style: How choices of task items are shown.

        Raises:
            InputError: A file is missing or damaged, a row is no sample, or `dev` is empty.
        """
        self.name = name
        self.files = [read_samples(path, fields, style) for path in config.train]
        self.dev = None if config.dev is None else Drawn.of(read_samples(config.dev, fields, style))
        self.train = Drawn.of([row for rows in self.files for row in rows])

    def __len__(self) -> int:
        """Return how many there are."""
        return self.train.count

    def draw(self, count: int, random_seed: int) -> Drawn:
        """Draw samples without replacement, evenly from the files; what a small file lacks the others give.

        Args:
            count: How many; at most all.
            random_seed: Seed of the draw. A larger draw of the same seed holds the smaller one.
        """
        orders = []
        for place, rows in enumerate(self.files):
            order = list(range(len(rows)))
            random.Random(f"{random_seed}-{place}").shuffle(order)  # noqa: S311 - a draw, not a secret
            orders.append(order)
        taken: list[Mapping[str, Any]] = []
        for turn in range(max(map(len, orders))):
            taken += [rows[order[turn]] for rows, order in zip(self.files, orders, strict=True) if turn < len(order)]
        return Drawn.of(taken[:count])


def read_samples(path: str, fields: Mapping[str, str], style: Style = "cloze") -> list[dict[str, Any]]:
    """Read samples, or the items of a task as samples.

    Raises:
        InputError: The file is missing, empty or damaged, or a row is neither.
    """
    rows = Rows(path)
    if not len(rows):
        raise InputError("is empty", where=path)
    if {"question", "answer"} <= {*rows[0]}:
        from motherlode.evaluation.samples import task_samples

        return [dict(row) for row in task_samples(path, style=style)]
    samples = Samples(rows, dict(fields))
    return [samples.read(index)[0] for index in range(len(rows))]


@dataclass(frozen=True)
class Checked:
    """A comparison whose inputs have been looked through.

    Attributes:
        config: The comparison.
        domains: The samples of each domain; none where only mining is compared.
        pool_rows: Rows of the pool.
        pool_digest: Digest of its files.
        pool_characters: Mean characters of a row.
        digests: Of task files and documents, by path.
        items: Items of task files, by path.
    """

    config: CompareConfig
    domains: Mapping[str, DomainSamples]
    pool_rows: int
    pool_digest: str
    pool_characters: float
    digests: Mapping[str, str]
    items: Mapping[str, int]

    @cached_property
    def model_digest(self) -> str:
        """Digest of the model's files, or its name if it lies on the hub."""
        folder = here(self.config.model)
        if not folder.is_dir():
            return self.config.model
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return fingerprint([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])


def check(config: CompareConfig) -> Checked:
    """Look through everything that a comparison reads.

    Raises:
        InputError: A file is missing or faulty, a domain is smaller than |D|, N is larger than the pool, or an option
            is none.
        MissingExtraError: What trains or evaluates is not installed.
    """
    model = here(config.model)
    if model.is_dir() and not (model / "config.json").is_file():
        raise InputError("holds no config.json", where=f"model: {model}", hint="name a Hugging Face model folder")
    if not model.is_dir() and (model.exists() or model.is_absolute() or config.model.startswith((".", "~"))):
        what = "is a file, not a folder" if model.exists() else "no such folder"
        raise InputError(what, where=f"model: {config.model}", hint="name a Hugging Face model folder or hub name")
    _check_options(config)
    items: dict[str, int] = {}
    digests: dict[str, str] = {}
    for domain in config.domains.values():
        for task in domain.tasks:
            items[task] = _check_task(task)
            if here(task).is_file():
                digests[task] = file_digest(here(task))
    fields, style = config.selection.get("fields") or {}, config.evaluation.get("style", "cloze")
    domains: dict[str, DomainSamples] = {}
    rows, digest, characters = 0, "", 0.0
    if config.methods:
        for name, domain in config.domains.items():
            domains[name] = found = DomainSamples(name, domain, fields, style)
            if max(config.sizes) > len(found):
                raise InputError(
                    f"the domain {name!r} has {len(found):,} samples, fewer than the {max(config.sizes):,} of `sizes`",
                    hint="ask for fewer, or name more files with `train`",
                )
        rows, digest, characters = _check_pool(config, fields)
    if config.mining is not None:
        digests |= _check_mining(config)
    return Checked(config, domains, rows, digest, characters, digests, items)


def _check_options(config: CompareConfig) -> None:
    from motherlode.adaptation.options import CptOptions, SftOptions
    from motherlode.evaluation.options import EvaluateOptions
    from motherlode.mining.run import MineConfig
    from motherlode.selection.options import SelectOptions

    SftOptions.parse({"model": config.model, **config.training}, "training")
    _leave_out("training", config.training, ("max_steps", "merge", "random_seed", "adapter", "model", "eval_every"))
    _leave_out("selection", config.selection, ("n", "method", "model", "random_seed", "eval_files"))
    _leave_out("evaluation", config.evaluation, ("model", "adapter", "random_seed"))
    EvaluateOptions.parse(config.evaluation, "evaluation")
    for name, method in config.methods.items():
        if method.method in ("base", "domain-only", "oracle"):
            continue
        options = {"n": max(config.budgets), "model": config.model, "method": method.method}
        SelectOptions.parse({**options, **config.selection, **method.options}, f"methods: {name}")
    if config.mining is not None:
        CptOptions.parse({"model": config.model, **config.mining.training}, "mining: training")
        MineConfig.parse(config.mining.mine, "mining: mine")


def _leave_out(section: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name in given:
            raise InputError(f"{name} is set by the comparison", where=section, hint="leave it out")


def _check_task(task: str) -> int:
    """Return the number of a task file's items; 0 for a task of the harness, which is checked when it is loaded."""
    from motherlode.evaluation.items import read_task

    if not here(task).exists() and "/" not in task and not task.endswith((".jsonl", ".gz", ".parquet")):
        return 0
    return len(read_task(task).items)


def _check_pool(config: CompareConfig, fields: Mapping[str, str]) -> tuple[int, str, float]:
    pool = Samples.open(str(config.pool), fields)
    usable, characters, in_domain = 0, 0, dict.fromkeys(config.domains, 0)
    labels = {domain.label or name: name for name, domain in config.domains.items()}
    for row, values in pool.usable(config.selection.get("bad_rows", "fail")):
        usable += 1
        characters += len(pool.text(row))
        name = labels.get(str(values.get(config.in_domain_field)))
        if name is not None:
            in_domain[name] += 1
    if max(config.budgets) > usable:
        raise InputError(
            f"{max(config.budgets):,} samples are to be selected, but the pool has {usable:,}",
            where=str(config.pool),
            hint="lower `budgets`, or give a larger pool",
        )
    if any(method.method == "oracle" for method in config.methods.values()):
        for name, count in in_domain.items():
            if not count:
                label = config.domains[name].label or name
                raise InputError(
                    f"no row has {config.in_domain_field} = {label!r}, which the oracle of {name!r} takes",
                    where=str(config.pool),
                    hint="set `in_domain_field`, or the domain's `label`",
                )
    return len(pool.rows), pool.rows.digest, characters / max(1, usable)


def _check_mining(config: CompareConfig) -> dict[str, str]:
    from motherlode.corpus.corpus import Corpus
    from motherlode.seeds.seeds import Seeds

    mining = config.mining
    assert mining is not None
    corpus = Corpus(mining.corpus)
    digests = {mining.corpus: fingerprint(list(corpus.documents.digest))}
    if mining.general is not None and location(mining.general).is_dir():
        digests[mining.general] = fingerprint(list(Corpus(mining.general).documents.digest))
    elif mining.general is not None:
        digests[mining.general] = Rows(mining.general).digest
    files = [mining.general_heldout, *(domain.heldout or "" for domain in config.domains.values())]
    for file in files:
        rows = Rows(file)
        if not any(isinstance(row.get("text"), str) and row["text"].strip() for row in rows):
            raise InputError("holds no document with a `text`", where=file)
        digests[file] = rows.digest
    for name, domain in config.domains.items():
        seeds = Seeds.builtin(name) if domain.seeds == "builtin" else Seeds.read(here(str(domain.seeds)))
        digests[f"seeds of {name}"] = seeds.digest
    oracle = any(variant.method == "oracle" for variant in mining.variants.values())
    if oracle and mining.labels is None:
        raise InputError("the oracle needs `labels`, a file of `id` and `label`", where="mining: variants")
    if mining.labels is not None:
        digests[mining.labels] = Rows(mining.labels).digest
    return digests
