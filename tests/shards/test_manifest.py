"""A manifest survives kills, refuses what is not its own, and does not depend on who finished first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError, MotherlodeError
from motherlode.shards.manifest import FILE, Entry, Manifest, ShardFile, merge_stats
from motherlode.shards.store import write_bytes

SETTINGS = {"size": 3, "name": "ä"}


def commit(manifest: Manifest, name: str, content: bytes = b"1", print_: str = "f", more: tuple[str, ...] = ()) -> None:
    """Commit a task with a real file or several."""
    files = []
    for file in (name, *more):
        write_bytes(manifest.folder / file, content)
        files.append(ShardFile(file, 1, len(content), "d"))
    manifest.commit(Entry(name, print_, tuple(files), {"read": 1, "kept": 1}, {"words": 5}))


def grow(folder: Path, names: str) -> None:
    """Begin a folder and commit some tasks, without finishing."""
    with Manifest.open(folder, "letters", SETTINGS) as manifest:
        manifest.begin()
        for name in names:
            commit(manifest, name)


@given(st.permutations("abcdef"))
def test_a_finished_folder_has_the_same_bytes_whoever_finished_first(
    tmp_path_factory: pytest.TempPathFactory, order: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    grow(folder, "".join(order))
    with Manifest.open(folder, "letters", SETTINGS) as manifest:
        manifest.finish("abcdef")
    entries = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    assert entries[0] == {"complete": True, "kind": "letters", "motherlode": 1, "settings": SETTINGS}
    assert [entry["task"] for entry in entries[1:]] == list("abcdef")
    assert [entry["files"][0]["name"] for entry in entries[1:]] == list("abcdef")


WEIRD = st.text(st.characters(codec="utf-8")) | st.sampled_from(["a\u2028b", "\x85", "\x0b\x0c", "\r\n"])


@given(WEIRD, st.dictionaries(WEIRD, st.integers(0), max_size=3), WEIRD)
def test_any_text_survives_in_a_manifest(
    tmp_path_factory: pytest.TempPathFactory, task: str, counts: dict[str, int], setting: str
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    entry = Entry(task, "f", (), counts, {"by": counts})
    with Manifest.open(folder, "odd", {"setting": setting}) as manifest:
        manifest.commit(entry)
        manifest.finish([task])
    again = Manifest.read(folder)
    assert again.settings == {"setting": setting}
    assert again.entries == {task: entry}


@given(st.data())
def test_a_log_cut_anywhere_keeps_its_whole_lines_and_grows_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    grow(folder, "äöü")
    path = folder / FILE
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    path.write_bytes(whole[: data.draw(st.integers(header, len(whole)))])
    kept = path.read_bytes().count(b"\n") - 1
    for late in "xyz":  # each opening is another run, and may be killed as well
        with Manifest.open(folder, "letters", SETTINGS) as manifest:
            assert list(manifest.entries) == [*"äöü"[:kept], *"xyz"[: "xyz".index(late)]]
            commit(manifest, late)
    with Manifest.open(folder, "letters", SETTINGS) as manifest:
        for name in "äöü"[kept:]:
            commit(manifest, name)
        manifest.finish("äöü")
    assert list(Manifest.read(folder).entries) == list("äöü")
    assert sorted(item.name for item in folder.iterdir()) == sorted([".lock", FILE, *"äöü"])


@pytest.mark.parametrize("damage", [b"{}", b'{"task": "a"', b"\xff\xfe", b"[1]", b""])
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, damage: bytes) -> None:
    grow(tmp_path, "abc")
    lines = (tmp_path / FILE).read_bytes().splitlines()
    lines[2] = damage
    (tmp_path / FILE).write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(InputError, match=r"manifest.jsonl: line 3 is damaged; remove the folder"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"{}\n", b"not json\n", b'{"complete":true,"motherlode":99}\n', b"\xff\n"]
)
def test_a_damaged_header_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"manifest.jsonl: is damaged or of an unknown version"):
        Manifest.open(tmp_path, "letters", SETTINGS)
    assert (tmp_path / FILE).read_bytes() == content


HOLD = """
import sys
from pathlib import Path
from motherlode.shards.manifest import Manifest
with Manifest.open(Path(sys.argv[1]), "letters", {"size": 3}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_another_process_writes_to_is_refused_until_that_process_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for overwrite in (False, True):
            with pytest.raises(InputError, match="another motherlode process is writing here; wait for it or stop it"):
                Manifest.open(tmp_path, "letters", {"size": 3}, overwrite=overwrite)
    finally:
        process.kill()
        process.communicate()
    Manifest.open(tmp_path, "letters", {"size": 3}).close()


def test_other_settings_are_refused_by_name_once_something_is_committed(tmp_path: Path) -> None:
    grow(tmp_path, "a")
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError) as caught:
        Manifest.open(tmp_path, "letters", {"size": 4, "more": None, "name": "ä"})
    assert str(caught.value) == (
        f"{tmp_path}: holds the output of other settings (size: 3 -> 4); choose another folder, or --overwrite to "
        "replace it"
    )
    with pytest.raises(InputError, match=r"a run of another kind \(letters\)"):
        Manifest.open(tmp_path, "digits", SETTINGS)
    assert (tmp_path / FILE).read_bytes() == before
    assert caught.value.exit_code == 2


