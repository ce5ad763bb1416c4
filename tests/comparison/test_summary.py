"""What the tables say, against means, pairs and bootstraps computed here item by item."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from motherlode.cli.compare import print_summary
from motherlode.comparison.results import ITEMS, RESULTS
from motherlode.comparison.summary import Setting, Summary, independent
from motherlode.errors import InputError
from tests.comparison.tables import made_up, write

AT = Setting(100, 1000)
TASKS = {"medicine": {"one": 40, "two": 10}, "law": {"three": 25}}


def summary(**changes: Any) -> tuple[Summary, dict[str, list[dict[str, Any]]]]:
    about, rows = made_up(changes.pop("tasks", TASKS), **changes)
    return Summary(about, changes.get("kind", "selection"), rows[RESULTS], rows[ITEMS]), rows


def outcomes(rows: dict[str, list[dict[str, Any]]], method: str, task: str, seed: int | None) -> list[float]:
    return [
        row["outcome"]
        for row in rows[ITEMS]
        if (row["method"], row["task"], row["random_seed"]) == (method, task, seed)
    ]


def test_means_are_those_of_tasks_then_domains() -> None:
    made, rows = summary()
    task = {name: np.mean([outcomes(rows, "ntk", name, seed) for seed in range(3)]) for name in ("one", "two", "three")}
    medicine = (task["one"] + task["two"]) / 2
    found = made.score("ntk", "medicine", AT)
    assert found is not None
    assert found.mean == pytest.approx(medicine)
    assert found.seeds == 3
    assert found.low < medicine < found.high
    whole = made.score("ntk", None, AT)
    assert whole is not None
    assert whole.mean == pytest.approx((medicine + task["three"]) / 2)
    one = made.score("ntk", "medicine", AT, "one")
    assert one is not None
    assert one.mean == pytest.approx(task["one"])


def test_gains_are_paired_and_wins_counted() -> None:
    made, rows = summary()
    gain = made.gain("ntk", "random", "medicine", AT)
    assert gain is not None
    differences, wins = [], []
    for task, seed in itertools.product(("one", "two"), range(3)):
        first, second = (np.mean(outcomes(rows, name, task, seed)) for name in ("ntk", "random"))
        differences.append(first - second)
        wins.append(1.0 if first > second else 0.5 if first == second else 0.0)
    assert gain.difference.mean == pytest.approx(np.mean(differences))
    assert gain.wins == pytest.approx(np.mean(wins))
    assert gain.pairs == 6
    back = made.gain("random", "ntk", "medicine", AT)
    assert back is not None
    assert back.difference.mean == pytest.approx(-gain.difference.mean)
    assert back.wins == pytest.approx(1 - gain.wins)


def test_an_interval_against_brute_force() -> None:
    made, rows = summary(tasks={"law": {"three": 30}}, seeds=4)
    table = np.array(
        [
            np.subtract(outcomes(rows, "ntk", "three", seed), outcomes(rows, "random", "three", seed))
            for seed in range(4)
        ]
    )
    choice = np.random.default_rng(5)
    means = [
        table[choice.integers(0, 4, 4)][:, choice.integers(0, 30, 30)].mean() for _ in range(4000)
    ]  # seeds and items, as they come: wider than need be, of the same shape
    gain = made.gain("ntk", "random", "law", AT)
    assert gain is not None
    assert gain.difference.mean == pytest.approx(table.mean())
    plain = np.quantile(means, 0.975) - np.quantile(means, 0.025)
    assert 0.4 * plain < gain.difference.high - gain.difference.low < 1.6 * plain


@pytest.mark.parametrize("sizes", [(120, 12), (60, 60)])
@pytest.mark.parametrize("measure", ["outcome", "probability"])
def test_tasks_of_any_size_and_level_do_not_widen_an_interval(sizes: tuple[int, int], measure: str) -> None:
    about, rows = made_up({"law": {"one": sizes[0], "two": sizes[1]}}, seeds=1)
    choice = np.random.default_rng(3)
    own = {
        task: [row for row in rows[ITEMS] if (row["method"], row["task"]) == ("ntk", task)] for task in ("one", "two")
    }
    for task, level_of_task in (("one", 0.4), ("two", 0.8)):
        for row in own[task]:
            row["outcome"] = float(choice.random() < level_of_task)
            row["probability"] = level_of_task + choice.uniform(-0.1, 0.1)
    values = [np.array([row[measure] for row in found]) for found in own.values()]
    means = [np.mean([choice.choice(part, len(part)).mean() for part in values]) for _ in range(4000)]
    made = Summary(about, "selection", rows[RESULTS], rows[ITEMS])
    used = made if measure == "outcome" else made.by_probability
    assert used is not None
    score = used.score("ntk", "law", AT)
    assert score is not None
    assert score.mean == pytest.approx(np.mean([part.mean() for part in values]))
    wanted = np.quantile(means, 0.975) - np.quantile(means, 0.025)  # each task's items drawn from that task's
    assert 0.85 * wanted < score.high - score.low < 1.25 * wanted


def test_the_base_model_stands_for_every_seed_and_budget() -> None:
    made, rows = summary(places=((100, 1000), (100, 9000)))
    for n in (1000, 9000):
        gain = made.gain("ntk", "base", "law", Setting(100, n))
        assert gain is not None
        own = [row["outcome"] for row in rows[ITEMS] if (row["method"], row["task"], row["n"]) == ("ntk", "three", n)]
        assert gain.difference.mean == pytest.approx(np.mean(own) - np.mean(outcomes(rows, "base", "three", None)))


def test_only_seeds_that_both_have_are_paired() -> None:
    about, rows = made_up({"law": {"three": 20}})
    kept = [row for row in rows[ITEMS] if not (row["method"] == "random" and row["random_seed"] == 1)]
    made = Summary(about, "selection", rows[RESULTS], kept)
    gain = made.gain("ntk", "random", "law", AT)
    assert gain is not None
    pairs = [
        np.subtract(outcomes(rows, "ntk", "three", seed), outcomes(rows, "random", "three", seed)) for seed in (0, 2)
    ]
    assert gain.difference.mean == pytest.approx(np.mean(pairs))
    assert gain.pairs == 2


def test_the_best_baseline_and_the_best_of_ours() -> None:
    made, _ = summary(tasks={"law": {"three": 400}})
    assert made.best_baseline(AT) == "dsir"
    assert made.best_of_ours(AT) == "ntk"
    assert made.reference == "random"


def level(rows: dict[str, list[dict[str, Any]]], method: str, seed: int | None, value: float) -> None:
    """Give all items of a run one outcome."""
    for row in rows[ITEMS]:
        if (row["method"], row["random_seed"]) == (method, seed):
            row["outcome"] = value


def test_limits_of_shares_stay_within_0_and_1_and_of_their_differences_within_1() -> None:
    about, rows = made_up(TASKS | {"finance": {"four": 20, "five": 30, "six": 9}}, seeds=2)
    for seed, value in ((0, 0.2), (1, 0.8)):  # two runs that differ much: next to nothing is known
        level(rows, "ntk", seed, value)
        level(rows, "random", seed, 1 - value)
    made = Summary(about, "selection", rows[RESULTS], rows[ITEMS])
    for domain in ("medicine", "law", "finance", None):
        for task in [None] if domain is None else [None, *made.outcomes.tasks(domain)]:
            score = made.score("ntk", domain, AT, task)
            gain = made.gain("ntk", "random", domain, AT, task)
            assert score is not None and gain is not None
            assert (score.mean, gain.difference.mean) == (pytest.approx(0.5), pytest.approx(0))
            assert (score.low, score.high) == (0, 1)
            assert (gain.difference.low, gain.difference.high) == (-1, 1)
            assert 0.2 < gain.difference.probability < 0.8
    raw = made._score("ntk", "finance", AT, None)
    assert raw is not None and raw.low < -1 and raw.high > 2  # what is cut off


def test_limits_of_losses_are_as_they_come() -> None:
    tasks = {"finance": {"text: domain": 30}}
    methods = {name: {"method": "mine", "options": {}, "baseline": False} for name in ("general-only", "ntk")}
    about, rows = made_up(tasks, seeds=2, places=((None, None),), methods=methods, kind="mining")
    for seed, value in ((0, 0.2), (1, 0.8)):
        level(rows, "ntk", seed, value)
        level(rows, "general-only", seed, 1 - value)
    made = Summary(about, "mining", rows[RESULTS], rows[ITEMS])
    (at,) = made.settings
    score, gain = made.score("ntk", None, at), made.gain("ntk", "general-only", None, at)
    assert score is not None and gain is not None
    assert score.low < 0 and score.high > 1
    assert gain.difference.low < -1 and gain.difference.high > 1


def test_outcomes_beyond_1_are_as_they_come() -> None:
    about, rows = made_up(TASKS, seeds=2)
    level(rows, "ntk", 0, 0.2)
    level(rows, "ntk", 1, 1.5)  # a metric that is no share
    made = Summary(about, "selection", rows[RESULTS], rows[ITEMS])
    score = made.score("ntk", None, AT)
    assert score is not None and score.high > 1


def test_the_probability_of_the_right_choice_is_a_measure_of_its_own() -> None:
    made, rows = summary()
    shares = made.by_probability
    assert shares is not None and shares.by_probability is shares
    assert (shares.methods, shares.settings, shares.reference) == (made.methods, made.settings, "random")

    def values(method: str, task: str) -> np.ndarray[Any, Any]:
        return np.array(
            [
                [
                    row["probability"]
                    for row in rows[ITEMS]
                    if (row["method"], row["task"], row["random_seed"]) == (method, task, seed)
                ]
                for seed in range(3)
            ]
        )

    of_tasks = {task: (values("ntk", task), values("random", task)) for own in TASKS.values() for task in own}
    means = {task: float((first - second).mean()) for task, (first, second) in of_tasks.items()}
    gain, coarse = shares.gain("ntk", "random", None, AT), made.gain("ntk", "random", None, AT)
    assert gain is not None and coarse is not None
    assert gain.difference.mean == pytest.approx(((means["one"] + means["two"]) / 2 + means["three"]) / 2)
    ahead = [first.mean(axis=1) > second.mean(axis=1) for first, second in of_tasks.values()]
    assert gain.wins == pytest.approx(np.mean(ahead))
    width, other = (found.difference.high - found.difference.low for found in (gain, coarse))
    assert width < other / 4
    score = shares.score("base", "law", AT)
    assert score is not None
    assert score.mean == pytest.approx(
        np.mean([row["probability"] for row in rows[ITEMS] if (row["method"], row["task"]) == ("base", "three")])
    )


def test_tasks_and_domains_without_choices_have_no_probability() -> None:
    about, rows = made_up(TASKS)
    for row in rows[ITEMS] + rows[RESULTS]:
        if row["task"] in ("two", "three"):
            row["probability"] = None
    made = Summary(about, "selection", rows[RESULTS], rows[ITEMS])
    shares = made.by_probability
    assert shares is not None
    assert (shares.outcomes.domains, shares.outcomes.tasks("medicine")) == (["medicine"], ["one"])
    assert shares.score("ntk", None, AT) == shares.score("ntk", "medicine", AT, "one")
    assert made.outcomes.domains == ["medicine", "law"]


def test_tables_that_were_written_before_there_were_probabilities_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", *made_up(TASKS))
    (now,) = Summary.read(folder)
    for name in (RESULTS, ITEMS):
        table = pq.read_table(folder / f"{name}.parquet")
        kept = [column for column in table.column_names if not column.startswith("probability")]
        pq.write_table(table.select(kept), folder / f"{name}.parquet")
    (old,) = Summary.read(folder)
    assert old.by_probability is None
    assert old.gain("ntk", "random", None, AT) == now.gain("ntk", "random", None, AT)


def test_both_measures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = summary()
    print_summary(made)
    printed = capsys.readouterr().out
    said = " ".join(printed.split())
    scores, shares = said.index("Score, |D| = 100"), said.index("Probability of the right choice, |D| = 100")
    assert scores < said.index("Score by domain") < shares < said.index("Probability of the right choice by domain")
    gain = made.by_probability.gain("ntk", "random", None, AT)  # type: ignore[union-attr]
    assert gain is not None
    assert f"{gain.difference.mean:+.4f} ({gain.difference.low:+.4f}, {gain.difference.high:+.4f})" in said[shares:]
    lines = [line for line in printed.splitlines() if line.startswith("- ")]
    assert lines[0].startswith("- ntk against random at |D| = 100, N = 1,000: +0.")
    told = [line for line in lines if line.startswith("- Probability of the right choice: ntk against random")]
    assert len(told) == 1
    assert "of probability: higher" in told[0]


def test_parts_that_are_independent() -> None:
    choice = np.random.default_rng(0)
    a, b = choice.normal(1, 2, 100_000), choice.normal(3, 1, 100_000)
    z = 1.96
    mean, low, high = independent([(1, 1 - 2 * z, 1 + 2 * z), (3, 3 - z, 3 + z)])
    assert mean == 2
    assert (high - low) / (2 * z) == pytest.approx(((a + b) / 2).std(), rel=0.02)


def test_texts_are_losses_turned() -> None:
    tasks = {"finance": {"text: domain": 30, "text: general": 20}}
    methods = {
        "general-only": {"method": "general-only", "options": {}, "baseline": True},
        "ntk": {"method": "mine", "options": {}, "baseline": False},
    }
    made, rows = summary(tasks=tasks, places=((None, None),), methods=methods, kind="mining")
    at = made.settings[0]
    assert str(at) == ""
    found = made.score("ntk", None, at)
    assert found is not None
    assert found.mean == pytest.approx(np.mean([outcomes(rows, "ntk", "text: domain", seed) for seed in range(3)]))
    gain = made.gain("ntk", "general-only", None, at)
    assert gain is not None
    assert gain.difference.mean > 0
    general = made.score("ntk", "finance", at, "text: general")
    assert general is not None and general.mean < 0
    assert made.reference == "general-only"


def test_scores_below_chance_are_found() -> None:
    about, rows = made_up({"law": {"three": 20}})
    rows[RESULTS][3] |= {"score": 0.1, "high": 0.2}
    made = Summary(about, "selection", rows[RESULTS], rows[ITEMS])
    assert [row["score"] for row in made.below_chance()] == [0.1]


def test_a_single_seed_and_item_promises_nothing() -> None:
    made, _ = summary(tasks={"law": {"three": 1}}, seeds=1)
    gain = made.gain("ntk", "random", "law", AT)
    assert gain is not None
    assert not gain.difference.certain
    assert math.isfinite(gain.difference.mean)


def test_a_method_without_results_is_left_out(tmp_path: Path) -> None:
    about, rows = made_up({"law": {"three": 10}})
    for name in rows:
        rows[name] = [row for row in rows[name] if row.get("method") != "dsir"]
    (made,) = Summary.read(write(tmp_path / "out", about, rows))
    assert "dsir" not in made.methods
    assert made.score("dsir", "law", AT) is None


def test_damage_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no comparison"):
        Summary.read(tmp_path)
    folder = write(tmp_path / "out", *made_up({"law": {"three": 10}}))
    (folder / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"items\.parquet: cannot be read"):
        Summary.read(folder)
    (folder / "comparison.json").write_text("{")
    with pytest.raises(InputError, match=r"comparison\.json: is damaged"):
        Summary.read(folder)
