"""`corpus build` on raw crawls, as a person meets it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.test_cli import motherlode, only
from tests.command import typed
from tests.corpus.web.crawl import crawl, write

pytest.importorskip("resiliparse", reason="the extra 'web' is not installed")
pytest.importorskip("pycld2", reason="the extra 'web' is not installed")


def test_a_crawl_becomes_a_corpus(tmp_path: Path) -> None:
    write(tmp_path / "crawl.warc.gz", crawl(4))
    (tmp_path / "block.txt").write_text("example.com/2\n")
    options = ("--languages", "en, DE", "--block-urls", "block.txt", "--mask-personal-data", "--quality", "none")
    done = motherlode("corpus", "build", "crawl.warc.gz", "--out", "corpus", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "read: URL blocked" in done.stdout
    stats = json.loads(typed("corpus", "stats", tmp_path / "corpus", "--json").stdout)
    assert (stats["read"], stats["kept"], stats["languages"]) == (13, 3, {"en": 3})
    shown = typed("corpus", "stats", tmp_path / "corpus").stdout
    assert "Documents by language" in shown


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    source, out = write(tmp_path / "crawl.warc.gz", crawl(1)), tmp_path / "out"
    base = ("corpus", "build", source, "--out", out)
    only(typed(*base, "--languages", "en,klingon"), 2, "--languages", "unknown language code 'klingon'")
    only(typed(*base, "--block-urls", tmp_path / "no.txt"), 2, "--block-urls", "no such file")
    only(typed(*base, "--extractor", "boilerpipe"), 2, "--extractor", "known: plain, resiliparse, trafilatura")
    only(typed(*base, "--page-seconds", "-2"), 2, "page-seconds")
    if find_spec("s3fs") is None and find_spec("fsspec") is not None:
        only(typed("corpus", "build", "s3://bucket/a.warc.gz", "--out", out), 2, "s3://bucket", "'motherlode[s3]'")
    assert not out.exists()
