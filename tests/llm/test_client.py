"""The client against a real server on loopback: what is sent, what is tried again, what ends a run, what is kept."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from motherlode.errors import InputError, MotherlodeError
from motherlode.llm.admission import BudgetSpentError
from motherlode.llm.chat import Answer, Form, Question
from motherlode.llm.client import Client, gather
from motherlode.llm.connection import _without_secrets
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.llm.responses import read_completion
from motherlode.llm.store import AnswerStore
from tests.llm.server import Server, serving

FORM = Form("answer", {"type": "object"}, "as json", "as text")
PADDING = "x" * 300  # so that the estimate of a prompt's tokens is above the hundred that the server counts
KEY = "sk-very-secret-0123456789"


def question(number: int = 0, **changes: Any) -> Question:
    values = {
        "system": "s",
        "prompt": f"p{number} {PADDING}",
        "form": FORM,
        "most_tokens": 60,
        "temperature": 0.5,
        "seed": number,
    }
    return Question(**{**values, **changes})


def endpoint(server: Server, **changes: Any) -> Endpoint:
    return Endpoint(**{"url": server.url, "model": "tiny", "backoff": 0.01, "timeout": 60.0, **changes})


def ask(where: Endpoint, path: Path, questions: list[Question], budget: Budget | None = None) -> list[Answer]:
    async def work() -> list[Answer]:
        with AnswerStore(path) as store:
            async with Client(where, store, budget) as client:
                return await gather([client.ask(one) for one in questions])

    return asyncio.run(work())


@pytest.fixture(autouse=True)
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTHERLODE_LLM_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def plain(**changes: Any) -> Server:
    return Server(**{"content": lambda body: f"answer to {body['messages'][1]['content']}", **changes})


def test_an_answer_is_kept_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    with serving(plain()) as server:
        first = ask(endpoint(server), tmp_path / "a", [question(n) for n in range(5)])
        assert [answer.text for answer in first] == [f"answer to p{n} {PADDING}\n\nas json" for n in range(5)]
        assert ask(endpoint(server), tmp_path / "a", [question(n) for n in range(6)])[:5] == first
        assert len(server.bodies) == 6
        body = next(body for body in server.bodies if body["seed"] == 0)
        assert body["model"] == "tiny"
        assert body["max_tokens"] == 60
        assert body["temperature"] == 0.5
        assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize(
    "change",
    [{"prompt": "x"}, {"system": "x"}, {"seed": 9}, {"most_tokens": 61}, {"temperature": 0.6}, {"plain": True}],
)
def test_another_question_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert question().fingerprint("u", "m") != question(**change).fingerprint("u", "m")
    assert question().fingerprint("u", "m") != question().fingerprint("u", "n")
    assert question().fingerprint("u", "m") != question().fingerprint("v", "m")


@pytest.mark.parametrize("fault", ["busy", "error", "reset", "wrong type", "empty choices"])
def test_what_can_pass_is_tried_again(tmp_path: Path, fault: str) -> None:
    with serving(plain(script=lambda number, body: fault if number < 2 else None)) as server:
        (answer,) = ask(endpoint(server), tmp_path / "a", [question()])
        assert answer.text.startswith("answer")
        assert len(server.bodies) == 3


def test_a_request_that_is_not_answered_in_time_is_sent_again(tmp_path: Path) -> None:
    with serving(plain(script=lambda number, body: "hang" if number < 2 else None)) as server:
        (answer,) = ask(endpoint(server, timeout=1.0, tries=30), tmp_path / "a", [question()])
        assert answer.text.startswith("answer")
        assert len(server.bodies) >= 3, "a loaded machine may time out more often"


def test_what_a_filter_stops_is_an_answer_that_refuses(tmp_path: Path) -> None:
    with serving(plain(script=lambda number, body: "filtered")) as server:
        (answer,) = ask(endpoint(server), tmp_path / "a", [question()])
        assert (answer.text, answer.finish) == ("", "content_filter")
        assert answer.refusal == "The prompt was filtered."
        assert ask(endpoint(server), tmp_path / "a", [question()]) == [answer]
        assert len(server.bodies) == 1


def test_a_context_that_is_too_short_is_named(tmp_path: Path) -> None:
    short = plain(script=lambda number, body: "context")
    with serving(short) as server, pytest.raises(InputError, match=r"too short a context.*512 tokens.*longer"):
        ask(endpoint(server), tmp_path / "a", [question()])


def test_a_server_that_only_fails_ends_the_run(tmp_path: Path) -> None:
    with serving(plain(script=lambda number, body: "error")) as server:
        with pytest.raises(MotherlodeError, match="failed 3 times in a row") as caught:
            ask(endpoint(server, tries=3, concurrency=1), tmp_path / "a", [question(n) for n in range(50)])
        assert caught.value.exit_code == 1
        assert len(server.bodies) == 3, "nothing is sent after the failure"


def test_retry_after_makes_everybody_wait(tmp_path: Path) -> None:
    with serving(plain(script=lambda number, body: "busy" if number == 0 else None)) as server:
        ask(endpoint(server, concurrency=1), tmp_path / "a", [question(n) for n in range(3)])
        assert server.times[1] - server.times[0] >= 0.05


def test_a_long_wait_is_refused(tmp_path: Path) -> None:
    busy = plain(script=lambda number, body: "busy")
    with serving(busy) as server, pytest.raises(MotherlodeError, match="asks to wait"):
        ask(endpoint(server, most_wait=0.01), tmp_path / "a", [question()])


def test_rate_limit_headers_are_obeyed(tmp_path: Path) -> None:
    """Three requests, then none for 0.2 s from the answer of the third on."""
    answered: list[float] = []

    def headers(number: int) -> dict[str, str]:
        answered.append(time.monotonic())
        return {"x-ratelimit-remaining-requests": str(2 - number % 3), "x-ratelimit-reset-requests": "200ms"}

    with serving(plain(headers=headers)) as server:
        ask(endpoint(server, concurrency=1), tmp_path / "a", [question(n) for n in range(7)])
        assert len(server.times) == 7
        assert server.times[3] - answered[2] >= 0.2
        assert server.times[6] - answered[5] >= 0.2


def test_concurrency_is_used_and_bounded(tmp_path: Path) -> None:
    """Nobody is answered until four have come; were a fifth under way with them, it would be counted."""
    four = threading.Barrier(4)

    def content(body: dict[str, Any]) -> str:
        four.wait(60)
        return "answer"

    with serving(plain(content=content)) as server:
        ask(endpoint(server, concurrency=4, timeout=100.0), tmp_path / "a", [question(n) for n in range(16)])
        assert len(server.bodies) == 16
        assert server.most_at_once == 4


@pytest.mark.parametrize("limit", [{"max_requests": 7}, {"max_tokens": 1200}])
def test_a_budget_holds_over_runs_and_answers_under_way_are_kept(tmp_path: Path, limit: dict[str, int]) -> None:
    """Of 1,200 tokens, 7 answers of 150 leave 150, and the next request may take more."""
    with serving(plain(delay=0.02)) as server:
        for _ in range(3):
            with pytest.raises(BudgetSpentError, match=f"{min(limit.values())}"):
                ask(endpoint(server), tmp_path / "a", [question(n) for n in range(20)], Budget(**limit))
        assert len(server.bodies) == 7
        with AnswerStore(tmp_path / "a") as store:
            assert store.spend.requests == 7
            assert store.spend.answers == 7
            assert store.spend.prompt_tokens + store.spend.completion_tokens == 7 * 150
        ask(endpoint(server), tmp_path / "a", [question(n) for n in range(20)])
        assert len(server.bodies) == 20


def test_a_cost_is_a_budget_too(tmp_path: Path) -> None:
    budget = Budget(max_cost=0.01, price_in=10.0, price_out=20.0)  # 2e-3 an answer
    with serving(plain()) as server:
        with pytest.raises(BudgetSpentError, match=r"--max-cost 0\.01"):
            ask(endpoint(server, concurrency=1), tmp_path / "a", [question(n) for n in range(20)], budget)
        assert budget.cost(100 * len(server.bodies), 50 * len(server.bodies)) <= 0.01
        assert len(server.bodies) == 4


@pytest.mark.parametrize(
    ("without", "sent"),
    [
        (("response_format",), {"temperature", "seed", "max_tokens"}),
        (("max_tokens",), {"temperature", "seed", "max_completion_tokens", "response_format"}),
        (("temperature", "seed"), {"max_tokens", "response_format"}),
    ],
)
def test_what_a_server_does_not_know_is_left_out(tmp_path: Path, without: tuple[str, ...], sent: set[str]) -> None:
    with serving(plain(without=without)) as server:
        ask(endpoint(server), tmp_path / "a", [question(n) for n in range(10)])
        assert set(server.bodies[-1]) == {"model", "messages", "stream", *sent}
        before = len(server.bodies)
        ask(endpoint(server), tmp_path / "a", [question(11)])
        assert len(server.bodies) == before + 1, "it is known from the run before"
        last = server.bodies[-1]["messages"][1]["content"]
        assert last.endswith("as text" if "response_format" in without else "as json")


def test_a_schema_that_is_demanded_is_not_left_out(tmp_path: Path) -> None:
    without = plain(without=("response_format",))
    with serving(without) as server, pytest.raises(InputError, match="knows no JSON schema"):
        ask(endpoint(server, answers="schema"), tmp_path / "a", [question()])


def test_no_server(tmp_path: Path) -> None:
    with serving() as server:
        where = endpoint(server)
    with pytest.raises(InputError, match="no server answers") as caught:
        ask(where, tmp_path / "a", [question()])
    assert where.url in str(caught.value)


def test_a_wrong_model_is_named_with_the_nearest(tmp_path: Path) -> None:
    with serving() as server, pytest.raises(InputError, match=r"has no model 'tny'; did you mean 'tiny'\?"):
        ask(endpoint(server, model="tny"), tmp_path / "a", [question()])


def test_a_wrong_address_is_named(tmp_path: Path) -> None:
    with serving() as server, pytest.raises(InputError, match=r"no chat completions.*/v1"):
        ask(endpoint(server, url=server.url.removesuffix("/v1")), tmp_path / "a", [question()])


def test_the_key_is_sent_and_never_kept_or_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(plain(key=KEY, content=lambda body: f"your key is {KEY}")) as server:
        with pytest.raises(InputError, match=r"wants a key.*MOTHERLODE_LLM_KEY"):
            ask(endpoint(server), tmp_path / "a", [question()])
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-" + KEY)
        with pytest.raises(InputError, match="refuses the key") as caught:
            ask(endpoint(server), tmp_path / "a", [question()])
        assert KEY not in str(caught.value)
        monkeypatch.setenv("MOTHERLODE_LLM_KEY", KEY)
        (answer,) = ask(endpoint(server), tmp_path / "a", [question()])
        assert answer.text == "your key is [key]"
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:8000", "write http"),
        ("ftp://host/v1", "write http"),
        ("http://", "write http"),
        ("http://user:secret@host/v1", "does not belong"),
        ("http://:secret@host/v1", "does not belong"),
        ("http://secret@host/v1", "does not belong"),
        ("http://user:secret@host:port/v1", "not an address"),
        ("http://host/v1?key=secret", "ends before"),
        ("http://host/v1#secret", "ends before"),
        ("http://ho st/v1", "not an address"),
        ("http://host:99999/v1", "not an address"),
    ],
)
def test_an_address_that_is_none(url: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        Endpoint.parse({"url": url, "model": "m"}, "--llm")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValidationError) as invalid:
        Endpoint(url=url, model="m")
    assert "secret" not in str(invalid.value)


def test_a_redirect_s_target_is_shown_without_secrets() -> None:
    assert _without_secrets("https://user:secret@host/v1?token=secret#secret") == "https://host/v1"
    assert _without_secrets("/v1/login?token=secret") == "/v1/login"


def test_a_key_is_cut_out_however_json_writes_it() -> None:
    written = '{"choices": [{"message": {"content": "key ' + "".join(f"\\u{ord(c):04x}" for c in KEY) + '"}}]}'
    assert KEY not in written
    assert read_completion(json.loads(written), question(), KEY).text == "key [key]"


@pytest.mark.parametrize("proxy", ["socks5://user:secret@proxy:1080", "nonsense://user:secret@proxy"])
def test_a_proxy_that_cannot_be_used_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    where = Endpoint(url="https://models.example/v1", model="tiny")
    with pytest.raises(InputError, match="cannot use the proxy") as caught:
        ask(where, tmp_path / "a", [question()])
    assert "secret" not in str(caught.value)


def test_a_cost_needs_prices() -> None:
    with pytest.raises(InputError, match="needs prices"):
        Budget.parse({"max_cost": 1.0}, "budget")


def test_a_store_is_one_process_s(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a"), pytest.raises(InputError, match="another run is writing"):
        AnswerStore(tmp_path / "a")
    AnswerStore(tmp_path / "a").__exit__()


def test_a_store_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("seeds, by hand\n" * 100)
    with pytest.raises(InputError, match="no store of answers"):
        AnswerStore(tmp_path / "a")
    assert (tmp_path / "a").read_text().startswith("seeds")
    with pytest.raises(InputError, match="cannot be written"):
        AnswerStore(tmp_path / "nowhere" / "a")
