"""What can be set about a selection."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from motherlode.models.options import ModelOptions

METHODS = ("ntk", "less", "random", "longest", "embedding", "votes", "perplexity-middle", "dsir", "rds", "tsds")
Method = Literal["ntk", "less", "random", "longest", "embedding", "votes", "perplexity-middle", "dsir", "rds", "tsds"]
WITH_MODEL = ("ntk", "less", "perplexity-middle", "rds")
GRADIENTS = ("ntk", "less")
BY_SIMILARITY = ("embedding", "rds", "less")
WITHOUT_VECTORS = ("random", "longest", "dsir")
IN_TURN = ("embedding", "rds", "ntk", "less")


class SelectOptions(ModelOptions):
    """A selection; every field is an option of `motherlode select`."""

    n: int = Field(ge=1, description="samples to select")
    method: Method = Field("ntk", description="how candidates are scored")
    kernel: Literal["ntk", "ntk-signs", "loss", "loss-adam"] = Field(
        "ntk", description="what gradient stands for a sample"
    )
    engine: Literal["auto", "contraction", "difference", "sketch", "reference"] = Field(
        "auto", description="how scores are computed"
    )
    normalize: Literal["length", "none", "cosine"] = Field(
        "length", description="whether F is divided by the sample's tokens, or gradients by their length"
    )
    projection: Literal["auto", "rademacher", "sparse"] = Field(
        "auto", description="of the engine 'sketch' and of less; auto: sparse, rademacher for less"
    )
    projection_dimension: int = Field(8192, ge=1, le=1 << 20, description="numbers kept of each projected gradient")
    subtask_field: str | None = Field(None, description="field of the domain's rows that names sub-tasks, for less")
    probes: int = Field(8, ge=1, le=4096, description="sign vectors of ntk-signs")
    difference_step: float | None = Field(None, gt=0, lt=1, description="relative step of the engine 'difference'")
    preselect: Literal["auto", "votes", "none"] = Field(
        "auto", description="how candidates are chosen before scoring; auto: votes for ntk, none for less"
    )
    preselect_encoder: str = Field(
        "auto", description="'model' (its mean last hidden states), or an encoder; auto: the model if there is one"
    )
    preselect_factor: int = Field(4, ge=1, description="candidates scored for each sample selected")
    similarity: Literal["mean", "max"] = Field("mean", description="of embedding, rds and less, over the domain")
    tsds_alpha: float = Field(0.5, ge=0, le=1, description="weight of distances against diversity, for 'tsds'")
    tsds_bandwidth: float = Field(0.75, ge=0, le=2, description="distance from which two are not alike, for 'tsds'")
    selector: Literal["auto", "top", "round-robin", "diverse", "quota"] = Field(
        "auto", description="how candidates are taken; auto: as the method was published"
    )
    diversity: float = Field(0.5, ge=0, le=1, description="weight of diversity, for the selector 'diverse'")
    near_duplicates: float | None = Field(
        0.8, gt=0, le=1, description="word 5-grams (Jaccard) from which samples are the same; none: all are taken"
    )
    quota: float | None = Field(None, gt=0, le=1, description="most of the selection from one source, as a share")
    source_field: str = Field("source", description="field that names a row's source, for the quota")
    eval_files: tuple[str, ...] = Field((), description="evaluation files that selected samples must not hold")
    layout: Literal["right", "left", "packed"] = Field("right", description="how samples stand in a batch")
    shard_rows: int = Field(512, ge=1, description="candidates that are scored between two commits")

    @model_validator(mode="after")
    def _together(self) -> SelectOptions:
        if self.method in WITH_MODEL and self.model is None:
            raise ValueError(f"the method '{self.method}' needs a model; name one with --model")
        if self.preselect_encoder == "model" and self.model is None:
            raise ValueError("the preselect-encoder 'model' needs a model; name one with --model")
        if self.method == "rds" and self.preselect_encoder not in ("auto", "model"):
            raise ValueError("the method 'rds' is defined on the model's hidden states; leave preselect-encoder out")
        if self.selector == "round-robin" and self.method not in IN_TURN:
            known = " or ".join(IN_TURN)
            raise ValueError(f"the selector 'round-robin' needs a score for each domain sample: --method {known}")
        self._every_option_is_read()
        if self.method == "ntk":
            self._engine_fits()
        if self.with_checkpoints and self.adapter is not None:
            raise ValueError("the moments of the warm-up are needed, which a given adapter lacks: leave out --adapter")
        if self.with_checkpoints and self.warmup_epochs < 1:
            raise ValueError("checkpoints of the warm-up are needed: --warmup-epochs 1 or more")
        if self.preselect_encoder.startswith("distil:"):
            raise ValueError("a distilled encoder lives beside a corpus; use lexical, minilm, st: or static:")
        return self

    def _every_option_is_read(self) -> None:
        """Refuse options that are set and would not be looked at."""
        fields = type(self).model_fields
        for names, read, by in (
            (("kernel", "engine"), self.method == "ntk", "--method ntk"),
            (("normalize",), self.method in GRADIENTS, "--method ntk or less"),
            (("preselect",), self.method in GRADIENTS or self.preselect == "none", "--method ntk or less"),
            (("probes",), self.kernel == "ntk-signs", "--kernel ntk-signs"),
            (("difference_step",), self.engine in ("auto", "difference"), "--engine difference"),
            (("similarity",), self.method in BY_SIMILARITY, "--method embedding, rds or less"),
            (("subtask_field",), self.method == "less", "--method less"),
            (("tsds_alpha", "tsds_bandwidth"), self.method == "tsds", "--method tsds"),
            (("diversity",), self.selector == "diverse", "--selector diverse"),
        ):
            for name in names:
                if not read and getattr(self, name) != fields[name].default:
                    raise ValueError(f"{name.replace('_', '-')} is read with {by} only; leave it out")

    def _engine_fits(self) -> None:
        engine = self.engine
        if self.selector == "round-robin" and engine not in ("auto", "sketch"):
            raise ValueError(
                f"the engine '{engine}' scores for the whole domain at once: --engine sketch for round-robin"
            )
        if self.normalize == "cosine" and engine == "difference":
            raise ValueError(
                "the engine 'difference' cannot know the length of a gradient: --engine contraction or sketch"
            )
        if self.normalize == "cosine" and self.kernel == "loss-adam" and engine not in ("auto", "sketch"):
            raise ValueError("cosines along checkpoints: --engine sketch, or --method less")

    @property
    def by_votes(self) -> bool:
        """Whether votes narrow the pool; LESS was published without."""
        return self.preselect == "votes" or (self.preselect == "auto" and self.method == "ntk")

    @property
    def with_checkpoints(self) -> bool:
        """Whether the warm-up keeps a checkpoint an epoch."""
        return self.method == "less" or (self.method == "ntk" and self.kernel == "loss-adam")

    @property
    def encoder(self) -> str:
        """What vectors are made by."""
        if self.method == "rds":
            return "model"
        if self.preselect_encoder != "auto":
            return self.preselect_encoder
        return "lexical" if self.model is None else "model"

    @property
    def epochs(self) -> int:
        """How often the warm-up reads the domain: RDS+ is defined on the model as it is."""
        return 0 if self.method == "rds" else self.warmup_epochs
