"""The writer of seeds: orders from a balanced design, asked for, screened, compared, and asked for again.

Each order is asked for until its answer has no fault or its tries are used up; what was wrong is told to the model the
next time. Then the documents are compared with each other, and the later one of a near-duplicate pair is ordered anew.
Everything is decided by the answers in the order of rows, never by when they came: the same answers, the same seeds.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError, MissingExtraError, MotherlodeError
from motherlode.llm.chat import Question
from motherlode.llm.client import Client, gather
from motherlode.progress import Progress
from motherlode.seeds.design import balanced, spread
from motherlode.seeds.industries import DEFINITIONS, find_industry
from motherlode.seeds.languages import LANGUAGES, language_code
from motherlode.seeds.near_duplicates import THRESHOLD, near_duplicates
from motherlode.seeds.prompt import SeedAnswer, SeedTemplate, answer_form
from motherlode.seeds.screen import COPIED, LEAKED, Fault, Run, Screen, counted, runs
from motherlode.seeds.seeds import Seed, Seeds, check_name

ORIGIN = "synthetic"
_MOST_DESCRIPTION = 2000  # characters
_SAMPLE_WORDS = 300  # of a sample, that are shown
_TOKENS_PER_WORD = 2.0  # of an answer, with room; scripts without spaces and small vocabularies take more
_OPEN_LENGTH = 1.6  # times the least words, for a length without a most
_ROOM = 500  # tokens for everything but the document


class GenerateConfig(Config):
    """How seeds are written."""

    count: int = Field(200, ge=1, le=100_000, description="seeds")
    language: str = Field("en", description="language of the documents")
    two_domains: float = Field(0.2, ge=0, le=1, description="share of seeds about two domains")
    partners: tuple[str, ...] = Field((), description="second domains; default: the other industries")
    shots: int = Field(3, ge=1, le=20, description="samples shown in a prompt")
    tries: int = Field(5, ge=1, le=50, description="answers asked for one seed, at most")
    temperature: float = Field(1.0, ge=0, le=2, description="temperature of sampling")
    near_duplicate: float = Field(THRESHOLD, gt=0, le=1, description="Jaccard similarity of near-duplicates")
    random_seed: int = Field(0, ge=0, description="seed of the design")


@dataclass
class Order:
    """One row of the design, and how far it is.

    Attributes:
        id: Of the seed.
        row: A value of each dimension.
        domains: One, or two.
        samples: Real documents shown.
        attempt: Answers so far.
        steer: What the model is told next time.
        plain: Whether answers are asked for as tagged text.
        written: The last answer, if it had no fault of its own.
        accepted: Whether it is a seed.
        faults: What was wrong with answers that were not used.
    """

    id: str
    row: Mapping[str, str]
    domains: tuple[str, ...]
    samples: tuple[str, ...]
    attempt: int = 0
    steer: str = ""
    plain: bool = False
    written: SeedAnswer | None = None
    accepted: bool = False
    faults: list[str] = field(default_factory=list)

    def reject(self, fault: Fault) -> None:
        """Note what was wrong."""
        self.written = None
        self.steer = fault.steer
        self.plain = self.plain or fault.name == "malformed"
        self.faults.append(fault.name)


class Writer:
    """Orders of one domain, and what came of them."""

    def __init__(
        self,
        domain: str,
        description: str | None,
        template: SeedTemplate,
        samples: Sequence[str],
        config: GenerateConfig,
    ) -> None:
        """Lay out the orders.

        Args:
            domain: Its name.
            description: What belongs to it.
            template: Dimensions and prompt.
            samples: Real documents to steer by.
            config: How many, and how.

        Raises:
            InputError: A name or a text must be changed.
        """
        self.domain = _domain_name(domain, "--domain")
        if description is not None and not 0 < len(description.strip()) <= _MOST_DESCRIPTION:
            raise InputError(
                "is empty" if not description.strip() else f"is longer than {_MOST_DESCRIPTION:,} characters",
                where="--description",
                hint="say in a sentence or two what belongs to the domain",
            )
        self.template, self.config = template, config
        self.language = language_code(config.language)
        self.identify = _identifier(self.language)
        partners = [_domain_name(name, "--partner") for name in config.partners] or list(DEFINITIONS)
        partners = [name for name in dict.fromkeys(partners) if name != self.domain]
        if not partners and config.two_domains:
            raise InputError("is the domain itself", where="--partner", hint="name another, or --two-domains 0")
        self.definitions = {name: DEFINITIONS[name] for name in (self.domain, *partners) if name in DEFINITIONS}
        if description is not None:
            self.definitions[self.domain] = " ".join(description.split())
        self.forbidden: set[Run] = set()
        for sample in samples:
            self.forbidden |= runs(sample, COPIED)
        shown = [" ".join(sample.split()[:_SAMPLE_WORDS]) for sample in samples]
        rows = balanced(template.dimensions, config.count, config.random_seed)
        twos = spread(config.count, config.two_domains)
        order = np.random.default_rng(config.random_seed).permutation(len(partners))
        stem = re.sub(r"[^\w]+", "-", self.domain).strip("-") or "seed"
        self.orders = []
        used = 0
        for number, (row, two) in enumerate(zip(rows, twos, strict=True)):
            domains: tuple[str, ...] = (self.domain,)
            if two:
                domains = (self.domain, partners[int(order[used % len(order)])])
                used += 1
            first = number * config.shots
            few = tuple(shown[(first + i) % len(shown)] for i in range(min(config.shots, len(shown))))
            self.orders.append(Order(f"{stem}-{number + 1:04}", row, domains, few))
        self.form = answer_form()

    async def run(self, client: Client, progress: Progress) -> None:
        """Have all orders filled."""
        while waiting := [o for o in self.orders if not o.accepted and o.attempt < self.config.tries]:
            await gather([self._fill(order, client, progress) for order in waiting])
            progress.advance(-self._compare())

    async def _fill(self, order: Order, client: Client, progress: Progress) -> None:
        """Ask until the answer has no fault of its own."""
        while order.attempt < self.config.tries:
            answer = await client.ask(self._question(order))
            order.attempt += 1
            found = self._screen(order).read(answer)
            progress.note = client.spent
            if isinstance(found, SeedAnswer):
                order.written = found
                progress.advance(1)
                return
            order.reject(found)
            progress.advance(0)

    def _compare(self) -> int:
        """Accept what was written unless it is like something accepted; return how many were not."""
        written = [order for order in self.orders if order.written is not None]
        like: dict[int, list[int]] = {}
        texts = [order.written.document for order in written if order.written is not None]
        for left, right, _ in near_duplicates(texts, self.config.near_duplicate):
            like.setdefault(left, []).append(right)
            like.setdefault(right, []).append(left)
        rejected = 0
        for number, order in enumerate(written):
            if order.accepted:
                continue
            twins = [written[other] for other in like.get(number, []) if written[other].accepted]
            if twins:
                topic = twins[0].written.topic[:200] if twins[0].written else ""
                steer = f"Your last attempt was too much like a document on this topic: {topic}\nChoose quite another."
                order.reject(Fault("near-duplicate", steer))
                rejected += 1
            else:
                order.accepted = True
        return rejected

    def _prompt(self, order: Order, definitions: Mapping[str, str], samples: Sequence[str], steer: str) -> str:
        language = LANGUAGES[self.language]
        return self.template.ask(order.row, order.domains, definitions, language, samples, steer)

    def _question(self, order: Order) -> Question:
        digest = hashlib.sha256(f"{self.config.random_seed} {order.id} {order.attempt}".encode()).digest()
        least, most = self.template.lengths[order.row["length"]]
        words = most if most is not None else least * _OPEN_LENGTH
        return Question(
            system=self.template.system,
            prompt=self._prompt(order, self.definitions, order.samples, order.steer),
            form=self.form,
            most_tokens=int(words * _TOKENS_PER_WORD) + _ROOM,
            temperature=self.config.temperature,
            seed=int.from_bytes(digest[:4], "big") >> 1,
            plain=order.plain,
        )

    def _screen(self, order: Order) -> Screen:
        bare = f"{self.template.system}\n{self._prompt(order, {}, (), '')}"
        return Screen(
            words=self.template.lengths[order.row["length"]],
            prompt=runs(bare, LEAKED),
            samples=self.forbidden,
            language=self.language,
            identify=self.identify,
        )

    def seeds(self, model: str) -> Seeds:
        """Return the seeds that were accepted.

        Raises:
            MotherlodeError: There is none.
        """
        found = []
        for order in self.orders:
            if order.accepted and (written := order.written) is not None:
                further = {name: order.row[name] for name in self.template.further}
                found.append(
                    Seed(
                        id=order.id,
                        text=written.document,
                        labels=order.domains,
                        type=order.row["type"],
                        demeanour=order.row["demeanour"],
                        length=order.row["length"],
                        topic=written.topic,
                        premise=written.premise,
                        author=written.author,
                        audience=written.audience,
                        motive=written.motive,
                        extra={**further, "language": self.language, "origin": ORIGIN, "model": model},
                    )
                )
        if not found:
            faults = Counter(fault for order in self.orders for fault in order.faults)
            raise MotherlodeError(
                f"the model wrote no document that can be used ({counted(faults)})",
                where=model,
                hint="use a more capable model; its answers are kept in the file beside --out",
            )
        return Seeds(self.domain, tuple(found))


def _domain_name(given: str, where: str) -> str:
    name = find_industry(given) or " ".join(given.split())
    check_name(name, where)
    return name


def _identifier(language: str) -> Callable[[str], tuple[str, float]] | None:
    from motherlode.corpus.language import identifier_function

    for name, package in (("cld2", "pycld2"), ("resiliparse", "resiliparse")):
        if find_spec(package) is not None:
            return identifier_function(name)
    if language != "en":
        raise MissingExtraError("web", "telling languages apart", where="--language")
    return None
