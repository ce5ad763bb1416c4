"""Bytes reach the disk whole or not at all, on a disk that is full too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import StorageError
from motherlode.shards import store
from motherlode.shards.fingerprint import file_digest


def in_child(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python source in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_a_file_holds_what_was_written_last(tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    folder = tmp_path_factory.mktemp("store")
    store.write_bytes(folder / "file", old)
    store.write_bytes(folder / "file", new)
    assert (folder / "file").read_bytes() == new
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_text_is_written_as_utf8_whatever_it_holds(tmp_path: Path) -> None:
    store.write_text(tmp_path / "file", "né\ud800e")
    assert (tmp_path / "file").read_text("utf-8") == "né?e"


LIMITED = """
import resource, sys
from pathlib import Path
from motherlode.errors import StorageError
from motherlode.shards import store
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    getattr(store, sys.argv[2])(path, b"n" * 5000 if sys.argv[2] == "write_bytes" else "n" * 5000)
except StorageError as error:
    print(error)
"""


def test_a_write_that_fails_midway_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    result = in_child(LIMITED, str(path), "write_bytes")
    assert result.stdout == f"{path}: cannot be written (File too large)\n", result.stderr
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"before")
    in_child(LIMITED, str(path), "write_bytes")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_append_that_fails_midway_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    store.append_line(path, "first")
    result = in_child(LIMITED, str(path), "append_line")
    assert "cannot be written" in result.stdout, result.stderr
    assert path.read_bytes() == b"first\n"


def test_a_full_disk_is_one_clear_line_and_loses_nothing(small_disk: Path) -> None:
    store.write_bytes(small_disk / "kept", b"k" * 1000)
    with pytest.raises(StorageError) as caught:
        store.write_bytes(small_disk / "large", b"n" * (1 << 20))
    assert str(caught.value) == (
        f"{small_disk / 'large'}: the disk is full; free some space and run the same command again"
    )
    assert caught.value.exit_code == 1
    assert [path.name for path in small_disk.iterdir()] == ["kept"]
    store.append_line(small_disk / "log", "first")
    with pytest.raises(StorageError, match="the disk is full"):
        store.append_line(small_disk / "log", "n" * (1 << 20))
    assert (small_disk / "log").read_bytes() == b"first\n"
    with pytest.raises(StorageError, match="the disk is full"):
        store.write_table(small_disk / "table", pa.table({"noise": [os.urandom(1 << 20)]}))
    assert sorted(path.name for path in small_disk.iterdir()) == ["kept", "log"]


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file/folder: cannot be written \(Not a directory\)"):
        store.make_folder(tmp_path / "file" / "folder")
    with pytest.raises(StorageError, match="cannot be written"):
        store.write_bytes(tmp_path / "absent" / "file", b"")


def test_the_same_table_gives_the_same_bytes_and_comes_back(tmp_path: Path) -> None:
    table = pa.table({"text": ["one", "två", None], "source": ["a", "a", "b"], "value": [1.5, None, 2.5]})
    digest, size = store.write_table(tmp_path / "a.parquet", table)
    store.write_table(tmp_path / "b.parquet", pa.table(table.to_pydict(), schema=table.schema))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert digest == file_digest(tmp_path / "a.parquet")
    assert size == (tmp_path / "a.parquet").stat().st_size
    assert pq.read_table(tmp_path / "a.parquet").equals(table)


def test_sweeping_takes_temporary_files_only_and_leaves_other_manifests_alone(tmp_path: Path) -> None:
    gone = [tmp_path / ".a.parquet.123.tmp", tmp_path / "plain" / ".b.jsonl.77.tmp"]
    kept = [
        tmp_path / "a.tmp",
        tmp_path / ".mine.tmp",
        tmp_path / ".a.parquet.123.tmp.txt",
        tmp_path / "own" / "manifest.jsonl",
        tmp_path / "own" / ".c.parquet.5.tmp",
    ]
    for path in gone + kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    store.sweep(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)


def test_removing_takes_files_folders_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "precious").write_text("")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("folder", "link", "absent"):
        store.remove(tmp_path / name)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["target", "target/precious"]
