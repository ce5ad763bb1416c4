"""What can be set about decontamination."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from motherlode.config import Config

FUZZY_NGRAM = 5


class DecontaminateOptions(Config):
    """Against what documents are held, and what becomes of those that hold some of it."""

    decontaminate: tuple[str, ...] = Field(
        (), description="evaluation files, as FILE or FILE:FIELD,FIELD; all fields if none is named"
    )
    decontaminate_tasks: tuple[str, ...] = Field((), description="tasks of lm-evaluation-harness")
    contaminated: Literal["remove", "tag"] = Field("remove", description="what becomes of contaminated documents")
    decontaminate_ngram: int = Field(
        13, ge=2, le=1000, description="words in a row that a document shares with an evaluation item"
    )
    decontaminate_short: int = Field(
        8,
        ge=1,
        le=1000,
        description="texts of fewer words than an n-gram, but this many, count where all of them stands",
    )
    decontaminate_fuzzy: float | None = Field(
        None, gt=0, le=1, description="share of an item's 5-grams, close together, that also counts; absent: none does"
    )
    decontaminate_frequent: int = Field(
        25, ge=1, description="n-grams in more items of a file (or in over 1 % of them) do not count: they are prompts"
    )
