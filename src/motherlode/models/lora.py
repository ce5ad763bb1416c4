"""LoRA adapters (arXiv 2106.09685) through PEFT, and their factors as the kernels need them.

A LoRA layer computes `W x + s B A x`. Only such plain layers over linear maps are taken: for the variants (DoRA,
adapted embeddings, experts) the directional derivatives of this package do not hold, so they are refused.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError, MissingExtraError
from motherlode.models.load import CausalModel

try:
    import peft
    from peft.tuners.lora import Linear as LoraLinear
    from peft.tuners.lora import LoraLayer
except ImportError:
    raise MissingExtraError("select", "LoRA") from None

_ADAPTER = "default"


class LoraOptions(Config):
    """What is adapted, and how."""

    rank: int = Field(16, ge=1, le=1024, description="rank of the LoRA matrices")
    alpha: float = Field(32, gt=0, description="LoRA scale: updates are multiplied by alpha / rank")
    targets: tuple[str, ...] = Field((), description="names of adapted modules; none: all linear ones but the head")


@dataclass(frozen=True)
class LoraFactors:
    """One adapted linear map.

    Attributes:
        name: The module's name.
        module: PEFT's layer.
        scale: `s`.
        a: `[r, in]` parameter.
        b: `[out, r]` parameter.
        transposed: Whether the map's own weight is kept as `[in, out]` (GPT-2's Conv1D).
    """

    name: str
    module: Any
    scale: float
    a: torch.nn.Parameter
    b: torch.nn.Parameter
    transposed: bool

    @property
    def weight(self) -> torch.nn.Parameter:
        """The map's own weight."""
        weight: torch.nn.Parameter = self.module.get_base_layer().weight
        return weight

    def oriented(self, matrix: torch.Tensor) -> torch.Tensor:
        """Turn an `[out, in]` matrix into the shape of the weight."""
        return matrix.T if self.transposed else matrix


class AdaptedModel:
    """A causal model with a LoRA adapter, opened up: what runs up to the output head, the head, and the factors.

    Attributes:
        loaded: The model as it was loaded; its modules now hold the adapter.
        peft_model: PEFT's view of it.
        backbone: Everything below the output head; ends with the last normalisation.
        head: The output head.
        layers: The adapted maps, in the order of the network.
    """

    def __init__(self, loaded: CausalModel, peft_model: Any) -> None:
        """Use `attach` or `load` instead."""
        self.loaded, self.peft_model = loaded, peft_model
        model = peft_model.get_base_model()
        self.model = model
        self.backbone = model.base_model
        self.head = model.get_output_embeddings()
        self.layers = _layers(peft_model, loaded.name)
        if self.head is None or any(factors.module is self.head for factors in self.layers):
            raise InputError("the output head itself is adapted", where="--adapter", hint="adapt the layers below it")
        peft_model.eval()

    @classmethod
    def attach(cls, loaded: CausalModel, options: LoraOptions | None = None, random_seed: int = 0) -> Self:
        """Add a fresh adapter: `A` random, `B` zero.

        Args:
            loaded: The model; it is changed.
            options: Rank, scale, targets.
            random_seed: Seed of `A`.

        Returns:
            The adapted model.

        Raises:
            InputError: The model has no such modules, or they are not linear.
        """
        options = options or LoraOptions()
        config = peft.LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=0.0,
            target_modules=list(options.targets) or "all-linear",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(devices=[loaded.device] if loaded.device.type == "cuda" else []):
            torch.manual_seed(random_seed)
            try:
                with warnings.catch_warnings(action="ignore"):
                    wrapped = peft.get_peft_model(loaded.model, config)
            except ValueError as error:
                line = str(error).splitlines()[0][:200]
                raise InputError(
                    f"has no modules that LoRA can adapt ({line})",
                    where=f"--model {loaded.name}",
                    hint="name its linear modules with --lora-targets",
                ) from error
        return cls(loaded, wrapped)

    @classmethod
    def load(cls, loaded: CausalModel, folder: Path) -> Self:
        """Put a saved adapter on a model.

        Args:
            loaded: The model; it is changed.
            folder: What PEFT's `save_pretrained` wrote, in safetensors.

        Returns:
            The adapted model.

        Raises:
            InputError: It is no LoRA adapter of this model.
        """
        where = f"--adapter {folder}"
        check_adapter(folder)
        try:
            with warnings.catch_warnings(action="ignore"):
                wrapped = peft.PeftModel.from_pretrained(loaded.model, os.fspath(folder), adapter_name=_ADAPTER)
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise InputError(
                f"does not fit the model ({(lines or [type(error).__name__])[0][:200]})",
                where=where,
                hint="name an adapter of this very model",
            ) from error
        return cls(loaded, wrapped)

    def save(self, folder: Path) -> None:
        """Write the adapter as PEFT does, in safetensors."""
        with warnings.catch_warnings(action="ignore"):
            self.peft_model.save_pretrained(os.fspath(folder), safe_serialization=True)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """`A` and `B` of every layer, in order."""
        return [parameter for factors in self.layers for parameter in (factors.a, factors.b)]

    def state(self) -> list[torch.Tensor]:
        """Copy `A` and `B` of every layer, in order."""
        return [parameter.detach().clone() for parameter in self.parameters]

    def restore(self, state: Sequence[torch.Tensor]) -> None:
        """Put copied factors back."""
        with torch.no_grad():
            for parameter, kept in zip(self.parameters, state, strict=True):
                parameter.copy_(kept)

    def trainable(self, wanted: bool) -> None:
        """Say whether gradients of the adapter are wanted."""
        for parameter in self.parameters:
            parameter.requires_grad_(wanted)

    def hidden(self, inputs: Mapping[str, Any]) -> torch.Tensor:
        """Run the network up to the output head: `[b, t, h]`."""
        output: torch.Tensor = self.backbone(**inputs, use_cache=False).last_hidden_state
        return output


