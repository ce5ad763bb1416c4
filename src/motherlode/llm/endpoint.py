"""Where a language model answers, and on what terms: address, key, patience, budget.

The key comes from the environment alone (`MOTHERLODE_LLM_KEY`, else `OPENAI_API_KEY`), is sent in the header of
requests, and is cut out of whatever the server sends back before anything is stored or shown.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from motherlode.config import Config
from motherlode.errors import InputError, nearest

KEYS = ("MOTHERLODE_LLM_KEY", "OPENAI_API_KEY")
FORMS = ("auto", "schema", "text")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_ADDRESS = "not an address; write http://HOST:PORT/v1 or https://HOST/v1"
_SHOWN = 300  # characters of a server's message


class Endpoint(Config):
    """A server and a model of it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = Field(description="base address, e.g. http://localhost:8000/v1")
    model: str = Field(min_length=1, max_length=300, description="the model's name, as the server knows it")
    answers: str = Field("auto", description="form of answers: auto, schema (JSON by schema) or text (tagged)")
    concurrency: int = Field(8, ge=1, le=1000, description="requests under way at once, at most")
    timeout: float = Field(300.0, gt=0, description="seconds until a request counts as lost")
    tries: int = Field(8, ge=1, le=100, description="times that a request is sent, at most, if the server fails")
    backoff: float = Field(1.0, gt=0, description="seconds before the first retry; twice as many before each further")
    most_wait: float = Field(600.0, gt=0, description="seconds that a server may ask to wait, at most")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        return checked_address(url)

    @field_validator("answers")
    @classmethod
    def _form(cls, form: str) -> str:
        if form not in FORMS:
            raise ValueError(f"unknown form; {nearest(form, FORMS)}")
        return form

    @classmethod
    def parse(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate values that came from a person; an address that is refused is not shown, for it may hold a password.

        Args:
            values: Names and values.
            where: Their origin, for the error line.

        Raises:
            InputError: A value must be changed.
        """
        try:
            checked_address(str(values.get("url", "")))
        except ValueError as error:
            raise InputError(str(error), where=where) from None
        return super().parse(values, where)

    @property
    def local(self) -> bool:
        """Whether the server runs on this machine: proxies of the environment are passed by."""
        return urlsplit(self.url).hostname in _LOOPBACK


def checked_address(url: str) -> str:
    """Return a base address without what need not be there.

    Args:
        url: As it was given.

    Raises:
        ValueError: It is none, or holds what could be a secret; the message does not show it.
    """
    address = url.strip()
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError(_NO_ADDRESS) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_NO_ADDRESS)
    if "@" in parts.netloc:
        raise ValueError(f"a name or password does not belong in an address; set {KEYS[0]} to the key")
    if "?" in address or "#" in address:
        raise ValueError("an address ends before '?' and '#'")
    if any(unicodedata.category(c)[0] in "CZ" for c in address):
        raise ValueError(_NO_ADDRESS)
    return address.rstrip("/").removesuffix("/chat/completions")


class Budget(Config):
    """What may be spent, over all tries of one output together; None is no limit."""

    max_requests: int | None = Field(None, ge=1, description="requests sent, retries included")
    max_tokens: int | None = Field(None, ge=1, description="tokens of prompts and answers, as the server counts them")
    max_cost: float | None = Field(None, gt=0, description="cost, in the currency of the prices")
    price_in: float | None = Field(None, ge=0, description="price of a million tokens of prompts")
    price_out: float | None = Field(None, ge=0, description="price of a million tokens of answers")

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_cost is not None and (self.price_in is None or self.price_out is None):
            raise ValueError("max-cost needs prices; give --price-in and --price-out, per million tokens")
        return self

    @property
    def priced(self) -> bool:
        """Whether costs can be told."""
        return self.price_in is not None and self.price_out is not None

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Return what tokens cost; 0 without prices."""
        return (prompt_tokens * (self.price_in or 0) + completion_tokens * (self.price_out or 0)) / 1e6


def key_from_environment() -> str | None:
    """Return the key; None if none is set.

    An empty `MOTHERLODE_LLM_KEY` means that no key is sent, whatever else is set.

    Raises:
        InputError: It holds characters that no header can carry.
    """
    for name in KEYS:
        if (key := os.environ.get(name)) is not None:
            key = key.strip()
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise InputError("holds characters that no key has", where=name, hint="set it again")
            return key or None
    return None


def shown(message: str, key: str | None) -> str:
    """Return a server's message as one short line without the key and without control characters."""
    clean = redacted(message, key)
    line = " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in clean[: 4 * _SHOWN]).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def redacted(text: str, key: str | None) -> str:
    """Cut the key out of a text."""
    return text.replace(key, "[key]") if key else text
