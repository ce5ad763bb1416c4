"""Reading YAML files that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from motherlode.errors import InputError


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; nothing in it can act.

    Args:
        path: The file, in UTF-8.

    Returns:
        Names and values; an empty file holds none.

    Raises:
        InputError: It is missing, cannot be read, or holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise InputError("is not YAML", where=f"{path}{line}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError("does not hold names and values", where=str(path), hint="write one `name: value` a line")
    return values
