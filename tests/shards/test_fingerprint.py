"""A fingerprint changes with everything that it covers, and with nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.shards.dataset import Source
from motherlode.shards.fingerprint import bytes_digest, canonical_json, file_digest, fingerprint
from motherlode.shards.task import MapTask
from tests.shards.work import Double

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_two_lists_of_values_share_a_fingerprint_only_if_they_are_the_same_json(left: list, right: list) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (fingerprint(*left) == fingerprint(*right)) == same


@given(st.dictionaries(st.text(), JSON, min_size=2))
def test_the_order_of_keys_does_not_matter(values: dict) -> None:
    assert fingerprint(values) == fingerprint(dict(reversed(values.items())))


def test_a_fingerprint_is_the_same_in_every_process_and_release() -> None:
    written = '["å",1,{"a":[2.5,null],"b":true}]'
    assert (
        fingerprint("å", 1, {"b": True, "a": [2.5, None]})
        == hashlib.blake2b(written.encode(), digest_size=16).hexdigest()
    )


def test_values_that_json_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError):
        fingerprint({1, 2})


@given(st.binary(max_size=3000))
def test_a_file_has_the_digest_of_its_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("digest") / "file"
    path.write_bytes(data)
    assert file_digest(path) == bytes_digest(data)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.*cannot be read \(No such file"):
        file_digest(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot be read"):
        file_digest(tmp_path)


class Triple(Double):
    """A newer version of the same step."""

    version = 2


def test_a_task_changes_with_setting_version_input_and_columns(tmp_path: Path) -> None:
    source = Source(tmp_path / "a.parquet", "d1", 3)
    task = MapTask("a", Double(), source, ((source, ("number",)),))
    others = [
        replace(task, step=Double(factor=3)),
        replace(task, step=Triple()),
        replace(task, parent=replace(source, digest="d2")),
        replace(task, inputs=((replace(source, digest="d2"), ("number",)),)),
        replace(task, inputs=((source, ("number", "more")),)),
        replace(task, inputs=()),
    ]
    prints = [task.fingerprint, *(other.fingerprint for other in others)]
    assert len(set(prints)) == len(prints)
    elsewhere = replace(source, path=tmp_path / "moved" / "a.parquet")
    assert replace(task, parent=elsewhere, inputs=((elsewhere, ("number",)),)).fingerprint == task.fingerprint
