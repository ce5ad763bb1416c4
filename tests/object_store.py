"""An S3-compatible server on loopback, which can be told to fail as real ones do."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

READ_TIMEOUT = 3  # seconds that clients wait for an answer
BUCKET = "bucket"
Kind = Literal["503", "500", "hang", "truncate", "drop", "lost", "403"]
_ERRORS = {
    "503": ("503 Slow Down", "SlowDown"),
    "500": ("500 Error", "InternalError"),
    "403": ("403 No", "AccessDenied"),
}


@dataclass
class Fault:
    """What goes wrong with some requests.

    Attributes:
        request: Expression that `METHOD /bucket/key?query` is searched with.
        kind: An answer with an error; no answer in time; half an answer; a connection that breaks in the middle of the
            request (`drop`) or after it was carried out (`lost`).
        times: How often; afterwards all is well.
        after: Such requests that go well before.
    """

    request: str
    kind: Kind
    times: int = 1
    after: int = 0


@dataclass
class Store:
    """The server.

    Attributes:
        endpoint: Its address.
        faults: What goes wrong; those that have happened are taken out.
        seen: Requests, in order.
        on_request: Called with each request before it is carried out.
    """

    endpoint: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    on_request: Callable[[str], None] = lambda request: None
    happened: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """What a client finds in its environment."""
        options = {"config_kwargs": {"read_timeout": READ_TIMEOUT, "connect_timeout": READ_TIMEOUT}}
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "FSSPEC_S3": json.dumps(options),
        }

    def fault(self, request: str) -> Kind | None:
        """Return what goes wrong with a request."""
        with self._mutex:
            self.seen.append(request)
            for fault in self.faults:
                if not re.search(fault.request, request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                self.happened += 1
                return fault.kind
        return None


def _application(store: Store) -> Any:
    from moto.server import DomainDispatcherApplication, create_backend_app

    app = DomainDispatcherApplication(create_backend_app)

    def faulty(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{'?' if query else ''}{query}"
        store.on_request(request)
        kind = store.fault(request)
        if kind is None:
            answer: Iterable[bytes] = app(environ, start_response)
            return answer
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if kind == "drop":
            environ["wsgi.input"].read(length // 2)
            raise ConnectionResetError
        if kind in ("lost", "truncate"):
            body = b"".join(app(environ, start_response))
            if kind == "lost":
                raise ConnectionResetError
            return _half(body)
        if kind == "hang":
            environ["wsgi.input"].read(length)
            time.sleep(READ_TIMEOUT + 1)
            kind = "503"
        else:
            environ["wsgi.input"].read(length)
        status, code = _ERRORS[kind]
        content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(content)))])
        return [content]

    return faulty


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionResetError


@contextmanager
def running_store() -> Iterator[Store]:
    """Run a server with one empty bucket, and set this process up as its client."""
    s3fs = pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
    import fsspec
    from werkzeug.serving import make_server

    from motherlode.shards.objects import file_system

    store = Store()
    server = make_server("127.0.0.1", 0, _application(store), threaded=True)
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        patch.setitem(fsspec.config.conf, "s3", json.loads(store.environment["FSSPEC_S3"]))
        s3fs.S3FileSystem.clear_instance_cache()
        file_system.cache_clear()
        reset = urllib.request.Request(f"{store.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()  # what an earlier server of this process held
        file_system("s3").mkdir(BUCKET)
        try:
            yield store
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            file_system.cache_clear()
            server.shutdown()
            thread.join()
            server.server_close()


def objects(prefix: str) -> dict[str, bytes]:
    """Return everything below a place, by its name relative to there."""
    from motherlode.shards.objects import file_system

    key = f"{BUCKET}/{prefix}"
    found = file_system("s3").find(key)
    return {name[len(key) + 1 :]: file_system("s3").cat_file(name) for name in found}


def files(folder: Path) -> dict[str, bytes]:
    """Return the same of a folder of this machine, without its locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def unfinished_uploads() -> list[str]:
    """Return the keys of uploads in parts that are neither joined nor aborted."""
    from motherlode.shards.objects import file_system

    answer = file_system("s3").call_s3("list_multipart_uploads", Bucket=BUCKET)
    return [upload["Key"] for upload in answer.get("Uploads", ())]
