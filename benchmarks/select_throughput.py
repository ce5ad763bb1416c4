"""Tokens per second and peak memory of the engines of `select`, against a plain forward pass of the same batches.

The forward pass is the limit: it stops below the output head, as the engines do for the kernel `ntk`; `forward with
logits` goes through it, as a plain call of the model does, and as `loss` must for the completion's tokens. Models are
random Qwen3 shapes; samples are random tokens with the lengths of a geometric distribution. Beside the engines:

* `cosine`: exact cosines of gradients, by norms of single samples out of the same batched backward pass;
* `sketch ...`: projected gradients of single samples, 8192 numbers each, without the writing to disk;
* `LESS`: the recipe of its published code: a forward and a backward pass a sample, the Adam step of its gradient, 16
  of these at a time projected by dense signs. The signs are ours, which are made in less time than torch's;
* `bergson` (`--peer PYTHON`, the Python of an environment that has it): see `bergson_peer.py`.

What runs a sample at a time, or with dense signs, is measured once, on the first `--reference` samples. All else is run
`--rounds` times in turn, the peer included, and the best of each counts, so that other work on the machine falls on all
alike. `--clock cpu` counts seconds of the processor instead: on a busy machine, with one thread.

    python benchmarks/select_throughput.py --parameters 1M --parameters 10M --tokens 20000 --threads 1
    python benchmarks/select_throughput.py --parameters 1B --dtype bf16 --device cuda --tokens 2000000
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from scipy.stats import spearmanr

from motherlode.models.batches import Batch, Batcher, token_budget
from motherlode.models.load import CausalModel
from motherlode.models.lora import AdaptedModel, LoraOptions
from motherlode.models.tokens import Tokens
from motherlode.selection.checkpoints import Checkpoint, adam_update
from motherlode.selection.direction import domain_direction
from motherlode.selection.engines import Contraction, Difference, Reference
from motherlode.selection.gradients import Cosine, SampleGradients, gradient_norms, sketches
from motherlode.selection.kernels import Objective, make_objective
from motherlode.selection.projection import KINDS, Projection

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
# hidden, layers, heads, key-value heads, intermediate, vocabulary
SHAPES = {
    "1M": (128, 4, 2, 1, 384, 2_048),
    "10M": (256, 8, 4, 2, 768, 8_192),
    "30M": (512, 8, 8, 4, 1_536, 16_384),
    "100M": (640, 12, 10, 5, 2_048, 32_768),
    "1B": (2_048, 16, 16, 8, 6_144, 65_536),
    "8B": (4_096, 36, 32, 8, 12_288, 151_936),
}


def make_model(parameters: str, dtype: torch.dtype, device: torch.device, rank: int) -> AdaptedModel:
    """Return a random model with an adapter whose factors are both random."""
    hidden, layers, heads, pairs, intermediate, vocabulary = SHAPES[parameters]
    config = transformers.Qwen3Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=pairs,
        head_dim=hidden // heads,
        intermediate_size=intermediate,
        vocab_size=vocabulary,
        max_position_embeddings=4_096,
        tie_word_embeddings=parameters != "8B",
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype).eval().requires_grad_(False)
    loaded = CausalModel(parameters, model.to(device), None, device, dtype, 4_096, "-")
    adapted = AdaptedModel.attach(loaded, LoraOptions(rank=rank))
    with torch.no_grad():
        for factors in adapted.layers:
            factors.b.normal_(0, 0.02)
    adapted.trainable(False)
    return adapted


def make_samples(total: int, mean: int, most: int, vocabulary: int, random_seed: int) -> list[Tokens]:
    """Return random samples of about `total` tokens."""
    choice = np.random.default_rng(random_seed)
    samples, count = [], 0
    while count < total:
        length = int(np.clip(choice.geometric(1 / mean), 8, most))
        samples.append(Tokens(choice.integers(0, vocabulary, length), int(choice.integers(1, length))))
        count += length
    return samples


def forward_pass(adapted: AdaptedModel, batcher: Batcher, logits: bool = False) -> Callable[[list[Tokens]], None]:
    """Return a plain forward pass over batches, the adapter switched off: the model as it was.

    Args:
        adapted: The model.
        batcher: How samples are batched.
        logits: Whether it goes on through the output head, for all tokens.
    """

    def run(tokens: list[Tokens]) -> None:
        def work(batch: Batch) -> None:
            adapted.model(**batch.inputs, use_cache=False) if logits else adapted.hidden(batch.inputs)

        with torch.no_grad(), adapted.peft_model.disable_adapter():
            batcher.run(tokens, work)
        adapted.trainable(False)

    return run


class Meter:
    """Measures what runs on a device: the rate by the best of several rounds, and the peak of memory."""

    def __init__(self, device: torch.device, clock: str) -> None:
        """Take the device, and the clock: `wall`, or `cpu` for seconds of this process on the processor."""
        self.device, self.clock = device, time.process_time if clock == "cpu" else time.perf_counter

    def _ready(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def once(self, run: Callable[[list[Tokens]], Any], tokens: list[Tokens]) -> tuple[float, float, Any]:
        """Return tokens/s, peak memory in GiB (of the GPU, or of this process meanwhile), and the result."""
        self._ready()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        elif CLEAR.exists():
            CLEAR.write_text("5")  # the peak starts anew
        started = self.clock()
        result = run(tokens)
        self._ready()
        seconds = self.clock() - started
        if self.device.type == "cuda":
            memory = torch.cuda.max_memory_allocated(self.device) / 2**30
        elif CLEAR.exists():
            peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
            memory = int(peak.split()[1]) / 2**20
        else:  # no Linux: the peak of the process so far
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        return sum(len(item.ids) for item in tokens) / seconds, memory, result


def less(adapted: AdaptedModel, objective: Objective) -> Callable[[list[Tokens]], np.ndarray]:
    """Return LESS's recipe for one checkpoint: `[n, 8192]` projected Adam steps."""
    reference, projection = Reference(adapted, objective, None), Projection()  # type: ignore[arg-type]
    zeros = tuple(torch.zeros_like(parameter) for parameter in adapted.parameters)
    ones = tuple(torch.full_like(parameter, 1e-6) for parameter in adapted.parameters)
    update = adam_update(Checkpoint(zeros, zeros, ones, 10, 1.0), adapted.loaded.device)

    def run(tokens: list[Tokens]) -> np.ndarray:
        steps, found = [], []
        for number, item in enumerate(tokens, 1):
            gradients = [update(n, part[None]).flatten() for n, part in enumerate(reference.gradient(item))]
            steps.append(torch.cat(gradients))
            if number % 16 == 0 or number == len(tokens):
                found.append(projection.empty(len(steps), adapted.loaded.device))
                projection.add(found[-1], torch.stack(steps))
                steps.clear()
        return torch.cat(found).cpu().numpy()

    return run


