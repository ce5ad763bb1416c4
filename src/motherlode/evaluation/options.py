"""How a model is asked, and which of it scores depend on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from motherlode.config import Config
from motherlode.evaluation.prompt import Style
from motherlode.evaluation.scores import Metric

NOT_IN_SCORES = {"batch"}  # changes how fast, not what


class EvaluateOptions(Config):
    """How a model is asked."""

    shots: int = Field(0, ge=0, le=100, description="examples in each prompt")
    limit: int | None = Field(None, ge=1, description="most items of a task, and documents of a text; the first ones")
    style: Style = Field("cloze", description="cloze scores the choices' texts, listed shows them first, letters A B C")
    metric: Metric = Field("auto", description="what counts: auto, acc, acc_norm, exact_match or f1")
    template: Literal["auto", "plain", "chat"] = Field("auto", description="chat template or plain text (auto)")
    max_length: int | None = Field(None, ge=8, description="most tokens of a prompt with its answer; default: window")
    max_new_tokens: int = Field(64, ge=1, description="most tokens of a written answer")
    dtype: Literal["auto", "fp32", "bf16"] = Field("auto", description="bf16 on CUDA, fp32 on a CPU, if auto")
    device: str | None = Field(None, description="cpu, cuda or cuda:N; default: CUDA if there is one")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field("sdpa", description="attention implementation")
    batch: int | None = Field(None, ge=1, description="most prompts at once; default: a token budget by device")
    trust_remote_code: bool = Field(False, description="whether code that comes with the model may run")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals")
    random_seed: int = Field(0, ge=0, description="seed of few-shot examples and of the bootstrap")
