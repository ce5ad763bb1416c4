"""What `corpus build` does with pages, languages, addresses and personal data: options, and the steps they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.blocklist import BlockUrls
from motherlode.corpus.language import IDENTIFIERS, IdentifyLanguage, check_identifier, check_languages
from motherlode.corpus.privacy import MaskPersonalData
from motherlode.corpus.sources import WEB_FORMATS, InputFile
from motherlode.corpus.web.extract import EXTRACTORS, check_extractor
from motherlode.corpus.web.reader import WebReading
from motherlode.errors import InputError, nearest
from motherlode.shards.step import Step

_CHOICES = ("auto", "none", *IDENTIFIERS)
_TEXT_ALREADY = (".wet", ".wat")


class WebOptions(Config):
    """The options; `BuildConfig` adds its own."""

    extractor: str = Field("resiliparse", description=f"who extracts text from HTML: {', '.join(EXTRACTORS)}")
    page_seconds: float = Field(10.0, ge=0, le=3600, description="processor time for a page, in s; 0: no limit")
    identifier: str = Field(
        "auto", description="who tells languages: cld2, resiliparse, none; auto: cld2 for web formats and --languages"
    )
    languages: tuple[str, ...] = Field((), description="languages that stay (ISO 639-1); none given: all")
    min_language_score: float = Field(0.5, ge=0, le=1, description="least score of a language that stays")
    mask_personal_data: bool = Field(False, description="mask e-mail addresses, phone numbers and IP addresses")
    block_urls: Path | None = Field(None, description="file of hosts and URL prefixes that are dropped")


def web_steps(options: WebOptions, files: Sequence[InputFile]) -> tuple[WebReading, dict[str, Step | None]]:
    """Check the options against the input, and return what they ask for.

    Args:
        options: The options.
        files: The input files.

    Returns:
        How pages are read; and the steps `block`, `language` and `personal_data`, None for what is not wanted.

    Raises:
        InputError: An option does not fit: an unknown name or language code, a block-list that cannot be read.
        MissingExtraError: What an option or the input needs is not installed.
    """
    pages = [file for file in files if file.format in WEB_FORMATS]
    if options.extractor != "resiliparse" or any(not _is_text_already(file) for file in pages):
        check_extractor(options.extractor)
    block = None
    if options.block_urls is not None:
        block = BlockUrls(options.block_urls.expanduser())
        block.list()
    steps: dict[str, Step | None] = {
        "block": block,
        "language": _language_step(options, bool(pages)),
        "personal_data": MaskPersonalData() if options.mask_personal_data else None,
    }
    return WebReading(options.extractor, options.page_seconds, block), steps


def _is_text_already(file: InputFile) -> bool:
    return any(suffix in _TEXT_ALREADY for suffix in Path(file.name.lower()).suffixes[-2:])


def _language_step(options: WebOptions, any_pages: bool) -> Step | None:
    name = options.identifier
    if name not in _CHOICES:
        raise InputError(f"unknown identifier {name!r}", where="--identifier", hint=nearest(name, _CHOICES))
    if name == "none" and options.languages:
        raise InputError("languages cannot be kept without an identifier", where="--identifier none")
    if name == "none" or (name == "auto" and not (any_pages or options.languages)):
        return None
    name = "cld2" if name == "auto" else name
    check_identifier(name)
    return IdentifyLanguage(name, check_languages(options.languages, name), options.min_language_score)
