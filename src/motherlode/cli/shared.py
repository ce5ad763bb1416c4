"""Options that several verbs share, written once as a dataclass: a command gets them after its own."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def with_options(
    command: Callable[..., None],
    shared: type[Any],
    take: Callable[[dict[str, Any]], dict[str, Any]],
    leave_out: str | None = None,
    **defaults: Any,
) -> Callable[..., None]:
    """Give a command the fields of a dataclass as options.

    Args:
        command: The command.
        shared: The dataclass; its fields are annotated as Typer's options are.
        take: From the values of these options to what the command is called with in their place.
        leave_out: A parameter of the command that is no option.
        defaults: Other defaults than the dataclass's.

    Returns:
        What Typer takes as the command.
    """
    hints = get_type_hints(shared, include_extras=True)
    given = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=defaults.get(
                field.name, inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
            ),
        )
        for field in dataclasses.fields(shared)
    ]
    names = {parameter.name for parameter in given}

    @functools.wraps(command)
    def run(**values: Any) -> None:
        more = take({name: values.pop(name) for name in names})
        command(**values, **more)

    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != leave_out
    ]
    run.__signature__ = inspect.Signature([*own, *given])  # type: ignore[attr-defined]  # what Typer reads
    return run