class Peer:
    """`bergson_peer.py` on the same model and samples, in a process of its own that waits for each round."""

    def __init__(
        self, adapted: AdaptedModel, domain: list[Tokens], pool: list[Tokens], options: argparse.Namespace
    ) -> None:
        """Write the model and the samples, and start the process.

        Args:
            adapted: The model; it is left as it was.
            domain: What candidates are scored for.
            pool: The candidates.
            options: The benchmark's.
        """
        self.temporary = tempfile.TemporaryDirectory()
        folder = Path(self.temporary.name)
        adapted.save(folder / "adapter")
        plain = {
            name.replace(".base_layer", ""): tensor
            for name, tensor in adapted.model.state_dict().items()
            if ".lora_" not in name
        }
        adapted.model.save_pretrained(folder / "model", state_dict=plain)
        config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(folder / "model")
        (folder / "adapter" / "adapter_config.json").write_text(json.dumps(config))
        samples = {"domain": domain, "pool": pool}
        written = {name: [{"ids": i.ids.tolist(), "start": i.start} for i in part] for name, part in samples.items()}
        (folder / "samples.json").write_text(json.dumps(written))
        names = ("threads", "budget", "dtype", "clock")
        (folder / "settings.json").write_text(json.dumps({name: getattr(options, name) for name in names}))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        if options.device == "cpu":
            environment["CUDA_VISIBLE_DEVICES"] = ""
        self.errors = (folder / "errors.txt").open("w+")
        self.process = subprocess.Popen(
            [options.peer, str(Path(__file__).with_name("bergson_peer.py")), str(folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.answer()  # ready

    def answer(self) -> dict[str, Any]:
        """Return what the process says next."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                said: dict[str, Any] = json.loads(line)
                return said
        self.errors.seek(0)
        raise SystemExit(f"bergson failed: {''.join(self.errors.readlines()[-15:])}")

    def once(self) -> tuple[float, float, Any]:
        """Return tokens/s, peak memory in GiB, and the scores, of another round."""
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        said = self.answer()
        return said["rate"], said["memory"], np.array(said["scores"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.temporary.cleanup()


def engines(
    adapted: AdaptedModel,
    kernel: Literal["ntk", "loss"],
    domain: list[Tokens],
    batcher: Batcher,
    tokens: list[Tokens],
    part: list[Tokens],
) -> tuple[dict[str, tuple[Callable[[list[Tokens]], Any], list[Tokens]]], dict[str, Any]]:
    """Return what is measured, each with its samples, and how the domain's mean is made of those that make vectors."""
    objective = make_objective(adapted, kernel)
    direction = domain_direction(adapted, objective, domain, batcher)
    gradients = SampleGradients(adapted, objective, batcher)
    norms = gradient_norms(gradients, domain)
    unit = domain_direction(adapted, objective, domain, batcher, 1 / norms)
    runs: dict[str, tuple[Callable[[list[Tokens]], Any], list[Tokens]]] = {
        "forward pass": (forward_pass(adapted, batcher), tokens),
        "difference": (Difference(adapted, objective, direction, batcher).score, tokens),
        "contraction": (Contraction(adapted, objective, direction, batcher).score, tokens),
        "cosine": (Cosine(gradients, unit).score, tokens),
    }
    if kernel == "loss":
        runs["forward with logits"] = (forward_pass(adapted, batcher, logits=True), tokens)
    targets = {}
    for kind in KINDS if part else ():
        run = functools.partial(sketches, gradients, projection=Projection(kind))
        runs[f"sketch {kind}"] = (run, tokens if kind == "sparse" else part)
        targets[f"sketch {kind}"] = lambda run=run: run(domain).mean(0)
    if part:
        if kernel == "loss":
            runs["LESS"] = (less(adapted, objective), part)
        runs["reference"] = (Reference(adapted, objective, direction).score, part)
    return runs, targets


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parameters", choices=SHAPES, action="append", help="model sizes; default: 1M and 10M")
    parser.add_argument("--kernel", choices=("ntk", "loss"), action="append", help="default: both")
    parser.add_argument("--engine", action="append", help="what is run beside the forward pass; default: all")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=20_000, help="tokens scored, in all")
    parser.add_argument("--mean-length", type=int, default=150)
    parser.add_argument("--max-length", type=int, default=1_024)
    parser.add_argument("--budget", type=int, help="tokens of a batch; default: that of `select`")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--reference", type=int, default=32, help="samples of what is slow; 0: none of it")
    parser.add_argument("--rounds", type=int, default=3, help="times that all but the slow are run, in turn")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="seconds that count")
    parser.add_argument("--peer", help="Python of an environment with bergson")
    parser.add_argument("--out", type=Path, help="JSON of the numbers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    options.budget = token_budget(options.budget, device)
    dtype = torch.float32 if options.dtype == "fp32" else torch.bfloat16
    meter = Meter(device, options.clock)
    rows: list[dict[str, Any]] = []
    before = os.getloadavg()[0]
    for parameters in options.parameters or ["1M", "10M"]:
        adapted = make_model(parameters, dtype, device, options.rank)
        vocabulary = SHAPES[parameters][-1]
        tokens = make_samples(options.tokens, options.mean_length, options.max_length, vocabulary, 1)
        domain = make_samples(16 * options.mean_length, options.mean_length, options.max_length, vocabulary, 2)
        batcher = Batcher(options.budget, "right", device)
        part = tokens[: options.reference]
        for kernel in options.kernel or ["ntk", "loss"]:
            runs, targets = engines(adapted, kernel, domain, batcher, tokens, part)
            if options.engine:
                runs = {name: pair for name, pair in runs.items() if name in ("forward pass", *options.engine)}
            peer = Peer(adapted, domain, tokens, options) if options.peer and kernel == "loss" else None
            best: dict[str, dict[str, Any]] = {}
            found: dict[str, Any] = {}
            for run, given in runs.values():
                run(given[:4])
            for number in range(options.rounds):
                chosen = {name: pair for name, pair in runs.items() if pair[1] is not part or not number}
                todo = {name: functools.partial(meter.once, *pair) for name, pair in chosen.items()}
                if peer is not None:
                    todo["bergson"] = peer.once
                for name, measure in todo.items():
                    rate, memory, found[name] = measure()
                    row = best.setdefault(name, {"rate": 0.0, "memory": 0.0})
                    row["rate"], row["memory"] = max(row["rate"], rate), max(row["memory"], memory)
                    print(f"{parameters} {kernel} {name}: {rate:,.0f} tokens/s", file=sys.stderr, flush=True)
            if peer is not None:
                peer.close()
            for name, row in best.items():
                made = {"model": parameters, "kernel": kernel, "engine": name, **row}
                made["of_limit"] = row["rate"] / best["forward pass"]["rate"]
                if "reference" in found and "forward" not in name and name not in ("reference", "LESS", "cosine"):
                    scores = found[name] @ targets[name]() if name in targets else found[name]
                    made["spearman"] = float(spearmanr(scores[: len(part)], found["reference"]).statistic)
                rows.append(made)
    load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    print(
        f"{options.dtype}, {options.device}, {options.threads} threads, {options.tokens:,} tokens, "
        f"{options.clock} seconds, {load}"
    )
    print(f"{'model':6} {'kernel':6} {'engine':20} {'tokens/s':>10} {'of limit':>9} {'GiB':>7} {'spearman':>9}")
    for row in rows:
        rank = f"{row['spearman']:9.4f}" if "spearman" in row else f"{'':9}"
        name = f"{row['model']:6} {row['kernel']:6} {row['engine']:20}"
        print(f"{name} {row['rate']:10,.0f} {row['of_limit']:9.3f} {row['memory']:7.2f} {rank}")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
