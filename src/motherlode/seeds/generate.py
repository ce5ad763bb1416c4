"""Seeds written by a language model (arXiv 2410.00260, "Seed Data Generator"): from a domain's name to a seed file.

All answers are kept beside the file as they come, so a killed run goes on where it was, and the same answers give the
same bytes. How orders are laid out and judged is in `motherlode.seeds.writer`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motherlode.errors import InputError
from motherlode.llm.client import Client
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.llm.store import AnswerStore
from motherlode.progress import Progress
from motherlode.seeds.files import read_records
from motherlode.seeds.prompt import SeedTemplate
from motherlode.seeds.seeds import Seeds
from motherlode.seeds.writer import GenerateConfig, Writer
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import path_here

STORE_SUFFIX = ".answers.sqlite"
_MOST_SAMPLES = 10_000


@dataclass(frozen=True, repr=False)
class Generated:
    """What `generate` did.

    Attributes:
        seeds: The seeds.
        path: The file that they are in.
        ordered: Seeds that were wanted.
        faults: Answers that were not used, by what was wrong.
        retries: Requests sent again, by what had happened; of this run.
        missing: Ids of seeds that could not be had within the tries, with the faults of each.
        requests: Requests sent, over all runs.
        prompt_tokens: Over all runs.
        completion_tokens: Over all runs.
        cost: Over all runs; None without prices.
        language_checked: Whether the documents' language was told apart.
    """

    seeds: Seeds
    path: str
    ordered: int
    faults: dict[str, int]
    retries: dict[str, int]
    missing: dict[str, tuple[str, ...]]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    language_checked: bool

    def __repr__(self) -> str:
        """Say what and how much."""
        return f"Generated({self.path!r}, {len(self.seeds)} of {self.ordered} seeds, {self.requests} requests)"


def generate(
    domain: str,
    out: str | Path,
    endpoint: Endpoint,
    *,
    description: str | None = None,
    template: SeedTemplate | None = None,
    samples: Sequence[str] = (),
    budget: Budget | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    **settings: object,
) -> Generated:
    """Let a language model write the seeds of a domain.

    Args:
        domain: Its name; the 21 industries of the paper are known, with a definition.
        out: The seed file to write; answers are kept beside it, in `OUT.answers.sqlite`.
        endpoint: Who writes.
        description: A sentence or two on what belongs to the domain; default: the industry's definition.
        template: Dimensions and prompt.
        samples: Real documents of the domain to steer by; what copies from them is written anew.
        budget: What may be spent, over all runs with this output.
        overwrite: Whether seeds of another kind in the file are replaced.
        quiet: Whether no progress is shown.
        **settings: The fields of `GenerateConfig`.

    Returns:
        What was written, and at what expense.

    Raises:
        InputError: A name, a path, a setting or the endpoint must be changed.
        BudgetSpentError: The budget does not reach; answers are kept.
        MotherlodeError: The server fails, or the model writes nothing that can be used.
    """
    config = GenerateConfig.parse(settings, "seeds generate")
    writer = Writer(domain, description, template or SeedTemplate(), samples, config)
    budget = budget or Budget()
    path = path_here(out).expanduser()
    store_path = check_output(path, overwrite)
    with AnswerStore(store_path) as store:
        identity = fingerprint("seeds", writer.domain, writer.language)
        before = store.fact("output")
        if before not in (None, identity) and path.exists() and not overwrite:
            hint = "name another --out, or replace them with --overwrite"
            raise InputError("holds seeds of another domain or language", where=str(path), hint=hint)
        store.learn("output", identity)
        retries = asyncio.run(_write(writer, endpoint, store, budget, quiet))
        spend = store.spend
    seeds = writer.seeds(endpoint.model)
    seeds.write(path)
    return Generated(
        seeds=seeds,
        path=str(path),
        ordered=config.count,
        faults=dict(Counter(fault for order in writer.orders for fault in order.faults).most_common()),
        retries=retries,
        missing={order.id: tuple(order.faults) for order in writer.orders if not order.accepted},
        requests=spend.requests,
        prompt_tokens=spend.prompt_tokens,
        completion_tokens=spend.completion_tokens,
        cost=budget.cost(spend.prompt_tokens, spend.completion_tokens) if budget.priced else None,
        language_checked=writer.identify is not None,
    )


def check_output(path: Path, overwrite: bool) -> Path:
    """Check that a seed file can be written, before anything is spent.

    Args:
        path: The file.
        overwrite: Whether a file may be replaced that no run of `generate` left.

    Returns:
        The path of the answers beside it.

    Raises:
        InputError: It cannot, or something else is there.
    """
    store = path.with_name(path.name + STORE_SUFFIX)
    if not path.name or path.is_dir():
        raise InputError("is a folder", where=str(path), hint="name a file, e.g. seeds.jsonl")
    if not path.parent.is_dir():
        raise InputError("its folder does not exist", where=str(path), hint=f"create {path.parent} first")
    if path.exists() and not store.exists() and not overwrite:
        hint = "name another --out, or replace it with --overwrite"
        raise InputError("exists, and was not made by `seeds generate`", where=str(path), hint=hint)
    return store


def read_samples(path: Path) -> list[str]:
    """Read real documents to steer by: JSONL with a field `text`.

    Raises:
        InputError: The file, or a line of it, must be changed.
    """
    texts = []
    for number, record in read_records(path):
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InputError("has no text", where=f"{path}:{number}", hint='write {"text": "..."}')
        texts.append(text)
        if len(texts) > _MOST_SAMPLES:
            raise InputError(f"holds over {_MOST_SAMPLES:,} documents", where=str(path), hint="some dozens are enough")
    return texts


async def _write(writer: Writer, endpoint: Endpoint, store: AnswerStore, budget: Budget, quiet: bool) -> dict[str, int]:
    """Have all orders filled; return what had to be sent again."""
    with Progress("write seeds", len(writer.orders), "seeds", quiet) as progress:
        async with Client(endpoint, store, budget) as client:
            await writer.run(client, progress)
            return client.retries
