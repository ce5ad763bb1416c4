"""`motherlode plan` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from motherlode.planning import machine
from motherlode.planning.rates import shipped_rates
from tests.command import typed


def test_options_come_from_the_file_and_what_is_typed_wins(tmp_path: Path) -> None:
    config = tmp_path / "plan.yaml"
    config.write_text("plan:\n  documents: 2M\n  nodes: 3\n  node_price: 2\n")
    done = typed("plan", config, "--nodes", 5, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["options"]["documents"], said["options"]["nodes"]) == (2e6, 5)
    assert said["machine_cost"]["value"] == pytest.approx(said["seconds"]["value"] * 5 * 2 / 3600)
    assert {stage["seconds"]["basis"] for stage in said["stages"]} <= {"extrapolated", "assumed"}


def test_rates_of_this_machine_are_told_from_those_of_another(tmp_path: Path) -> None:
    rates = shipped_rates()
    here, other = tmp_path / "here.json", tmp_path / "other.json"
    rates.model_copy(update={"machine": machine.describe()}).write(here)
    rates.model_copy(update={"machine": {**machine.describe(), "cores": 999}}).write(other)
    for path, basis in ((here, "extrapolated"), (other, "assumed")):
        done = typed("plan", "--documents", "1e7", "--network-gbit", "1000", "--rates", path, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["stages"][0]["seconds"]["basis"] == basis


def test_the_table_names_the_bottleneck(tmp_path: Path) -> None:
    done = typed("plan", "--select-samples", "1.8M", "--parameters", "8B", "--gpus-per-node", 8)
    assert done.returncode == 0, done.stderr
    assert "bottleneck: select: preselect, limited by GPUs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing is to be planned"),
        (("--documents", "many"), "is not a number"),
        (("--documents", "5", "--rates", "no-such-file"), "--calibrate"),
        (("no-such.yaml",), "cannot be read"),
    ],
)
def test_what_must_be_changed_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = typed("plan", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
