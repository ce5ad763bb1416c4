"""The base of every configuration: a frozen pydantic model that refuses unknown keys with the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from motherlode.errors import InputError, nearest


class Config(BaseModel):
    """Base class of configurations; lives beside the code that reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate values that came from a person.

        Args:
            values: Names and values, e.g. from YAML or the command line.
            where: Their origin, for the error line.

        Returns:
            The configuration.

        Raises:
            InputError: An unknown key or a value out of range; the line names the first one.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            place = first["loc"]
            key = ".".join(str(part) for part in place)
            if first["type"] == "extra_forbidden":
                hint = nearest(str(place[-1]), cls._names_beside(place))
                raise InputError(f"unknown key '{key}'", where=where, hint=hint) from None
            message = first["msg"].removeprefix("Value error, ")
            message = f"{message[0].lower()}{message[1:]}"
            if not place:  # of several values together
                raise InputError(message, where=where) from None
            shown = repr(first["input"])
            name = key if len(place) > 1 else key.replace("_", "-")
            raise InputError(
                f"{name} = {shown if len(shown) < 60 else shown[:57] + '...'}: {message}", where=where
            ) from None

    @classmethod
    def _names_beside(cls, place: tuple[int | str, ...]) -> Iterable[str]:
        """Return the names that are valid where a key stands, however deep."""
        model: type[BaseModel] = cls
        for part in place[:-1]:
            field = model.model_fields.get(str(part))
            if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
                return ()
            model = field.annotation
        return model.model_fields
