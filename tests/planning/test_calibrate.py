"""Measuring: small, but through all the real stages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from motherlode.planning.calibrate import calibrate
from motherlode.planning.invented import documents, page, warc_record
from motherlode.planning.options import PlanOptions
from motherlode.planning.plan import plan
from motherlode.planning.rates import Rates, shipped_rates


@pytest.fixture(scope="module")
def measured() -> Rates:
    return calibrate(sizes=(150, 300), words=80, pages=12)


def test_every_stage_of_the_shipped_rates_is_measured(measured: Rates) -> None:
    assert set(measured.stages) == set(shipped_rates().stages)
    for name, rate in measured.stages.items():
        if name != "compare candidates":  # too short for the clock
            assert rate.core_seconds > 0, name
    assert measured.stages["write"].bytes > 0
    assert measured.stages["encode"].bytes > 0
    assert measured.flops > 1e7
    assert measured.worker_bytes > 50e6


def test_the_machine_is_described_without_names(measured: Rates) -> None:
    import platform

    assert measured.machine["cores"] >= 1
    assert platform.node() not in measured.model_dump_json() or not platform.node()


def test_what_was_measured_can_be_planned_and_kept(measured: Rates, tmp_path: Path) -> None:
    measured.write(tmp_path / "rates.json")
    again = Rates.read(tmp_path / "rates.json")
    found = plan(PlanOptions(documents=1e6, input="web"), again, measured_here=True)
    assert found.seconds.value > 0


def test_invented_text_repeats_itself_only_on_purpose() -> None:
    made = list(documents(200, 60, [["budget bond"], ["nurse ward"]]))
    assert made == list(documents(200, 60, [["budget bond"], ["nurse ward"]]))
    assert made != list(documents(200, 60, [["budget bond"], ["nurse ward"]], random_seed=1))
    assert all(len(text.split()) == 60 for text in made)
    assert len(set(made)) >= 190


def test_invented_pages_have_their_size_and_their_text() -> None:
    from motherlode.corpus.web.extract import extract_page

    text = "A short text stands here, and it is long enough to be found by those who look for it. " * 20
    content = page(text, 3, 50_000)
    assert 40_000 < len(content) < 60_000
    found = extract_page(content, "utf-8", True, "resiliparse").text
    assert "long enough to be found" in found
    assert len(warc_record(content, random.Random(0).randrange(9))) < len(content) / 2
