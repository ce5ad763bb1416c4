"""The page of a whole project: what every stage did, where its own report is, and whether the models became better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from motherlode.report.page import render
from motherlode.shards import store

if TYPE_CHECKING:
    from motherlode.workflow.gains import Gain

_MODELS = {"base": "base", "cpt": "after continued pre-training", "sft": "after fine-tuning"}


@dataclass(frozen=True)
class StagePart:
    """What the page says of a stage.

    Attributes:
        name: The stage.
        headline: What came of it, in a few words.
        numbers: Names and values.
        link: Its own report, relative to the page; None without one.
    """

    name: str
    headline: str
    numbers: Sequence[tuple[str, str]]
    link: str | None


def write_project_report(path: Path, title: str, parts: Sequence[StagePart], gains: Sequence[Gain]) -> Path:
    """Write the page.

    Args:
        path: The file; links are relative to its folder.
        title: Its headline.
        parts: The stages in order.
        gains: Scores of all models; none without evaluations.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    values: dict[str, Any] = {
        "headline": title,
        "parts_of": [{**part.__dict__, "id": part.name.replace(".", "-"), "href": _href(part.link)} for part in parts],
        "gains": [_row(gain) for gain in gains],
        "trained": any(gain.difference is not None for gain in gains),
    }
    store.write_text(path, render("workflow.html", values))
    return path


def _href(link: str | None) -> str | None:
    return None if link is None else quote(link)


def _row(gain: Gain) -> Mapping[str, str]:
    difference = ""
    if gain.difference is not None:
        difference = f"{gain.difference:+.3f} [{gain.difference_low:+.3f}, {gain.difference_high:+.3f}]"
    return {
        "what": gain.what,
        "model": _MODELS.get(gain.model, gain.model),
        "metric": gain.metric,
        "n": f"{gain.n:,}",
        "score": f"{gain.score:.3f} [{gain.low:.3f}, {gain.high:.3f}]",
        "chance": "" if gain.chance is None else f"{gain.chance:.3f}",
        "majority": "" if gain.majority is None else f"{gain.majority:.3f}",
        "difference": difference,
        "verdict": "; ".join(part for part in (gain.verdict, gain.flag) if part),
    }
