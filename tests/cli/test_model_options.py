"""The options of `select`, `diagnose` and `predict`: every field can be typed, and what is shown is what holds."""

from __future__ import annotations

import pytest
import typer

from motherlode.cli.main import app
from motherlode.config import Config
from motherlode.diagnosis.options import DiagnoseOptions, PredictOptions
from motherlode.evaluation.options import EvaluateOptions
from motherlode.selection.options import SelectOptions

INNER = {"layout", "shard_rows"}  # how work is cut up: nothing that a person should set


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("select", SelectOptions),
        ("diagnose", DiagnoseOptions),
        ("predict", PredictOptions),
        ("evaluate", EvaluateOptions),
    ],
)
def test_options_are_the_fields_with_their_defaults(verb: str, fields: type[Config]) -> None:
    command = typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]
    options = {option.name: option for option in command.params}
    assert set(fields.model_fields) - INNER <= set(options)
    for name in set(fields.model_fields) & set(options):
        field, shown = fields.model_fields[name], options[name].default
        if field.is_required() or options[name].required:
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(default, tuple):
            values = tuple(type(default[0])(part) for part in shown.split(",")) if isinstance(shown, str) else ()
            assert values == default, name
        else:
            assert shown == default or not (shown or default), name
