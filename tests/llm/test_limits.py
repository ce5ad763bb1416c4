"""Rate limits: spans of time as servers write them, and what is waited for."""

from __future__ import annotations

import pytest

from motherlode.llm.limits import RateLimits, retry_after, span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360.0), ("12ms", 0.012), ("1.5s", 1.5), ("20", 20.0), ("1h2m3s", 3723.0), ("0s", 0.0), ("1d", 86400.0)],
)
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [None, "", "soon", "5 minutes", "-3", "nan", "6m!"])
def test_what_is_no_span(text: str | None) -> None:
    assert span(text) is None


def test_retry_after_in_all_its_forms() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, now=lambda: 40.0) == 60
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, now=lambda: 400.0) == 0
    assert retry_after({"retry-after": "whenever"}) is None
    assert retry_after({}) is None


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_requests_are_waited_for_until_the_reset() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    assert limits.wait(10) == 0
    limits.learn({"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "3s"}, 1, 10)
    assert limits.wait(10) == 0, "two are left, and one is under way"
    limits.sent(10)
    assert limits.wait(10) == pytest.approx(3)
    clock.now += 3
    assert limits.wait(10) == 0


def test_tokens_are_waited_for_and_a_request_above_the_limit_still_goes() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    headers = {"x-ratelimit-remaining-tokens": "100", "x-ratelimit-limit-tokens": "500"}
    limits.learn({**headers, "x-ratelimit-reset-tokens": "10s"}, 0, 0)
    assert limits.wait(100) == 0
    assert limits.wait(101) == pytest.approx(10)
    limits.learn({**headers, "x-ratelimit-remaining-tokens": "500", "x-ratelimit-reset-tokens": "10s"}, 0, 0)
    assert limits.wait(800) == 0


def test_pauses_and_the_short_names() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    limits.pause(5)
    limits.pause(1)
    assert limits.wait(1) == 5
    clock.now += 5
    limits.learn({"ratelimit-remaining": "0", "ratelimit-reset": "4"}, 0, 0)
    assert limits.wait(1) == 4
    limits.learn({"ratelimit-remaining": "rubbish"}, 0, 0)
    assert limits.wait(1) == 4
