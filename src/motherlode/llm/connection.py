"""One request to one server over HTTP: its response, or what went wrong, and whether that can pass.

What can pass (429, 5xx, lost connections, responses cut short or made of something else) is raised as `Passing`. What
cannot (a refused key, an unknown model, an address where nothing answers) is one line for the person who runs it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from motherlode import __version__
from motherlode.errors import InputError, MissingExtraError, MotherlodeError, nearest
from motherlode.llm.chat import Question
from motherlode.llm.endpoint import KEYS, Endpoint, redacted, shown
from motherlode.llm.limits import retry_after
from motherlode.llm.requests import Requests
from motherlode.llm.responses import Passing, message_of

MOST_BYTES = 32 << 20  # of a response
_PASSING = frozenset({408, 409, 425, 429, *range(500, 600)})
_THROTTLED = frozenset({429, 503, 529})
_SETTINGS = frozenset({400, 422, 501})  # statuses that may mean that a field is not known
_FILTERED = ('"content_filter"', '"content_policy_violation"')  # codes of requests that a filter stopped
_CONTEXT = ("context length", "context size", "context window", "context_length", "max_model_len")


class Connection:
    """Connections to a server."""

    def __init__(self, endpoint: Endpoint, requests: Requests, key: str | None) -> None:
        """Connect to nothing yet.

        Args:
            endpoint: The server.
            requests: What it is sent.
            key: Sent with every request, and cut out of what comes back.

        Raises:
            MissingExtraError: The extra `llm` is not installed.
            InputError: The proxy that the environment names cannot be used.
        """
        try:
            import httpx
        except ImportError:
            raise MissingExtraError("llm", "asking a language model", where="--llm") from None
        self._endpoint, self._requests, self._key = endpoint, requests, key
        self._reached = False
        headers = {"User-Agent": f"motherlode/{__version__}", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        try:
            self._http = httpx.AsyncClient(
                headers=headers,
                timeout=httpx.Timeout(endpoint.timeout, connect=min(30.0, endpoint.timeout)),
                limits=httpx.Limits(max_connections=endpoint.concurrency),
                trust_env=not endpoint.local,
            )
        except (ImportError, ValueError, httpx.InvalidURL):  # not shown: a proxy's address may hold a password
            hint = "set HTTPS_PROXY and ALL_PROXY to http://HOST:PORT, or unset them"
            raise InputError("cannot use the proxy that the environment names", where="--llm", hint=hint) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post(self, question: Question, see: Callable[[Mapping[str, str]], None]) -> dict[str, Any]:
        """Send a question to the chat completions.

        Args:
            question: What is asked.
            see: Called with the headers of any response, by name in lower case.

        Returns:
            The response's JSON, without the key.

        Raises:
            Passing: It may go well the next time.
            InputError: The server cannot be reached, or refuses key, model or request.
            MotherlodeError: The account is empty.
        """
        body = self._requests.body(question)
        status, headers, content = await self._send(body)
        see(headers)
        text = redacted(content.decode("utf-8", "replace"), self._key)
        if status != 200:
            return await self._refused(status, headers, text, body)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            kind = shown(headers.get("content-type", "no type"), self._key)
            raise Passing("not a completion", f"a response that is not JSON ({kind})") from None
        if not isinstance(value, dict):
            raise Passing("not a completion", "a response that is no completion")
        return value

    async def _send(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        import httpx

        url = f"{self._endpoint.url}/chat/completions"
        content = bytearray()
        try:
            async with (
                asyncio.timeout(self._endpoint.timeout),
                self._http.stream("POST", url, json=body) as response,
            ):
                async for part in response.aiter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise Passing("too long", f"a response of over {MOST_BYTES >> 20} MiB")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            detail = shown(str(error), self._key) or "no connection"
            if not self._reached:
                hint = "start it, or correct --llm"
                raise InputError(f"no server answers ({detail})", where=self._endpoint.url, hint=hint) from None
            raise Passing("connection lost", detail) from None
        except (TimeoutError, httpx.TimeoutException):
            raise Passing("no answer in time", f"no answer within {self._endpoint.timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            detail = shown(str(error), self._key) or type(error).__name__
            raise Passing("connection lost", f"connection lost: {detail}") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise InputError(f"not an address ({error})", where="--llm") from None
        self._reached = True
        return response.status_code, {key.lower(): value for key, value in response.headers.items()}, bytes(content)

    async def _refused(self, status: int, headers: dict[str, str], text: str, body: dict[str, Any]) -> dict[str, Any]:
        """Say what a status means; a request that a filter stopped counts as answered with a refusal."""
        url = self._endpoint.url
        message = shown(message_of(text), self._key)
        said = f"HTTP {status}{': ' + message if message else ''}"
        if status in _PASSING:
            if status == 429 and "insufficient_quota" in text:
                raise MotherlodeError(f"the account is empty ({said})", where=url, hint="answers are kept")
            raise Passing(f"HTTP {status}", said, retry_after(headers), throttled=status in _THROTTLED)
        if status in (401, 403):
            raise self._key_refused(status, message)
        if 300 <= status < 400:
            target = shown(_without_secrets(headers.get("location", "another address")), self._key)
            raise InputError(f"redirects to {target}", where=url, hint="give the final address to --llm")
        if status == 400 and any(code in text for code in _FILTERED):
            declined = {"content": None, "refusal": message or "a content filter"}
            return {"choices": [{"message": declined, "finish_reason": "content_filter"}]}
        if status in _SETTINGS and self._requests.learn(message, body):
            raise Passing("setting not known", said, 0.0)
        raise await self._not_taken(status, message)

    def _key_refused(self, status: int, message: str) -> InputError:
        if self._key is None:
            return InputError(f"wants a key (HTTP {status})", where=self._endpoint.url, hint=f"set {KEYS[0]} to it")
        hint = f"set {KEYS[0]} to one that it takes"
        return InputError(f"refuses the key (HTTP {status}: {message})", where=self._endpoint.url, hint=hint)

    async def _not_taken(self, status: int, message: str) -> InputError:
        """Say why a request is refused for good: the model, its context, the address, or something else."""
        url, model = self._endpoint.url, self._endpoint.model
        if any(sign in message.lower() for sign in _CONTEXT):
            hint = "serve the model with a longer context, or ask for shorter documents"
            return InputError(f"has too short a context for the request ({message})", where=url, hint=hint)
        about_model = "model" in message.lower()
        if status == 404 or (status == 400 and about_model):
            models = await self._models()
            if models and model not in models:
                return InputError(f"has no model {model!r}", where=url, hint=nearest(model, models))
            if about_model:
                return InputError(f"cannot use the model {model!r} ({message})", where=url, hint="correct --model")
            hint = "the address usually ends in /v1" if not url.endswith("/v1") else "correct --llm"
            return InputError(f"has no chat completions (HTTP {status})", where=url, hint=hint)
        return InputError(f"refuses the request (HTTP {status}: {message or 'no reason given'})", where=url)

    async def _models(self) -> list[str]:
        """Return the names of the server's models, if it tells them."""
        import httpx

        try:
            response = await self._http.get(f"{self._endpoint.url}/models", timeout=min(10.0, self._endpoint.timeout))
            names = [str(entry["id"]) for entry in response.json()["data"]]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return []
        return [shown(name, self._key) for name in names]


def _without_secrets(address: str) -> str:
    """Cut name, password and query out of an address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "another address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path
