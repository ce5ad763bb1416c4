"""A chat-completions server on loopback, over a real socket, that behaves and misbehaves as it is told.

A script is a function from a request to a behaviour: `None` is a good answer, else one of `FAULTS`. Good answers are
documents of English words, decided by the request alone. Requests come in no order unless one is sent at a time: a
script for several at once looks at what is asked, not at the number.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = (
    "the a of and to in for with on at from by about after before under over between people market house river "
    "letter morning evening question answer number report friend garden window kitchen station doctor teacher "
    "weather summer winter price order supply engine bridge village council meeting budget contract lesson recipe "
    "because although while when where which that this these those every another several many few most "
    "opened closed carried wanted needed asked answered wrote signed counted measured repaired delivered explained "
    "quiet careful early late heavy light common strange simple difficult useful broken empty full narrow wide "
    "yesterday today tomorrow never always sometimes again together alone slowly quickly already perhaps however"
).split()
FAULTS = (
    "malformed",
    "refusal",
    "refusal field",
    "truncated",
    "busy",
    "error",
    "hang",
    "reset",
    "wrong type",
    "empty choices",
    "filtered",
)
Script = Callable[[int, dict[str, Any]], str | None]


def document(body: dict[str, Any], words: int) -> str:
    """Write sentences that depend on the request alone."""
    choice = random.Random(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest())
    made = [choice.choice(WORDS) for _ in range(words)]
    sentences = [" ".join(made[i : i + 12]).capitalize() + "." for i in range(0, len(made), 12)]
    return " ".join(sentences)


def seed_fields(body: dict[str, Any]) -> dict[str, str]:
    """Write a seed of the length that the prompt asks for."""
    prompt = body["messages"][1]["content"]
    found = re.search(r"between (\d+) and (\d+) words|at least (\d+) words", prompt)
    assert found, prompt
    words = int(found[3]) + 20 if found[3] else (int(found[1]) + int(found[2])) // 2
    fields = {name: document({**body, "field": name}, 8) for name in ("topic", "premise", "author", "audience")}
    return {**fields, "motive": document({**body, "field": "motive"}, 6), "document": document(body, words)}


def tagged(fields: dict[str, Any]) -> str:
    return "\n".join(f"<{name}>{value}</{name}>" for name, value in fields.items())


def write(body: dict[str, Any], fields: dict[str, Any]) -> str:
    """Write fields in the form that the request asks for."""
    return json.dumps(fields) if "response_format" in body else tagged(fields)


@dataclass
class Server:
    """What the server is told, and what it saw."""

    script: Script = lambda number, body: None
    content: Callable[[dict[str, Any]], str] = lambda body: write(body, seed_fields(body))
    headers: Callable[[int], dict[str, str]] = lambda number: {}
    models: tuple[str, ...] = ("tiny",)
    delay: float = 0.0
    hang: float = 2.0
    key: str | None = None
    without: tuple[str, ...] = ()  # fields of requests that it refuses
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    given: list[str | None] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""
    _at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told: Server
    counted = False  # whether a request of this connection is among those at once

    def log_message(self, *_: object) -> None:
        pass

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._leave()
        data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"data": [{"id": name} for name in self.told.models]})
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        told = self.told
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._send(404, {"detail": "Not Found"})
            return
        with told.lock:
            number = len(told.bodies)
            fault = told.script(number, body)
            told.bodies.append(body)
            told.times.append(time.monotonic())
            told.given.append(fault)
            told._at_once += 1
            told.most_at_once = max(told.most_at_once, told._at_once)
        self.counted = True
        try:
            time.sleep(told.delay)
            self._answer(number, body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self._leave()

    def _leave(self) -> None:
        """Count the request no more: before its answer goes, for the next may come before this thread runs on."""
        with self.told.lock:
            self.told._at_once -= self.counted
            self.counted = False

    def _answer(self, number: int, body: dict[str, Any], fault: str | None) -> None:
        told = self.told
        extra = told.headers(number)
        if told.key is not None and self.headers.get("Authorization") != f"Bearer {told.key}":
            got = self.headers.get("Authorization", "")
            self._send(401, {"error": {"message": f"bad key {got}"}})
            return
        if body["model"] not in told.models:
            self._send(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
            return
        for name in told.without:
            if name in body:
                hint = "Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                self._send(400, {"error": {"message": f"Unsupported parameter: '{name}'. {hint}"}})
                return
        text = told.content(body)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        finish = "stop"
        if fault == "busy":
            self._send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05", **extra})
            return
        if fault == "error":
            self._send(500, "<html>Internal Server Error</html>", {"Content-Type": "text/html"})
            return
        if fault == "filtered":
            self._send(400, {"error": {"code": "content_filter", "message": "The prompt was filtered."}})
            return
        if fault == "context":
            self._send(400, {"error": {"message": "This model's maximum context length is 512 tokens."}})
            return
        if fault == "hang":
            time.sleep(told.hang)
            self.close_connection = True
            return
        if fault == "wrong type":
            self._send(200, "<html>Welcome to the hotel's network</html>", {"Content-Type": "text/html"})
            return
        if fault == "empty choices":
            self._send(200, {"choices": [], "usage": None})
            return
        if fault == "malformed":
            message["content"] = text[: len(text) // 2] + "\n```"
        elif fault == "refusal":
            message["content"] = "I'm sorry, but I can't help with that."
        elif fault == "refusal field":
            message |= {"content": None, "refusal": "not this"}
        elif fault == "truncated":
            message["content"], finish = text[: len(text) // 2], "length"
        usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
        value = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}
        if fault == "reset":
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self._send(200, value, extra)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(told: Server | None = None) -> Iterator[Server]:
    """Serve on a free port of loopback."""
    told = told or Server()
    handler = type("Handler", (_Handler,), {"told": told})
    server = _HttpServer(("127.0.0.1", 0), handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
