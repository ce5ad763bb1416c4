"""Options that several verbs share, written once as a dataclass: a command gets them after its own."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, get_type_hints

from motherlode.shards.location import location


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


def mirrors(*folders: str, files: Iterable[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command that works in folders of this machine write to addresses: what it gets is a mirror of the address.

    Args:
        folders: Parameters that name an output folder.
        files: Those that name an output file, beside which other files belong to it.
    """
    files = tuple(files)

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**values: Any) -> None:
            from motherlode.shards.mirror import mirrored

            context = values.get("context")
            with ExitStack() as stack:
                for name in (*folders, *files):
                    if values.get(name) is None:
                        continue
                    values[name] = stack.enter_context(mirrored(location(values[name]), file=name in files))
                    if context is not None and name in context.params:
                        context.params[name] = values[name]
                command(**values)

        return run

    return wrap
