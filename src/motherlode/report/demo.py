"""The demo's page: what was mined against the truth, and whether selected samples helped a tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.report.charts import Series, lines
from motherlode.report.page import render
from motherlode.shards import store

if TYPE_CHECKING:
    from motherlode.demo.run import TopicScore
    from motherlode.demo.training import Trained
    from motherlode.mining.result import MineResult


def write_demo_report(path: Path, mined: MineResult, scores: Sequence[TopicScore], trained: Trained | None) -> Path:
    """Write the page; it leads to the report of what was mined, in `mined/` beside it.

    Args:
        path: The file.
        mined: What was mined.
        scores: How well.
        trained: What training found; None if nothing was trained.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    values: dict[str, Any] = {"documents": mined.documents, "domains": list(mined.domains), "scores": scores}
    values["mean"] = sum(score.f1 for score in scores) / max(1, len(scores))
    values["trained"] = None if trained is None else _trained(trained)
    store.write_text(path, render("demo.html", values))
    return path


def _trained(trained: Trained) -> dict[str, Any]:
    from motherlode.demo.split import CHOICES, TOPIC
    from motherlode.demo.training import CAUTION, RANDOM, on_choices

    random = trained.model(RANDOM)
    rows = []
    for model in trained.models:
        gap = model.against(random)
        rows.append(
            {
                "name": model.name,
                "samples": model.samples,
                "of_topic": model.of_topic,
                "loss": "{:.3f} [{:.3f}, {:.3f}]".format(*model.loss),
                "gap": "" if model is random else f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]",
                "right": "{:.2f} [{:.2f}, {:.2f}]".format(*model.accuracy),
            }
        )
    last = trained.validation[-1][0] if trained.validation else 0
    apart = [
        (step, loss) for step, loss in trained.validation if step == last or step < 0.95 * last
    ]  # labels of both fit
    curve = lines(
        "validation",
        "Loss of the base model",
        [Series("held-out text", [(float(step), loss) for step, loss in apart])],
        x_label="optimiser step",
        y_label="loss, nats per token",
        from_zero=False,
    )
    return {
        "topic": TOPIC,
        "choices": CHOICES,
        "rows": rows,
        "curve": curve,
        "verdict": trained.verdict,
        "caution": f"{on_choices(trained)}. {CAUTION}",
        "chance": trained.chance,
        "uniform": trained.uniform,
        "parameters": trained.parameters,
        "tokens": trained.tokens,
        "pool": trained.pool,
        "pool_of_topic": trained.pool_of_topic,
        "test": len(trained.models[0].losses),
    }
