"""Scores from outcomes: chance, majority, F1, flags, and what is written to disk."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from motherlode.errors import InputError
from motherlode.evaluation.answers import chance_f1, f1_of_choices, f1_of_words, same_answer
from motherlode.evaluation.items import TaskItem, to_item
from motherlode.evaluation.probability import probability_of_right
from motherlode.evaluation.result import Evaluation, TaskScore, TextScore
from motherlode.evaluation.scores import macro_f1, score_items, score_logged
from motherlode.statistics import bootstrap_interval


def labelled(answers: list[str], choices: tuple[str, ...] = ("yes", "no", "maybe")) -> list[TaskItem]:
    return [
        to_item({"question": f"{n}?", "choices": list(choices), "answer": answer}, n)
        for n, answer in enumerate(answers)
    ]


def logged(items: list[TaskItem], predicted: list[str], by_length: list[str] | None = None) -> list[dict[str, Any]]:
    made = []
    for place, (item, one, other) in enumerate(zip(items, predicted, by_length or predicted, strict=True)):
        made.append(
            {
                "acc": float(one == item.answer),
                "acc_norm": float(other == item.answer),
                "predicted": float(item.choices.index(one)),
                "predicted_norm": float(item.choices.index(other)),
                "probability": 1 / (2 + place),
                "probability_norm": 1 / (3 + place),
            }
        )
    return made


def test_a_labelled_task_by_hand() -> None:
    items = labelled(["yes"] * 12 + ["no"] * 6 + ["maybe"] * 2)
    predicted = ["yes"] * 8 + ["no"] * 10 + ["yes"] * 2
    score = score_items("t", items, logged(items, predicted, ["maybe"] * 20))
    assert (score.metric, score.n, score.score) == ("acc", 20, 0.7)
    assert score.acc_norm == pytest.approx(0.1)
    assert score.chance == pytest.approx(1 / 3)
    assert score.majority == pytest.approx(0.6)
    assert (score.low, score.high) == bootstrap_interval(score.items)
    assert score.predictions == tuple(predicted)
    assert score.flag == "at majority"
    assert score.macro_f1 == pytest.approx((16 / 22 + 12 / 16 + 0) / 3)
    forced = score_items("t", items, logged(items, predicted, ["maybe"] * 20), metric="acc_norm")
    assert (forced.score, forced.flag) == (pytest.approx(0.1), "below chance")
    assert score.probabilities == tuple(1 / (2 + place) for place in range(20))
    assert forced.probabilities == tuple(1 / (3 + place) for place in range(20))
    assert score.probability == pytest.approx(fmean(score.probabilities))
    assert (score.probability_low, score.probability_high) == bootstrap_interval(score.probabilities)


def test_choices_that_differ_are_scored_by_length_and_their_majority_is_a_place() -> None:
    rows = [(["a", "b"], "a"), (["c", "d"], "d"), (["e", "f"], "e"), (["g", "h", "i"], "g")]
    items = [to_item({"question": "?", "choices": c, "answer": a}, n) for n, (c, a) in enumerate(rows)]
    score = score_items("t", items, logged(items, ["a", "c", "e", "g"], ["a", "d", "e", "h"]))
    assert (score.metric, score.score, score.acc) == ("acc_norm", 0.75, 0.75)
    assert score.items == (1.0, 1.0, 1.0, 0.0)
    assert score.majority == pytest.approx(0.75)
    assert score.chance == pytest.approx((1.5 + 1 / 3) / 4)
    assert score.macro_f1 is None
    assert score.probabilities == (1 / 3, 1 / 4, 1 / 5, 1 / 6)  # of the log-likelihoods that acc_norm compares


def test_written_answers_and_lists() -> None:
    free = [
        to_item({"question": "?", "choices": [], "answer": a}, n) for n, a in enumerate(["the dog", "a cat", "Dog!"])
    ]
    samples = [
        {"exact_match": 1.0, "f1": 1.0, "filtered_resps": [" dog"]},
        {"exact_match": 0.0, "f1": 0.5, "filtered_resps": ["cat\nmat"]},
        {"exact_match": 0.0, "f1": 0.0, "filtered_resps": [""]},
    ]
    score = score_items("t", free, samples)
    assert (score.metric, score.score, score.exact_match) == ("f1", 0.5, pytest.approx(1 / 3))
    assert score.chance is None
    assert score.probability is score.probability_low is score.probability_high is score.probabilities is None
    assert score.majority == pytest.approx(2 / 3)  # always "the dog" is right twice: articles and case do not count
    assert score.predictions == ("dog", "cat mat", "")
    several = [
        to_item({"question": "?", "choices": ["x", "y", "z"], "answer": a, "multi": True}, n)
        for n, a in enumerate(["x", "x", "x, y"])
    ]
    outcomes = [{"exact_match": 0.0, "f1": 0.5, "filtered_resps": ["x"]}] * 3
    listed = score_items("t", several, outcomes)
    assert listed.chance == pytest.approx((2 * chance_f1(3, 1) + chance_f1(3, 2)) / 3)
    assert listed.majority == pytest.approx((1 + 1 + 2 / 3) / 3)
    exact = score_items("t", several, outcomes, metric="exact_match")
    assert (exact.chance, exact.majority) == (pytest.approx(1 / 7), pytest.approx(2 / 3))
    mixed = score_items(
        "t", [*free, *labelled(["yes", "no"])], [*samples, *logged(labelled(["yes", "no"]), ["yes"] * 2)]
    )
    assert mixed.metric == "f1+acc"
    assert mixed.majority == pytest.approx((2 + 1) / 5)
    assert mixed.chance is None
    assert mixed.probabilities is None  # two of five items would be another task's score


@given(st.lists(st.floats(-900, 0), min_size=2, max_size=6), st.data())
def test_the_probability_of_the_right_choice(likelihoods: list[float], data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 50), min_size=len(likelihoods), max_size=len(likelihoods)))
    places = range(len(likelihoods))
    for divided in (None, lengths):
        shares = [probability_of_right(likelihoods, [place], divided) for place in places]
        assert all(0 <= share <= 1 for share in shares)
        assert sum(shares) == pytest.approx(1)
        values = [value / length for value, length in zip(likelihoods, divided or [1] * len(places), strict=True)]
        best = max(places, key=lambda place: values[place])
        assert shares[best] == max(shares)  # the choice that the metric takes has the most
        assert shares == pytest.approx(scipy.special.softmax(values).tolist())
        assert probability_of_right(likelihoods, places, divided) == 1
    assert probability_of_right([-7.0] * len(places), [0]) == pytest.approx(1 / len(places))  # a guess
    assert probability_of_right([*likelihoods, math.nan], [len(places)]) == 0
    assert probability_of_right([*likelihoods, -math.inf], places) == 1
    assert probability_of_right([math.nan, -math.inf, math.nan, math.nan], [1]) == 0.25


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_macro_f1_is_that_of_the_classes_there_are(pairs: list[tuple[str, str]]) -> None:
    right, predicted = (list(side) for side in zip(*pairs, strict=True))
    labels = sorted(set(right))
    wanted = f1_score(right, predicted, labels=labels, average="macro", zero_division=0)
    assert macro_f1(right, predicted) == pytest.approx(wanted)


@given(st.integers(2, 6), st.data())
def test_chance_of_a_random_list_by_enumeration(choices: int, data: st.DataObject) -> None:
    wanted = set(range(data.draw(st.integers(1, choices))))
    subsets = [set(chosen) for size in range(1, choices + 1) for chosen in itertools.combinations(range(choices), size)]
    mean = fmean(f1_of_choices(map(str, chosen), map(str, wanted)) for chosen in subsets)
    assert chance_f1(choices, len(wanted)) == pytest.approx(mean)


def test_answers_compare_by_their_words() -> None:
    assert same_answer("The Dog.", "dog")
    assert not same_answer("dogs", "dog")
    assert same_answer("the", "the")
    assert f1_of_words("a big dog", "the dog") == pytest.approx(2 / 3)
    assert f1_of_words("", "dog") == 0
    assert f1_of_words("1,234", "1234") == 1


def test_scores_of_the_harness_s_own_tasks() -> None:
    samples = [
        {"metrics": ["acc", "brier"], "acc": value, "brier": (1, 2), "arguments": [0] * 4, "target": n % 2, "doc_id": n}
        for n, value in enumerate([1.0, 0.0, 0.0, 0.0, 1.0])
    ]
    score = score_logged("t", samples)
    assert (score.metric, score.score, score.chance, score.majority) == ("acc", 0.4, 0.25, 0.6)
    assert score.ids == ("0", "1", "2", "3", "4")
    assert score.acc_norm is None


@pytest.mark.parametrize(
    ("score", "low", "chance", "majority", "flag"),
    [
        (0.2, 0.1, 0.25, 0.5, "below chance"),
        (0.3, 0.2, 0.25, 0.5, "at chance"),
        (0.4, 0.3, 0.25, 0.5, "below majority"),
        (0.6, 0.45, 0.25, 0.5, "at majority"),
        (0.7, 0.6, 0.25, 0.5, ""),
        (0.1, 0.0, None, None, ""),
    ],
)
def test_flags(score: float, low: float, chance: float | None, majority: float | None, flag: str) -> None:
    assert TaskScore("t", 9, "acc", score, low, 0.9, chance, majority, None, None, (), ()).flag == flag


def test_evaluations_come_back_from_disk(tmp_path: Path) -> None:
    bare = TaskScore("t", 2, "acc", 0.5, 0.1, 0.9, 0.5, None, 0.5, 0.0, (1.0, 0.0), ("a", "b"), predictions=("x", "y"))
    shares = {"probability": 0.5, "probability_low": 0.2, "probability_high": 0.8, "probabilities": (0.7, 0.3)}
    task = dataclasses.replace(bare, **shares)
    text = TextScore("one", 1, 5, 2.0, math.exp(2), -math.inf, math.inf, (2.0,), (5,), 0, 1.5)
    found = Evaluation({"t": task}, {"one": text}, "M", None, {"shots": 0}, {"torch": "2"}, {"task:t": "f"})
    path = found.write(tmp_path)
    assert Evaluation.read(tmp_path) == found
    assert Evaluation.read(path) == found
    old = json.loads(path.read_text())
    for name in [name for name in old["tasks"]["t"] if name.startswith("probab")]:
        del old["tasks"]["t"][name]
    (tmp_path / "old.json").write_text(json.dumps(old))  # as it was before there were probabilities
    assert Evaluation.read(tmp_path / "old.json") == dataclasses.replace(found, tasks={"t": bare})
    before = path.read_bytes()
    assert found.write(tmp_path).read_bytes() == before
    path.write_text(path.read_text().replace('"metric": "acc"', '"metrics": "acc"'))
    with pytest.raises(InputError, match="is damaged"):
        Evaluation.read(tmp_path)
    with pytest.raises(InputError, match="holds no evaluation"):
        Evaluation.read(tmp_path / "none")
