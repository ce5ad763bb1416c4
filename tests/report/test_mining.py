import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from motherlode.errors import InputError
from motherlode.mining.export import read_export
from motherlode.mining.label import score_column
from motherlode.mining.result import MineResult
from motherlode.report.mined import EXTREMES, Mined
from motherlode.report.mining import write_report
from motherlode.report.text import visible
from motherlode.shards.dataset import Dataset
from tests.report.conftest import HOSTILE_DOMAIN
from tests.report.pages import Page, parse


@pytest.fixture(scope="module")
def page(mined_folder: Path) -> Page:
    return parse(write_report(mined_folder).read_text("utf-8"))


@pytest.fixture(scope="module")
def hostile_page(hostile_folder: Path) -> Page:
    return parse(write_report(hostile_folder).read_text("utf-8"))


def test_same_bytes_twice(mined_folder: Path):
    first = write_report(mined_folder).read_bytes()
    assert write_report(mined_folder).read_bytes() == first
    assert len(first) < 2_000_000


def test_moved_folders_give_the_same_page(mined_folder: Path, tmp_path: Path):
    expected = write_report(mined_folder).read_bytes()
    for name in ("mined", "corpus"):
        shutil.copytree(mined_folder.parent / name, tmp_path / name)
    result = json.loads((tmp_path / "mined/result.json").read_text())
    result["corpus"] = str(tmp_path / "elsewhere" / "corpus")
    (tmp_path / "mined/result.json").write_text(json.dumps(result))
    assert write_report(tmp_path / "mined").read_bytes() == expected
    assert str(tmp_path.parent) not in expected.decode() and str(mined_folder.parent) not in expected.decode()


def test_no_temporary_file_is_left(mined_folder: Path):
    write_report(mined_folder)
    assert not [path for path in mined_folder.iterdir() if path.name.startswith(".report")]


def test_summary_has_the_results_numbers(mined_folder: Path, page: Page):
    result = MineResult.read(mined_folder)
    rows = page.table("Summary by domain")
    assert [row[0] for row in rows[1:]] == list(result.domains)
    for row, domain in zip(rows[1:], result.domains.values(), strict=True):
        assert row[1:3] == [f"{domain.seeds:,}", f"{len(domain.idle_seeds):,}"]
        assert float(row[3].split()[0]) == pytest.approx(domain.calibration.threshold, abs=5e-4)
        assert row[3].split()[1] == "auto"
        assert row[4:6] == [f"{domain.found:,}", f"{domain.labelled:,}"]
        assert row[6] == f"{domain.labelled / result.documents:.1%}"
        assert row[7:9] == [f"{domain.documents:,}", f"{domain.words:,}"]
        assert domain.agreement is not None
        assert row[9:] == [f"{share:.0%}" for share in (domain.expected_precision, domain.agreement, domain.own_seeds)]


def test_funnel_adds_up(mined_folder: Path, page: Page):
    rows = {row[0]: int(row[1].replace(",", "")) for row in page.table("Records by outcome")[1:]}
    dropped = [count for name, count in rows.items() if name.startswith("dropped")]
    assert sum(dropped) == 2 and rows["quarantined: could not be read"] == 1
    assert rows["records read"] == rows["kept as documents"] + sum(dropped) + 1 == 363
    assert rows["kept as documents"] == rows["without a label"] + rows["with at least one label"]
    assert "The counts add up" in page.text


def test_findings_are_on_the_page(mined_folder: Path, page: Page):
    findings = MineResult.read(mined_folder).findings
    for finding in findings:
        assert finding.text.replace("`", "") in page.text and finding.advice.replace("`", "") in page.text
    assert ("Nothing unusual was seen" in page.text) == (not findings)


def test_expected_precision_is_not_sold_as_measured(page: Page):
    assert "Expected precision is not a measurement" in page.text


def test_documents_are_the_extremes_of_the_scores(mined_folder: Path):
    mined = Mined(mined_folder)
    view = mined.look(100, 0)
    labels = Dataset(mined_folder / "labels")
    for name, result in mined.result.domains.items():
        column = score_column(name)
        scores = np.concatenate([batch.column(column).to_numpy() for batch in labels.batches([column])])
        has = scores >= np.float32(result.score_threshold)
        seen = view.domains[name]
        assert seen.labelled == result.labelled == has.sum()
        assert sorted(-seen.top.keys) == sorted(np.sort(scores[has])[::-1][:EXTREMES].astype(float))
        distance = np.abs(scores.astype(float) - result.score_threshold)
        assert list(seen.above.keys) == sorted(distance[has])[:EXTREMES]
        assert list(seen.below.keys) == sorted(distance[~has])[:EXTREMES]
        assert len(seen.most_certain()) == min(EXTREMES, result.labelled)
        assert sum(seen.sources.values()) == result.labelled
        assert seen.near.sum() >= result.calibration.kept * 0.99  # float16 thresholds may tip a few


