"""Plans: how times grow with the work and shrink with the machines, and what each number rests on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motherlode.errors import InputError
from motherlode.planning import processors
from motherlode.planning.figures import Basis, Figure, said_bytes, said_seconds
from motherlode.planning.options import PlanOptions
from motherlode.planning.plan import Plan, plan
from motherlode.planning.rates import Rates, shipped_rates

RATES = shipped_rates()
# no fixed cost and no cost of the driver: what is left is work that cores share
WITHOUT_DRIVER = RATES.model_copy(
    update={
        "commit_seconds": 0.0,
        "key_seconds": 0.0,
        "stages": {
            name: rate.model_copy(update={"driver_seconds": 0.0, "driver_per_document": 0.0})
            for name, rate in RATES.stages.items()
        },
    }
)


def planned(rates: Rates = RATES, measured_here: bool = True, **options: object) -> Plan:
    return plan(PlanOptions.parse(options, "test"), rates, measured_here=measured_here)


def by_name(found: Plan) -> dict[str, float]:
    return {stage.name: stage.seconds.value for stage in found.stages}


@given(st.integers(20, 30), st.floats(50, 2000), st.sampled_from(["text", "web"]))
def test_work_is_linear_in_documents(power: int, words: float, kind: str) -> None:
    few = planned(WITHOUT_DRIVER, documents=2**power, words=words, input=kind, nodes=2, cores_per_node=8)
    many = planned(WITHOUT_DRIVER, documents=2 ** (power + 1), words=words, input=kind, nodes=2, cores_per_node=8)
    for name, seconds in by_name(few).items():
        if name not in ("near-duplicates: pair", "exact duplicates"):  # read keys again for each part of them
            assert by_name(many)[name] == pytest.approx(2 * seconds)
    assert many.kept.value == pytest.approx(2 * few.kept.value)
    assert many.core_hours.value >= 2 * few.core_hours.value * 0.999


@given(st.integers(1, 200))
def test_twice_the_machines_halve_what_is_shared(nodes: int) -> None:
    few, many = (planned(WITHOUT_DRIVER, documents=1e10, nodes=n, cores_per_node=8) for n in (nodes, 2 * nodes))
    for name, seconds in by_name(few).items():
        if name not in ("near-duplicates: pair", "exact duplicates", "classify"):
            assert by_name(many)[name] == pytest.approx(seconds / 2), name
    assert by_name(many)["near-duplicates: pair"] <= by_name(few)["near-duplicates: pair"]


def test_the_serial_part_stays() -> None:
    seconds = [planned(documents=1e8, nodes=n, cores_per_node=4).seconds.value for n in (1, 2, 1000, 2000)]
    assert seconds[0] / seconds[1] > 1.5
    assert seconds[2] / seconds[3] < 1.1
    alone = planned(documents=1e8, nodes=2000, cores_per_node=4, near_duplicates=False)
    assert alone.bottleneck.bottleneck == "driver"


def test_no_more_cores_work_than_there_are_shards() -> None:
    one, many = (planned(WITHOUT_DRIVER, documents=8192, cores_per_node=n) for n in (2, 64))
    assert by_name(one)["read, filter"] == pytest.approx(by_name(many)["read, filter"])


def test_deciding_reads_keys_once_for_each_part_of_them() -> None:
    once, thrice = (planned(documents=n, kept_share=1.0, nodes=64, cores_per_node=32) for n in (16_000_000, 48_000_000))
    name = "exact duplicates"
    assert {stage.bottleneck for stage in once.stages if stage.name == name} == {"driver"}
    assert {stage.bottleneck for stage in thrice.stages if stage.name == name} == {"cores"}
    assert any("3 tasks" in note for stage in thrice.stages if stage.name == name for note in stage.notes)
    few, many = (planned(documents=n, kept_share=1.0, cores_per_node=3) for n in (48_000_000, 96_000_000))
    assert by_name(many)[name] > 2.1 * by_name(few)[name], "more than the documents do"


def test_the_sizes_of_parts_are_those_of_the_code() -> None:
    from motherlode.corpus import duplicates
    from motherlode.corpus.near_duplicates import bands
    from motherlode.corpus.near_duplicates.options import NearDuplicateOptions
    from motherlode.encode.lexical import LexicalConfig
    from motherlode.mining.run import MineConfig

    assert processors._EXACT_KEYS == duplicates._BAND_KEYS
    assert processors._BAND_KEYS == bands._KEYS
    assert NearDuplicateOptions().bands_and_rows[0] == processors._BANDS
    assert LexicalConfig().sample == processors._ENCODER_SAMPLE
    assert (
        MineConfig().sample,
        MineConfig().most_found,
    ) == (processors._CLASSIFIER_SAMPLE, processors._CLASSIFIER_FOUND)


def test_a_slow_network_is_named() -> None:
    slow = planned(WITHOUT_DRIVER, documents=1e9, nodes=4, cores_per_node=64, network_gbit=0.01)
    read = slow.stages[0]
    assert (read.bottleneck, read.seconds.basis) == ("network", Basis.ASSUMED)
    assert read.seconds.value == pytest.approx(read.moved.value * 8 / (4 * 0.01e9))


def test_models_cost_their_operations() -> None:
    found = planned(select_samples="1.8M", sample_tokens=500, parameters="8B", gpus_per_node=8, mfu=0.35)
    seconds = by_name(found)
    flops = 8 * 989e12 * 0.35
    assert seconds["select: preselect"] == pytest.approx(2 * 8e9 * 1.8e6 * 500 / flops)
    assert seconds["select: kernel"] == pytest.approx(3 * 2 * 8e9 * 36_000 * 500 / flops)
    assert found.gpu_hours.value == pytest.approx(8 * sum(seconds.values()) / 3600)
    assert not found.core_hours.value
    train = by_name(planned(cpt_tokens="1B", sft_tokens="1B", parameters=1e9, gpus_per_node=1, mfu=0.5, gpu_tflops=100))
    assert train["pre-train (CPT)"] == pytest.approx(6e18 / 50e12)
    assert train["fine-tune (lora)"] == pytest.approx(4e18 / 50e12)


def test_a_model_that_does_not_fit_is_named() -> None:
    found = planned(cpt_tokens=1e9, parameters=8e9, gpus_per_node=8)
    assert any("does not fit a GPU" in note for note in found.stages[0].notes)
    small = planned(cpt_tokens=1e9, parameters=1e9, gpus_per_node=8)
    assert not any("does not fit" in note for note in small.stages[0].notes)


def test_every_number_says_what_it_rests_on() -> None:
    same = planned(documents=RATES.documents / 2, kept_share=1.0, cores_per_node=1, words=RATES.words)
    assert {stage.seconds.basis for stage in same.stages} == {Basis.MEASURED}
    larger = planned(documents=1e9, nodes=4, network_gbit=1e6)
    assert {stage.seconds.basis for stage in larger.stages} == {Basis.EXTRAPOLATED}
    elsewhere = planned(documents=100, measured_here=False)
    assert {stage.seconds.basis for stage in elsewhere.stages} == {Basis.ASSUMED}
    assert any("--calibrate" in warning for warning in elsewhere.warnings)
    assert {stage.seconds.basis for stage in planned(sft_tokens=1e6).stages} == {Basis.ASSUMED}


def test_the_weakest_ground_counts() -> None:
    measured, assumed = Figure(1.0, Basis.MEASURED), Figure(2.0, Basis.ASSUMED)
    assert measured + assumed == Figure(3.0, Basis.ASSUMED)
    assert measured + Figure(0.0, Basis.ASSUMED) == measured


def test_costs_follow_the_prices() -> None:
    free = planned(documents=1e7, nodes=4)
    assert free.machine_cost is None
    assert free.storage_cost is None
    paid = planned(documents=1e7, nodes=4, node_price=2.5, storage_price=0.02)
    assert paid.machine_cost is not None
    assert paid.storage_cost is not None
    assert paid.machine_cost.value == pytest.approx(paid.seconds.value / 3600 * 4 * 2.5)
    assert paid.storage_cost.value == pytest.approx(paid.kept.value / 1e9 * 0.02)
    assert sum(cost.value for stage in paid.stages if (cost := paid.cost(stage))) == pytest.approx(
        paid.machine_cost.value
    )


def test_machines_without_the_memory_are_named() -> None:
    warnings = planned(documents=1e9, nodes=4, cores_per_node=64, memory_per_node=8).warnings
    assert any("use fewer workers" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing is to be planned"),
        ({"documents": -1}, "greater than or equal to 0"),
        ({"documents": "many"}, "is not a number"),
        ({"documents": 1, "nodes": 0}, "greater than or equal to 1"),
        ({"documents": 1, "mfu": 1.5}, "less than or equal to 1"),
        ({"documents": float("nan")}, "documents"),
        ({"documents": 1, "noodes": 3}, "did you mean 'nodes'?"),
        ({"documents": 1, "input": "films"}, "'text' or 'web'"),
    ],
)
def test_what_cannot_be_planned_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        planned(**options)


def test_web_pages_need_rates_of_web_pages() -> None:
    stages = {name: rate for name, rate in RATES.stages.items() if name != "read web"}
    without = RATES.model_copy(update={"pages": 0, "stages": stages})
    with pytest.raises(InputError, match="the extra 'web'"):
        planned(without, documents=10, input="web")


def test_counts_are_read_as_people_write_them() -> None:
    options = PlanOptions.parse({"documents": "1.8M", "parameters": "8b", "cpt_tokens": "2_000"}, "test")
    assert (options.documents, options.parameters, options.cpt_tokens) == (1.8e6, 8e9, 2000)


def test_units_are_said_as_people_say_them() -> None:
    said = [said_seconds(s) for s in (0.0, 0.01, 5.0, 90.0, 7200.0, 86_400.0 * 9)]
    assert said == ["0.0 s", "<0.1 s", "5.0 s", "1.5 min", "2.0 h", "9.0 d"]
    assert [said_bytes(b) for b in (12, 2048, 3 * 2**30, 2.5 * 2**50)] == ["12 B", "2.0 KiB", "3.0 GiB", "2.5 PiB"]


def test_rates_come_back_as_they_were(tmp_path: Path) -> None:
    RATES.write(tmp_path / "deep" / "rates.json")
    assert Rates.read(tmp_path / "deep" / "rates.json") == RATES


@pytest.mark.parametrize("content", ["", "[]", '{"format": 7}', '{"format": 1, "date": 5}'])
def test_damaged_rates_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(content)
    with pytest.raises(InputError, match="rates"):
        Rates.read(path)
