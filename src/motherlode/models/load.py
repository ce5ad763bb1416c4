"""Loading causal language models: any Hugging Face folder or hub name, weights in safetensors only.

Pickled weights can run code while they are loaded, and are refused; so is code that comes with a model, unless it is
asked for. What is wrong with a checkpoint becomes one line.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from motherlode.errors import InputError, MissingExtraError
from motherlode.shards.fingerprint import file_digest, fingerprint
from motherlode.shards.local_copy import here

try:
    import torch
    import transformers
except ImportError:
    raise MissingExtraError("select", "working with language models") from None

DType = Literal["auto", "fp32", "bf16"]
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_DECIDING = (".safetensors", ".json", ".jinja", ".model", ".txt", ".py")  # endings of files that results depend on


@dataclass(frozen=True)
class CausalModel:
    """A causal language model and its tokenizer.

    Attributes:
        name: The folder or hub name.
        model: The Hugging Face model, in evaluation mode, without gradients.
        tokenizer: Its tokenizer.
        device: Where it lives.
        dtype: The type of its weights.
        window: Most tokens that it reads, if it says so.
        digest: Digest of weights, configuration and tokenizer.
    """

    name: str
    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    window: int | None
    digest: str


def choose_device(device: str | None) -> torch.device:
    """Return a device: the one named, or CUDA if there is one, or the CPU.

    Raises:
        InputError: The device is unknown or not there.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        chosen = torch.device("meta")
    if chosen.type not in ("cpu", "cuda"):
        raise InputError(f"{device!r} is no device", where="--device", hint="use cpu, cuda or cuda:N")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f"{device!r} is not there", where="--device", hint="use cpu")
    return chosen


def load_model(
    name: str,
    *,
    dtype: DType = "auto",
    device: str | None = None,
    attention: str = "sdpa",
    trust_remote_code: bool = False,
) -> CausalModel:
    """Load a model and its tokenizer.

    Args:
        name: A folder, or a name on the Hugging Face hub.
        dtype: `fp32`, `bf16`; `auto` is bf16 on CUDA, fp32 on a CPU.
        device: `cpu`, `cuda`, `cuda:N`; by default CUDA if there is one.
        attention: `sdpa`, `eager` or `flash_attention_2`.
        trust_remote_code: Whether code that comes with the model may run.

    Returns:
        The model.

    Raises:
        InputError: It cannot be loaded; the line says why.
    """
    place = choose_device(device)
    kind = _DTYPES["bf16" if place.type == "cuda" else "fp32"] if dtype == "auto" else _DTYPES[dtype]
    folder = here(name)
    source = os.fspath(folder) if folder.is_dir() else name
    if folder.is_dir():
        check_checkpoint(folder)
    elif folder.exists() or name.startswith((".", "/", "~")):
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(what, where=f"--model {name}", hint="name a Hugging Face model folder or hub name")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    before = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity(logging.ERROR)
    loader: Any = transformers.AutoModelForCausalLM
    try:
        model, report = loader.from_pretrained(
            source,
            dtype=kind,
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
        model.config._name_or_path = name  # which models record; PEFT looks for files under the model's own
    except Exception as error:
        raise InputError(f"cannot be loaded ({_line(error)})", where=f"--model {name}", hint=_hint(error)) from error
    finally:
        transformers.utils.logging.set_verbosity(before)
    if not tokenizer("a")["input_ids"]:
        raise InputError(
            "its tokenizer knows no letter", where=f"--model {name}", hint="its tokenizer's files are missing; add them"
        )
    if missing := sorted(report["missing_keys"]):
        raise InputError(
            f"lacks {len(missing)} weights, first {missing[0]!r}",
            where=f"--model {name}",
            hint="the checkpoint is incomplete, or is not a causal language model",
        )
    model = model.to(place).eval().requires_grad_(False)
    model.config.use_cache = False
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    digest = (
        checkpoint_digest(folder) if folder.is_dir() else fingerprint(name, getattr(model.config, "_commit_hash", None))
    )
    return CausalModel(
        name, model, tokenizer, place, kind, window if isinstance(window, int) and window > 0 else None, digest
    )


def check_checkpoint(folder: Path) -> None:
    """Check a model's folder before anything is loaded from it.

    Raises:
        InputError: It has no configuration, only pickled weights, no weights, or lacks parts of them.
    """
    where = f"--model {folder}"
    names = {path.name for path in folder.iterdir()}
    if "config.json" not in names:
        raise InputError("has no config.json", where=where, hint="name a folder that save_pretrained wrote")
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            parts = set(json.loads(index.read_text())["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise InputError("model.safetensors.index.json is damaged", where=where, hint="download it again") from None
        if missing := sorted(str(part) for part in parts if part not in names):
            raise InputError(
                f"lacks {len(missing)} of {len(parts)} weight files, first {missing[0]!r}",
                where=where,
                hint="the download was interrupted; download it again",
            )
    elif not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(_PICKLED))
        if pickled:
            raise InputError(
                f"has only pickled weights ({pickled[0]}), which can run code when they are loaded",
                where=where,
                hint="convert them where you trust them: model.save_pretrained(FOLDER) writes safetensors",
            )
        raise InputError("has no weights (*.safetensors)", where=where, hint="download it again")


def checkpoint_digest(folder: Path) -> str:
    """Digest what results depend on in a model's folder: weights, configuration, tokenizer."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(_DECIDING))
    return fingerprint([[path.name, file_digest(path)] for path in files])


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def _hint(error: BaseException) -> str:
    text = str(error)
    if "trust_remote_code" in text:
        return "it brings code of its own: read it, then pass --trust-remote-code"
    if "flash" in text.lower():
        return "install flash-attn, or use --attention sdpa"
    if "couldn't connect" in text or "offline" in text.lower():
        return "the hub is not reached, and its cache has no whole copy: download the model first, or name a folder"
    if "does not appear to have a file named" in text:
        return "its download was interrupted, or it has no weights in safetensors; download it again"
    if "safetensors" in text.lower() or "header" in text.lower():
        return "the weights are damaged, cut off, or not safetensors; download them again"
    return "name a folder or hub name of a causal language model"
