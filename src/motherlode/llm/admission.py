"""When the next request may go: rate limits, pauses that the server asked for, and what is left of the budget.

A request counts from the moment it is let go: its tokens, at most, are held until the answer says how many they were.
So a budget is never exceeded, however many requests are under way; the last one that fits is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from motherlode.errors import MotherlodeError
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.llm.limits import RateLimits
from motherlode.llm.store import Spend

_LONGEST_SLEEP = 5.0  # seconds, after which the limits are looked at again


class BudgetSpentError(MotherlodeError):
    """The next request could exceed the budget; what was answered is kept."""


class Admission:
    """What lets requests go, one by one.

    Attributes:
        limits: What the server's headers said.
        stopped: Why nothing is sent any more.
    """

    def __init__(self, endpoint: Endpoint, budget: Budget, spend: Callable[[], Spend]) -> None:
        """Begin with nothing under way.

        Args:
            endpoint: Whom requests go to.
            budget: What may be spent.
            spend: Returns what was spent so far.
        """
        self.limits = RateLimits()
        self.stopped: MotherlodeError | None = None
        self._endpoint, self._budget, self._spend = endpoint, budget, spend
        self._under_way: dict[int, tuple[int, int]] = {}  # tokens of prompt and answer that requests may take
        self._number = 0
        self._returned = asyncio.Condition()

    @property
    def spent(self) -> str:
        """What was spent, for a progress line."""
        spend = self._spend()
        cost = self._budget.cost(spend.prompt_tokens, spend.completion_tokens)
        shown = f", cost {cost:.4g}" if self._budget.priced else ""
        return f"{spend.requests:,} requests, {spend.prompt_tokens + spend.completion_tokens:,} tokens{shown}"

    def stop(self, what: str, hint: str) -> MotherlodeError:
        """Let nothing more go; return the error that says why."""
        error = MotherlodeError(what, where=self._endpoint.url, hint=hint)
        self.stopped = self.stopped or error
        return error

    @asynccontextmanager
    async def one(self, prompt_tokens: int, answer_tokens: int) -> AsyncIterator[int]:
        """Wait until a request may go, and hold what it may take until it has come back; yield its number.

        Raises:
            BudgetSpentError: The budget does not allow it.
            MotherlodeError: The server allows none for too long, or the run was stopped.
        """
        tokens = prompt_tokens, answer_tokens
        await self._wait(tokens)
        self._number += 1
        number = self._number
        self.limits.sent(sum(tokens))
        self._under_way[number] = tokens
        try:
            yield number
        finally:
            self._under_way.pop(number, None)
            async with self._returned:
                self._returned.notify_all()

    def learn(self, headers: Mapping[str, str], number: int) -> None:
        """Read the headers of the response to a request.

        Args:
            headers: By name in lower case.
            number: The request's.
        """
        others = [tokens for other, tokens in self._under_way.items() if other != number]
        self.limits.learn(headers, len(others), sum(map(sum, others)))

    async def _wait(self, tokens: tuple[int, int]) -> None:
        while True:
            if self.stopped is not None:
                raise self.stopped
            if (seconds := self.limits.wait(sum(tokens))) > 0:
                if seconds > self._endpoint.most_wait:
                    raise self.stop(
                        f"allows no further request for {seconds:,.0f} s (its rate-limit headers)",
                        "run the same command again after that; answers are kept",
                    )
                await asyncio.sleep(min(seconds, _LONGEST_SLEEP))
                continue
            if (limit := self._beyond(tokens)) is None:
                return
            if not self._under_way:
                raise BudgetSpentError(
                    f"the next request could exceed the budget ({limit}); spent: {self.spent}",
                    hint="what was answered is kept; give a larger budget to go on",
                )
            async with self._returned:
                await self._returned.wait_for(lambda: not self._under_way or self._beyond(tokens) is None)

    def _beyond(self, tokens: tuple[int, int]) -> str | None:
        """Name the limit that one more request could exceed; None if it fits."""
        budget, spend = self._budget, self._spend()
        waiting = [tokens, *self._under_way.values()]
        prompt = spend.prompt_tokens + sum(part for part, _ in waiting)
        completion = spend.completion_tokens + sum(part for _, part in waiting)
        if budget.max_requests is not None and spend.requests >= budget.max_requests:
            return f"--max-requests {budget.max_requests}"
        if budget.max_tokens is not None and prompt + completion > budget.max_tokens:
            return f"--max-tokens {budget.max_tokens}"
        if budget.max_cost is not None and budget.cost(prompt, completion) > budget.max_cost:
            return f"--max-cost {budget.max_cost:g}"
        return None
