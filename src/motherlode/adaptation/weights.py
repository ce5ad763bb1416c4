"""Models for training, and what is left of them: weights in the right types, adapters and merged models in safetensors.

With bf16 the passes run in bf16 under autocast, and whatever is trained stays in fp32: an update of AdamW is often
smaller than what bf16 can add to a weight. A frozen base is held in bf16.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from motherlode.adaptation.checkpoint import put_weights, weights_of, write_folder
from motherlode.adaptation.options import TrainOptions
from motherlode.adaptation.place import Place
from motherlode.errors import InputError
from motherlode.models.load import CausalModel, load_model
from motherlode.models.lora import AdaptedModel, LoraOptions
from motherlode.shards import store
from motherlode.shards.local_copy import here

_BASE = "base.json"


def wants_bf16(options: TrainOptions, place: Place) -> bool:
    """Return whether passes run in bf16."""
    return options.dtype == "bf16" or (options.dtype == "auto" and place.device.type == "cuda")


def open_base(options: TrainOptions, place: Place, frozen: bool) -> CausalModel:
    """Load the model that is trained.

    Args:
        options: Which, and how.
        place: This process.
        frozen: Whether an adapter is trained, not the model's own weights.

    Raises:
        InputError: It cannot be loaded.
    """
    return load_model(
        options.model,
        dtype="bf16" if frozen and wants_bf16(options, place) else "fp32",
        device="cpu" if place.sharded else str(place.device),
        attention=options.attention,
        trust_remote_code=options.trust_remote_code,
    )


def with_adapter(loaded: CausalModel, options: TrainOptions) -> AdaptedModel:
    """Put on the adapter that is given, or a fresh one, ready for training.

    Raises:
        InputError: It is no adapter of this model.
    """
    if options.adapter is None:
        lora = LoraOptions(rank=options.lora_rank, alpha=options.lora_alpha, targets=options.lora_targets)
        adapted = AdaptedModel.attach(loaded, lora, options.random_seed)
    else:
        check_base(here(options.adapter), loaded)
        adapted = AdaptedModel.load(loaded, here(options.adapter))
    adapted.trainable(True)
    return adapted


def whole(model: Any, options: TrainOptions, place: Place, lora: bool) -> tuple[CausalModel, Any]:
    """Put a model that FSDP spread over processes together: a fresh one on the CPU, with the weights that were trained.

    All processes must call this together.

    Returns:
        The base, and the model.
    """
    weights = weights_of(model)
    base = open_base(options, place, frozen=lora)
    fresh = with_adapter(base, options).peft_model if lora else base.model.requires_grad_(True)
    put_weights(fresh, weights)
    return base, fresh


def check_base(adapter: Path, loaded: CausalModel) -> None:
    """Check that an adapter was trained on this very model, where it says on which.

    Raises:
        InputError: It was trained on another one.
    """
    try:
        base = json.loads((adapter / _BASE).read_text(encoding="utf-8"))
        name, digest = str(base["model"]), str(base["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # made elsewhere: shapes alone tell
    if digest != loaded.digest:
        raise InputError(
            f"was trained on another model ({name}), not on {loaded.name}",
            where=f"--adapter {adapter}",
            hint="name the model that it was trained on",
        )


def save_adapter(folder: Path, model: Any, loaded: CausalModel) -> None:
    """Write an adapter as PEFT does, with the tokenizer and which model it belongs to; same weights, same bytes."""

    def write(place: Path) -> None:
        model.save_pretrained(os.fspath(place), safe_serialization=True)
        loaded.tokenizer.save_pretrained(os.fspath(place))
        config = place / "adapter_config.json"
        values = json.loads(config.read_text(encoding="utf-8"))
        values["base_model_name_or_path"] = loaded.name
        for name, value in values.items():
            if isinstance(value, list) and all(isinstance(item, str) for item in value):
                values[name] = sorted(value)  # PEFT keeps them as a set
        store.write_text(config, json.dumps(values, indent=2, sort_keys=True) + "\n")
        base = {"model": loaded.name, "digest": loaded.digest}
        store.write_text(place / _BASE, json.dumps(base, indent=2, sort_keys=True) + "\n")
        (place / "README.md").unlink(missing_ok=True)

    write_folder(folder, write)


def save_model(folder: Path, model: Any, loaded: CausalModel, bf16: bool) -> None:
    """Write a model and its tokenizer; the weights in bf16 if passes ran in it, otherwise in fp32."""

    def write(place: Path) -> None:
        model.config.use_cache = True
        model.to(torch.bfloat16 if bf16 else torch.float32).save_pretrained(os.fspath(place), safe_serialization=True)
        loaded.tokenizer.save_pretrained(os.fspath(place))

    write_folder(folder, write)


def merge(folder: Path, adapter: Path, options: TrainOptions, bf16: bool) -> None:
    """Write the base with an adapter merged in: added in fp32, on the CPU, so that nothing is rounded twice."""
    base = load_model(options.model, dtype="fp32", device="cpu", trust_remote_code=options.trust_remote_code)
    merged = AdaptedModel.load(base, adapter).peft_model.merge_and_unload()
    save_model(folder, merged, base, bf16)
