"""Pre-train a small base model from nothing: own tokenizer, Qwen3 shape, on general text.

For benchmarks where no trained model is at hand. The tokenizer is learnt from the same texts; training is
`continue_pretraining` on random weights, so that it packs, logs and survives a kill as everything else does: the same
command goes on where it was. What is read of the labelled data: all of the corpus that is on no target domain, a few
hundred documents of each target domain (a base model has seen some), and a random half of the general pool as plain
text, so that the other half stays unseen.

    python benchmarks/pretrain_base.py --out base-8m                     CPU: 8M parameters, fp32, about 35 minutes
    python benchmarks/pretrain_base.py --out base-60m --shape 60m        GPU: 60M parameters, bf16
    python benchmarks/pretrain_base.py --out tiny --shape 1m --tokens 200000     a try
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motherlode.adaptation.cpt import continue_pretraining
from motherlode.models.fresh import SHAPES, write_fresh
from motherlode.shards import store

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DOMAINS = ("healthcare", "finance", "legal", "psychology")
GENERAL = ("other", "ambiguous")
_TOKENIZER_TEXTS = 20_000
_HELD_OUT = 256  # texts that the validation loss is measured on
_LOOKS = 5  # how often


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Read gzipped JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def texts_of(data: Path, of_each_domain: int, pool_share: float, random_seed: int) -> list[str]:
    """Return the texts that a base model is trained on, in a random order.

    Args:
        data: A folder of the labelled data (`corpus/`, `pool/`), or JSONL files with `text`.
        of_each_domain: Documents of each target domain.
        pool_share: Share of the general pool, 0 to 1.
        random_seed: Seed of what is taken, and of the order.
    """
    choice = random.Random(random_seed)
    if not (data / "corpus").is_dir():
        from motherlode.models.rows import Rows

        return [str(row["text"]) for row in Rows(data)]
    texts = []
    for label in GENERAL:
        texts += [record["text"] for record in records(data / "corpus" / f"{label}.jsonl.gz")]
    for label in DOMAINS:
        own = [record["text"] for record in records(data / "corpus" / f"{label}.jsonl.gz")]
        texts += choice.sample(own, min(of_each_domain, len(own)))
    for record in records(data / "pool" / "general.jsonl.gz"):
        if choice.random() < pool_share:
            asked = "\n".join(part for part in (record["instruction"], record["input"]) if part)
            texts.append(f"{asked}\nAnswer: {record['output']}")
    choice.shuffle(texts)
    return texts


def main() -> None:
    """Run from the command line."""
    import torch

    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder; the model ends in OUT/model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="labelled data, or JSONL files with `text`")
    parser.add_argument("--shape", choices=SHAPES, default="60m" if cuda else "8m")
    parser.add_argument("--tokens", type=int, default=120_000_000 if cuda else 15_000_000, help="to train on")
    parser.add_argument("--batch", type=int, default=64 if cuda else 16, help="sequences of a step")
    parser.add_argument("--length", type=int, default=512 if cuda else 256, help="tokens of a sequence")
    parser.add_argument("--learning-rate", type=float, default=None, help="default: 1e-3, 2e-3 below 10M parameters")
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--device", default=None)
    parser.add_argument("--of-each-domain", type=int, default=800, help="documents of each target domain")
    parser.add_argument("--pool-share", type=float, default=0.5, help="share of the general pool")
    parser.add_argument("--threads", type=int, default=None, help="of a CPU")
    parser.add_argument("--random-seed", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)

    began = time.monotonic()
    out: Path = given.out
    start = out / "start"
    store.make_folder(out)
    texts = texts_of(given.data, given.of_each_domain, given.pool_share, given.random_seed)
    files = {"held-out": texts[:_HELD_OUT], "texts": texts[_HELD_OUT:]}
    for name, part in files.items():
        lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in part)
        store.write_bytes(out / f"{name}.jsonl", lines.encode())
    parameters = write_fresh(start, files["texts"][:_TOKENIZER_TEXTS], SHAPES[given.shape], given.random_seed)
    rate = given.learning_rate or (2e-3 if parameters < 10_000_000 else 1e-3)
    print(f"{parameters:,} parameters, {len(texts):,} texts, {sum(map(len, texts)):,} characters")
    done = continue_pretraining(
        out / "texts.jsonl",
        out / "run",
        model=str(start),
        ratio=1.0,
        tokens=given.tokens,
        sequence_length=given.length,
        batch=given.batch,
        learning_rate=rate,
        warmup=0.05,
        weight_decay=0.1,
        domain_dev=out / "held-out.jsonl",
        eval_every=max(1, given.tokens // (given.batch * given.length) // _LOOKS),
        token_budget=given.batch * given.length if cuda else 4096,
        dtype=given.dtype,
        device=given.device,
        random_seed=given.random_seed,
        quiet=False,
        tell=lambda plan: print(
            f"{plan.steps:,} steps of {plan.tokens // plan.steps:,} tokens; {plan.memory_total / 2**30:.2f} GiB"
            + ("" if plan.seconds is None else f"; about {plan.seconds / 60:.1f} minutes")
        ),
    )
    print("validation loss by step (nats per token): " + ", ".join(f"{s:,}: {v:.3f}" for s, v in done.domain_losses))
    print(
        f"{done.tokens:,} tokens ({done.domain_readings:.2f} readings) in {done.seconds:.0f} s, "
        f"{done.tokens / done.seconds:,.0f} tokens/s; validation loss {done.domain_loss:.3f}; "
        f"{time.monotonic() - began:.0f} s in all"
    )
    print(f"model: {done.model}")


if __name__ == "__main__":
    main()
