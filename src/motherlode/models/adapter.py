"""Adapters of any kind that PEFT loads, for a model that is only run: LoRA and its variants, saved in safetensors."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import peft
from safetensors import SafetensorError, safe_open

from motherlode.errors import InputError
from motherlode.models.load import CausalModel
from motherlode.models.lora import read_adapter
from motherlode.shards.fingerprint import file_digest, fingerprint

_FILES = ("adapter_config.json", "adapter_model.safetensors")
_NAME = "default"


def adapter_digest(folder: Path) -> str:
    """Digest an adapter.

    Raises:
        InputError: There is none, see `read_adapter`.
    """
    read_adapter(folder)
    return fingerprint([file_digest(folder / name) for name in _FILES])


def put_on(loaded: CausalModel, folder: Path) -> Any:
    """Put an adapter on a model.

    PEFT passes over weights that have no place in the model, and leaves out those that the file lacks: a model with the
    wrong adapter then answers as without one. So names and shapes are compared first.

    Args:
        loaded: The model; its modules are changed.
        folder: What PEFT's `save_pretrained` wrote, in safetensors.

    Returns:
        The model with the adapter, in evaluation mode, without gradients.

    Raises:
        InputError: It is no adapter, or not one of this model.
    """
    where, hint = f"--adapter {folder}", "name an adapter of this very model"
    config = read_adapter(folder)
    linear = _targets(loaded.model, config)
    try:
        with warnings.catch_warnings(action="ignore"):
            wrapped = peft.PeftModel.from_pretrained(loaded.model, os.fspath(folder), adapter_name=_NAME)
            wanted = {name: list(value.shape) for name, value in peft.get_peft_model_state_dict(wrapped).items()}
        with safe_open(folder / _FILES[1], framework="numpy") as file:
            found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise InputError(f"adapter_model.safetensors is damaged ({error})", where=where) from error
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        what = f"does not fit the model ({(lines or [type(error).__name__])[0][:200]})"
        raise InputError(what, where=where, hint=hint) from error
    if strange := sorted(found.keys() - wanted.keys()):
        what = f"does not fit the model (it has no place for {len(strange)} weights, first {strange[0][:120]!r})"
        raise InputError(what, where=where, hint=hint)
    bare = [name for name in linear if not any(f".{name}." in weight for weight in found)]
    if missing := sorted(wanted.keys() - found.keys()) + bare:
        what = f"does not fit the model (it lacks weights of {missing[0][:120]!r})"
        raise InputError(what, where=where, hint=hint)
    model = wrapped.get_base_model()
    return model.eval().requires_grad_(False)


def _targets(model: Any, config: dict[str, Any]) -> list[str]:
    """Name the modules that a plain LoRA adapter of a model must have weights for."""
    names = config.get("target_modules")
    partly = ("layers_to_transform", "layers_pattern", "exclude_modules", "layer_replication", "target_parameters")
    if config.get("peft_type") != "LORA" or not isinstance(names, list) or any(config.get(name) for name in partly):
        return []
    ends = tuple(f".{name}" for name in names)
    return [name for name, _ in model.named_modules() if name in names or name.endswith(ends)]
