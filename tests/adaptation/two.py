"""What two processes do together, started by a launcher: train, and put spread weights together and back."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from motherlode.adaptation.checkpoint import moments_of, put_moments, put_weights, weights_of
from motherlode.adaptation.sft import fine_tune
from tests.models import tiny


def train(folder: Path, average: str) -> None:
    """Fine-tune; an epoch's last step has fewer samples than there are processes."""
    files = [folder / "domain.jsonl", folder / "pool.jsonl"]
    fine_tune(
        files,
        folder / "two",
        model=str(folder / "model"),
        dev=files[0],
        epochs=2,
        batch=4,
        learning_rate=1e-2,
        average=average,
        device="cpu",
    )


def spread() -> None:
    """Spread a model with FSDP 2, and take its state apart and back."""
    model = tiny.model("qwen3")
    whole = weights_of(model.requires_grad_(True))
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)

    def step() -> None:
        optimiser.zero_grad()
        ids = torch.arange(20)[None]
        model(ids, labels=ids).loss.backward()
        optimiser.step()

    step()
    weights, moments = weights_of(model), moments_of(model, optimiser)
    assert all(weights[name].shape == tensor.shape for name, tensor in whole.items())
    step()
    after = weights_of(model)
    put_weights(model, weights)
    put_moments(model, optimiser, moments)
    step()
    again = weights_of(model)
    assert all(torch.equal(after[name], again[name]) for name in after)
    assert not all(torch.equal(after[name], weights[name]) for name in after)


if __name__ == "__main__":
    train(Path(sys.argv[1]), sys.argv[2])
    spread()
    print("done", flush=True)
