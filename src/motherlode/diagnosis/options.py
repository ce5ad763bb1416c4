"""What can be set about a diagnosis and a prediction; the names are those of `select` where they mean the same."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from motherlode.models.options import ModelOptions


class DiagnoseOptions(ModelOptions):
    """A diagnosis; every field is an option of `motherlode diagnose`."""

    model: str = Field(description="Hugging Face folder or hub name of a causal language model")
    dtype: Literal["auto", "fp32", "bf16"] = Field("fp32", description="type of the weights; fp32 is the reference")
    domain_sample: int = Field(64, ge=2, description="domain samples that scores are for, drawn at random")
    pool_sample: int = Field(256, ge=8, description="pool samples that are scored, drawn at random")
    top: int | None = Field(None, ge=1, description="samples that count as chosen; default: a quarter of the sample")
    normalize: Literal["length", "none"] = Field("length", description="whether F is divided by the sample's tokens")
    vocabulary_sample: int = Field(48, ge=2, description="outputs whose gradients are made one by one")
    output_samples: int = Field(6, ge=1, description="samples of the domain, and of the pool, for which they are made")
    probes: int = Field(32, ge=2, le=65536, description="backward passes a batch for the trace of the full kernel")
    difference_steps: tuple[float, ...] = Field((1e-2, 1e-3, 1e-4), description="relative steps of 'difference'")
    dimensions: tuple[int, ...] = Field((512, 2048, 8192), description="dimensions of projected gradients")
    bf16: bool = Field(True, description="whether scores in bf16 are compared, with the model loaded once more")
    checkpoints: int = Field(4, ge=1, le=64, description="ends of epochs of the warm-up that are looked at")
    kernel_samples: int = Field(48, ge=4, description="samples of kernel matrices")
    preselect_factor: int = Field(4, ge=2, description="candidates that votes keep for each sample selected")
    subsets: int = Field(6, ge=0, le=1000, description="random subsets whose effect on the domain's loss is predicted")
    subset_size: int = Field(32, ge=1, description="samples of such a subset")
    task: str | None = Field(None, description="JSONL of a labelled task: question + choices + answer, or samples")
    task_train: int = Field(128, ge=4, description="task samples to learn from")
    task_test: int = Field(128, ge=4, description="task samples to test on")
    memory_gib: float = Field(4.0, gt=0, description="most memory for gradients of single samples, in GiB")


class PredictOptions(ModelOptions):
    """A prediction; every field is an option of `motherlode predict`."""

    model: str = Field(description="Hugging Face folder or hub name of a causal language model")
    dtype: Literal["auto", "fp32", "bf16"] = Field("fp32", description="type of the weights; fp32 is the reference")
    warmup_epochs: int = Field(0, ge=0, le=1000, description="times that the domain is read before; 0: no warm-up")
    learning_rate: float = Field(1e-3, gt=0, description="learning rate of the training that is predicted")
    warmup_rate: float = Field(2e-4, gt=0, description="highest learning rate of the warm-up")
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="what trains")
    epochs: int = Field(1, ge=1, le=1000, description="times that the training set is read")
    batch: int = Field(0, ge=0, description="samples of a step; 0: all in one step")
    measure: bool = Field(False, description="whether the training is also run, and the change measured")
