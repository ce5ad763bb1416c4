"""Records come out of WARC files of any condition, each once, in whatever parts a file is read."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motherlode.corpus.web import frames
from motherlode.corpus.web.frames import Frame, parse_headers, read_frames
from tests.corpus.web.crawl import article, crawl, page, record, response

MOST = 1 << 20


def read(data: bytes, split: int | None = None, most: int = MOST) -> list[Frame]:
    """Read all records, in parts of some bytes."""
    compressed = data.startswith(b"\x1f\x8b")
    found: list[Frame] = []
    for start in range(0, max(1, len(data)), split or max(1, len(data))):
        stop = min(start + split, len(data)) if split else None
        found += read_frames(io.BytesIO(data), compressed, start, stop, most)
    return found


def shown(found: Sequence[Frame]) -> list[Any]:
    """Return what can be compared of records."""
    return [(frame.offset, frame.headers, frame.block, frame.error, frame.relabelled) for frame in found]


def blocks(found: Sequence[Frame]) -> list[bytes]:
    """Return the blocks of good records."""
    return [frame.block for frame in found if frame.error is None]


def errors(found: Sequence[Frame]) -> list[tuple[int, str]]:
    """Return where what is wrong."""
    return [(frame.offset, frame.error) for frame in found if frame.error is not None]


def packed(parts: Sequence[bytes], compressed: bool) -> bytes:
    """Join records, each a gzip member if wanted."""
    return b"".join(gzip.compress(part, 1, mtime=0) if compressed else part for part in parts)


@pytest.mark.parametrize("compressed", [False, True])
def test_sound_files_are_read_as_fastwarc_reads_them(compressed: bool) -> None:
    warc = pytest.importorskip("fastwarc.warc", reason="the extra 'web' is not installed")
    data = packed(crawl(20), compressed)
    theirs = [
        (r.stream_pos, r.record_id, r.reader.read())
        for r in warc.ArchiveIterator(io.BytesIO(data), parse_http=False, fsspec_args=False)
    ]
    ours = [(f.offset, f.headers["warc-record-id"].strip("<>"), f.block) for f in read(data)]
    assert len(ours) == 61
    assert [(place, identity.strip("<>"), block) for place, identity, block in theirs] == ours


NOISE = st.binary(min_size=1, max_size=80).filter(lambda data: b"\x1f\x8b" not in data and b"WARC" not in data)
PART = st.one_of(
    st.integers(0, 99).map(page),
    st.binary(max_size=300).map(lambda block: record(block, "resource")),
    st.tuples(st.integers(0, 9), st.integers(-30, 30)).map(lambda pair: _mislabelled(*pair)),
    NOISE,
)


def _mislabelled(number: int, by: int) -> bytes:
    block = response(article(number))
    return record(block, length=len(block) + by)


@settings(max_examples=150)
@given(st.lists(PART, min_size=1, max_size=8), st.booleans(), st.integers(1, 900))
def test_parts_of_a_file_give_every_record_once(parts: list[bytes], compressed: bool, split: int) -> None:
    data = packed([record(b"first", "warcinfo"), *parts], compressed)
    assert shown(read(data, split)) == shown(read(data))


@settings(max_examples=100)
@given(st.lists(PART, min_size=1, max_size=6), st.booleans(), st.randoms(use_true_random=False), st.integers(1, 700))
def test_damage_never_ends_a_file_and_stays_the_same_in_any_parts(
    parts: list[bytes], compressed: bool, choice: random.Random, split: int
) -> None:
    split = max(split, 20)  # every range costs a search
    data = bytearray(packed([record(b"first", "warcinfo"), *parts], compressed))
    for _ in range(choice.randint(1, 4)):
        place = choice.randrange(max(1, len(data) - 40))
        kind = choice.random()
        if kind < 0.4:
            data[place] ^= 1 << choice.randrange(8)
        elif kind < 0.7:
            data[place:place] = choice.randbytes(choice.randint(1, 40))
        else:
            del data[place : place + choice.randint(1, 40)]
    if data[:2] != b"\x1f\x8b" and compressed:
        return  # the reader goes by the file's name; this helper goes by its first bytes
    data += packed([page(7777)], compressed)
    found = read(bytes(data))
    assert any(frame.block.endswith(article(7777)) for frame in found if frame.error is None)
    assert shown(read(bytes(data), split)) == shown(found)


@pytest.mark.parametrize("compressed", [False, True])
def test_noise_between_records_is_told_with_its_place(compressed: bool) -> None:
    noise = random.Random(3).randbytes(500).replace(b"\x1f", b"\x00")
    before, after = packed([page(1), page(2)], compressed), packed([page(3)], compressed)
    found = read(before + noise + after)
    assert blocks(found) == [response(article(number)) for number in (1, 2, 3)]
    ((place, error),) = errors(found)
    assert place == len(before) + (len(noise) - len(noise.lstrip(b"\r\n\t " if not compressed else b"\0")))
    assert error == ("what follows is no gzip member" if compressed else "is not a WARC record")


def test_one_flipped_bit_costs_one_record() -> None:
    members = [gzip.compress(page(number), mtime=0) for number in range(5)]
    bad = bytearray(members[2])
    bad[len(bad) // 2] ^= 0x10
    found = read(b"".join([*members[:2], bytes(bad), *members[3:]]))
    assert blocks(found) == [response(article(number)) for number in (0, 1, 3, 4)]
    ((place, error),) = errors(found)
    assert place == len(members[0]) + len(members[1])
    assert error.startswith("damaged gzip member")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("by", [-40, -2, -1, 1, 2, 37, 5_000])
def test_a_wrong_length_costs_nothing(compressed: bool, by: int) -> None:
    block = response(article(5))
    data = packed([page(4), record(block, length=len(block) + by), page(6)], compressed)
    found = read(data)
    assert not errors(found)
    assert [frame.block.rstrip(b"\r\n") for frame in found] == [response(article(number)) for number in (4, 5, 6)]
    # a length that takes in a part of the line ends between records only does no harm
    assert [frame.relabelled for frame in found] == [False, by not in (1, 2), False]


def test_a_missing_or_senseless_length_is_made_good() -> None:
    for length in (b"", b"abc", b"-5", b"9" * 30):
        whole = record(b"body of it", "resource").replace(b"Content-Length: 10", b"Content-Length: " + length)
        found = read(whole + page(1))
        assert blocks(found) == [b"body of it", response(article(1))], length


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_cut_off_keeps_what_came_before(compressed: bool) -> None:
    data = packed([page(number) for number in range(4)], compressed)
    last = len(packed([page(3)], compressed))
    for cut in (30, last // 2, last - 5):
        found = read(data[: len(data) - cut])
        assert len(blocks(found)) == 3
        ((place, error),) = errors(found)
        assert place == len(data) - last
        assert "cut off" in error or "headers do not end" in error or "is not a WARC record" in error


def test_a_record_that_is_whole_but_for_its_checksum_is_kept() -> None:
    found = read(gzip.compress(page(1)) + gzip.compress(page(2))[:-3])
    assert blocks(found) == [response(article(1)), response(article(2))]
    assert [error for _, error in errors(found)] == ["the file is cut off within a gzip member"]


def test_a_file_gzipped_whole_is_read_to_its_end() -> None:
    data = gzip.compress(b"".join(crawl(10)))
    found = read(data)
    assert len(blocks(found)) == 31
    assert {frame.offset for frame in found} == {0}
    assert shown(read(data, 100)) == shown(found)


def test_a_record_in_several_members_is_joined() -> None:
    whole = page(1)
    data = b"".join(gzip.compress(part) for part in (whole[:300], whole[300:900], whole[900:] + page(2), page(3)))
    assert blocks(read(data)) == [response(article(number)) for number in (1, 2, 3)]


def test_zeros_behind_a_member_are_padding() -> None:
    data = gzip.compress(page(1)) + bytes(700) + gzip.compress(page(2)) + bytes(3)
    assert blocks(read(data)) == [response(article(number)) for number in (1, 2)]
    assert not errors(read(data))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_record_that_is_too_long_is_not_held(compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    long = record(b"x" * 3_000_000, "resource")
    held = 0
    take = frames._Bytes.fill

    def fill(self: Any, count: int) -> bool:
        nonlocal held
        done = take(self, count)
        held = max(held, len(self.data))
        return done

    monkeypatch.setattr(frames._Bytes, "fill", fill)
    found = read(packed([page(1), long, page(2)], compressed))
    assert blocks(found) == [response(article(number)) for number in (1, 2)]
    assert [error for _, error in errors(found)] == ["the record is longer than 1 MiB"]
    assert held < MOST + (1 << 19)


def test_a_bomb_is_not_unfolded_into_memory() -> None:
    import tracemalloc

    bomb = gzip.compress(record(bytes(60 << 20), "resource"))
    unlabelled = record(bytes(60 << 20), "resource", length=7)
    data = bomb + gzip.compress(unlabelled) + gzip.compress(page(1))
    del unlabelled
    tracemalloc.start()
    found = read(data)
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()
    assert blocks(found) == [response(article(1))]
    assert len(errors(found)) == 2


def test_headers_that_do_not_end_are_passed_over() -> None:
    endless = b"WARC/1.0\r\nWARC-Type: response\r\n" + b"X-Pad: y\r\n" * 40_000
    found = read(endless + page(1))
    assert blocks(found) == [response(article(1))]
    assert [error for _, error in errors(found)] == ["the record's headers do not end"]


def test_header_lines_are_read_leniently() -> None:
    lines = (
        "WARC-Type: response\nno colon here\nwarc-date:  later \r\nFolded: one\r\n  two\nWARC-TYPE: second\n: empty\n"
    )
    assert parse_headers(lines.encode()) == {"warc-type": "response", "warc-date": "later", "folded": "one two"}
    assert parse_headers(b"Caf\xe9: \xff") == {"caf\ufffd": "\ufffd"}


def test_what_is_no_warc_file_is_one_piece_of_damage() -> None:
    for data in (
        b"<html>no</html>",
        gzip.compress(b"<html>no</html>"),
        b"\x1f\x8b\x08",
        b"\x1f\x8bxx",
        zlib.compress(b"x"),
    ):
        found = read(data)
        assert len(found) == 1
        assert found[0].error
    assert read(b"") == []
    assert read(b"\r\n\r\n") == []


def test_other_versions_and_line_ends_are_records_too() -> None:
    old = page(1, version="0.18").replace(b"\r\n", b"\n")
    found = read(old + page(2, version="1.1"))
    assert not errors(found)
    assert len(found) == 2
