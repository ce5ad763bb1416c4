"""Methods, selectors and inputs end to end: RDS+, DSIR, TSDS, the development split, even quotas, Parquet."""

from __future__ import annotations

import datetime
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="the extra 'select' is not installed")
pytest.importorskip("peft", reason="the extra 'select' is not installed")

import torch

from motherlode import select
from motherlode.encode.encoder import unit_rows
from motherlode.encode.vectors import from_column, to_column
from motherlode.errors import InputError, MotherlodeError
from motherlode.models.batches import Batcher
from motherlode.models.load import load_model
from motherlode.models.lora import AdaptedModel
from motherlode.models.samples import to_sample
from motherlode.models.tokens import Tokeniser
from motherlode.selection.choose import even_share, round_robin, turns
from motherlode.selection.hidden import mean_hidden
from motherlode.selection.votes import nearest_candidates
from tests.models import tiny
from tests.selection.place import given, read, row, write
from tests.selection.setting import adapted, samples


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    choice = random.Random(0)
    tiny.save(folder / "model")
    write(folder / "domain.jsonl", [row(choice, n) for n in range(6)])
    write(folder / "dev.jsonl", [row(choice, n) for n in range(5)])
    write(folder / "pool.jsonl", [row(choice, n) for n in range(40)])
    return folder


@pytest.mark.parametrize("layout", ["right", "left", "packed"])
def test_position_weighted_states_are_those_of_the_definition(layout: Any) -> None:
    model, tokens = adapted(), samples(9, 4)
    wanted = []
    for item in tokens:
        states = model.hidden({"input_ids": torch.from_numpy(item.ids)[None]})[0].detach().double().numpy()
        weights = np.arange(1, len(states) + 1)
        wanted.append((states * weights[:, None]).sum(0) / weights.sum())
    found = mean_hidden(model, tokens, Batcher(60, layout), "position")
    np.testing.assert_allclose(found, unit_rows(np.array(wanted)), atol=1e-5)


def test_rds_takes_turns_over_the_model_without_warm_up(place: Path, tmp_path: Path) -> None:
    selection = given(place, n=9, method="rds", work=tmp_path / "work")
    model = AdaptedModel.attach(load_model(str(place / "model"), device="cpu"))
    tokeniser = Tokeniser(model.loaded.tokenizer, max_length=100)
    vectors = [
        mean_hidden(model, tokeniser.many([to_sample(item) for item in read(place / name)]), Batcher(999), "position")
        for name in ("pool.jsonl", "domain.jsonl")
    ]
    cosines = from_column(to_column(vectors[0])) @ vectors[1].T  # shards keep half precision
    assert selection.rows == tuple(list(round_robin(cosines))[:9])
    np.testing.assert_allclose(selection.scores, cosines.mean(1), atol=1e-5)
    assert selection.record["model"]["warmup_losses"] == []
    assert selection.cut(20).rows == tuple(list(round_robin(cosines))[:20])
    top = given(place, n=9, method="rds", selector="top", similarity="max", work=tmp_path / "work")
    assert top.rows == tuple(np.argsort(-top.scores, kind="stable")[:9])
    with pytest.raises(InputError, match="defined on the model's hidden states"):
        given(place, n=9, method="rds", preselect_encoder="lexical")


def test_turns_over_cut_lists_begin_as_those_over_whole_ones() -> None:
    choice = np.random.default_rng(0)
    domain, pool = unit_rows(choice.normal(size=(4, 5))), unit_rows(choice.normal(size=(60, 5)))
    whole = list(round_robin(pool @ domain.T))
    lists, cosines = nearest_candidates(domain, [pool[:9], pool[9:]], 20)
    assert list(turns(lists, 60))[:20] == whole[:20]
    np.testing.assert_allclose(cosines, np.take_along_axis((pool @ domain.T).T, lists, 1), atol=1e-6)
    assert sorted(whole) == list(range(60))


@pytest.mark.parametrize("method", ["dsir", "tsds"])
def test_sampled_methods_repeat_and_differ_by_seed(place: Path, method: str) -> None:
    fixed: dict[str, Any] = {"method": method, "n": 10, "model": None}
    first, again, other = (given(place, **fixed, random_seed=seed) for seed in (1, 1, 2))
    assert first.rows == again.rows != other.rows
    assert np.array_equal(first.scores, other.scores)
    assert first.cut(5).rows == first.rows[:5]
    top = given(place, **fixed, selector="top")
    assert top.rows == tuple(np.argsort(-top.scores, kind="stable")[:10])
    assert len(given(place, n=40, method=method, model=None, near_duplicates=None)) == 40
    if method == "tsds":
        assert first.scores.sum() == pytest.approx(1)
        assert first.record["tsds"]["reached"] == (first.scores > 0).sum()


