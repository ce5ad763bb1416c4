"""The page of a comparison: what it says is in the tables, and hostile names stay text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from motherlode.cli import main
from motherlode.comparison.results import COSTS, ITEMS, MIX, RESULTS, SETS
from motherlode.comparison.summary import KIND, Summary
from motherlode.report.comparison import write_comparison_report
from motherlode.report.intervals import Interval, intervals
from motherlode.shards.manifest import Manifest
from tests.comparison.tables import METHODS, made_up, write
from tests.report.browser import look_at, needs_browser
from tests.report.conftest import HOSTILE
from tests.report.pages import parse

TASKS = {"medicine": {"one": 40, "two": 10}, "law": {"three": 25}}


def hostile(folder: Path) -> Path:
    """A comparison of both kinds whose every name is hostile."""
    names = iter(HOSTILE * 9)
    methods = {f"{next(names)} {name}"[:300]: {**entry} for name, entry in METHODS.items()}
    methods |= {f"{HOSTILE[0]} v": {"method": "ntk", "options": {"kernel": HOSTILE[1]}, "baseline": False}}
    tasks = {
        f"{next(names)} {domain}": {f"{next(names)} {task}": n for task, n in own.items()}
        for domain, own in TASKS.items()
    }
    places = ((100, 9000), (300, 1000), (300, 9000))
    about, rows = made_up(tasks, places=places, methods=methods)
    for place, row in enumerate(rows[MIX]):
        row["source"] = f"{HOSTILE[place % len(HOSTILE)]} source"
    domain = f"{HOSTILE[2]} mined"
    variants: dict[str, dict[str, Any]] = {
        f"t {HOSTILE[0]} {value}": {"method": "mine", "options": {"t_sim": value}, "baseline": False}
        for value in (0.7, 0.8, 0.9)
    }
    variants["general-only"] = {"method": "general-only", "options": {}, "baseline": True}
    texts = {domain: {"text: domain": 20, "text: general": 20}}
    more, mined = made_up(texts, places=((None, None),), methods=variants, kind="mining")
    for name in rows:
        rows[name] += mined[name]
    rows[SETS] += [
        {
            "method": name,
            "domain": domain,
            "documents": 9,
            "words": 99,
            "seeds": 1,
            "leaked": 2,
            "t_sim": entry["options"]["t_sim"],
        }
        for name, entry in variants.items()
        if entry["options"]
    ]
    about |= {"variants": more["variants"], "domains": about["domains"] | more["domains"], "model": HOSTILE[0]}
    about["selection"] = {"template": HOSTILE[1]}
    example = {"file": HOSTILE[0], "item": HOSTILE[1], "kind": "words", "words": 13, "span": HOSTILE[6]}
    held = {"held": 3, "items": 2, "files": {HOSTILE[3]: 3}, "examples": [example]}
    notes = {
        "failures": [{"job": HOSTILE[0], "error": HOSTILE[1], "because": None}],
        "jobs": {"train": 3},
        "pool": {"rows": 100, "kept": 97, "pool": held, "train": {HOSTILE[5]: {"rows": 9, **held}}},
    }
    return write(folder, about, rows, notes)


def test_the_page_says_what_the_tables_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "out", *made_up(TASKS))
    with pytest.raises(SystemExit) as left:
        main(["report", str(folder)])
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    page = parse((folder / "report.html").read_text("utf-8"))
    assert not page.unclosed
    scores = page.table("Scores of selection |D| = 100, N = 1,000")
    assert [row[0] for row in scores[1:]] == list(METHODS)
    differences = page.table("Differences of selection |D| = 100, N = 1,000")
    random = next(row for row in differences if row[0] == "random")
    assert random[1:4] == ["", "", ""]
    assert "dsir" in differences[0][4]
    own = next(row for row in differences if row[0] == "ntk")
    assert own[1].startswith("+0.")
    assert own[3].endswith("of 9")
    changed = page.table("Ablations of selection")[1]
    assert changed[:2] == ["ntk signs", "kernel = ntk-signs"]
    assert "ntk against random at |D| = 100, N = 1,000" in page.text
    (summary,) = Summary.read(folder)
    shares = summary.by_probability
    assert shares is not None
    at = shares.settings[0]
    means = page.table("Scores of selection by probability |D| = 100, N = 1,000")
    differences = page.table("Differences of selection by probability |D| = 100, N = 1,000")
    for method in METHODS:
        score, gain = shares.score(method, None, at), shares.gain(method, "random", None, at)
        assert score is not None and gain is not None
        row = next(row for row in means if row[0] == method)
        assert row[1] == f"{score.mean:.4f} ({score.low:.4f} to {score.high:.4f})"
        if method != "random":
            row = next(row for row in differences if row[0] == method)
            assert row[1].startswith(f"{gain.difference.mean:+.4f} ")
    assert page.table("Ablations of selection by probability")[1][:2] == ["ntk signs", "kernel = ntk-signs"]
    assert "Probability of the right choice: ntk against random at |D| = 100, N = 1,000" in page.text
    assert len(page.table("three |D| = 100, N = 1,000 by probability")) == 1 + len(METHODS)
    assert [row[0] for row in page.table("Costs of selection |D| = 100, N = 1,000")[1:]] == list(METHODS)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folder = hostile(tmp_path / "out")
    source = write_comparison_report(folder).read_text("utf-8")
    page = parse(source)
    assert not page.unclosed
    assert not page.comments
    assert not {"script", "img", "iframe", "object", "link", "form"} & page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00-\x08\x0b-\x1f\x7f]", source)
    assert write_comparison_report(folder).read_text("utf-8") == source


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_phone_and_a_desk(tmp_path: Path, width: int) -> None:
    seen = look_at(write_comparison_report(hostile(tmp_path / "out")), width, tmp_path / "profile")
    assert seen.charts >= 6


def test_without_probabilities_there_is_no_word_of_them(tmp_path: Path) -> None:
    about, rows = made_up({"law": {"three": 25}})
    for row in rows[ITEMS] + rows[RESULTS]:
        row["probability"] = None
    page = parse(write_comparison_report(write(tmp_path / "out", about, rows)).read_text("utf-8"))
    assert not page.unclosed
    assert "robability of the right choice" not in page.text


def test_costs_are_means(tmp_path: Path) -> None:
    about, rows = made_up({"law": {"three": 25}})
    for row in rows[COSTS]:
        if row["method"] == "ntk":
            row["selection_seconds"] = 10.0 + row["random_seed"]
    page = parse(write_comparison_report(write(tmp_path / "out", about, rows)).read_text("utf-8"))
    costs = {row[0]: row for row in page.table("Costs of selection |D| = 100, N = 1,000")}
    assert costs["ntk"][1:4] == ["11.0", "2.0", "3.0"]
    assert costs["random"][4:6] == ["+0.000", "+0.0000"]
    (summary,) = Summary.read(tmp_path / "out")
    for measured, column, digits in ((summary, 4, 3), (summary.by_probability, 5, 4)):
        gain = measured.gain("ntk", "random", None, measured.settings[0])
        assert costs["ntk"][column] == f"{gain.difference.mean:+.{digits}f}"
    assert "Gain against cost, probability of the right choice" in page.text


def test_one_that_was_only_begun_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Manifest.open(tmp_path / "out", KIND, {"version": 1}):
        pass
    with pytest.raises(SystemExit) as left:
        main(["report", str(tmp_path / "out")])
    assert left.value.code == 2
    assert "holds no comparison; run `compare` first" in capsys.readouterr().err


def test_curves_are_drawn_for_both_measures(tmp_path: Path) -> None:
    about, rows = made_up({"law": {"three": 25}}, places=((100, 9000), (300, 1000), (300, 9000)))
    source = write_comparison_report(write(tmp_path / "out", about, rows)).read_text("utf-8")
    for along, at in (("|D|", "N = 9,000"), ("N", "|D| = 300")):
        for measure in ("", ", probability of the right choice"):
            assert source.count(f"Gain over random by {along}, {at}{measure}</") >= 1
    ids = [value for _, name, value in parse(source).attributes if name == "id"]
    assert len(set(ids)) == len(ids)


def test_intervals_with_and_without_limits() -> None:
    image = intervals(
        "k",
        "t",
        [
            Interval("a", 0.2, 0.1, 0.3),
            Interval("b", -0.2, -0.3, -0.1),
            Interval("c", 0.0, float("-inf"), float("inf")),
        ],
        x_label="x",
    )
    assert image.count("<circle") == 3
    assert "bars c2" in image and "bars c1" in image and "bars below" in image
    assert "c: +0, 95 %: unknown to unknown" in image
    assert "nan" not in image and "inf" not in image.replace("information", "")
    assert "<svg" in intervals("k", "t", [], x_label="x")
