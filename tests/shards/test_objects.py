"""Places of an object store used as paths are: reading, writing, listing, and what goes wrong there."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError, StorageError
from motherlode.shards import lock, store
from motherlode.shards.fingerprint import bytes_digest
from motherlode.shards.location import ObjectPath, location
from motherlode.shards.lock import Lease
from motherlode.shards.manifest import Entry, Manifest, ShardFile
from motherlode.shards.objects import file_system
from tests.object_store import BUCKET, Fault, Store, objects, running_store, unfinished_uploads

NAMES = st.text("abcXYZ012-_.= é", min_size=1, max_size=12).filter(lambda name: name.strip(".") != "")


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with running_store() as running:
        yield running


@pytest.fixture
def far(server: Store, request: pytest.FixtureRequest) -> Iterator[ObjectPath]:
    """A place of its own for each test; faults end with the test."""
    server.faults.clear()
    server.seen.clear()
    place = location(f"s3://{BUCKET}/{abs(hash(request.node.name)):x}")
    assert isinstance(place, ObjectPath)
    yield place
    server.faults.clear()


@given(st.lists(NAMES, min_size=2, max_size=6))
def test_addresses_are_joined_and_taken_apart_as_paths_are(names: list[str]) -> None:
    place = location("s3://" + "/".join(names))
    assert str(place) == "s3://" + "/".join(names)
    assert str(place.parent / place.name) == str(place)
    assert (place / "more").parent == place
    assert (place / "more").is_relative_to(place)
    assert type(place / "more") is type(place.with_name("other")) is ObjectPath
    assert pickle.loads(pickle.dumps(place)) == place
    assert location(place) is place
    assert str(location(Path(str(place)))) == str(place)  # what a `Path` leaves of an address


def test_what_is_no_address_stays_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    for text in ("corpus", "/a/b", "a:b/c", "s3:/there"):
        assert location(text) == Path(text)
        assert not isinstance(location(Path(text)), ObjectPath)
    assert location("file:///a/b%20c") == Path("/a/b c")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://", "names no place in a bucket"),
        ("s3://bucket/../other", "names no place in a bucket"),
        ("s4://bucket/x", "are not known"),
        ("https://example.com/x", "can only be read"),
    ],
)
def test_addresses_that_are_no_places_are_refused(address: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        location(address)


def test_an_object_never_passes_for_a_file_of_this_machine() -> None:
    place = location("s3://bucket/x")
    for use in (os.fspath, open, os.stat, os.listdir, os.mkdir):
        with pytest.raises(InputError, match="needs a folder of this machine"):
            use(place)  # type: ignore[operator]


def test_objects_are_read_written_and_listed(far: ObjectPath) -> None:
    assert (far.exists(), far.is_dir(), list(far.iterdir())) == (False, False, [])
    with pytest.raises(FileNotFoundError):
        (far / "a.txt").read_bytes()
    store.write_text(far / "a.txt", "bär")
    store.write_bytes(far / "deep" / "b.bin", b"\0" * 10)
    store.link(far / "deep" / "b.bin", far / "c.bin")
    assert (far / "a.txt").read_text("utf-8") == "bär"
    with (far / "a.txt").open(encoding="utf-8") as stream:
        assert stream.read() == "bär"
    assert [item.name for item in far.iterdir()] == ["a.txt", "c.bin", "deep"]
    assert [item.name for item in far.glob("*.bin")] == ["c.bin"]
    assert list(far.glob("**/*.bin")) == [far / "c.bin", far / "deep" / "b.bin"]
    assert far.sizes() == {"a.txt": 4, "c.bin": 10, "deep/b.bin": 10}
    assert ((far / "deep").is_dir(), (far / "c.bin").is_file(), (far / "c.bin").stat().st_size) == (True, True, 10)
    store.remove(far / "deep")
    store.remove(far / "deep")
    assert [item.name for item in far.iterdir()] == ["a.txt", "c.bin"]
    with pytest.raises(InputError, match="written whole"):
        (far / "a.txt").open("w")


def test_tables_come_back_and_map_into_memory(far: ObjectPath, tmp_path: Path) -> None:
    table = pa.table({"a": list(range(100)), "b": [str(n) for n in range(100)]})
    digest, size = store.write_table(far / "t.parquet", table)
    assert store.write_table(tmp_path / "t.parquet", table) == (digest, size)
    assert (far / "t.parquet").read_bytes() == (tmp_path / "t.parquet").read_bytes()
    assert store.read_table(far / "t.parquet", ["a"]) == table.select(["a"])
    assert store.read_schema(far / "t.parquet") == table.schema
    digest, _ = store.write_arrow(far / "t.arrow", table)
    with store.map_arrow(far / "t.arrow", digest) as file:
        assert pa.ipc.open_file(file).read_all() == table


def test_bytes_that_changed_on_the_way_are_refused(far: ObjectPath) -> None:
    digest, _ = store.write_table(far / "t.parquet", pa.table({"a": [1]}))
    (far / "t.parquet").put(b"something else")
    with pytest.raises(StorageError, match="other bytes"), store.parquet_file(far / "t.parquet", digest):
        pass


@pytest.mark.parametrize("kind", ["503", "500", "hang", "drop", "lost"])
def test_writing_survives_what_passes(far: ObjectPath, server: Store, kind: str) -> None:
    server.faults.append(Fault("^PUT", kind))  # type: ignore[arg-type]
    store.write_bytes(far / "x", b"x" * 50_000)
    assert (far / "x").read_bytes() == b"x" * 50_000
    assert not server.faults


@pytest.mark.parametrize("kind", ["503", "500", "truncate", "lost"])
def test_reading_survives_what_passes(far: ObjectPath, server: Store, kind: str) -> None:
    store.write_bytes(far / "x", b"x" * 50_000)
    server.faults.append(Fault("^GET .*/x$", kind, times=2))  # type: ignore[arg-type]
    assert store.checked_bytes(far / "x", bytes_digest(b"x" * 50_000)) == b"x" * 50_000
    assert not server.faults


def test_what_lasts_is_one_line(far: ObjectPath, server: Store) -> None:
    server.faults.append(Fault("^PUT", "403", times=1000))
    with pytest.raises(InputError, match=r"cannot be written \(.*check the credentials"):
        store.write_bytes(far / "x", b"x")
    server.faults.clear()
    server.faults.append(Fault("^PUT", "500", times=1000))
    with pytest.raises(StorageError, match="cannot be written"):
        store.write_bytes(far / "x", b"x")
    server.faults.clear()
    assert not (far / "x").exists()
    with pytest.raises(InputError, match="there is no bucket 'nowhere'"):
        store.write_bytes(location("s3://nowhere/x"), b"x")


def test_large_objects_go_up_in_parts_and_leave_none_behind(
    far: ObjectPath, server: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("motherlode.shards.location.PART_BYTES", 5 << 20)
    large = bytes(11 << 20)
    server.faults.append(Fault("^PUT .*partNumber=2", "403"))
    with pytest.raises(InputError, match="cannot be written"):
        store.write_bytes(far / "large", large)
    assert not (far / "large").exists()
    assert unfinished_uploads() == []
    server.faults.append(Fault("^PUT .*partNumber=2", "503"))
    store.write_bytes(far / "large", large)
    assert (far / "large").stat().st_size == len(large)
    (far / "large").remove()


def test_uploads_that_a_kill_left_go_with_the_next_run(far: ObjectPath) -> None:
    start = file_system("s3").call_s3
    _, _, prefix = far.key.partition("/")
    for name in ("mine", "deep/mine", "another/theirs"):
        start("create_multipart_upload", Bucket=BUCKET, Key=f"{prefix}/{name}")
    store.write_text(far / "another" / store.MANIFEST, "of another writer")
    store.sweep(far)
    assert unfinished_uploads() == [f"{prefix}/another/theirs"]
    store.remove(far / "another" / store.MANIFEST)
    store.sweep(far)
    assert unfinished_uploads() == []


def entry(name: str, folder: Path, content: bytes = b"abc") -> Entry:
    store.write_bytes(folder / f"{name}.bin", content)
    return Entry(name, f"print-{name}", (ShardFile(f"{name}.bin", 1, len(content), bytes_digest(content)),))


def test_a_manifest_grows_by_objects_and_ends_as_on_a_disk(far: ObjectPath, tmp_path: Path) -> None:
    for folder in (far / "m", tmp_path / "m"):
        with Manifest.open(folder, "kind", {"a": 1}) as manifest:
            for name in ("b", "a", "gone"):
                manifest.commit(entry(name, folder))
        assert list(Manifest.read(folder).entries) == ["b", "a", "gone"]
        with Manifest.open(folder, "kind", {"a": 1}) as manifest:  # continued
            assert manifest.holds("b", "print-b")
            assert not manifest.holds("b", "another")
            manifest.commit(entry("a", folder, b"new"))
            manifest.finish(["a", "b"])
    found = objects(far.name + "/m")
    assert sorted(found) == ["a.bin", "b.bin", "manifest.jsonl"]
    assert found["manifest.jsonl"] == (tmp_path / "m" / "manifest.jsonl").read_bytes()


def test_a_lost_object_is_made_again(far: ObjectPath) -> None:
    with Manifest.open(far, "kind", {}) as manifest:
        manifest.commit(entry("a", far))
        manifest.commit(entry("b", far))
    (far / "a.bin").remove()
    store.write_bytes(far / "b.bin", b"shorter or longer")
    with Manifest.open(far, "kind", {}) as manifest:
        assert not manifest.holds("a", "print-a")
        assert not manifest.holds("b", "print-b")


def test_folders_of_others_are_refused_and_overwritten_on_demand(far: ObjectPath) -> None:
    store.write_text(far / "letter.txt", "dear")
    with pytest.raises(InputError, match="was not made by motherlode"):
        Manifest.open(far, "kind", {})
    with Manifest.open(far / "m", "kind", {"a": 1}) as manifest:
        manifest.commit(entry("a", far / "m"))
    with pytest.raises(InputError, match="other settings"):
        Manifest.open(far / "m", "kind", {"a": 2})
    with Manifest.open(far / "m", "kind", {"a": 2}, overwrite=True) as manifest:
        assert not manifest.entries
        manifest.finish([])
    assert sorted(objects(far.name + "/m")) == ["manifest.jsonl"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEWED", 0.2)
    monkeypatch.setattr(lock, "PATIENCE", 2.0)


@pytest.mark.usefixtures("impatient")
def test_one_writer_a_folder(far: ObjectPath) -> None:
    first = Lease(far)
    with pytest.raises(InputError, match=f"process {os.getpid()} on"):
        Lease(far)
    first.release()
    second = Lease(far)
    second.check()
    second.release()
    assert list(far.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_a_lease_whose_answer_was_lost_is_held(far: ObjectPath, server: Store) -> None:
    server.faults.append(Fault(r"^PUT .*\.lock", "lost"))
    held = Lease(far)
    assert not server.faults
    held.release()
    assert list(far.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_a_lease_that_does_not_move_is_taken_over(far: ObjectPath) -> None:
    stalled = Lease(far)
    stalled._ended.set()  # as if its machine had stopped
    stalled._keeper.join()
    stalled._about["host"] = "another machine"
    stalled._place.put(stalled._content())
    other = Lease(far)
    other.check()
    with pytest.raises(StorageError, match="ran out"):
        stalled.check()
    stalled.release()  # takes nothing from the new holder
    with pytest.raises(InputError, match="another motherlode process"):
        Lease(far)
    other.release()
    assert list(far.iterdir()) == []


@pytest.mark.usefixtures("impatient")
def test_of_many_who_take_over_one_gets_it(far: ObjectPath) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def take(_: int) -> Lease | None:
        try:
            return Lease(far)
        except InputError:
            return None

    with ThreadPoolExecutor(4) as pool:
        held = [lease for lease in pool.map(take, range(4)) if lease is not None]
    assert len(held) <= 1
    for lease in held:
        lease.release()
    last = Lease(far)
    last.release()
