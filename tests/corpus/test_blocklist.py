"""Block-lists block hosts with all below them, and URL prefixes, and nothing else."""

from __future__ import annotations

import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.corpus.blocklist import BlockList, BlockUrls, split_url
from motherlode.errors import InputError

LIST = """# a comment
example.com
*.wild.org
.dotted.org
||filtered.net^
0.0.0.0 hosts.file
127.0.0.1\tother.file # why
https://News.example.org/forum/
example.org/a%20b?q=1
UPPER.COM.
bücher.example
192.0.2.7
! another comment

"""


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> BlockList:
    path = tmp_path_factory.mktemp("list") / "list.txt"
    path.write_text(LIST, encoding="utf-8-sig")
    return BlockList.read(path)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "https://example.com/", "http://www.example.com/a?b#c", "HTTP://EXAMPLE.COM:8080/",
        "http://user:pass@example.com/x", "example.com", "http://example.com.", "http://example.com?x=1",
        "http://a.wild.org/", "http://wild.org", "http://x.dotted.org", "http://filtered.net/x", "http://hosts.file/",
        "http://other.file", "http://news.example.org/forum", "http://news.example.org/forum/7?page=2",
        "http://news.example.org/forum?x", "https://example.org/a b?q=1", "http://www.upper.com",
        "http://xn--bcher-kva.example/", "http://www.bücher.example/x", "http://192.0.2.7/", "http://example.com#top",
    ],
)  # fmt: skip
def test_what_is_on_the_list_is_blocked(blocked: BlockList, url: str) -> None:
    assert blocked.entries == 11
    assert blocked.blocks(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "http://notexample.com/", "http://example.com.evil.org/", "http://com", "",
        "http://news.example.org/forums", "http://news.example.org/", "http://example.org/a b?q=2", "http://192.0.2.70",
        "http://x.org/example.com", "http://x.org/?u=http://example.com/", "http://", "://", "a comment", "#",
        "http://[::1]/", "http://[broken/", "urn:uuid:1", "http://\udcff/", "dns:example.org", "/" * 50,
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_stays(blocked: BlockList, url: str) -> None:
    assert not blocked.blocks(url)


LABEL = st.sampled_from(["a", "b", "cc", "example", "com", "org"])
HOSTS = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


@given(st.lists(HOSTS, min_size=1, max_size=6), HOSTS)
def test_hosts_match_as_suffixes_by_brute_force(entries: list[str], host: str) -> None:
    path = Path("/dev/shm") / "motherlode-test-list"
    path.write_text("\n".join(entries))
    expected = any(host == entry or host.endswith(f".{entry}") for entry in entries)
    assert BlockList.read(path).blocks(f"http://{host}/x") == expected
    path.unlink()


@given(st.text(max_size=40))
def test_any_text_is_some_address(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.org/{text}"):
        host, path = split_url(url)
        assert host == host.lower()
        assert path == path.strip("/")


def test_hosts_are_those_that_the_standard_library_tells() -> None:
    for url in ("http://www.Example.com:80/a", "https://u@h.org/?x=1", "http://1.2.3.4/"):
        assert split_url(url)[0] == urlsplit(url).hostname


def test_lists_may_be_compressed_and_step_drops_by_the_column(tmp_path: Path) -> None:
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"bad.org\n"))
    step = BlockUrls(path)
    result = step.open()(pa.record_batch({"url": ["http://bad.org/1", None, "http://good.org", "http://x.bad.org"]}))
    assert result.dropped.to_pylist() == ["URL blocked", None, None, "URL blocked"]
    before = step.fingerprint
    path.write_bytes(b"other.org\n")
    assert BlockUrls(path).fingerprint != before


def test_lists_that_cannot_be_used_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--block-urls .*absent.txt: no such file$"):
        BlockList.read(tmp_path / "absent.txt")
    (tmp_path / "void.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match=r"void.txt: holds no entry; write one host or URL prefix a line"):
        BlockList.read(tmp_path / "void.txt")
    (tmp_path / "torn.gz").write_bytes(gzip.compress(b"bad.org\n")[:-6])
    with pytest.raises(InputError, match=r"torn.gz: cannot be read"):
        BlockList.read(tmp_path / "torn.gz")
    (tmp_path / "list.zip").write_bytes(b"PK\x03\x04\x00\x00bad.org\n")
    with pytest.raises(InputError, match=r"list.zip: is binary data, not a list"):
        BlockList.read(tmp_path / "list.zip")
    with pytest.raises(InputError, match="cannot be read"):
        BlockList.read(tmp_path)
