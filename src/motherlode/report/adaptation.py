"""The report of a training: curves of the loss, what was planned, and all that is needed to repeat the run.

Drawn from what a run leaves in its folder, so that a page can be made long after it; the same folder gives the same
bytes. A sweep over ratios gets a page of its own, beside its runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from motherlode.adaptation.folder import RECORD, read_result
from motherlode.adaptation.log import curves
from motherlode.errors import InputError
from motherlode.report.charts import Series, lines
from motherlode.report.page import render
from motherlode.shards import store
from motherlode.shards.local_copy import here
from motherlode.shards.manifest import FILE, Manifest

if TYPE_CHECKING:
    from motherlode.adaptation.cpt import Pretrained
    from motherlode.adaptation.sweep import Sweep

REPORT = "report.html"
_POINTS = 60  # of the curve of the training loss; each is the mean of equally many steps
_KINDS = {"adapt-sft": "fine-tuning", "adapt-cpt": "continued pre-training"}


def is_adaptation(path: Path | str) -> bool:
    """Return whether a path is the folder of a training."""
    folder = here(path)
    return (folder / FILE).is_file() and Manifest.read(folder).header["kind"] in _KINDS


def write_adaptation_report(path: Path | str) -> Path:
    """Write `report.html` into the folder of a training.

    Args:
        path: The folder.

    Returns:
        The file written.

    Raises:
        InputError: The run is not done, or its record is damaged.
    """
    folder = here(path)
    kind = str(Manifest.read(folder).header["kind"])
    result = read_result(folder, kind.removeprefix("adapt-"))
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        losses, dev = curves(folder)
        page = render("adaptation.html", _values(_KINDS[kind], record, result, losses, dev))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError("is no record of a training", where=str(folder / RECORD), hint="run it again") from None
    store.write_text(folder / REPORT, page)
    return folder / REPORT


def write_sweep_report(swept: Sweep) -> Path:
    """Write `report.html` of a sweep beside the folders of its runs, and return it."""
    charts = []
    for name, described in (("domain", "domain"), ("general", "general text")):
        points = [(run.ratio, getattr(run, f"{name}_loss")) for run in sorted(swept.runs, key=lambda run: run.ratio)]
        kept = [(ratio, float(loss)) for ratio, loss in points if loss is not None]
        if len(kept) > 1:
            title = f"Loss on {described} after training"
            charts.append((title, _curve(f"by-ratio-{name}", title, kept, "share of the domain by tokens", 0)))
    rows = [_sweep_row(run) for run in swept.runs]
    store.write_text(swept.folder / REPORT, render("sweep.html", {"rows": rows, "charts": charts}))
    return swept.folder / REPORT


def _sweep_row(run: Pretrained) -> dict[str, Any]:
    def number(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{value:{sign}.4f}"

    return {
        "folder": run.folder.name,
        "ratio": f"{run.ratio:.4f}",
        "tokens": run.tokens,
        "steps": run.steps,
        "readings": f"{run.domain_readings:.2f}",
        "domain": (number(run.domain_loss_before), number(run.domain_loss)),
        "general": (number(run.general_loss_before), number(run.general_loss)),
        "forgetting": number(run.forgetting, "+"),
    }


def _values(
    kind: str,
    record: Mapping[str, Any],
    result: Mapping[str, Any],
    losses: Sequence[float],
    dev: Mapping[str, Sequence[tuple[int, float]]],
) -> dict[str, Any]:
    charts = []
    if len(losses) > 1:
        title = "Training loss"
        charts.append((title, _curve("loss", title, thinned(losses), "optimiser step", 0)))
    for number, (name, points) in enumerate(dev.items(), start=1):
        if len(points) > 1:
            title = "Loss on dev" if name == "dev" else f"Loss on dev texts: {name}"
            charts.append((title, _curve(f"dev-{number}", title, points, "optimiser step", number)))
    inputs = []
    for name, described in _files(record):
        rows = described.get("rows", described.get("documents", 0))
        inputs.append({"name": name, "file": described["file"], "rows": rows, "digest": described["digest"]})
    return {
        "kind": kind,
        "model": record["model"],
        "result": result,
        "charts": charts,
        "inputs": inputs,
        "plan": record["plan"],
        "options": [(name.replace("_", "-"), _shown(value)) for name, value in sorted(record["options"].items())],
        "versions": sorted(record["versions"].items()),
        "place": f"{record['processes']} process on {record['device']}",
    }


def _files(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    if record["kind"] == "sft":
        dev = [("dev", record["dev"])] if record["dev"] else []
        return [*(("train", described) for described in record["train"]), *dev]
    dev = [(f"{name}, dev", described) for name, described in record["dev"].items()]
    return [*record["documents"].items(), *dev]


def _shown(value: object) -> str:
    if value is None or value in ([], {}):
        return "-"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def thinned(losses: Sequence[float]) -> list[tuple[float, float]]:
    """Return at most sixty points: each the mean of equally many steps, standing at the last of them."""
    width = -(-len(losses) // _POINTS)
    parts = [losses[start : start + width] for start in range(0, len(losses), width)]
    ends = [min(len(losses), start + width) for start in range(0, len(losses), width)]
    return [(float(end), sum(part) / len(part)) for end, part in zip(ends, parts, strict=True)]


def _curve(key: str, title: str, points: Sequence[tuple[float, float]], x_label: str, colour: int) -> Markup:
    series = [Series(title.lower(), [(float(x), y) for x, y in points], colour)]
    return lines(key, title, series, x_label=x_label, y_label="nats a token", from_zero=False)
