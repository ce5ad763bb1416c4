"""Which rules of quality hold: presets by name, thresholds from a file.

What a practitioner wants depends on the input. A folder of JSONL is somebody's selection, and none of it goes unasked;
pages from the web are raw, and pass the rules that made FineWeb. That is the preset `auto`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from motherlode.config import Config
from motherlode.corpus.quality.c4 import C4Config
from motherlode.corpus.quality.fineweb import FineWebConfig
from motherlode.corpus.quality.gopher import GopherConfig
from motherlode.corpus.sources import WEB_FORMATS
from motherlode.errors import InputError, nearest
from motherlode.shards.local_copy import here
from motherlode.yaml_file import read_yaml

FAMILIES = ("gopher", "c4", "fineweb")
PRESETS = ("auto", "none", "web", "all", *FAMILIES)


class QualityConfig(Config):
    """The thresholds of all rules; those of the papers by default."""

    language: str = Field("en", min_length=2, description="language of documents for which none is known")
    gopher: GopherConfig = Field(GopherConfig(), description="quality and repetition, arXiv 2112.11446")
    c4: C4Config = Field(C4Config(), description="lines and sentences, arXiv 1910.10683")
    fineweb: FineWebConfig = Field(FineWebConfig(), description="lists and templates, arXiv 2406.17557")


class QualityOptions(Config):
    """What `corpus build` does about quality, and with what it drops; `BuildConfig` adds its own."""

    quality: str = Field("auto", description=f"filters: {', '.join(PRESETS)}, or several of the last three")
    quality_rules: QualityConfig = Field(QualityConfig(), description="thresholds of the filters")
    keep_rejected: bool = Field(False, description="write dropped documents aside, with the reason")
    chunk_words: int = Field(0, ge=0, description="words of a chunk into which documents are cut, at most; 0: whole")
    min_chunk_words: int = Field(20, ge=1, description="words of what is left over at a document's end, at least")

    @field_validator("quality", mode="before")
    @classmethod
    def _a_list_is_joined(cls, value: Any) -> Any:
        return ",".join(value) if isinstance(value, list) and all(isinstance(name, str) for name in value) else value

    @model_validator(mode="after")
    def _chunks_are_longer_than_remainders(self) -> Self:
        if 0 < self.chunk_words < self.min_chunk_words:
            raise ValueError(
                f"chunk_words = {self.chunk_words} is less than min_chunk_words = {self.min_chunk_words}; "
                "lower min_chunk_words too"
            )
        return self


def families(preset: str, format: str, where: str = "--quality") -> tuple[str, ...]:
    """Return the families of rules that a preset asks for.

    Args:
        preset: `auto`, `none`, `web`, `all`, or families separated by commas.
        format: The format of the input, for `auto`.
        where: The origin of the preset, for the error line.

    Returns:
        Families in the order in which they are applied; `web` is `gopher`, `c4` and `fineweb`, with the rule of C4 on
        terminal punctuation off, as FineWeb has it.

    Raises:
        InputError: An unknown name, or names that exclude each other.
    """
    names = [name.strip() for name in preset.split(",") if name.strip()]
    for name in names:
        if name not in PRESETS:
            raise InputError(f"unknown filter {name!r}", where=where, hint=nearest(name, PRESETS))
    if not names or (len(names) > 1 and not set(names) <= set(FAMILIES)):
        raise InputError(f"{preset!r} is no choice of filters", where=where, hint=f"use one of {', '.join(PRESETS)}")
    if names == ["auto"]:
        names = ["web"] if format in WEB_FORMATS else ["none"]
    if names == ["none"]:
        return ()
    return FAMILIES if names in (["web"], ["all"]) else tuple(name for name in FAMILIES if name in names)


def rules_for(preset: str, rules: QualityConfig, format: str) -> QualityConfig:
    """Return the thresholds that hold for a preset: `web` keeps lines without terminal punctuation, unless told."""
    web = preset.strip() == "web" or (preset.strip() == "auto" and format in WEB_FORMATS)
    if web and "terminal_punctuation" not in rules.c4.model_fields_set:
        lines = rules.c4.model_copy(update={"terminal_punctuation": False})
        return rules.model_copy(update={"c4": lines})
    return rules


def read_quality_config(path: Path) -> dict[str, Any]:
    """Read thresholds from a YAML file.

    Args:
        path: The file; its keys are the fields of `QualityConfig`.

    Returns:
        The values, checked.

    Raises:
        InputError: The file is missing or no YAML mapping, a key is unknown, a value is out of range.
    """
    values = read_yaml(here(path))
    QualityConfig.parse(values, str(path))
    return values
