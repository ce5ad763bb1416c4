"""The entries of a comparison: a method of `select` with its options, or a variant of `mine`, under a name.

The name of an entry is what the results call it. Where it is the name of a method, nothing else need be said; a
variant says its `method`: `ntk-no-warmup: {method: ntk, warmup_epochs: 0}`.
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError, nearest

WITHOUT_SELECTION = ("base", "domain-only")
OF_VARIANTS = ("base", "general-only", "mine", "oracle", "random", "dsir", "embedding", "longest")
_OURS = ("ntk", "mine")
_DEFAULT_EPOCHS = (1, 3, 10)


def known_methods() -> tuple[str, ...]:
    """Return the methods of `methods`: those of `select`, and what stands beside them."""
    from motherlode.selection.options import METHODS

    return (*WITHOUT_SELECTION, "oracle", *METHODS)


class MethodConfig(Config):
    """A method under a name."""

    method: str = Field(description="base, domain-only, oracle, or a method of `select`")
    options: dict[str, Any] = Field(default_factory=dict, description="options of `select`")
    baseline: bool = Field(True, description="whether it is what others are to beat; not so by default: ntk")
    epochs: tuple[int, ...] = Field(
        _DEFAULT_EPOCHS, description="of domain-only: numbers that are tried on dev, beside that of equal steps"
    )

    @classmethod
    def read(cls, name: str, values: Any, where: str) -> Self:
        """Read an entry.

        Args:
            name: Its name.
            values: Its options, none if None.
            where: Its place, for the error line.

        Raises:
            InputError: The method is unknown, or an option is none of the method's.
        """
        method, given = _split(name, values, known_methods(), where)
        own: dict[str, Any] = {key: given.pop(key) for key in ("baseline", "epochs") if key in given}
        if "epochs" in own and method != "domain-only":
            raise InputError("epochs are tuned for domain-only alone", where=where, hint="set training: epochs for all")
        if isinstance(own.get("epochs"), int):
            own["epochs"] = (own["epochs"],)
        if given and method in (*WITHOUT_SELECTION, "oracle"):
            raise InputError(f"{method} has no option {min(given)!r}", where=where)
        own.setdefault("baseline", method not in (*_OURS, "base", "oracle"))
        made = cls.parse({"method": method, "options": given, **own}, where)
        if min(made.epochs, default=0) < 1:
            raise InputError("epochs are not numbers of 1 or more", where=where)
        return made

    @property
    def selects(self) -> bool:
        """Whether samples are added to the domain's."""
        return self.method not in WITHOUT_SELECTION


class VariantConfig(Config):
    """A domain corpus under a name."""

    method: str = Field(description="base, general-only, mine, oracle, or a method of `select` that needs no model")
    options: dict[str, Any] = Field(default_factory=dict, description="options of `mine`")
    baseline: bool = Field(True, description="whether it is what others are to beat; not so by default: mine")
    documents: int | None = Field(None, ge=1, description="documents that a method of `select` takes")

    @classmethod
    def read(cls, name: str, values: Any, where: str) -> dict[str, Self]:
        """Read an entry; one whose `t_sim` is a list stands for as many.

        Raises:
            InputError: The method is unknown, or an option is missing or none of the method's.
        """
        method, given = _split(name, values, OF_VARIANTS, where, "mine")
        own: dict[str, Any] = {key: given.pop(key) for key in ("baseline", "documents") if key in given}
        own.setdefault("baseline", method not in (*_OURS, "base", "oracle"))
        if given and method != "mine":
            raise InputError(f"{method} has no option {min(given)!r}", where=where)
        if (own.get("documents") is None) != (method in ("base", "general-only", "mine", "oracle")):
            said = "needs `documents`, how many it takes" if own.get("documents") is None else "takes no `documents`"
            raise InputError(f"{method} {said}", where=where)
        sweep = given.get("t_sim")
        parts = {name: given}
        if isinstance(sweep, list):
            parts = {f"{name} {value}": {**given, "t_sim": None if value == "auto" else value} for value in sweep}
        elif sweep == "auto":
            parts = {name: {**given, "t_sim": None}}
        if method == "mine":
            from motherlode.mining.run import MineConfig

            for options in parts.values():
                MineConfig.parse(options, where)
        return {key: cls.parse({"method": method, "options": part, **own}, where) for key, part in parts.items()}


def _split(
    name: str, values: Any, known: tuple[str, ...], where: str, default: str | None = None
) -> tuple[str, dict[str, Any]]:
    """Return an entry's method and its other options; one with options and no method is of the default."""
    if values is not None and not isinstance(values, dict):
        raise InputError("does not hold names and values", where=where, hint="write `name: {option: value}`")
    given = dict(values or {})
    method = given.pop("method", name if name in known else default if given else None)
    if method not in known:
        said = name if method is None else str(method)
        raise InputError(f"unknown method {said!r}", where=where, hint=nearest(said, known))
    return str(method), given
