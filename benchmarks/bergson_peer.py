"""Scores by bergson (https://pypi.org/project/bergson), for `select_throughput.py --peer`; runs in its own environment.

    uv venv bergson-env && uv pip install --python bergson-env/bin/python bergson
    python benchmarks/select_throughput.py --parameters 1M --peer bergson-env/bin/python

The same model, adapter, tokens, token budget and threads as ours. bergson's fastest exact way is taken: gradients of
the LoRA matrices without a projection, scored against the domain's mean gradient layer by layer during the backward
pass, never written to disk; batches by its own allocation. The loss is the mean over the completion's tokens.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from bergson import GradientProcessor, IndexConfig, InMemoryCollector, Scorer
from bergson.collector.collector import CollectorComputer
from bergson.data import allocate_batches
from bergson.score.score_writer import InMemorySequenceScoreWriter
from bergson.utils.worker_utils import setup_model_and_peft
from datasets import Dataset


def as_dataset(samples: list[dict[str, Any]]) -> Dataset:
    """Return samples with labels that leave the prompt out."""
    rows = []
    for item in samples:
        start = max(item["start"], 1)
        rows.append({"input_ids": item["ids"], "labels": [-100] * start + item["ids"][start:]})
    data = Dataset.from_list(rows)
    return data.add_column("length", [len(row["input_ids"]) for row in rows])


def main() -> None:
    """Read a folder that `select_throughput.py` wrote; for each line of input score its pool, and print a result."""
    folder = Path(sys.argv[1])
    settings = json.loads((folder / "settings.json").read_text())
    samples = json.loads((folder / "samples.json").read_text())
    torch.set_num_threads(settings["threads"])
    cfg = IndexConfig(
        run_path=str(folder / "run"),
        model=str(folder / "adapter"),
        precision=settings["dtype"],
        projection_dim=0,
        loss_reduction="mean",
        token_batch_size=settings["budget"],
    )
    cfg.partial_run_path.mkdir(parents=True, exist_ok=True)
    model, targets = setup_model_and_peft(cfg)

    def collect(data: Dataset, scorer: Scorer | None) -> InMemoryCollector:
        collector = InMemoryCollector(
            model=model.base_model,
            data=data,
            cfg=cfg,
            processor=GradientProcessor(projection_dim=None),
            target_modules=targets,
            scorer=scorer,
        )
        batches = allocate_batches(data["length"], settings["budget"])
        CollectorComputer(model, data, collector=collector, batches=batches, cfg=cfg).run_with_collector_hooks()
        return collector

    gradients = collect(as_dataset(samples["domain"]), None).gradients
    query = {name: part.float().mean(0, keepdim=True) for name, part in gradients.items()}
    device, dtype = model.device, next(iter(gradients.values())).dtype

    def score(data: Dataset) -> torch.Tensor:
        writer = InMemorySequenceScoreWriter(len(data), 1)
        collect(data, Scorer(query, list(query), writer, device, dtype))
        return writer.scores[:, 0]

    pool = as_dataset(samples["pool"])
    score(pool.select(range(4)))
    cuda, clock = device.type == "cuda", time.process_time if settings["clock"] == "cpu" else time.perf_counter
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    print("{}", flush=True)  # ready
    for _ in sys.stdin:  # a line a round
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        else:
            clear.write_text("5")
        started = clock()
        scores = score(pool)
        if cuda:
            torch.cuda.synchronize()
        seconds = clock() - started
        if cuda:
            memory = torch.cuda.max_memory_allocated() / 2**30
        else:
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            memory = int(peak.split()[1]) / 2**20
        rate = sum(len(item["ids"]) for item in samples["pool"]) / seconds
        print(json.dumps({"rate": rate, "memory": memory, "scores": scores.tolist()}), flush=True)


if __name__ == "__main__":
    main()
