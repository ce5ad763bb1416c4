"""From a crawl to a corpus: what becomes of every record, whatever the number of workers and the size of parts."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
import zstandard

from motherlode.corpus.corpus import Corpus
from motherlode.errors import InputError, MissingExtraError
from motherlode.shards.engine import LocalEngine
from tests.corpus import inputs
from tests.corpus.inputs import LONG, quarantine, write_lines
from tests.corpus.web.crawl import article, crawl, page, record, response, write
from tests.kill import contents

for package in ("resiliparse", "fastwarc", "pycld2"):
    pytest.importorskip(package, reason="the extra 'web' is not installed")

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "web"  # beside the repository; tests skip without it
COLUMNS = ["id", "url", "title", "date", "language", "language_score", "metadata", "text", "source", "words"]


def build(paths: Any, out: Path, **settings: Any) -> Corpus:
    """Build a corpus of all pages, whatever their quality; small pages of tests have none."""
    return inputs.build(paths, out, **{"quality": "none", **settings})


def rows(corpus: Corpus) -> list[dict[str, Any]]:
    """Return all documents with their columns."""
    return [row for batch in corpus.batches(COLUMNS) for row in batch.to_pylist()]


def test_a_crawl_becomes_documents_with_what_pages_say_of_themselves(tmp_path: Path) -> None:
    write(tmp_path / "crawl.warc.gz", crawl(3))
    corpus = build(tmp_path / "crawl.warc.gz", tmp_path / "out")
    stats = corpus.stats()
    assert (stats.read, stats.kept) == (10, 3)
    assert stats.dropped == {"WARC type metadata": 3, "WARC type request": 3, "WARC type warcinfo": 1}
    assert stats.languages == {"en": 3}
    first = rows(corpus)[1]
    assert first["id"] == "urn:uuid:00000000-0000-4000-8000-000000000001"
    assert first["url"] == "http://example.com/1"
    assert first["title"] == "Lantern & river 1"
    assert first["date"] == "2024-05-18T01:58:10Z"
    assert (first["language"], first["language_score"]) == ("en", pytest.approx(0.99))
    assert first["source"] == "crawl.warc.gz"
    assert json.loads(first["metadata"]) == {
        "published": "2021-03-02T10:00:00Z",
        "charset": "utf-8",
        "content_type": "text/html",
        "language_hint": "en-GB",
        "offset": len(b"".join(gzip.compress(part, 6, mtime=0) for part in crawl(3)[:5])),
    }
    assert "harbour lantern" in first["text"]
    assert "About the site" not in first["text"]


def test_every_container_holds_the_same(tmp_path: Path) -> None:
    from fastwarc.stream_io import Lz4Writer

    whole = b"".join(crawl(4))
    (tmp_path / "a.warc").write_bytes(whole)
    (tmp_path / "b.warc.gz").write_bytes(gzip.compress(whole))
    write(tmp_path / "c.warc.gz", crawl(4))
    (tmp_path / "d.warc.zst").write_bytes(zstandard.ZstdCompressor().compress(whole))
    with (tmp_path / "e.warc.lz4").open("wb") as stream:
        writer = Lz4Writer(stream)
        writer.write(whole)
        writer.close()
    found = []
    for path in sorted(tmp_path.glob("*.warc*")):
        corpus = build(path, tmp_path / f"out-{path.name}")
        assert corpus.stats().read == 13
        found.append([(row["id"], row["text"], row["url"]) for row in rows(corpus)])
    assert len(found[0]) == 4
    assert all(one == found[0] for one in found)


def test_conversions_metadata_and_html_files_are_read_too(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    wet = [record(b"", "warcinfo", None), record(f"{LONG} in a WET file".encode(), "conversion", number=1)]
    write(folder / "a.warc.wet.gz", wet)
    head = {"Title": f"{LONG} in a WAT file", "Metas": [{"name": "description", "content": "described"}]}
    body = {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {"Head": head}}}}}
    wat = record(json.dumps(body).encode(), "metadata", number=2).replace(
        b"application/warc-fields", b"application/json"
    )
    write(folder / "b.wat", [wat])
    (folder / "c.html").write_bytes(article(3))
    (folder / "deep").mkdir()
    (folder / "deep" / "d.HTM.gz").write_bytes(gzip.compress(article(4)))
    (folder / "e.html").write_bytes(b"\x89PNG\x00")
    corpus = build(folder, tmp_path / "out")
    found = {row["source"]: row for row in rows(corpus)}
    assert found["a.warc.wet.gz"]["text"] == f"{LONG} in a WET file"
    assert found["b.wat"]["text"] == f"{LONG} in a WAT file\n\ndescribed"
    assert found["c.html"]["title"] == "Lantern & river 3"
    assert found["deep/d.HTM.gz"]["id"] == "deep/d.HTM.gz"
    assert corpus.stats().dropped == {"WARC type warcinfo": 1, "not HTML": 1}


def test_damage_is_counted_and_kept_with_its_place(tmp_path: Path) -> None:
    good = [gzip.compress(page(number), mtime=0) for number in range(4)]
    flipped = bytearray(good[1])
    flipped[len(flipped) // 2] ^= 4
    slow = gzip.compress(record(response(b"<div>" * 400_000), url="http://slow.example/", number=9))
    data = good[0] + bytes(flipped) + b"noise" + good[2] + slow + good[3][:-400]
    (tmp_path / "a.warc.gz").write_bytes(data)
    corpus = build(tmp_path / "a.warc.gz", tmp_path / "out", page_seconds=0.5)
    assert corpus.stats().kept == 2
    bad = quarantine(corpus)
    assert [(row["origin"], row["location"]) for row in bad] == [
        ("a.warc.gz", f"byte {len(good[0])}"),
        ("a.warc.gz", f"byte {len(good[0] + good[1] + good[2]) + 5}"),
        ("a.warc.gz", f"byte {len(good[0] + good[1] + good[2] + slow) + 5}"),
    ]
    assert bad[0]["error"].startswith("damaged gzip member")
    assert bad[1]["error"] == "the extraction took longer than 0.5 s"
    assert bad[1]["record"].startswith("http://slow.example/\nHTTP/1.1 200")
    assert bad[2]["error"].startswith("the file is cut off within a gzip member")


@pytest.mark.slow
def test_workers_make_no_difference_and_parts_next_to_none(tmp_path: Path) -> None:
    parts = [*crawl(60), b"noise", *crawl(5)]
    write(tmp_path / "in" / "a.warc.gz", parts)
    (tmp_path / "in" / "b.warc").write_bytes(b"".join(crawl(30)))
    settings: dict[str, Any] = {"split_bytes": 5000, "shard_rows": 20}
    one = build(tmp_path / "in", tmp_path / "one", **settings)
    with LocalEngine(2, quiet=True) as engine:
        two = Corpus.build(tmp_path / "in", tmp_path / "two", engine=engine, quality="none", **settings)
    assert contents(one.folder) == contents(two.folder)
    whole = build(tmp_path / "in", tmp_path / "whole")
    assert rows(whole) == rows(one)
    counts = [(corpus.stats().read, corpus.stats().dropped, corpus.stats().quarantined) for corpus in (one, whole)]
    assert counts[0] == counts[1]
    assert counts[0][0] == 181 + 1 + 16 + 91
    assert counts[0][2] == 1


def test_blocked_addresses_are_dropped_before_extraction_and_from_other_formats(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("bad.org\nexample.com/1\n")
    slow = record(response(b"<div>" * 400_000), url="http://www.bad.org/slow", number=9)
    write(tmp_path / "a.warc.gz", [page(0), page(1), slow])
    corpus = build(tmp_path / "a.warc.gz", tmp_path / "out", block_urls=tmp_path / "list.txt")
    assert corpus.stats().dropped == {"URL blocked": 2}
    assert corpus.stats().quarantined == 0
    lines = [{"text": f"{LONG} 1", "url": "https://x.bad.org/"}, {"text": f"{LONG} 2", "url": "https://good.org/"}]
    other = build(
        write_lines(tmp_path / "b.jsonl", [*lines, {"text": f"{LONG} 3"}]),
        tmp_path / "b",
        block_urls=str(tmp_path / "list.txt"),
    )
    assert other.stats().dropped == {"URL blocked": 1}
    assert [row["url"] for row in rows(other)] == ["https://good.org/", None]
    (tmp_path / "list.txt").write_text("good.org\n")
    with pytest.raises(InputError, match="holds the output of other settings"):
        build(tmp_path / "b.jsonl", tmp_path / "b", block_urls=tmp_path / "list.txt")


def test_languages_are_told_for_pages_and_kept_on_demand(tmp_path: Path) -> None:
    german = "<p>Der Hafen lag am Morgen still, und die Boote ruhten, während die Stadt langsam erwachte.</p>"
    pages = [page(0), record(response(german.encode()), url="http://example.de/", number=1)]
    write(tmp_path / "a.warc.gz", pages)
    every = build(tmp_path / "a.warc.gz", tmp_path / "every")
    assert [row["language"] for row in rows(every)] == ["en", "de"]
    some = build(tmp_path / "a.warc.gz", tmp_path / "some", languages=["de"])
    assert [row["language"] for row in rows(some)] == ["de"]
    assert some.stats().dropped == {"other language": 1}
    none = build(tmp_path / "a.warc.gz", tmp_path / "none", identifier="none")
    assert [row["language"] for row in rows(none)] == [None, None]
    lines = write_lines(
        tmp_path / "b.jsonl", [{"text": f"{LONG} {n}", "language": "xx", "language_score": n} for n in (0, 1)]
    )
    kept = rows(build(lines, tmp_path / "b"))
    assert [(row["language"], row["language_score"]) for row in kept] == [("xx", 0.0), ("xx", 1.0)]


def test_personal_data_is_masked_on_demand(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": f"{LONG} write to jane@example.org or call +49 30 1234567"}])
    corpus = build(path, tmp_path / "out", mask_personal_data=True)
    assert rows(corpus)[0]["text"] == f"{LONG} write to [EMAIL] or call [PHONE]"
    assert corpus.stats().notes["emails_masked"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extractor": "readability"}, "--extractor: unknown extractor 'readability'"),
        ({"languages": ["english"]}, "--languages: unknown language code 'english'"),
        ({"languages": ["de"], "identifier": "none"}, "--identifier none: languages cannot be kept without"),
        ({"identifier": "fasttext"}, "--identifier: unknown identifier 'fasttext'"),
        ({"page_seconds": -1}, "page-seconds = -1: "),
        ({"min_language_score": 1.5}, "min-language-score = 1.5: "),
        ({"block_urls": "/nowhere/list.txt"}, "--block-urls /nowhere/list.txt: no such file"),
    ],
)
def test_options_that_do_not_fit_are_told_in_one_line(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    write(tmp_path / "a.warc.gz", [page(0)])
    with pytest.raises(InputError, match=message):
        build(tmp_path / "a.warc.gz", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from motherlode.corpus.web import extract

    write(tmp_path / "a.warc.gz", [page(0)])
    monkeypatch.setattr(extract, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"needs the extra 'web', which is not installed; pip install 'motherlode\[web\]'"
    ):
        build(tmp_path / "a.warc.gz", tmp_path / "out")
    text = record(f"{LONG} of a WET file".encode(), "conversion", number=1)
    build(write(tmp_path / "b.warc.wet.gz", [text]), tmp_path / "wet", identifier="none")


def test_names_of_crawl_files_may_lie(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(b"".join(crawl(3)))
    write(tmp_path / "b.gz", crawl(3)).rename(tmp_path / "b.warc")
    for name in ("a.warc.gz", "b.warc"):
        stats = build(tmp_path / name, tmp_path / f"out-{name}", split_bytes=1500).stats()
        assert (stats.read, stats.kept, stats.quarantined) == (10, 3, 0)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared crawl files are not here")
def test_real_crawl_files_give_at_least_what_an_independent_reader_gets() -> None:
    from motherlode.corpus.web.frames import read_frames

    with (SHARED / "FILES.tsv").open(encoding="utf-8") as stream:
        table = list(csv.DictReader(stream, delimiter="\t"))
    checked = 0
    for row in table:
        told = re.match(r"(\d+), \d+ html", row["records an independent reader (warcio) gets"])
        if not told or ".arc" in row["file"]:
            continue
        path = SHARED / row["file"]
        compressed = path.read_bytes()[:2] == b"\x1f\x8b"
        with path.open("rb") as stream:
            found = list(read_frames(stream, compressed, 0, None, 32 << 20))
        cut = sum("cut off" in (frame.error or "") for frame in found)  # which that reader gives in part
        assert sum(frame.error is None for frame in found) >= int(told[1]) - cut, row["file"]
        checked += 1
    assert checked >= 30


@pytest.mark.skipif(not SHARED.exists(), reason="the shared crawl files are not here")
def test_real_crawl_files_give_what_can_be_saved(tmp_path: Path) -> None:
    corpus = build([SHARED / "warc", SHARED / "warc-broken"], tmp_path / "out")
    stats = corpus.stats()
    assert stats.kept > 0
    assert stats.quarantined <= 5  # two files that were cut off, two damaged members, one that is no WARC file