def test_a_development_split_is_what_candidates_are_held_against(place: Path) -> None:
    plain: dict[str, Any] = {"n": 6, "method": "embedding", "model": None}
    held = given(place, **plain, dev=place / "dev.jsonl")
    swapped = select(place / "dev.jsonl", place / "pool.jsonl", **plain)
    assert held.rows == swapped.rows
    assert held.rows != given(place, **plain).rows
    assert held.record["dev"]["rows"] == 5
    # the warm-up reads the domain: with the same dev, its losses are those without one
    losses, scores = [], []
    for dev in (None, place / "dev.jsonl", place / "domain.jsonl"):
        run = given(place, n=6, dev=dev, preselect="none")
        losses.append(run.record["model"]["warmup_losses"])
        scores.append(run.scores)
    assert losses[0] == losses[1] == losses[2]
    assert not np.allclose(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


@pytest.mark.parametrize("method", ["random", "dsir", "embedding", "ntk"])
def test_a_diverse_selection(place: Path, method: str) -> None:
    fixed: dict[str, Any] = {"n": 8, "method": method, "preselect_encoder": "lexical", "preselect": "none"}
    spread = given(place, **fixed, selector="diverse", diversity=0.9)
    top = given(place, **fixed, selector="diverse", diversity=0)
    assert len(spread) == 8
    assert spread.rows != top.rows
    assert top.rows == given(place, **fixed, selector="top").rows
    assert len(spread.nearest) == 8
    assert len({*spread.cut(3).rows}) == 3
    everything = given(place, **{**fixed, "n": 2}, selector="diverse", near_duplicates=None).cut(40)
    assert sorted(everything.rows) == list(range(40))


def test_quotas_of_sources_are_even(place: Path, tmp_path: Path) -> None:
    even = given(place, n=9, method="random", model=None, selector="quota")
    sources = [read(place / "pool.jsonl")[index]["source"] for index in even.rows]
    assert Counter(sources) == {"s0": 3, "s1": 3, "s2": 3}
    assert even.record["sources"] == {"s0": [14, 3], "s1": [13, 3], "s2": [13, 3]}
    # a source that has too few gives all it has, also where duplicates are passed over
    choice = random.Random(1)
    rows = [{**row(choice, n), "source": "big"} for n in range(20)]
    rows += [{**row(choice, n + 50), "source": "small"} for n in range(2)] + [{**rows[0], "source": "copies"}] * 6
    pool = write(tmp_path / "pool.jsonl", rows)
    found = select(place / "domain.jsonl", pool, 12, method="longest", selector="quota")
    taken = Counter(rows[index]["source"] for index in found.rows)
    assert taken["small"] == 2
    assert taken["big"] + taken["copies"] == 10
    capped = select(place / "domain.jsonl", pool, 12, method="longest", selector="quota", quota=0.25)
    assert max(Counter(rows[index]["source"] for index in capped.rows).values()) == 3


def test_even_shares() -> None:
    sources = ["a"] * 10 + ["b"] * 4 + ["c"]
    for n in range(1, 16):
        share = even_share(sources, n)
        counts = Counter(sources).values()
        assert sum(min(size, share) for size in counts) >= n
        assert share == 1 or sum(min(size, share - 1) for size in counts) < n
    assert even_share(sources, 99) == 10


def test_parquet_folders_and_patterns_give_what_jsonl_gives(place: Path, tmp_path: Path) -> None:
    rows = read(place / "pool.jsonl")
    pool = tmp_path / "pool"
    (pool / "inner").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows[:25]), pool / "a.parquet", row_group_size=7)
    write(pool / "inner" / "b.jsonl", rows[25:])
    (pool / "README.md").write_text("not data")
    (pool / ".hidden.jsonl").write_text("not json")
    whole = select(place / "domain.jsonl", place / "pool.jsonl", 7, method="votes")
    for path in (pool, str(pool / "**" / "*.[jp]*")):
        found = select(place / "domain.jsonl", path, 7, method="votes", out=tmp_path / "out.jsonl")
        assert found.rows == whole.rows
        assert [line["prompt"] for line in read(tmp_path / "out.jsonl")] == [rows[i]["prompt"] for i in whole.rows]


def test_a_parquet_file_of_every_type(place: Path, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    rows = [
        {"messages": messages, "prompt": None, "completion": None, "price": Decimal("1.50"), "rate": float("nan")},
        {"messages": None, "prompt": "So? ", "completion": "Yes.", "price": None, "rate": 0.5},
    ]
    dates = pa.array([datetime.date(2026, 1, 2), None])
    table = pa.Table.from_pylist(rows).append_column("day", dates)
    pq.write_table(table, tmp_path / "pool.parquet")
    select(place / "domain.jsonl", tmp_path / "pool.parquet", 2, method="longest", out=tmp_path / "out.jsonl")
    first, second = read(tmp_path / "out.jsonl")
    assert (first["messages"], first["price"], first["rate"], first["day"]) == (messages, "1.50", None, "2026-01-02")
    assert (second["completion"], second["rate"], second["day"]) == ("Yes.", 0.5, None)


def test_hidden_states_that_are_not_finite_are_named(place: Path, tmp_path: Path) -> None:
    model = tiny.model("qwen3")
    letter = tiny.tokenizer()("~")["input_ids"][0]
    model.model.embed_tokens.weight.data[letter] = float("nan")
    model.save_pretrained(tmp_path / "broken")
    tiny.tokenizer().save_pretrained(tmp_path / "broken")
    pool = write(tmp_path / "pool.jsonl", [*read(place / "pool.jsonl")[:5], {"prompt": "~", "completion": "a"}])
    fixed: dict[str, Any] = {"model": str(tmp_path / "broken"), "device": "cpu", "warmup_epochs": 0}
    for method in ("votes", "rds"):
        with pytest.raises(MotherlodeError, match=r"pool.jsonl:6: its hidden states are not finite"):
            select(place / "domain.jsonl", pool, 2, method=method, **fixed)
    with pytest.raises(MotherlodeError, match=r"not (a )?finite"):
        select(place / "domain.jsonl", pool, 2, preselect="none", **fixed)
