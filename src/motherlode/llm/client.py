"""Ask a model many questions at once over HTTP, politely, within a budget, keeping every answer.

A question whose answer is kept costs nothing. Any other is sent until it is answered: what can pass is tried again
after a pause that doubles each time, with jitter, or as long as the server asks. What cannot pass ends the run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from motherlode.errors import MotherlodeError
from motherlode.llm.admission import Admission
from motherlode.llm.chat import Answer, Question
from motherlode.llm.connection import Connection
from motherlode.llm.endpoint import Budget, Endpoint, key_from_environment
from motherlode.llm.requests import Requests
from motherlode.llm.responses import Passing, read_completion
from motherlode.llm.store import AnswerStore

_LONGEST_PAUSE = 60.0  # seconds, unless the server asks for more


class Client:
    """A model at an address, as an asynchronous context.

    Attributes:
        retries: Requests that had to be sent again, by what had happened.
    """

    def __init__(self, endpoint: Endpoint, store: AnswerStore, budget: Budget | None = None) -> None:
        """Connect to nothing yet.

        Args:
            endpoint: Whom to ask.
            store: Where answers are kept.
            budget: What may be spent, over everything in the store.

        Raises:
            MissingExtraError: The extra `llm` is not installed.
            InputError: The key cannot be sent, or the environment's proxy not be used.
        """
        self.retries: dict[str, int] = {}
        self._endpoint, self._store = endpoint, store
        self._key = key_from_environment()
        self._connection = Connection(endpoint, Requests(endpoint, store), self._key)
        self._admission = Admission(endpoint, budget or Budget(), lambda: store.spend)
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._jitter = random.Random()  # noqa: S311  # moves requests in time, and nothing else

    async def __aenter__(self) -> Self:
        """Use the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close its connections."""
        await self._connection.close()

    @property
    def spent(self) -> str:
        """What was spent, for a progress line."""
        return self._admission.spent

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question: the one that is kept, or else the server's, which then is.

        Raises:
            BudgetSpentError: The budget does not allow another request.
            InputError: The server cannot be reached at all, or refuses key, model or request.
            MotherlodeError: It failed as often as `tries` allows, or asks to wait too long.
        """
        name = question.fingerprint(self._endpoint.url, self._endpoint.model)
        if (kept := self._store.get(name)) is not None:
            return kept
        async with self._slots:
            attempt = 0
            while True:
                try:
                    return await self._send(name, question)
                except Passing as passing:
                    attempt += 1
                    self.retries[passing.reason] = self.retries.get(passing.reason, 0) + 1
                    await self._pause(passing, attempt)
                except MotherlodeError as error:
                    self._admission.stopped = self._admission.stopped or error
                    raise

    async def _send(self, name: str, question: Question) -> Answer:
        """Send once, and keep the answer."""
        async with self._admission.one(question.prompt_tokens, question.most_tokens) as number:
            self._store.about_to_send(name)
            response = await self._connection.post(question, lambda headers: self._admission.learn(headers, number))
            answer = read_completion(response, question, self._key)
            self._store.keep(name, answer)
            return answer

    async def _pause(self, passing: Passing, attempt: int) -> None:
        """Wait before the next try, if there is to be one."""
        if passing.wait is not None and passing.wait > self._endpoint.most_wait:
            raise self._admission.stop(
                f"asks to wait {passing.wait:,.0f} s ({passing.detail})",
                "run the same command again after that; answers are kept",
            )
        if attempt >= self._endpoint.tries:
            raise self._admission.stop(
                f"failed {attempt} times in a row (last: {passing.detail})",
                "look at the server, then run the same command again; answers are kept",
            )
        usual = min(_LONGEST_PAUSE, self._endpoint.backoff * 2 ** min(attempt - 1, 20))
        seconds = usual * self._jitter.uniform(0.5, 1.0) if passing.wait is None else passing.wait
        if passing.throttled:  # everybody waits, not this question alone
            self._admission.limits.pause(seconds)
        else:
            await asyncio.sleep(seconds)


async def gather(tasks: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run tasks together; when one fails, let those under way come to their end, so that no answer is lost.

    Raises:
        BaseException: The first failure.
    """
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found