def read_adapter(folder: Path) -> dict[str, Any]:
    """Check that a folder holds an adapter in safetensors, of whatever kind.

    Returns:
        Its configuration.

    Raises:
        InputError: It is missing, damaged or pickled.
    """
    where = f"--adapter {folder}"
    config = folder / "adapter_config.json"
    try:
        values = json.loads(config.read_text())
        if not isinstance(values, dict):
            raise ValueError("no object")
    except FileNotFoundError:
        what = "has no adapter_config.json" if folder.is_dir() else "no such folder"
        raise InputError(what, where=where, hint="name a folder that PEFT's save_pretrained wrote") from None
    except (OSError, ValueError):
        raise InputError("adapter_config.json is damaged", where=where) from None
    if not (folder / "adapter_model.safetensors").exists():
        pickled = (folder / "adapter_model.bin").exists()
        raise InputError(
            "has only pickled weights, which can run code when they are loaded" if pickled else "has no weights",
            where=where,
            hint="save the adapter again as adapter_model.safetensors",
        )
    return values


def check_adapter(folder: Path) -> None:
    """Check an adapter's folder before anything is loaded from it.

    Raises:
        InputError: It is missing, pickled, or of a kind that the kernels do not know.
    """
    where = f"--adapter {folder}"
    values = read_adapter(folder)
    if values.get("peft_type") != "LORA":
        raise InputError(f"is of the kind {values.get('peft_type')!r}", where=where, hint="use a LoRA adapter")
    refused = [name for name in ("use_dora", "modules_to_save", "target_parameters", "use_bdlora") if values.get(name)]
    if refused or values.get("bias", "none") != "none" or values.get("lora_bias"):
        what = refused[0] if refused else "bias"
        raise InputError(f"uses {what}, which the kernels do not know", where=where, hint="use a plain LoRA adapter")


def _layers(peft_model: Any, name: str) -> list[LoraFactors]:
    layers = []
    for path, module in peft_model.named_modules():
        if not isinstance(module, LoraLayer):
            continue
        if not isinstance(module, LoraLinear) or getattr(module, "lora_variant", None):
            raise InputError(
                f"the adapted module {path.removeprefix('base_model.model.')!r} is not a plain linear map "
                f"({type(module).__name__})",
                where=f"--model {name}",
                hint="name linear modules with --lora-targets",
            )
        layers.append(
            LoraFactors(
                path.removeprefix("base_model.model."),
                module,
                float(module.scaling[_ADAPTER]),
                module.lora_A[_ADAPTER].weight,
                module.lora_B[_ADAPTER].weight,
                bool(module.fan_in_fan_out),
            )
        )
    if not layers:
        raise InputError("nothing of it is adapted", where=f"--model {name}", hint="name modules with --lora-targets")
    return layers
