"""Options that all verbs share which ask a language model, written once: a command takes them as one parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from motherlode.cli.shared import with_options

if TYPE_CHECKING:
    from motherlode.llm.endpoint import Budget, Endpoint


@dataclass(frozen=True)
class Asking:
    """Whom to ask, how, and for how much, as it was typed."""

    llm: Annotated[str, typer.Option(metavar="URL", help="Address of the server, e.g. http://localhost:8000/v1.")]
    model: Annotated[str, typer.Option(help="Name of the model, as the server knows it.")]
    answers: Annotated[
        str, typer.Option(help="Form of answers: auto, schema (enforced JSON) or text (tagged text).", metavar="FORM")
    ] = "auto"
    concurrency: Annotated[int, typer.Option(help="Requests under way at once, at most.")] = 8
    timeout: Annotated[float, typer.Option(help="Seconds until a request counts as lost.")] = 300.0
    retries: Annotated[int, typer.Option(help="Times that a request is sent, at most, if the server fails.")] = 8
    max_requests: Annotated[
        int | None, typer.Option(help="Requests, at most; earlier runs with this output count.", show_default=False)
    ] = None
    max_tokens: Annotated[int | None, typer.Option(help="Tokens, at most, likewise.", show_default=False)] = None
    max_cost: Annotated[
        float | None, typer.Option(help="Cost, at most, likewise; in the currency of the prices.", show_default=False)
    ] = None
    price_in: Annotated[
        float | None, typer.Option(help="Price of a million tokens of prompts.", show_default=False)
    ] = None
    price_out: Annotated[
        float | None, typer.Option(help="Price of a million tokens of answers.", show_default=False)
    ] = None

    @property
    def endpoint(self) -> Endpoint:
        """The server and the model.

        Raises:
            InputError: An option must be changed.
        """
        from motherlode.errors import InputError
        from motherlode.llm.endpoint import Endpoint

        if not self.llm.strip():
            raise InputError("is empty", where="--llm", hint="give the server's address, e.g. http://localhost:8000/v1")
        if not self.model.strip():
            raise InputError("is empty", where="--model", hint="give the model's name")
        values = {"url": self.llm, "model": self.model, "answers": self.answers, "concurrency": self.concurrency}
        return Endpoint.parse({**values, "timeout": self.timeout, "tries": self.retries}, "--llm")

    @property
    def budget(self) -> Budget:
        """What may be spent.

        Raises:
            InputError: An option must be changed.
        """
        from motherlode.llm.endpoint import Budget

        return Budget.parse({name: getattr(self, name) for name in Budget.model_fields}, "budget")


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Asking`, which it takes as its parameter `asking`, after its own."""
    return with_options(command, Asking, lambda values: {"asking": Asking(**values)}, leave_out="asking")
