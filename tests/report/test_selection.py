"""The report of a selection: what it shows, that hostile text stays inert, that other files are refused."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from motherlode import Selection, select
from motherlode.cli import main
from motherlode.errors import InputError
from motherlode.report.selection import write_selection_report
from tests.report.browser import look_at, needs_browser
from tests.report.conftest import HOSTILE


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Selection]:
    folder = tmp_path_factory.mktemp("selection<b>")

    def rows(count: int, start: int) -> str:
        made = []
        for number in range(start, start + count):
            text = f"{HOSTILE[number % len(HOSTILE)]} {number}"
            source = f"<script>{number % 3}</script>\u202e"
            made.append({"prompt": text, "completion": f"{'word ' * (number % 7)}{text}", "source": source})
        return "".join(json.dumps(row) + "\n" for row in made)

    (folder / "domain.jsonl").write_text(rows(5, 0), "utf-8")
    (folder / "pool.jsonl").write_text(rows(60, 5), "utf-8")
    out = folder / "out.jsonl"
    return out, select(folder / "domain.jsonl", folder / "pool.jsonl", 20, method="embedding", out=out)


def test_the_page_counts_and_stays_inert(chosen: tuple[Path, Selection], capsys: pytest.CaptureFixture[str]) -> None:
    out, selection = chosen
    with pytest.raises(SystemExit) as left:
        main(["report", str(out)])
    assert left.value.code == 0
    written = out.with_name("out.report.html")
    assert capsys.readouterr().out.strip() == str(written)
    page = written.read_text("utf-8")
    assert "20 samples selected by" in page
    assert page.count('class="chart"') == 2
    for rank in (1, 8, 13, 20):
        assert f"rank {rank}<" in page
    assert not re.search(r"<(script|img)\b|<a (?!href=\"#[a-z-]+\">)", page, re.IGNORECASE)
    assert "\u202e" not in page
    for source, (there, taken) in selection.record["sources"].items():
        assert source.startswith("<script>")
        cells = re.search(rf"script&gt;{source[8]}&lt;.*?</tr>", page, re.DOTALL)
        assert cells
        assert f"<td>{there}</td>" in cells[0]
        assert f"<td>{taken}</td>" in cells[0]
    main_again = out.with_name("out.record.json")
    with pytest.raises(SystemExit):
        main(["report", str(main_again)])
    assert written.read_text("utf-8") == page


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_phone_and_a_desk(chosen: tuple[Path, Selection], tmp_path: Path, width: int) -> None:
    seen = look_at(write_selection_report(chosen[0]), width, tmp_path)
    assert seen.charts == 2
    assert seen.bars > 5


def test_plots_of_every_kind(chosen: tuple[Path, Selection], tmp_path: Path) -> None:
    selection = chosen[1].cut(10)
    page = selection.plot(tmp_path / "plot.html").read_text("utf-8")
    assert "10 samples selected by" in page
    picture = ET.fromstring(selection.plot(tmp_path / "plot.svg").read_text("utf-8"))
    charts = [part for part in picture.iter() if part.get("class") == "chart"]
    assert len(charts) == 3
    drawn: dict[str, Any] = json.loads(selection.plot(tmp_path / "plot.json").read_text("utf-8"))
    assert sum(drawn["score_summary"]["scored"]) == 60
    assert sum(drawn["score_summary"]["selected"]) == 10
    assert sum(taken for _, taken in drawn["sources"].values()) == 10
    assert drawn["score_summary"]["by_rank"][0] == selection.scores.max()
    with pytest.raises(InputError, match=r"\.html, \.svg or \.json"):
        selection.plot(tmp_path / "plot.png")


def test_scores_that_are_all_alike_and_no_source(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{n}", "completion": "same"} for n in range(5)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    selection = select(tmp_path / "pool.jsonl", tmp_path / "pool.jsonl", 1, method="longest")
    page = selection.plot(tmp_path / "plot.html").read_text("utf-8")
    assert 'id="sources"' not in page
    assert "1 sample selected by" in page


@pytest.mark.parametrize("record", ["[]", "{", '{"score_summary": {}, "selected": 0}'])
def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str) -> None:
    (tmp_path / "out.jsonl").write_text("{}\n")
    (tmp_path / "out.record.json").write_text(record)
    with pytest.raises(SystemExit) as left:
        main(["report", str(tmp_path / "out.jsonl")])
    assert left.value.code == 2
    assert "is no record of a selection" in capsys.readouterr().err
