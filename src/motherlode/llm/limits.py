"""When a request may be sent: what the server's headers say is left, and the pauses that it asks for.

Headers are those of OpenAI (`x-ratelimit-remaining-requests`, `-tokens`, with `-reset-` as `6m0s` or `12ms`), as most
hosted services send them, and the plain `ratelimit-remaining` and `ratelimit-reset` (in seconds) of the IETF's draft.
Requests under way count as not yet subtracted: waiting a little too long costs less than being refused.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NO_RESET = 1.0  # seconds that an empty account is left alone if the server does not say when it is filled


@dataclass
class _Account:
    left: float = math.inf
    limit: float = math.inf
    reset: float = 0.0

    def wait(self, amount: float, now: float) -> float:
        if now >= self.reset:  # filled again; how far, the next response says
            self.left = math.inf
        return max(0.0, self.reset - now) if self.left < min(amount, self.limit) else 0.0


class RateLimits:
    """What may be sent when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of no limit.

        Args:
            clock: Returns seconds.
        """
        self._clock = clock
        self._paused_until = 0.0
        self._requests, self._tokens = _Account(), _Account()

    def pause(self, seconds: float) -> None:
        """Send nothing for a while."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    def wait(self, tokens: int) -> float:
        """Return how long a request of so many tokens has to wait, in seconds; 0: it may be sent."""
        now = self._clock()
        return max(self._paused_until - now, self._requests.wait(1, now), self._tokens.wait(tokens, now), 0.0)

    def sent(self, tokens: int) -> None:
        """Subtract a request that is being sent."""
        self._requests.left -= 1
        self._tokens.left -= tokens

    def learn(self, headers: Mapping[str, str], requests_under_way: int, tokens_under_way: int) -> None:
        """Read the headers of a response.

        Args:
            headers: By name in lower case.
            requests_under_way: Sent and not yet answered.
            tokens_under_way: What those may take.
        """
        self._read(self._requests, headers, "requests", requests_under_way)
        self._read(self._tokens, headers, "tokens", tokens_under_way)

    def _read(self, account: _Account, headers: Mapping[str, str], what: str, under_way: float) -> None:
        names = {kind: [f"x-ratelimit-{kind}-{what}"] for kind in ("remaining", "reset", "limit")}
        if what == "requests":
            for kind, found in names.items():
                found += [f"x-ratelimit-{kind}", f"ratelimit-{kind}"]
        values = {kind: next((headers[n] for n in found if n in headers), None) for kind, found in names.items()}
        left = _number(values["remaining"])
        if left is None:
            return
        limit = _number(values["limit"])
        account.limit = limit if limit else math.inf
        account.left = left - under_way
        reset = span(values["reset"])
        account.reset = self._clock() + (_NO_RESET if reset is None else reset)


def _number(value: str | None) -> float | None:
    try:
        number = float((value or "").partition(",")[0])
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def span(value: str | None) -> float | None:
    """Read a span of time: `1.5`, `20s`, `6m0s`, `12ms`; None if it is none."""
    if value is None:
        return None
    value = value.strip().lower()
    if (number := _number(value)) is not None:
        return number
    parts = _SPAN.findall(value)
    if not parts or "".join(amount + unit for amount, unit in parts) != value:
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a response asks to wait: `retry-after-ms`, or `Retry-After` as seconds or a date."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if value is None or (seconds := span(value)) is not None:
        return seconds if value is not None else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return None