def test_a_folder_without_any_commit_takes_other_settings(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    grow(tmp_path / "outer", "")
    grow(tmp_path / "outer" / "inner", "a")
    with Manifest.open(tmp_path / "outer", "letters", {"size": 4}) as manifest:
        assert manifest.settings == {"size": 4}
    assert Manifest.read(tmp_path / "outer").settings == {"size": 4}
    assert list(Manifest.read(tmp_path / "outer" / "inner").entries) == ["a"]  # and nothing inside is touched
    with pytest.raises(InputError, match="another kind"):
        Manifest.open(tmp_path / "outer", "digits", {"size": 4})


def test_overwriting_empties_the_folder_and_only_when_asked(tmp_path: Path) -> None:
    grow(tmp_path, "ab")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("old")
    with Manifest.open(tmp_path, "letters", SETTINGS, overwrite=True) as manifest:
        assert list(manifest.entries) == ["a", "b"]  # the same settings are continued
    with Manifest.open(tmp_path, "letters", {"size": 4}, overwrite=True) as manifest:
        assert manifest.entries == {}
    assert sorted(item.name for item in tmp_path.iterdir()) == [".lock", FILE]


def test_an_overwriting_that_was_killed_goes_on(tmp_path: Path) -> None:
    grow(tmp_path, "ab")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("old")
    header = json.loads((tmp_path / FILE).read_text().splitlines()[0])
    (tmp_path / FILE).write_text(json.dumps({**header, "kind": "replaced"}) + "\n")
    Manifest.open(tmp_path, "letters", {"size": 4}).close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [".lock", FILE]


def test_a_foreign_folder_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    for name in ("thesis.tex", ".hidden.123.tmp"):
        (tmp_path / name).write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(
            InputError, match=r"is not empty and was not made by motherlode \(it holds '.hidden.123.tmp'\)"
        ):
            Manifest.open(tmp_path, "letters", SETTINGS, overwrite=overwrite)
    assert sorted(item.name for item in tmp_path.iterdir()) == [".hidden.123.tmp", "thesis.tex"]
    with pytest.raises(InputError, match="is a file, not a folder; choose another output folder"):
        Manifest.open(tmp_path / "thesis.tex", "letters", SETTINGS)


def test_a_folder_where_a_kill_came_before_the_first_line_is_used(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("")
    (tmp_path / f".{FILE}.123.tmp").write_text("{")
    Manifest.open(tmp_path, "letters", SETTINGS).close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [".lock", FILE]


def test_a_task_is_held_only_while_its_files_are_whole_and_its_fingerprint_is_the_same(tmp_path: Path) -> None:
    grow(tmp_path, "ab")
    manifest = Manifest.read(tmp_path)
    assert manifest.holds("a", "f")
    assert not manifest.holds("a", "g")
    assert not manifest.holds("c", "f")
    (tmp_path / "a").write_bytes(b"longer")
    (tmp_path / "b").unlink()
    assert not manifest.holds("a", "f")
    assert not manifest.holds("b", "f")


def test_finishing_removes_the_files_of_tasks_and_versions_that_are_gone(tmp_path: Path) -> None:
    with Manifest.open(tmp_path, "letters", SETTINGS) as manifest:
        commit(manifest, "a", more=("a-quarantine",))
        commit(manifest, "b")
    with Manifest.open(tmp_path, "letters", SETTINGS) as manifest:
        commit(manifest, "a", print_="newer")
    (tmp_path / ".a.55.tmp").write_text("a worker died here")
    (tmp_path / "notes.txt").write_text("a person wrote this")
    with Manifest.open(tmp_path, "letters", SETTINGS) as manifest:
        manifest.finish(["a"])
    assert sorted(item.name for item in tmp_path.iterdir()) == [".lock", "a", FILE, "notes.txt"]
    assert Manifest.read(tmp_path).entries["a"].fingerprint == "newer"


def test_a_folder_is_not_finished_before_all_its_tasks_are(tmp_path: Path) -> None:
    grow(tmp_path, "a")
    with Manifest.open(tmp_path, "letters", SETTINGS) as manifest:
        with pytest.raises(MotherlodeError, match="2 tasks are not done, first b"):
            manifest.finish("abc")
        assert not Manifest.read(tmp_path).complete
        manifest.finish("a")
        assert Manifest.read(tmp_path).complete
        manifest.begin()
        assert not Manifest.read(tmp_path).complete


def test_what_is_no_folder_of_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent: does not exist"):
        Manifest.read(tmp_path / "absent")
    with pytest.raises(InputError, match=r"is not a motherlode folder \(it has no manifest.jsonl\)"):
        Manifest.read(tmp_path)
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match=r"manifest.jsonl: cannot be read \(Is a directory\)"):
        Manifest.read(tmp_path)


@given(st.lists(st.dictionaries(st.sampled_from("xyz"), st.integers(-9, 9)), max_size=6))
def test_statistics_are_added_up_key_by_key(parts: list[dict[str, int]]) -> None:
    merged = merge_stats(parts)
    assert merged == {key: sum(part.get(key, 0) for part in parts) for part in parts for key in part}


def test_lists_and_mappings_are_added_up_too() -> None:
    parts = [{"a": [1, 2], "b": {"c": 1}}, {"a": [10, 20], "b": {"c": 2, "d": 5}}]
    assert merge_stats(parts) == {"a": [11, 22], "b": {"c": 3, "d": 5}}
    assert parts[0] == {"a": [1, 2], "b": {"c": 1}}
    with pytest.raises(ValueError, match="zip"):
        merge_stats([{"a": [1]}, {"a": [1, 2]}])
