"""What is planned, and on what: documents, models and machines. Shares and prices are options too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from motherlode.config import Config

_FACTORS = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


def _count(value: object) -> object:
    """Read a number as people write it: `1e9`, `1.8M`, `8B`, `1_000_000`."""
    if not isinstance(value, str):
        return value
    said = value.strip().replace("_", "").replace(",", "")
    factor = _FACTORS.get(said[-1:].lower(), 1.0)
    try:
        return float(said[:-1] if factor != 1.0 else said) * factor
    except ValueError:
        raise ValueError("is not a number; write 1e9, 1.8M or 8B") from None


Count = Annotated[float, BeforeValidator(_count)]


class PlanOptions(Config):
    """What is planned."""

    documents: Count = Field(0, ge=0, le=1e15, description="documents, or web pages, in the input; 0: no corpus")
    words: float = Field(500, gt=0, le=1e7, description="words of a document")
    input: Literal["text", "web"] = Field("text", description="text (JSON lines and its like) or web (WARC files)")
    page_bytes: float = Field(140_000, gt=0, description="bytes of HTML of a page, uncompressed")
    compressed_page_bytes: float = Field(30_000, gt=0, description="bytes of a page in a compressed WARC file")
    kept_share: float | None = Field(
        None, gt=0, le=1, description="share of the input that filters leave; default: 0.9 of text, 0.25 of pages"
    )
    near_duplicates: bool = Field(True, description="whether near-duplicates are looked for")
    mine: bool = Field(True, description="whether the corpus is encoded and mined")
    mined_share: float = Field(0.05, gt=0, le=1, description="share of the corpus that is exported")
    domains: int = Field(4, ge=1, description="domains that are mined")
    shard_rows: int = Field(8192, ge=1, description="documents in a shard")

    select_samples: Count = Field(0, ge=0, description="samples in the pool of `select`; 0: no selection")
    sample_tokens: float = Field(512, gt=0, description="tokens of a sample")
    domain_samples: Count = Field(1000, ge=1, description="samples of the domain")
    number: Count = Field(9000, ge=1, description="samples that are selected; four times as many are scored")
    preselect: Literal["model", "lexical", "none"] = Field(
        "model", description="who finds candidates: the model, the encoder `lexical`; none: all samples are scored"
    )
    engine: Literal["contraction", "difference"] = Field("contraction", description="engine of the kernel")
    warmup_epochs: float = Field(3, ge=0, description="epochs of the warm-up")
    parameters: Count = Field(8e9, gt=0, description="parameters of the model")

    cpt_tokens: Count = Field(0, ge=0, description="tokens of continued pre-training")
    sft_tokens: Count = Field(0, ge=0, description="tokens of supervised fine-tuning, all epochs together")
    sft_method: Literal["lora", "full"] = Field("lora", description="how fine-tuning trains; pre-training is full")

    nodes: int = Field(1, ge=1, le=1_000_000, description="machines")
    cores_per_node: int | None = Field(None, ge=1, description="cores of a machine; default: as measured")
    memory_per_node: float | None = Field(None, gt=0, description="GiB of a machine; default: 4 a core")
    gpus_per_node: int = Field(0, ge=0, description="GPUs of a machine; 0: models run on its cores")
    gpu_tflops: float = Field(
        989, gt=0, description="TFLOP/s of a GPU in dense bf16, by its data sheet (H100 SXM: 989)"
    )
    gpu_memory: float = Field(80, gt=0, description="GiB of a GPU")
    mfu: float = Field(0.35, gt=0, le=1, description="share of these TFLOP/s that a model reaches")
    efficiency: float = Field(0.85, gt=0, le=1, description="share of a core's rate that stays when all cores work")
    network_gbit: float = Field(10, gt=0, description="Gbit/s between a machine and the storage")
    node_price: float | None = Field(None, ge=0, description="price of a machine an hour")
    storage_price: float | None = Field(None, ge=0, description="price of a GB (10^9 bytes) a month")
    currency: str = Field("USD", min_length=1, max_length=8, description="of the prices")
