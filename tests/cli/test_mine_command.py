"""What the `mine` and `search` commands do to their arguments and lines."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from motherlode.cli import main
from motherlode.cli.mine import _escape_controls, mine_command
from motherlode.cli.mine import _parse_seeds as parse_seeds
from motherlode.errors import InputError
from motherlode.mining.run import MineConfig


def test_a_line_of_json_holds_no_control_character_and_says_the_same() -> None:
    value = {"text": "".join(map(chr, [*range(0x20, 0x180), 0x1B, 0x2028, 0x1F600]))}
    line = _escape_controls(json.dumps(value, ensure_ascii=False))
    assert json.loads(line) == value
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F for c in line)


def test_seeds_are_named_once() -> None:
    assert parse_seeds(["law=laws.jsonl", "finance", "legal=builtin"]) == {
        "law": "laws.jsonl",
        "finance": "builtin",
        "legal": "builtin",
    }
    with pytest.raises(InputError, match="given twice"):
        parse_seeds(["finance", "finance=mine.jsonl"])
    with pytest.raises(InputError, match="has no domain name"):
        parse_seeds(["laws.jsonl"])


def test_no_contrast_excludes_packs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["mine", "--corpus", str(tmp_path), "--seeds", "finance", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as left:
        main([*command, "--contrast", "none", "--contrast", "science"])
    assert left.value.code == 2
    assert "--contrast: 'none' stands beside names of packs" in capsys.readouterr().err


def test_the_help_tells_the_default_number_of_rounds() -> None:
    rounds = inspect.signature(mine_command, eval_str=True).parameters["rounds"]
    assert f"default: {MineConfig().rounds}." in rounds.annotation.__metadata__[0].help