def test_shown_documents_carry_their_own_columns(mined_folder: Path):
    mined = Mined(mined_folder)
    view = mined.look(60, 0)
    for name in mined.result.domains:
        exported = {row["id"]: row for row in read_export(mined_folder / "domains" / name)}
        found = mined.read(set(view.domains[name].most_certain()), vectors=False)
        for row in found.values():
            document = exported[row["id"]]
            assert document["text"] == row["text"] and document["source"] == row["source"]
            assert document["score"] == pytest.approx(row[score_column(name)], abs=1e-6)
            assert document["seed"] == mined.seeds[row[f"nearest:{name}"]].id


def test_map_has_the_points_asked_for(mined_folder: Path):
    page = parse(write_report(mined_folder, map_points=40).read_text("utf-8"))
    seeds = len(Mined(mined_folder).seeds)
    said = re.search(r"(\d+) documents \((\d+) drawn at random.*? and (\d+) seeds", page.text)
    assert said and int(said[2]) == 20 and int(said[3]) == seeds and 20 <= int(said[1]) <= 40
    assert page.marks("Map of seeds and documents") == int(said[1]) + seeds


def test_without_vectors_or_points_there_is_no_map(mined_folder: Path, tmp_path: Path):
    for name in ("mined", "corpus"):
        shutil.copytree(mined_folder.parent / name, tmp_path / name)
    values = json.loads((tmp_path / "mined/result.json").read_text())
    (tmp_path / "mined/result.json").write_text(json.dumps(values | {"corpus": str(tmp_path / "corpus")}))
    shutil.rmtree(tmp_path / "corpus/vectors")
    assert "There is no map" in write_report(tmp_path / "mined").read_text("utf-8")
    assert "There is no map" in write_report(mined_folder, map_points=0).read_text("utf-8")


@pytest.mark.parametrize("points", [-1, 10**6])
def test_bad_number_of_points(mined_folder: Path, points: int):
    with pytest.raises(InputError, match="out of range"):
        write_report(mined_folder, map_points=points)


def test_not_a_mined_folder(tmp_path: Path):
    with pytest.raises(InputError, match="holds no result"):
        write_report(tmp_path)


def test_page_is_one_file_without_script(page: Page):
    assert {tag for tag, _, _ in page.attributes} | page.tags <= page.KNOWN_TAGS
    assert "script" not in page.tags
    policy = page.meta["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")


def test_hostile_texts_make_no_element_and_no_attribute(page: Page, hostile_page: Page):
    for tag, name, value in hostile_page.attributes:
        assert name in page.KNOWN_ATTRIBUTES, (tag, name)
        if name == "href":
            assert re.fullmatch(r"#[a-z0-9-]+", value)
        if name == "style":
            assert re.fullmatch(r"--w:[\d.]+%", value)
        if name in ("class", "id", "aria-labelledby"):
            assert re.fullmatch(r"[a-z0-9 -]+", value), value
    assert hostile_page.tags <= page.KNOWN_TAGS
    assert hostile_page.unclosed == [] and hostile_page.comments == []


def test_hostile_texts_are_shown_as_text(hostile_page: Page):
    for shown in (
        "<script>alert(1)</script>",
        "</title><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "[U+202E]gnp.exe[U+202C]",
        "nul␀bell␇escape␛",
        "{{ 7 * 7 }}",
        visible(HOSTILE_DOMAIN),
    ):
        assert shown in hostile_page.text, shown


def test_no_character_acts_on_its_neighbours(hostile_folder: Path):
    text = write_report(hostile_folder).read_text("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert not re.search("\u0301{4}", text)


def test_every_chart_is_well_formed_and_named(hostile_page: Page):
    assert len(hostile_page.charts) == 1 + 2 * 4
    for chart in hostile_page.charts:
        assert chart.find("title").text and chart.find("desc") is not None
    ids = [value for _, name, value in hostile_page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
