"""A language model as judge of a mined corpus: one call a document, blind to the labels, the domains in random order.

The judge is shown a document and the run's domains, and names those that it belongs to. What it says is compared with
the labels: per domain, precision and recall with intervals. (The paper, arXiv 2410.00260, gives one figure of agreement
over 806 documents.) A judge errs too; its verdicts are kept with their reasons, to be read, and to be trained on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError, MotherlodeError
from motherlode.judge.estimate import Cell, Estimate, precision, recall
from motherlode.judge.questions import JudgeAnswer, JudgeConfig, ask_about, definition_of
from motherlode.judge.sample import Drawn, Sample, draw
from motherlode.llm.client import Client, gather
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.llm.store import AnswerStore
from motherlode.mining.result import MineResult
from motherlode.progress import Progress
from motherlode.seeds.answers import read_answer
from motherlode.seeds.files import write_records
from motherlode.seeds.phrases import phrases
from motherlode.shards import store as files
from motherlode.shards.dataset import Dataset
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.location import location
from motherlode.shards.mirror import mirrored

RESULT, VERDICTS, STORE = "judge.json", "verdicts.jsonl", "judge.answers.sqlite"


@dataclass(frozen=True)
class DomainJudged:
    """What the judge says of one domain.

    Attributes:
        name: The domain.
        precision: Share of the labelled documents that belong to it.
        recall: Share of the documents that belong to it that are labelled.
        agreed: Judged documents with the label that the judge gives it too.
        labelled: Judged documents with the label.
        missed: Judged documents without the label that the judge gives it.
    """

    name: str
    precision: Estimate
    recall: Estimate
    agreed: int
    labelled: int
    missed: int


@dataclass(frozen=True)
class Judged:
    """What `judge` found.

    Attributes:
        folder: The mined folder.
        model: Who judged.
        labels: Digest of the labels judged.
        documents: Documents judged.
        unjudged: Documents without a usable answer, by what was wrong with the last one.
        agreement: Share of the judged documents whose labels are exactly the judge's.
        domains: By domain.
        requests: Requests sent, over all tries.
        cost: What they cost; None without prices.
        strata: Documents of the corpus and documents judged, by stratum: what estimates rest on.
    """

    folder: str
    model: str
    labels: str
    documents: int
    unjudged: dict[str, int]
    agreement: float
    domains: dict[str, DomainJudged]
    requests: int
    cost: float | None
    strata: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Judged | None:
        """Read what was found of a mined folder; None if nothing was, or if it was mined anew since.

        Raises:
            InputError: It is damaged.
        """
        path = folder / RESULT
        try:
            values = json.loads(path.read_text("utf-8"))
            for name, domain in values["domains"].items():
                for key in ("precision", "recall"):
                    domain[key] = Estimate(**domain[key])
                values["domains"][name] = DomainJudged(**domain)
            values["strata"] = {name: (size, count) for name, (size, count) in values["strata"].items()}
            found = cls(**values)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"is damaged ({error})", where=str(path), hint="run `judge` again") from error
        return found if found.labels == _labels_digest(folder) else None


def judge(
    mined: str | Path,
    endpoint: Endpoint,
    *,
    definitions: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    quiet: bool = False,
    **settings: object,
) -> Judged:
    """Have a sample of a mined corpus judged.

    Args:
        mined: The output folder of `mine`; verdicts and result are written into it.
        endpoint: Who judges.
        definitions: What belongs to a domain, by name; the built-in packs and industries are known.
        budget: What may be spent, over all tries.
        quiet: Whether no progress is shown.
        **settings: The fields of `JudgeConfig`.

    Returns:
        The estimates.

    Raises:
        InputError: The folder, a setting or the endpoint must be changed.
        BudgetSpentError: The budget does not reach; answers are kept.
        MotherlodeError: The server fails, or the model's answers cannot be used.
    """
    config = JudgeConfig.parse(settings, "judge")
    folder, budget = location(mined), budget or Budget()
    result = MineResult.read(folder)
    home = location(result.corpus)
    beside = folder.resolve().parent / home.name
    corpus = Corpus(beside if not home.exists() and beside.exists() else home)
    labels = Dataset(folder / "labels")
    sample = draw(result, corpus, labels, config.sample, config.random_seed)
    if not sample.documents:
        raise InputError("holds no document", where=str(corpus.folder))
    unknown = sorted(set(definitions or {}) - set(sample.domains))
    if unknown:
        known = ", ".join(sample.domains)
        raise InputError(f"{unknown[0]!r} was not mined", where="--description", hint=f"mined: {known}")
    known_definitions = {name: definition_of(name) for name in sample.domains} | dict(definitions or {})
    with mirrored(folder / STORE, file=True) as answers, AnswerStore(answers) as store:
        verdicts = asyncio.run(_ask(sample, known_definitions, endpoint, store, budget, config, quiet))
        spend = store.spend
    judged = [verdict for verdict in verdicts if verdict.judged is not None]
    failed = Counter(verdict.reason for verdict in verdicts if verdict.judged is None)
    if not judged:
        raise MotherlodeError(
            f"no answer of the judge could be used ({len(verdicts):,} documents)",
            where=endpoint.model,
            hint="use a more capable model; its answers are kept",
        )
    write_records(folder / VERDICTS, [verdict.record(sample, endpoint.model) for verdict in judged])
    found = Judged(
        folder=str(folder),
        model=endpoint.model,
        labels=_labels_digest(folder),
        documents=len(judged),
        unjudged=dict(failed),
        agreement=sum(set(v.document.labels) == set(v.judged or ()) for v in judged) / len(judged),
        domains={name: _estimates(name, sample, judged) for name in sample.domains},
        requests=spend.requests,
        cost=budget.cost(spend.prompt_tokens, spend.completion_tokens) if budget.priced else None,
        strata={
            name: (int(sample.sizes[number]), sum(v.document.stratum == number for v in judged))
            for number, name in enumerate(sample.strata)
        },
    )
    files.write_text(folder / RESULT, json.dumps(dataclasses.asdict(found), indent=1) + "\n")
    return found


@dataclass(frozen=True)
class _Verdict:
    document: Drawn
    judged: tuple[str, ...] | None
    reason: str

    def record(self, sample: Sample, model: str) -> dict[str, Any]:
        labels, judged = set(self.document.labels), set(self.judged or ())
        return {
            "id": self.document.id,
            "labels": list(self.document.labels),
            "judged": list(self.judged or ()),
            "agree": labels == judged,
            "reason": self.reason,
            "asked": list(sample.domains),
            "stratum": sample.strata[self.document.stratum],
            "scores": {name: round(score, 6) for name, score in self.document.scores.items()},
            "model": model,
            "text": self.document.text,
        }


async def _ask(
    sample: Sample,
    definitions: Mapping[str, str],
    endpoint: Endpoint,
    store: AnswerStore,
    budget: Budget,
    config: JudgeConfig,
    quiet: bool,
) -> list[_Verdict]:
    with Progress("judge", len(sample.documents), "documents", quiet) as progress:
        async with Client(endpoint, store, budget) as client:

            async def one(document: Drawn) -> _Verdict:
                verdict = await _judge_one(document, sample.domains, definitions, client, config)
                progress.note = client.spent
                progress.advance(1)
                return verdict

            return await gather([one(document) for document in sample.documents])


async def _judge_one(
    document: Drawn, domains: tuple[str, ...], definitions: Mapping[str, str], client: Client, config: JudgeConfig
) -> _Verdict:
    why = "malformed"
    for attempt in range(config.tries):
        order, question = ask_about(document, domains, definitions, config, attempt)
        answer = await client.ask(question)
        if answer.refusal or answer.finish in ("content_filter", "length"):
            why = "truncated" if answer.finish == "length" else "refused"
            continue
        read = read_answer(answer.text, JudgeAnswer)
        if read is not None and all(1 <= number <= len(order) for number in read.domains):
            chosen = {order[number - 1] for number in read.domains}
            return _Verdict(document, tuple(name for name in domains if name in chosen), read.reason[:1000])
        why = "refused" if phrases().refuses(answer.text) else "malformed"
    return _Verdict(document, None, why)


def _estimates(name: str, sample: Sample, judged: list[_Verdict]) -> DomainJudged:
    place = sample.domains.index(name)
    accepted: list[Cell] = []
    rejected: list[Cell] = []
    for stratum in range(len(sample.strata)):
        here = [verdict for verdict in judged if verdict.document.stratum == stratum]
        for has, cells in ((True, accepted), (False, rejected)):
            those = [verdict for verdict in here if (name in verdict.document.labels) == has]
            size = int(sample.labelled[stratum, place])
            size = size if has else int(sample.sizes[stratum]) - size
            cells.append(Cell(size, len(those), sum(name in (verdict.judged or ()) for verdict in those)))
    return DomainJudged(
        name=name,
        precision=precision(accepted),
        recall=recall(accepted, rejected),
        agreed=sum(cell.positive for cell in accepted),
        labelled=sum(cell.judged for cell in accepted),
        missed=sum(cell.positive for cell in rejected),
    )


def _labels_digest(folder: Path) -> str:
    return fingerprint(list(Dataset(folder / "labels").digest))
