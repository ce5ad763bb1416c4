"""What each kind of job does: settings and the folders of the jobs before in, files and a result out.

A result holds nothing that differs between two runs of the same job; how long it took is recorded beside it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motherlode.comparison.jobs import RESULT
from motherlode.errors import InputError, MotherlodeError
from motherlode.shards import store
from motherlode.shards.local_copy import here

if TYPE_CHECKING:
    from motherlode.evaluation.result import TextScore

Settings = Mapping[str, Any]
Places = Mapping[str, Path]
POOL = "pool.jsonl"
ALL = "selected.jsonl"  # of the oracle, which takes the same for every N
ADAPTED = "adapted"


def root_of(folder: Path) -> Path:
    """Return the output folder of the comparison that a job's folder lies in."""
    return folder.parent.parent


def result_of(folder: Path) -> dict[str, Any]:
    """Read the result in a job's folder."""
    found: dict[str, Any] = json.loads((folder / RESULT).read_text("utf-8"))
    return found


def selected_file(n: int) -> str:
    """Return the name of a selection of N samples."""
    return f"selected-{n}.jsonl"


def select_job(settings: Settings, folder: Path, before: Places) -> dict[str, Any]:
    """Select for the largest N, and take the smaller ones from the same scores."""
    from motherlode.models.rows import Samples
    from motherlode.selection.select import select
    from motherlode.selection.write import write_selection

    options = dict(settings["options"])
    root, pool = root_of(folder), before["pool"] / POOL
    work = folder / "work" if settings["share"] is None else root / settings["share"]
    store.make_folder(work)
    domain = root / settings["domain"]
    most = options.pop("n")
    whole = select(domain, pool, most, model=settings["model"], work=work, quiet=True, **options)
    rows = Samples.open(pool, options.get("fields"))
    budgets = {}
    for n in settings["budgets"]:
        part = whole if n == most else whole.cut(n)
        write_selection(folder / selected_file(n), part, rows)
        budgets[str(n)] = {
            "selected": len(part),
            "duplicates": len(part.duplicates),
            "sources": part.record["sources"],
        }
    if settings["share"] is None:
        store.remove(work)
    return {"budgets": budgets, "scored": len(whole.indices)}


def oracle_job(settings: Settings, folder: Path, before: Places) -> dict[str, Any]:
    """Take all rows of the pool that are of the domain."""
    from motherlode.models.rows import Rows

    rows = [row for row in Rows(before["pool"] / POOL) if str(row.get(settings["field"])) == settings["label"]]
    if not rows:
        raise InputError(f"no row is left with {settings['field']} = {settings['label']!r}", where="pool")
    store.write_bytes(folder / ALL, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return {"selected": len(rows)}


def train_job(settings: Settings, folder: Path, before: Places) -> dict[str, Any]:
    """Fine-tune on the domain's samples and the selected ones, for a budget's steps or tokens."""
    from motherlode.adaptation.sft import fine_tune

    root = root_of(folder)
    files = [root / settings["domain"]]
    if "selection" in before:
        whole = before["selection"] / ALL
        files.append(whole if whole.is_file() else before["selection"] / selected_file(settings["n"]))
    options = dict(settings["options"])
    steps = settings["steps"]
    if settings["equal"] == "tokens":
        from motherlode.comparison.lengths import steps_for_tokens

        steps = steps_for_tokens(settings, files, before["lengths"])
    dev = None if settings["dev"] is None else root / settings["dev"]
    tuned = fine_tune(
        [str(file) for file in files],
        folder / ADAPTED,
        model=settings["model"],
        dev=None if dev is None else str(dev),
        quiet=True,
        **{**options, "max_steps": steps, "patience": 0, "eval_every": steps},
    )
    return {
        "samples": tuned.samples,
        "tokens": tuned.tokens,
        "steps": tuned.steps,
        "adapter": tuned.adapter.relative_to(folder).as_posix(),
        "losses": list(tuned.losses),
        "dev_losses": [list(pair) for pair in tuned.dev_losses],
    }


def evaluate_job(settings: Settings, before: Places) -> dict[str, Any]:
    """Test what was trained: of several candidates the one with the lowest loss on dev."""
    from motherlode.evaluation.evaluate import evaluate

    adapter, model, chosen = None, settings["model"], None
    if before:
        roles = sorted(before, key=int)
        results = {role: result_of(before[role]) for role in roles}
        chosen = roles[0]
        if len(roles) > 1:
            losses = {role: _best_dev_loss(results[role], before[role]) for role in roles}
            chosen = min(roles, key=lambda role: (losses[role], int(role)))
        if "model" in results[chosen]:
            model = str(before[chosen] / results[chosen]["model"])
        else:
            adapter = before[chosen] / results[chosen]["adapter"]
    found = evaluate(
        settings["tasks"],
        model=model,
        adapter=adapter,
        texts={name: here(path) for name, path in settings["texts"].items()},
        quiet=True,
        **settings["options"],
    )
    tasks = {}
    for name, score in found.tasks.items():
        tasks[name] = {
            "metric": score.metric,
            "score": score.score,
            "low": score.low,
            "high": score.high,
            "chance": score.chance,
            "majority": score.majority,
            "items": list(score.items),
            "ids": [str(item) for item in score.ids],
            "probability": score.probability,
            "probability_low": score.probability_low,
            "probability_high": score.probability_high,
            "probabilities": None if score.probabilities is None else list(score.probabilities),
        }
    texts = {
        name: {
            "loss": text.loss,
            "low": math.log(text.low),
            "high": math.log(text.high),
            "documents": text.documents,
            "tokens": text.tokens,
            "items": [loss * length * text.documents / text.tokens for loss, length in _pairs(text)],
        }
        for name, text in found.texts.items()
    }
    return {"chosen": chosen, "tasks": tasks, "texts": texts}


def _pairs(text: TextScore) -> Iterator[tuple[float, int]]:
    """Yield each document's loss and length; weighted by length, their mean is the loss of the whole."""
    return zip(text.losses, text.lengths, strict=True)


def _best_dev_loss(result: Mapping[str, Any], folder: Path) -> float:
    if not result["dev_losses"]:
        raise MotherlodeError("has no loss on dev", where=str(folder))
    return min(float(loss) for _, loss in result["dev_losses"])


def work(kind: str, settings: Settings, folder: Path, before: Places) -> dict[str, Any]:
    """Do a job.

    Args:
        kind: Its kind.
        settings: What it is done with.
        folder: Its own folder, which is there.
        before: Folders of the jobs before it, by role.

    Returns:
        Its result: JSON-able, and the same whenever it is done again.
    """
    if kind == "select":
        return select_job(settings, folder, before)
    if kind == "oracle":
        return oracle_job(settings, folder, before)
    if kind == "train":
        return train_job(settings, folder, before)
    if kind == "evaluate":
        return evaluate_job(settings, before)
    if kind == "pool":
        from motherlode.comparison.leakage import clean_pool

        return clean_pool(settings, folder)
    if kind == "lengths":
        from motherlode.comparison.lengths import mean_tokens

        return mean_tokens(settings, before["pool"] / POOL)
    from motherlode.comparison import corpora

    if kind == "mine":
        return corpora.mine_variant(settings, folder)
    if kind == "documents":
        return corpora.gather_documents(settings, folder, before)
    if kind == "general":
        return corpora.gather_general(settings, folder)
    assert kind == "pretrain", kind
    return corpora.pretrain(settings, folder, before)
