"""Seeds written by a model: a real server that misbehaves, kills, and what stands in the file at the end."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from motherlode.errors import InputError, MotherlodeError
from motherlode.llm.admission import BudgetSpentError
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.seeds.generate import STORE_SUFFIX, Generated, generate
from motherlode.seeds.near_duplicates import near_duplicates
from motherlode.seeds.prompt import SeedTemplate
from motherlode.seeds.seeds import Seeds
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, length_of
from tests.llm.server import FAULTS, Server, document, seed_fields, serving, write

DOMAIN = "Healthcare & Life sciences"


def run(server: Server, out: Path, count: int = 12, **settings: Any) -> Generated:
    where = {name: settings.pop(name) for name in ("concurrency", "timeout", "answers") if name in settings}
    endpoint = Endpoint(**{"url": server.url, "model": "tiny", "backoff": 0.01, "timeout": 60.0, "tries": 30, **where})
    domain = settings.pop("domain", DOMAIN)
    return generate(domain, out, endpoint, quiet=True, count=count, **settings)


def by_content(body: dict[str, Any], share: float, faults: tuple[str, ...]) -> str | None:
    """Misbehave by what is asked, not by when: the same question, the same fault."""
    choice = random.Random(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest())
    return choice.choice(faults) if choice.random() < share else None


def test_seeds_are_written_as_ordered(tmp_path: Path) -> None:
    with serving() as server:
        done = run(server, tmp_path / "seeds.jsonl", 34)
    seeds = Seeds.read(tmp_path / "seeds.jsonl")
    assert seeds.texts == done.seeds.texts
    assert len(seeds) == 34
    assert done.requests == 34
    assert not done.faults
    assert set(Counter(seed.type for seed in seeds).values()) == {2}
    assert {seed.type for seed in seeds} == set(DOCUMENT_TYPES)
    assert {seed.demeanour for seed in seeds} == set(DEMEANOURS)
    assert all(seed.length == length_of(len(seed.text.split())) for seed in seeds)
    assert all("healthcare & life sciences" in seed.labels for seed in seeds)
    assert Counter(len(seed.labels) for seed in seeds) == {1: 28, 2: 6}
    assert {seed.extra["origin"] for seed in seeds} == {"synthetic"}
    assert all(seed.topic and seed.premise and seed.author and seed.audience and seed.motive for seed in seeds)
    assert "Preventing, diagnosing" in server.bodies[0]["messages"][1]["content"]


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    faults = ("malformed", "refusal", "truncated", "error")

    def script(number: int, body: dict[str, Any]) -> str | None:
        fault = by_content(body, 0.3, faults)
        return None if fault == "error" and server.bodies.count(body) else fault

    for name, concurrency in (("a", 1), ("b", 8)):
        with serving(Server(script=script)) as server:
            url = server.url
            run(server, tmp_path / f"{name}.jsonl", 30, concurrency=concurrency)
            again = run(server, tmp_path / f"{name}.jsonl", 30)
            assert again.requests == len(server.bodies), f"{url}: nothing is sent again"
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_more_seeds_ask_only_for_the_new_ones(tmp_path: Path) -> None:
    with serving() as server:
        first = run(server, tmp_path / "s.jsonl", 10)
        more = run(server, tmp_path / "s.jsonl", 25)
        assert len(server.bodies) == 25
    assert list(more.seeds)[:10] == list(first.seeds)


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("malformed", "malformed"),
        ("refusal", "refused"),
        ("refusal field", "refused"),
        ("filtered", "refused"),
        ("truncated", "truncated"),
    ],
)
@pytest.mark.parametrize("answers", ["auto", "text"])
def test_faults_are_counted_and_redone(tmp_path: Path, fault: str, name: str, answers: str) -> None:
    with serving(Server(script=lambda number, body: fault if number < 4 else None)) as server:
        done = run(server, tmp_path / "s.jsonl", 6, concurrency=1, answers=answers)
    assert done.faults == {name: 4}
    assert len(done.seeds) == 6
    assert done.requests == 10


def test_malformed_json_is_asked_for_as_tagged_text(tmp_path: Path) -> None:
    with serving(Server(script=lambda number, body: "malformed" if "response_format" in body else None)) as server:
        done = run(server, tmp_path / "s.jsonl", 3)
    assert done.faults == {"malformed": 3}
    assert sum("response_format" in body for body in server.bodies) == 3


def spoiled(change: Any) -> Server:
    """Spoil the documents of the first three questions."""

    def content(body: dict[str, Any]) -> str:
        fields = seed_fields(body)
        if len(server.bodies) <= 3:
            fields["document"] = change(fields["document"], body)
        return write(body, fields)

    server = Server(content=content)
    return server


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wrong length", lambda text, body: " ".join(text.split()[:20])),
        (
            "wrong length",
            lambda text, body: f"{document({**body, 'more': 1}, 2000)}" if "500 words" in str(body) else "",
        ),
        ("template leaked", lambda text, body: "Here is a memo: " + text),
        ("template leaked", lambda text, body: text + " Yours, [Your Name]"),
        ("template leaked", lambda text, body: "TOPIC: rivers\n" + text),
        ("template leaked", lambda text, body: text + " Describe a person who works in the field and writes this."),
        ("refused", lambda text, body: "As an AI language model, I have no patients. " + text),
    ],
)
def test_faults_of_documents(tmp_path: Path, name: str, change: Any) -> None:
    with serving(spoiled(change)) as server:
        done = run(server, tmp_path / "s.jsonl", 6, concurrency=1)
    assert set(done.faults) <= {name, "malformed"}
    assert done.faults[name] >= 1
    assert len(done.seeds) == 6
    assert any(
        "Your last attempt" in str(b) or "nothing but itself" in str(b) or "harmless" in str(b) for b in server.bodies
    )


def test_a_wrong_language_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("pycld2")
    german = (
        "Der Hausarzt erklärt den Patienten am Morgen, warum die Behandlung länger dauert, und bittet sie um Geduld. "
        "Danach bespricht er mit den Schwestern die Berichte der letzten Woche und die Bestellung der Verbände. "
    )
    with serving(spoiled(lambda text, body: german * (len(text.split()) // 30))) as server:
        done = run(server, tmp_path / "s.jsonl", 4, concurrency=1)
    assert done.faults["wrong language"] >= 1
    assert done.language_checked


def test_another_language_is_ordered(tmp_path: Path) -> None:
    pytest.importorskip("pycld2")
    with serving() as server, pytest.raises(MotherlodeError, match=r"no document that can be used.*wrong language"):
        run(server, tmp_path / "s.jsonl", 2, language="German", tries=2)
    assert "in German" in server.bodies[0]["messages"][1]["content"]


def test_near_duplicates_are_ordered_anew(tmp_path: Path) -> None:
    with serving(spoiled(lambda text, body: document({}, len(text.split())))) as server:
        done = run(server, tmp_path / "s.jsonl", 9, concurrency=1)
    assert done.faults["near-duplicate"] >= 1
    assert len(done.seeds) == 9
    assert not near_duplicates(done.seeds.texts)
    assert any("too much like a document" in str(body) for body in server.bodies)


def test_samples_are_shown_and_not_copied(tmp_path: Path) -> None:
    samples = [document({"sample": n}, 400) for n in range(5)]
    copied = " ".join(samples[3].split()[350:362])  # of a part that is not shown
    with serving(spoiled(lambda text, body: f"{text} {copied}")) as server:
        done = run(server, tmp_path / "s.jsonl", 6, samples=samples, concurrency=1)
    assert done.faults["copied"] >= 1
    assert all(copied not in text for text in done.seeds.texts)
    prompts = [body["messages"][1]["content"] for body in server.bodies]
    assert all(sum(sample[:200] in prompt for sample in samples) == 3 for prompt in prompts)


def test_a_model_that_writes_nonsense_is_told(tmp_path: Path) -> None:
    nonsense = Server(content=lambda body: "xq " * 50)
    told = pytest.raises(MotherlodeError, match=r"no document that can be used \(malformed 15\)")
    with serving(nonsense) as server, told:
        run(server, tmp_path / "s.jsonl", 5, tries=3)
    assert not (tmp_path / "s.jsonl").exists()


def test_what_could_not_be_had_is_named_and_the_rest_is_written(tmp_path: Path) -> None:
    with serving(Server(script=lambda n, body: "refusal" if "type: memo" in str(body) else None)) as server:
        done = run(server, tmp_path / "s.jsonl", 17, tries=2)
    assert len(done.seeds) == 16
    assert list(done.missing.values()) == [("refused", "refused")]


def test_a_budget_keeps_what_was_answered(tmp_path: Path) -> None:
    with serving() as server:
        with pytest.raises(BudgetSpentError, match="--max-requests 7"):
            run(server, tmp_path / "s.jsonl", 12, budget=Budget(max_requests=7))
        done = run(server, tmp_path / "s.jsonl", 12)
        assert done.requests == len(server.bodies) == 12


def test_a_template_of_one_s_own(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "types: [memo, poem]\nlengths: {tiny: [20, 40]}\nfurther: {region: [north, south, east]}\n"
        "prompt: |\n  A {type} from the {region} on {subject}, {demeanour}, {length}: {words}.\n  {steer}\n"
    )
    with serving() as server:
        done = run(
            server, tmp_path / "s.jsonl", 12, template=SeedTemplate.read(file), domain="beekeeping", two_domains=0
        )
    assert Counter((seed.type, seed.extra["region"]) for seed in done.seeds) == dict.fromkeys(
        [(kind, region) for kind in ("memo", "poem") for region in ("north", "south", "east")], 2
    )
    assert {seed.labels for seed in done.seeds} == {("beekeeping",)}
    assert "on beekeeping, " in server.bodies[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ("prompt: 'a {tpye} about {subject}'", r"unknown placeholder \{tpye\}; did you mean 'type'\?"),
        ("prompt: 'a {type.__class__} about {subject}'", "unknown placeholder"),
        ("prompt: 'a {type!r} about {subject}'", "without"),
        ("prompt: 'a {type about {subject}'", "prompt"),
        ("prompt: 'a {type}'", "does not name the domain"),
        ("two_domains: '{first} and {third}'", r"unknown placeholder \{third\}"),
        ("tpyes: [memo]", "unknown key 'tpyes'; did you mean 'types'"),
        ("types: []", "types"),
        ("types: [memo, memo]", "listed twice"),
        ("lengths: {short: [500, 1]}", "not a range"),
        ("further: {region: [north]}", r"does not use \{region\}"),
        ("further: {type: [north]}", "cannot name a dimension"),
        ("- a list", "does not hold names and values"),
        ("a: [", "is not YAML"),
        ("!!python/object/apply:os.system ['true']", "is not YAML"),
        ("", "holds no template"),
    ],
)
def test_a_template_that_must_be_changed(tmp_path: Path, yaml: str, reason: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(yaml)
    with pytest.raises(InputError, match=reason) as caught:
        SeedTemplate.read(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"domain": "  "}, "cannot name a domain"),
        ({"domain": "x" * 5000}, "cannot name a domain"),
        ({"count": 0}, "count = 0"),
        ({"language": "Klingon"}, "unknown language"),
        ({"description": ""}, "--description"),
        ({"two_domains": 1.5}, "two-domains"),
        ({"partners": (DOMAIN,)}, "is the domain itself"),
    ],
)
def test_bad_input_is_told_before_anything_is_sent(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    with serving() as server:
        with pytest.raises(InputError, match=reason):
            run(server, tmp_path / "s.jsonl", **{"count": 3, **settings})
        assert not server.bodies
    assert not list(tmp_path.iterdir())


def test_files_that_are_there_are_not_lost(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"text": "by hand"}\n')
    with serving() as server:
        with pytest.raises(InputError, match="--overwrite"):
            run(server, mine, 3)
        with pytest.raises(InputError, match="is a folder"):
            run(server, tmp_path, 3)
        with pytest.raises(InputError, match="does not exist"):
            run(server, tmp_path / "no" / "s.jsonl", 3)
        assert not server.bodies
        assert mine.read_text() == '{"text": "by hand"}\n'
        run(server, tmp_path / "s.jsonl", 3)
        with pytest.raises(InputError, match="another domain"):
            run(server, tmp_path / "s.jsonl", 3, domain="law")
        assert len(run(server, tmp_path / "s.jsonl", 3, domain="law", overwrite=True).seeds) == 3


# Imports once, then a process of its own for each line that it reads: each can be killed, and costs no start.
STABLE = """
import os, sys
import httpx, numpy, scipy.sparse, motherlode.corpus.language
from motherlode.seeds.generate import generate
from motherlode.llm.endpoint import Endpoint
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        where = Endpoint(url=sys.argv[2], model='tiny', backoff=0.01, timeout=1.0, tries=60, concurrency=4)
        generate('law', sys.argv[1] + '/s.jsonl', where, quiet=True, count=200, tries=20)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Stable:
    """Starts runs, and says how they ended."""

    def __init__(self, folder: Path, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STABLE, str(folder), url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def ended(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.communicate(timeout=60)


class Gated(Server):
    """Misbehaves in three requests of ten, and answers so many requests of each life of the process, no more.

    So a run cannot come to its end before it is killed, however late the kill comes.
    """

    def __init__(self) -> None:
        choice = random.Random(1)
        super().__init__(
            script=lambda number, body: choice.choice(FAULTS) if choice.random() < 0.3 else None,
            content=self.let_through,
            hang=1.2,
        )
        self.gate = threading.Semaphore(0)
        self.asked: dict[str, str] = {}  # what was answered: the request
        self.sent: Counter[str] = Counter()

    def let_through(self, body: dict[str, Any]) -> str:
        name = json.dumps(body, sort_keys=True)
        with self.lock:
            self.sent[name] += 1
            gate = self.gate
        gate.acquire()
        text = write(body, seed_fields(body))
        half = text[: len(text) // 2]
        with self.lock:  # also what faults make of it
            self.asked |= dict.fromkeys((text, half, f"{half}\n```"), name)
        return text

    def live(self, requests: int) -> None:
        """Begin a life of the process in which so many requests are answered; those of the last one end."""
        with self.lock:
            before, self.gate = self.gate, threading.Semaphore(requests)
        before.release(1000)


def kept_answers(path: Path) -> dict[str, tuple[int, str]]:
    """Return how often each question was sent whose answer is kept, as the store has it, and the answer."""
    if not path.exists():
        return {}
    database = sqlite3.connect(path)
    try:
        rows = database.execute("SELECT question, times, text FROM answers JOIN sent USING (question)").fetchall()
    except sqlite3.OperationalError:
        return {}  # killed before there was a table
    finally:
        database.close()
    return {question: (times, text) for question, times, text in rows}


@pytest.mark.parametrize("kills", [8, pytest.param(20, marks=pytest.mark.long)])
def test_two_hundred_seeds_through_faults_and_kills(tmp_path: Path, kills: int) -> None:
    """Three requests in ten go wrong, in eleven ways, and the process is killed again and again."""
    server = Gated()
    store, out = tmp_path / f"s.jsonl{STORE_SUFFIX}", tmp_path / "s.jsonl"
    choice = random.Random(2)
    kept: dict[str, tuple[int, str]] = {}  # as the store has it
    final: dict[str, int] = {}  # as the server has it: how often a request had been sent when its answer was kept

    def look() -> None:
        """Check that nothing was sent again whose answer was kept at the last look, nor an answer lost."""
        now = kept_answers(store)
        assert kept.items() <= now.items(), "an answered question was sent again, or its answer is lost"
        kept.update(now)
        with server.lock:
            again = [name for name, times in final.items() if server.sent[name] != times]
            assert not again, again
            names = (server.asked.get(text) for _, text in kept.values())
            final.update((name, server.sent[name]) for name in names if name is not None)

    with serving(server):
        stable = Stable(tmp_path, server.url)
        for kill in range(kills):
            requests = choice.randint(0, 12)
            server.live(requests)
            came = len(server.bodies) + requests
            child = stable.start()
            until = time.monotonic() + 20
            while len(server.bodies) < came and time.monotonic() < until:
                time.sleep(0.002)
            time.sleep(choice.uniform(0, 0.05))  # anywhere: within a request, an answer, a commit
            os.kill(child, signal.SIGKILL)
            assert stable.ended() == signal.SIGKILL, f"it had ended before kill {kill}"
            look()
            assert not out.exists()
        assert final
        assert len(kept) < 200
        server.live(10_000)
        stable.start()
        assert stable.ended() == 0
        look()
        sent = len(server.bodies)
        stable.start()
        assert stable.ended() == 0
        assert len(server.bodies) == sent, "a finished run sends nothing"
        stable.close()
    seeds = Seeds.read(out)
    assert [seed.id for seed in seeds] == [f"law-{number:04}" for number in range(1, 201)]
    assert set(Counter(seed.type for seed in seeds).values()) == {11, 12}
    assert all(seed.length == length_of(len(seed.text.split())) for seed in seeds)
    assert not near_duplicates(seeds.texts)
    assert set(server.given) == {None, *FAULTS}
    assert 0.2 < sum(fault is not None for fault in server.given) / len(server.given) < 0.4
