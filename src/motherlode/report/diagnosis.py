"""The report of a diagnosis: verdicts first, then what each rests on, from `diagnosis.json` alone.

The same file gives the same bytes. Names and numbers come from a file that may have been edited, so all of it is
printed as inert text.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from markupsafe import Markup

from motherlode.errors import InputError
from motherlode.report.charts import Marker, Series, histogram, lines
from motherlode.report.page import render
from motherlode.report.points import Points, points
from motherlode.shards import store
from motherlode.shards.local_copy import here

REPORT = "report.html"
SOURCE = "diagnosis.json"
_TRACE = "trace of the full NTK"


def is_diagnosis(folder: Path | str) -> bool:
    """Return whether a folder holds a diagnosis."""
    return (here(folder) / SOURCE).is_file()


def write_diagnosis_report(folder: Path | str) -> Path:
    """Write `report.html` into the folder of a diagnosis.

    Args:
        folder: Where `diagnosis.json` is.

    Returns:
        The file written.

    Raises:
        InputError: `diagnosis.json` is missing or damaged.
        StorageError: The file cannot be written; an earlier report stays as it was.
    """
    source = here(folder) / SOURCE
    try:
        found = json.loads(source.read_text("utf-8"))
        page = render("diagnosis.html", _values(found))
    except OSError:
        raise InputError("holds no diagnosis", where=str(folder), hint="run `diagnose` with --out first") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, TemplateError) as error:
        raise InputError("is damaged", where=str(source), hint="run `diagnose` again") from error
    path = here(folder) / REPORT
    store.write_text(path, page)
    return path


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _values(found: dict[str, Any]) -> dict[str, Any]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in found["agreements"]:
        groups.setdefault(str(row["against"]), []).append(
            {**row, "share": max(0.0, _number(row["spearman"])) if row["spearman"] is not None else 0.0}
        )
    counts = {
        answer: sum(verdict["answer"] == answer for verdict in found["verdicts"])
        for answer in ("holds", "doubtful", "fails")
    }
    return {
        "found": found,
        "counts": counts,
        "groups": list(groups.items()),
        "name": Path(str(found["model"])).name or str(found["model"]),
        "cosine_charts": _cosine_charts(found["outputs"]),
        "kernel_chart": _kernel_chart(found["scores"]),
        "stability_charts": _stability_charts(found["stability"]),
        "subset_charts": _subset_charts(found["subsets"], found["predictions"]),
        "methods": _methods(found["regression"]),
    }


def _cosine_charts(outputs: dict[str, Any]) -> list[tuple[str, Markup, dict[str, Any]]]:
    kinds = (("between", "Outputs of a domain and a pool sample"), ("within", "Outputs of one and the same sample"))
    charts = []
    for key, title in kinds:
        counts = outputs[key]["histogram"]
        image = histogram(
            f"cosines-{key}",
            title,
            counts,
            -1.0,
            1.0,
            x_label="cosine between gradients of different outputs",
            y_label="pairs",
            marker=Marker(0.0, "0"),
            logarithmic=False,
        )
        charts.append((title, image, outputs[key]))
    return charts


def _kernel_chart(scores: dict[str, list[float]]) -> Markup | None:
    if _TRACE not in scores or "ntk" not in scores:
        return None
    pairs = zip(scores[_TRACE], scores["ntk"], strict=True)
    marks = [(_number(x), _number(y), f"sample {n}: {x:.4g} and {y:.4g}") for n, (x, y) in enumerate(pairs)]
    return points(
        "kernels",
        "All-ones kernel against the full one",
        [Points("pool samples", marks)],
        x_label="score by the trace of the full NTK",
        y_label="score by the all-ones kernel",
    )


def _stability_charts(states: list[dict[str, Any]]) -> list[tuple[str, Markup]]:
    charts: list[tuple[str, Markup]] = []
    for kernel in dict.fromkeys(str(state["kernel"]) for state in states):
        own = [state for state in states if state["kernel"] == kernel]
        drawn = [
            Series("Frobenius cosine with step 0", [(s["step"], _number(s["frobenius"])) for s in own], 0),
            Series("the same, centred", [(s["step"], _number(s["centred"])) for s in own], 1),
            Series("rank correlation of scores with the end", [(s["step"], _number(s["spearman"])) for s in own], 2),
            Series("overlap of the top with the end", [(s["step"], _number(s["overlap"])) for s in own], 3),
        ]
        image = lines(
            f"stability-{len(charts)}",
            f"Kernel {kernel} along the warm-up",
            drawn,
            x_label="optimiser steps",
            y_label="similarity, 1 is the same",
            from_zero=False,
        )
        charts.append((kernel, image))
    return charts


def _subset_charts(
    subsets: list[dict[str, Any]], predictions: dict[str, float | None]
) -> list[tuple[str, Markup, float | None]]:
    charts: list[tuple[str, Markup, float | None]] = []
    for training in dict.fromkeys(str(subset["training"]) for subset in subsets):
        series = []
        for colour, (name, wanted) in enumerate((("random", True), ("best and worst", False))):
            own = [s for s in subsets if s["training"] == training and s["subset"].startswith("random") == wanted]
            marks = [
                (
                    _number(s["predicted"]),
                    _number(s["measured"]),
                    f"{s['subset']}: {s['predicted']:+.3g} predicted, {s['measured']:+.3g} measured",
                )
                for s in own
            ]
            series.append(Points(name, marks, colour))
        image = points(
            f"subsets-{len(charts)}",
            f"Change of the domain's loss: {training}",
            series,
            x_label="predicted change, nats",
            y_label="measured change, nats",
            diagonal=True,
        )
        charts.append((training, image, predictions.get(training)))
    return charts


def _methods(regression: dict[str, Any] | None) -> list[dict[str, Any]]:
    if regression is None:
        return []
    return [regression[name] for name in ("kernel", "hidden_states", "fine_tuned", "before", "majority")]
