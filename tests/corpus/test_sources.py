"""Finding input files, telling their formats, and cutting them into splits."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from motherlode.corpus.sources import FORMATS, find_inputs, plan_splits, tell_format
from motherlode.errors import InputError
from tests.corpus.inputs import write_data


def names(inputs: list, format: str | None = None) -> list[str]:
    """Return what the found files are called."""
    return [file.name for file in find_inputs(inputs, format).files]


def fill(folder: Path, *paths: str) -> None:
    """Write files that are not empty."""
    for path in paths:
        write_data(folder / path, b"x")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_format_is_told_by_the_name(suffix: str) -> None:
    for name in (f"a{suffix}", f"a.b{suffix}", f"A{suffix.upper()}"):
        assert tell_format(Path(name)) == (FORMATS[suffix], None)
    assert tell_format(Path(f"a{suffix}.gz")) == (FORMATS[suffix], "gzip")
    assert tell_format(Path(f"a{suffix}.ZST")) == (FORMATS[suffix], "zstd")
    assert tell_format(Path(f"a{suffix}.bak")) is None
    assert tell_format(Path("a.gz")) is None


def test_folders_are_searched_through_in_order_without_hidden_files(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "b.txt",
        "a/z.jsonl",
        "a/b/c.csv",
        ".hidden.txt",
        ".git/d.txt",
        "a/.e/f.txt",
        "picture.png",
        "a/data.bin",
    )
    found = find_inputs([tmp_path])
    assert [file.name for file in found.files] == ["a/b/c.csv", "a/z.jsonl", "b.txt"]
    assert list(found.skipped) == [str(tmp_path / "a/data.bin"), str(tmp_path / "picture.png")]
    assert names([tmp_path], format="text") == ["a/b/c.csv", "a/data.bin", "a/z.jsonl", "b.txt", "picture.png"]


def test_patterns_match_files_and_folders_and_names_are_relative_to_them(tmp_path: Path) -> None:
    fill(tmp_path, "x/1.txt", "x/2.txt", "y/1.txt", "y/deep/3.txt", "y/4.png", "z.txt")
    assert names([f"{tmp_path}/*.txt"]) == ["z.txt"]
    assert names([f"{tmp_path}/[xy]/1.txt"]) == ["x/1.txt", "y/1.txt"]
    assert names([f"{tmp_path}/**/*.txt"]) == ["x/1.txt", "x/2.txt", "y/1.txt", "y/deep/3.txt", "z.txt"]
    found = find_inputs([f"{tmp_path}/*"])
    assert [file.name for file in found.files] == ["x/1.txt", "x/2.txt", "y/1.txt", "y/deep/3.txt", "z.txt"]
    assert list(found.skipped) == [str(tmp_path / "y/4.png")]


def test_a_name_that_looks_like_a_pattern_is_a_name_if_it_exists(tmp_path: Path) -> None:
    fill(tmp_path, "[1].txt", "1.txt")
    assert names([tmp_path / "[1].txt"]) == ["[1].txt"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.txt", "b.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    monkeypatch.chdir(tmp_path)
    assert names(["b.txt", tmp_path, tmp_path / "a.txt", "./b.txt", "*.txt"]) == ["b.txt", "a.txt"]


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    write_data(tmp_path / "a.txt", b"one")
    write_data(tmp_path / "b.txt", b"one")
    write_data(tmp_path / "c.txt", b"two")
    a, b, c = (file.digest for file in find_inputs([tmp_path]).files)
    assert a == b != c


def test_empty_files_are_reported_beside_others(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    write_data(tmp_path / "b.txt", b"")
    found = find_inputs([tmp_path])
    assert [file.name for file in found.files] == ["a.txt"]
    assert list(found.skipped) == [f"{tmp_path / 'b.txt'} (empty)"]


def test_what_cannot_be_input_is_said_in_one_line(tmp_path: Path) -> None:
    known = r"known: .csv, .htm, .*; or name one with --format"
    write_data(tmp_path / "void.txt", b"")
    write_data(tmp_path / "photo.png", b"x")
    (tmp_path / "bare").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    cases = {
        "absent.jsonl": r"absent.jsonl: no such file or folder$",
        "*.jsonl": r"\*.jsonl: no such file or folder$",
        "void.txt": r"void.txt: is empty$",
        "photo.png": rf"photo.png: unknown format; {known}",
        "*.png": rf"\*.png: holds no file of a known format; {known}",
        "bare": rf"bare: holds no file of a known format; {known}",
        "pipe.txt": r"pipe.txt: is not a regular file; write it to a file first$",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            find_inputs([tmp_path / name])
    with pytest.raises(InputError, match="no input was given; name files, folders or patterns"):
        find_inputs([])
    with pytest.raises(InputError, match=r"--format: unknown format 'jsonlines'; did you mean 'jsonl'\?"):
        find_inputs([tmp_path], "jsonlines")


def test_splits_cover_every_file_in_order(tmp_path: Path) -> None:
    write_data(tmp_path / "a.jsonl", b"x" * 2500)
    write_data(tmp_path / "b.jsonl.gz", b"x" * 2500)
    write_data(tmp_path / "c.txt", b"x" * 10)
    write_data(tmp_path / "d.txt", b"x" * 10)
    write_data(tmp_path / "e.csv", b"x" * 5000)
    pq.write_table(pa.table({"n": list(range(70))}), tmp_path / "f.parquet", row_group_size=10)
    splits = plan_splits(find_inputs([tmp_path]).files, 1000)
    assert [([file.name for file in split.files], split.start, split.stop) for split in splits[:6]] == [
        (["a.jsonl"], 0, 1000),
        (["a.jsonl"], 1000, 2000),
        (["a.jsonl"], 2000, 2500),
        (["b.jsonl.gz"], 0, None),
        (["c.txt", "d.txt"], 0, None),
        (["e.csv"], 0, None),
    ]
    groups = [(split.start, split.stop) for split in splits[6:]]
    assert [start for start, _ in groups] == [0, *(stop for _, stop in groups[:-1])]
    assert groups[-1][1] == 7
    assert [split.bytes for split in splits[:3]] == [1000, 1000, 500]


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    write_data(tmp_path / "a.parquet", b"PAR1 nonsense PAR1")
    with pytest.raises(InputError, match=r"a.parquet: is not a readable Parquet file"):
        plan_splits(find_inputs([tmp_path]).files)
