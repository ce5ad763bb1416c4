"""What can be set about a model, its adapter, and how samples become tokens: shared by all verbs that use one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from motherlode.config import Config


class ModelOptions(Config):
    """A model, its LoRA adapter with the warm-up, and how samples become tokens and batches."""

    model: str | None = Field(None, description="Hugging Face folder or hub name of a causal language model")
    adapter: str | None = Field(None, description="a LoRA adapter, in place of the warm-up")
    fields: dict[str, str] = Field(default_factory=dict, description="names of fields, ours to the file's")
    bad_rows: Literal["fail", "skip"] = Field("fail", description="what a row that is no sample does; never the domain")
    template: Literal["auto", "chat", "plain"] = Field("auto", description="chat template or plain text")
    max_length: int = Field(1024, ge=2, description="most tokens of a sample")
    truncate: Literal["left", "right"] = Field("left", description="side that is cut off longer samples")
    lora_rank: int = Field(16, ge=1, le=1024, description="rank of the LoRA matrices")
    lora_alpha: float = Field(32, gt=0, description="LoRA scale: updates are multiplied by alpha / rank")
    lora_targets: tuple[str, ...] = Field((), description="adapted modules; none: all linear ones but the head")
    warmup_epochs: int = Field(3, ge=0, le=1000, description="times that the domain is read; 0: no warm-up")
    warmup_batch: int = Field(16, ge=1, description="samples of an optimiser step")
    learning_rate: float = Field(2e-4, gt=0, description="highest learning rate of the warm-up")
    dtype: Literal["auto", "fp32", "bf16"] = Field("auto", description="bf16 on CUDA, fp32 on a CPU, if auto")
    device: str | None = Field(None, description="cpu, cuda or cuda:N; default: CUDA if there is one")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field("sdpa", description="attention implementation")
    trust_remote_code: bool = Field(False, description="whether code that comes with the model may run")
    token_budget: int | None = Field(
        None,
        ge=1,
        description="most tokens of a batch; default: 1,024 on a CPU, 8,192 on CUDA; halved when memory runs out",
    )
    random_seed: int = Field(0, ge=0, description="seed of all random choices")
