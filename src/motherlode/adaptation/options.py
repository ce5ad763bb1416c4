"""What can be set about training; light to import, so that a configuration is checked before PyTorch is loaded."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from motherlode.config import Config

Schedule = Literal["linear", "cosine", "constant", "stable"]


class TrainOptions(Config):
    """What both ways of training have in common."""

    model: str = Field(description="Hugging Face folder or hub name of a causal language model")
    adapter: str | None = Field(None, description="a LoRA adapter of this very model that training starts from")
    learning_rate: float = Field(2e-4, gt=0, description="highest learning rate of AdamW")
    warmup: float = Field(0.1, ge=0, le=1, description="share of the steps over which the learning rate rises")
    schedule: Schedule = Field(
        "linear", description="how it falls: linear, cosine, constant, or stable (the last fifth of the steps only)"
    )
    floor: float = Field(0.0, ge=0, le=1, description="learning rate at the end, as a share of the highest")
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    clip: float = Field(1.0, ge=0, description="longest gradient; longer ones are scaled down; 0: none are")
    lora_rank: int = Field(16, ge=1, le=1024, description="rank of the LoRA matrices")
    lora_alpha: float = Field(32, gt=0, description="LoRA scale: updates are multiplied by alpha / rank")
    lora_targets: tuple[str, ...] = Field((), description="adapted modules; none: all linear ones but the head")
    dtype: Literal["auto", "fp32", "bf16"] = Field("auto", description="bf16 on CUDA, fp32 on a CPU, if auto")
    device: str | None = Field(None, description="cpu, cuda or cuda:N; default: CUDA if there is one")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field("sdpa", description="attention implementation")
    trust_remote_code: bool = Field(False, description="whether code that comes with the model may run")
    token_budget: int | None = Field(
        None,
        ge=1,
        description="most tokens of one forward and backward pass; a step takes as many passes as it needs; "
        "default: 1,024 on a CPU, 8,192 on CUDA; halved when memory runs out",
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations: less memory, a third more time")
    eval_every: int | None = Field(None, ge=1, description="steps between evaluations")
    checkpoint_every: int = Field(100, ge=1, description="steps between checkpoints")
    random_seed: int = Field(0, ge=0, description="seed of all random choices")

    @model_validator(mode="after")
    def _shaped_once(self) -> Self:
        shape = sorted(self.model_fields_set & {"lora_rank", "lora_alpha", "lora_targets"})
        if self.adapter is not None and shape:
            raise ValueError(
                f"{shape[0].replace('_', '-')} has no effect on an adapter that is given; leave one of both out"
            )
        return self


class SftOptions(TrainOptions):
    """LoRA fine-tuning on samples; every field is an option of `motherlode adapt sft`."""

    epochs: int = Field(3, ge=1, le=1000, description="times that the samples are read")
    max_steps: int | None = Field(None, ge=1, description="optimiser steps, in place of epochs")
    batch: int = Field(16, ge=1, description="samples of an optimiser step")
    max_length: int = Field(1024, ge=2, description="most tokens of a sample")
    truncate: Literal["left", "right"] = Field("left", description="side that is cut off longer samples")
    packing: bool = Field(True, description="several samples in a row of the batch, kept apart by their positions")
    average: Literal["tokens", "samples"] = Field(
        "tokens", description="what the loss is a mean over: predicted tokens, or samples, long and short ones alike"
    )
    template: Literal["auto", "chat", "plain"] = Field("auto", description="chat template or plain text")
    fields: dict[str, str] = Field(default_factory=dict, description="names of fields, ours to the file's")
    bad_rows: Literal["fail", "skip"] = Field("fail", description="what a row that is no sample does")
    merge: bool = Field(False, description="whether a model with the adapter merged in is written too")
    patience: int = Field(
        3, ge=0, description="evaluations on dev without a lower loss after which training stops; 0: never"
    )


class CptOptions(TrainOptions):
    """Continued pre-training on documents; every field is an option of `motherlode adapt cpt`."""

    learning_rate: float = Field(5e-5, gt=0, description="highest learning rate of AdamW")
    warmup: float = Field(0.03, ge=0, le=1, description="share of the steps over which the learning rate rises")
    schedule: Schedule = Field(
        "cosine", description="how it falls: linear, cosine, constant, or stable (the last fifth of the steps only)"
    )
    floor: float = Field(0.1, ge=0, le=1, description="learning rate at the end, as a share of the highest")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    ratio: float = Field(0.25, ge=0, le=1, description="share of the domain, by tokens")
    tokens: int | None = Field(
        None, ge=2, description="tokens to train on, repeats counted; default: as many as read the domain once"
    )
    sequence_length: int = Field(1024, ge=2, description="tokens of a sequence")
    batch: int = Field(8, ge=1, description="sequences of an optimiser step")
    lora: bool = Field(False, description="train a LoRA adapter and merge it, in place of all weights")
    holdout: float = Field(
        0.0, ge=0, lt=1, description="share of the documents that is kept as dev texts where no dev file is named"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.adapter is not None and not self.lora:
            raise ValueError("an adapter is trained further with lora only; add --lora, or leave the adapter out")
        return self


class AdaptSection(Config):
    """The section `adapt` of a configuration file: the options of each way of training."""

    sft: dict[str, Any] = Field(default_factory=dict, description="options of fine-tuning")
    cpt: dict[str, Any] = Field(default_factory=dict, description="options of continued pre-training")
