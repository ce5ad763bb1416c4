"""Task items as training samples, in the very format in which they are evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from motherlode.evaluation.items import read_task
from motherlode.evaluation.prompt import Style, check_style, to_completion, to_messages, to_prompt


def task_samples(
    path: Path | str,
    *,
    style: Style = "cloze",
    template: Literal["auto", "plain", "chat"] = "plain",
    rationale: bool = False,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Turn a file of task items into rows of `prompt` and `completion`.

    Args:
        path: The file, see `items`.
        style: How choices are shown; the same as in `evaluate`.
        template: `plain` (and `auto`): texts; `chat`: lists of messages, for `evaluate` with `template="chat"`.
        rationale: Whether an item's rationale follows its answer.
        limit: Most rows; the first ones.

    Returns:
        A row for each item, in the file's order, with `id` beside the two fields.

    Raises:
        InputError: The file, or an item of it, cannot be used.
    """
    rows = []
    for item in read_task(path).items[:limit]:
        check_style(item, style)
        prompt, completion = to_prompt(item, style), to_completion(item, style, rationale=rationale)
        if template == "chat":
            asked, said = to_messages(prompt, completion)
            rows.append({"id": item.id, "prompt": asked, "completion": said})
        else:
            rows.append({"id": item.id, "prompt": prompt, "completion": completion})
    return rows
