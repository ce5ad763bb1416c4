"""What can be set about near-duplicates, and how bands and rows follow from the threshold.

Two documents with Jaccard similarity s agree in all r values of a band with probability s^r, and in one of b bands at
least with probability 1 - (1 - s^r)^b (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4). Such
pairs are candidates only: they are verified, so that bands are chosen for recall and cost nothing in precision.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from motherlode.config import Config

PERMUTATIONS = 128  # the budget from which bands and rows are taken if they are not given
_RECALL = 0.99  # the probability that a pair right at the threshold becomes a candidate
_MOST_VALUES = 4096


class NearDuplicateOptions(Config):
    """What a build does with documents that are nearly alike."""

    near_duplicates: bool | None = Field(
        None, description="drop all but one of documents that are nearly alike; absent: if exact duplicates are dropped"
    )
    near_duplicate_threshold: float = Field(
        0.8, gt=0, le=1, description="Jaccard similarity of two documents' n-grams from which they are alike"
    )
    near_duplicate_ngram: int = Field(5, ge=1, le=100, description="words in an n-gram")
    near_duplicate_bands: int | None = Field(None, ge=1, le=_MOST_VALUES, description="bands; absent: by the threshold")
    near_duplicate_rows: int | None = Field(
        None, ge=1, le=_MOST_VALUES, description="values in a band; absent: by the threshold"
    )
    near_duplicate_verify: Literal["exact", "signature", "none"] = Field(
        "exact", description="how candidate pairs are checked: by all their n-grams, by their signatures, not at all"
    )
    near_duplicate_keep: Literal["longest", "first", "quality"] = Field(
        "longest", description="which document of a cluster stays; the first of equals"
    )
    quality_field: str = Field(
        "quality", min_length=1, description="field that holds the score by which `quality` keeps the best"
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        bands, rows = self.near_duplicate_bands, self.near_duplicate_rows
        if (bands is None) != (rows is None):
            raise ValueError("bands and rows of near-duplicates are given together, or not at all")
        if bands is not None and rows is not None and bands * rows > _MOST_VALUES:
            raise ValueError(f"{bands} bands of {rows} rows are more than {_MOST_VALUES} values a document")
        return self

    @property
    def bands_and_rows(self) -> tuple[int, int]:
        """The bands, and the values in each."""
        if self.near_duplicate_bands is not None and self.near_duplicate_rows is not None:
            return self.near_duplicate_bands, self.near_duplicate_rows
        return choose_bands(self.near_duplicate_threshold)


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """Return the probability that two documents share a band key.

    Args:
        similarity: Their Jaccard similarity, 0 to 1.
        bands: Bands, 1 or more.
        rows: Values in a band, 1 or more.
    """
    return float(1 - (1 - similarity**rows) ** bands)


def choose_bands(threshold: float, permutations: int = PERMUTATIONS) -> tuple[int, int]:
    """Choose the longest bands (the fewest candidates) that find 99 % of the pairs right at a threshold.

    Args:
        threshold: Jaccard similarity, in (0, 1].
        permutations: Values in a signature, at most.

    Returns:
        Bands and rows; at most `permutations` values together.
    """
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if candidate_probability(threshold, bands, rows) >= _RECALL:
            return bands, rows
    return permutations, 1
