"""A small project over invented text: files, and a `motherlode.yaml` that is easy to change."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

from motherlode.shards.engine import LocalEngine
from motherlode.workflow.run import Ran, project_status, run_project
from tests.invented import document, records, seed_records, write_lines

DOMAINS = ("velmar", "ostrin")


def sections(**changes: Any) -> dict[str, Any]:
    """All stages that need no model; a section can be replaced, or left out with None."""
    made: dict[str, Any] = {
        "corpus": {"inputs": ["data/raw.jsonl"], "shard_rows": 100},
        "seeds": {"domains": {name: f"data/{name}.jsonl" for name in DOMAINS}},
        "mine": {"contrast": [], "rounds": 1, "top_k": 20},
        "select": {"domain": ["data/domain.jsonl"], "pool": "data/pool.jsonl", "n": 15, "method": "embedding"},
        "report": {"title": "Invented"},
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def write_config(folder: Path, **changes: Any) -> Path:
    """Write the project's file."""
    path = folder / "motherlode.yaml"
    path.write_text(yaml.safe_dump(sections(**changes), sort_keys=False))
    return path


def write_data(folder: Path, documents: int = 300) -> Path:
    """Write what the project reads."""
    data = folder / "data"
    data.mkdir(parents=True)
    write_lines(data / "raw.jsonl", records(documents))
    for name in DOMAINS:
        write_lines(data / f"{name}.jsonl", seed_records(name))
    choice = random.Random(3)
    for name, topics, count in (("domain", ["velmar"], 20), ("pool", ["velmar", "hum", "drone", "ostrin"], 80)):
        rows = [
            {"prompt": document([choice.choice(topics)], choice, 12), "completion": document([topics[0]], choice, 6)}
            for _ in range(count)
        ]
        write_lines(data / f"{name}.jsonl", rows)
    return folder


def run(config: Path, **choice: Any) -> Ran:
    """Run the project in this process."""
    with LocalEngine(1, quiet=True) as engine:
        return run_project(config, engine=engine, quiet=True, **choice)


def states(config: Path) -> dict[str, str]:
    """Return how each stage stands."""
    return {stage.name: stage.state for stage in project_status(config)}


def reasons(config: Path) -> dict[str, str]:
    """Return why stages are not done."""
    return {stage.name: "; ".join(stage.why) for stage in project_status(config) if stage.why}
