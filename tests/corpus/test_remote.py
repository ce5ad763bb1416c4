"""Input at addresses: read as the same files of this machine are."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from motherlode.corpus import remote
from motherlode.corpus.readers import read_split
from motherlode.corpus.sources import find_inputs, plan_splits
from motherlode.errors import InputError, MissingExtraError
from tests.corpus.inputs import LONG, build, documents, write_data, write_lines
from tests.corpus.web.crawl import crawl, write

fsspec = pytest.importorskip("fsspec", reason="the extra 'remote' is not installed")


def fill(folder: Path) -> Path:
    """Write a file of each kind."""
    write_lines(folder / "a.jsonl", [{"text": f"{LONG} {n}"} for n in range(200)])
    write_lines(folder / "deep" / "b.jsonl.gz", [{"text": f"{LONG} b"}])
    pq.write_table(pa.table({"text": [f"{LONG} c{n}" for n in range(50)]}), folder / "c.parquet", row_group_size=10)
    write_data(folder / "d.txt", f"{LONG} d".encode())
    write_data(folder / ".hidden.txt", f"{LONG} hidden".encode())
    write_data(folder / "e.bin", b"x")
    return folder


def records(inputs: Any, split_bytes: int = 1024) -> list[Any]:
    """Return all that readers say."""
    splits = plan_splits(find_inputs(inputs).files, split_bytes)
    return [(r.file, r.location, r.fields, r.error) for split in splits for r in read_split(split, "text")]


@pytest.fixture
def far(tmp_path: Path) -> Iterator[str]:
    """The files in a file system in memory."""
    memory = fsspec.filesystem("memory")
    memory.put(f"{fill(tmp_path / 'in')}/", "/bucket/", recursive=True)
    yield "memory://bucket"
    memory.store.clear()


def test_a_folder_at_an_address_is_read_as_one_of_this_machine(far: str, tmp_path: Path) -> None:
    assert records([far]) == records([tmp_path / "in"])
    found = find_inputs([far])
    assert [file.name for file in found.files] == ["a.jsonl", "c.parquet", "d.txt", "deep/b.jsonl.gz"]
    assert list(found.skipped) == ["memory:///bucket/e.bin"]


def test_patterns_and_files_at_addresses(far: str, tmp_path: Path) -> None:
    assert records([f"{far}/*.jsonl", f"{far}/a.jsonl"]) == records([tmp_path / "in" / "a.jsonl"])
    assert [file.name for file in find_inputs([f"{far}/**/*.gz"]).files] == ["deep/b.jsonl.gz"]
    assert records([f"file://{tmp_path}/in/a.jsonl"]) == records([tmp_path / "in" / "a.jsonl"])


def test_a_corpus_can_be_built_from_addresses(far: str, tmp_path: Path) -> None:
    here = documents(build([tmp_path / "in"], tmp_path / "here"))
    assert documents(build([far], tmp_path / "there")) == here


def test_a_changed_file_has_another_digest(far: str) -> None:
    memory = fsspec.filesystem("memory")
    (before,) = find_inputs([f"{far}/a.jsonl"]).files
    (same,) = find_inputs([f"{far}/a.jsonl"]).files
    memory.pipe("/bucket/a.jsonl", memory.cat("/bucket/a.jsonl") + b" ")
    (after,) = find_inputs([f"{far}/a.jsonl"]).files
    assert before.digest == same.digest != after.digest


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves files, and parts of them if asked; the standard library's own serves them only whole."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        asked = self.headers.get("Range")
        if not asked or not path.is_file():
            return super().send_head()
        first, _, last = asked.removeprefix("bytes=").partition("-")
        data = path.read_bytes()
        stop = min(int(last) + 1, len(data)) if last else len(data)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", str(stop - int(first)))
        self.end_headers()
        import io

        return io.BytesIO(data[int(first) : stop])

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


class Whole(http.server.SimpleHTTPRequestHandler):
    """Serves files only whole."""

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def served(folder: Path, handler: Any) -> Iterator[str]:
    """Serve a folder on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("handler", [Ranges, Whole])
def test_files_are_read_over_http_whether_servers_send_parts_or_not(handler: Any, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")
    fill(tmp_path)
    write(tmp_path / "crawl.warc.gz", crawl(8))
    names = ["a.jsonl", "c.parquet", "crawl.warc.gz"]
    with served(tmp_path, handler) as address:
        urls = [f"{address}/{name}" for name in names]
        assert records(urls) == records([tmp_path / name for name in names])
        with pytest.raises(InputError, match=r"http://127.0.0.1:\d+/absent.jsonl: no such file or folder$"):
            find_inputs([f"{address}/absent.jsonl"])


def test_what_cannot_be_reached_is_said_in_one_line(far: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, message in [
        ("memory://bucket/absent.jsonl", "memory://bucket/absent.jsonl: no such file or folder$"),
        ("memory://bucket/*.absent", r"memory://bucket/\*.absent: no such file or folder$"),
        ("memory://bucket/e.bin", "memory:.*/bucket/e.bin: unknown format; known: "),
        ("nosuch://bucket/a.jsonl", "nosuch://bucket/a.jsonl: nosuch:// addresses are not known; use s3://"),
        ("http://127.0.0.1:9/a.jsonl", "http://127.0.0.1:9/a.jsonl: cannot be reached"),
    ]:
        with pytest.raises(InputError, match=message):
            find_inputs([url])


@pytest.mark.parametrize(
    ("url", "extra", "package"), [("s3://b/a.jsonl", "s3", "s3fs"), ("gs://b/a.jsonl", "gcs", "gcsfs")]
)
def test_an_address_of_a_kind_that_is_not_installed_names_its_extra(
    url: str, extra: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delitem(_registry, url.partition(":")[0], raising=False)  # nor imported before
    with pytest.raises(MissingExtraError, match=rf"{url}: reading .*:// addresses needs the extra '{extra}'"):
        find_inputs([url])


def test_paths_of_this_machine_are_no_addresses(tmp_path: Path) -> None:
    for item in ("a.jsonl", "/tmp/a:b", "C:\\x", tmp_path, "file:///tmp/a", "a/b://c"):
        assert not remote.is_url(item)
    for item in ("s3://b/x", "HTTPS://x.org/y", "simplecache::s3://b/x"):
        assert remote.is_url(item)
