"""The page of a project: what it shows, where it leads, that hostile names stay inert."""

from __future__ import annotations

from pathlib import Path

from motherlode.report.workflow import StagePart, write_project_report
from motherlode.workflow.gains import Gain
from tests.report.browser import look_at, needs_browser
from tests.report.conftest import HOSTILE
from tests.report.pages import parse


def gain(what: str, model: str, low: float, high: float, metric: str = "acc", flag: str = "") -> Gain:
    middle = (low + high) / 2
    return Gain(what, model, metric, 10, 0.5, 0.4, 0.6, 0.25, 0.3, middle, low, high, flag)


def test_the_verdict_is_that_of_the_interval() -> None:
    assert gain("t", "sft", 0.1, 0.2).verdict == "better"
    assert gain("t", "sft", -0.2, -0.1).verdict == "worse"
    assert gain("t", "sft", -0.1, 0.2).verdict == gain("t", "sft", 0.0, 0.2).verdict == "no difference can be told"
    assert gain("t", "sft", -0.2, -0.1, "loss").verdict == "better"
    assert gain("t", "sft", 0.1, 0.2, "loss").verdict == "worse"
    assert Gain("t", "base", "acc", 10, 0.5, 0.4, 0.6, 0.25, 0.3).verdict == ""


def page_of(folder: Path) -> Path:
    parts = [
        StagePart(f"stage.{number}", text, [(text, text)], f"{text[:20]}/report.html")
        for number, text in enumerate(HOSTILE)
    ]
    gains = [gain(text, "sft", 0.1, 0.2, flag="below chance") for text in HOSTILE]
    return write_project_report(folder / "report.html", HOSTILE[0], parts, gains)


def test_hostile_names_stay_inert(tmp_path: Path) -> None:
    page = parse(page_of(tmp_path).read_text("utf-8"))
    assert page.tags <= page.KNOWN_TAGS and not page.unclosed and not page.comments
    assert {name for _, name, _ in page.attributes} <= page.KNOWN_ATTRIBUTES
    links = [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")]
    assert not [link for link in links if ":" in link or link.startswith(("/", "//"))]
    rows = page.table("Scores")
    assert len(rows) == len(HOSTILE) + 1 and rows[1][-1] == "better; below chance"
    assert "script-src" not in page.meta["Content-Security-Policy"]


@needs_browser
def test_it_fits_a_phone(tmp_path: Path) -> None:
    look_at(page_of(tmp_path), 390, tmp_path / "profile")
