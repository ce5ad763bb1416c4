"""Personal data that can be told by its form: e-mail addresses, phone numbers, IP addresses, masked by placeholders.

A pattern cannot know what a number means; these lean towards leaving a number alone: dates, prices, ISBN, ISSN,
versions, section numbers and addresses of private networks stay. Names are not touched. A text without `@`, and without
a stretch that could be a number of these kinds, costs one search in Arrow.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from motherlode.shards.step import Step, StepFunction, StepResult

EMAIL, PHONE, IP = "[EMAIL]", "[PHONE]", "[IP]"

# RE2, over the whole column: whether a text can hold any of it.
_SUSPECT = r"@|[\[(]at[\])]|\d[\d\s().+/\-\x{2010}-\x{2013}\x{a0}]{5,}\d|[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]"

_EMAIL = re.compile(
    r"(?<![\w.+%/-])[\w](?:[\w.+%'-]{0,62}[\w+-])?"
    r"(?:@|\s?(?:\[at\]|\(at\))\s?)"
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-]|\.\w)"
)
_EMAIL_HINT = re.compile(r"@|[\[(]at[\])]")

_SEPARATOR = r"[ .\-/\u2010-\u2013\xa0]"
_BEFORE = r"(?<![\w.,:/+#=$€£¥-])(?<![$€£¥] )"
_AFTER = r"(?![\w%€$£¥]|[.,:/-]\d|-\w)"
_INTERNATIONAL = re.compile(
    rf"(?<![\w.,/+=-])(?:\+|00)[1-9]\d{{0,2}}(?:{_SEPARATOR}?\(0?\d{{0,4}}\))?(?:{_SEPARATOR}{{0,2}}(?:\(\d{{1,6}}\)|\d{{1,12}})){{1,7}}{_AFTER}"
)
_AMERICAN = re.compile(
    rf"{_BEFORE}(?:1[ .-])?(?:\([2-9]\d\d\)[ .-]?[2-9]\d\d[ .-]\d{{4}}"
    rf"|[2-9]\d\d([.\u2010-\u2013-])[2-9]\d\d\1\d{{4}}){_AFTER}"
)
_TRUNK = re.compile(
    rf"{_BEFORE}(?:\(0[1-9]\d{{1,4}}\) ?\d{{2,8}}(?:[ -]\d{{2,8}}){{0,3}}|0[1-9](?:([ .-])\d\d)(?:\1\d\d){{3}}"
    rf"|0[1-9]\d{{1,4}}(?: ?/ ?| ?- ?| )\d{{3,8}}(?:[ -]\d{{2,4}}){{0,3}}){_AFTER}"
)
_CUED = re.compile(
    r"(?i:\b(?:tele(?:phone|fono?|foon)|telefax|tel|phone|fax|mobile|mobil|cell|handy|whatsapp|call|text|sms|ph|"
    r"téléphone|teléfono|móvil|тел|телефон|电话|電話)\b\.?(?: (?:no|nr|number|us|me|now|at|on|is))*\.?)"
    rf"[ :]{{0,3}}((?:\(\d{{1,5}}\)|\d)(?:{_SEPARATOR}?(?:\(\d{{1,5}}\)|\d)){{4,14}}){_AFTER}"
)
_ISBN = re.compile(
    r"(?i)\b(?:isbn|issn|ean|gtin|doi|asin|sku|pmid|item|part|order|invoice|ref|id|no)\b[-:.#\s\d()]{0,12}$"
)
_DATE = re.compile(
    r"(?<!\d)(?:\d{4}([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./ ])\d{1,2}\2\d{4}|(?:19|20)\d\d\s?[-–]\s?(?:19|20)\d\d)(?!\d)"
)
_ZIP = re.compile(r"\d{5}-\d{4}")
_MOST_DIGITS = 15
_FEWEST_DIGITS = {"+": 8, "00": 11, "0": 9, "0 ": 10, "": 8}  # by how a number begins

_V4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_V6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION_BEFORE = re.compile(
    r"(?i)(?:\b(?:v|ver|version|versions|release|build|firmware|section|sections|chapter|article|clause|rule|oid|figure|table)\.?\s?|§\s?|/)$"
)
_LARGEST_VERSION_PART = 20


def mask_personal_data(text: str) -> tuple[str, dict[str, int]]:
    """Mask what a text holds.

    Args:
        text: Any text.

    Returns:
        The text with placeholders, and how many of each kind.
    """
    counts: Counter[str] = Counter()

    def masked(kind: str, placeholder: str, is_it: Callable[[re.Match[str]], bool]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            if not is_it(match):
                return match[0]
            counts[kind] += 1
            return placeholder

        return replace

    if _EMAIL_HINT.search(text):
        text = _EMAIL.sub(masked("emails", EMAIL, _is_email), text)
    text = _V4.sub(masked("ip_addresses", IP, _is_address), text)
    text = _V6.sub(masked("ip_addresses", IP, _is_address), text)
    for pattern in (_INTERNATIONAL, _AMERICAN, _TRUNK):
        text = pattern.sub(masked("phone_numbers", PHONE, _is_phone), text)

    def after_cue(match: re.Match[str]) -> str:
        digits = sum(character.isdigit() for character in match[1])
        if not 7 <= digits <= _MOST_DIGITS or _DATE.fullmatch(match[1].strip()):
            return match[0]
        counts["phone_numbers"] += 1
        return match[0][: match.start(1) - match.start()] + PHONE

    return _CUED.sub(after_cue, text), dict(counts)


def _is_email(match: re.Match[str]) -> bool:
    return ".." not in match[0]


def _is_phone(match: re.Match[str]) -> bool:
    number = match[0]
    digits = sum(character.isdigit() for character in number)
    start = (
        "+" if number[0] == "+" else "00" if number.startswith("00") else "0" if number.startswith(("0", "(0")) else ""
    )
    if start == "0" and set(number) <= set("0123456789 "):
        start = "0 "
    if not _FEWEST_DIGITS[start] <= digits <= _MOST_DIGITS or _ZIP.fullmatch(number):
        return False
    if start not in ("+", "00") and _DATE.search(number):
        return False
    return _ISBN.search(match.string, max(0, match.start() - 24), match.start()) is None


def _is_address(match: re.Match[str]) -> bool:
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    if not address.is_global:
        return False
    if address.version == 6:
        return True
    if all(int(part) <= _LARGEST_VERSION_PART for part in match[0].split(".")):
        return False  # a version or a section, as a rule
    return _VERSION_BEFORE.search(match.string, max(0, match.start() - 12), match.start()) is None


class MaskPersonalData(Step):
    """Mask e-mail addresses, phone numbers and IP addresses in every text."""

    name: ClassVar[str] = "personal-data"
    reads = ("text",)

    @property
    def writes(self) -> pa.Schema:
        """The text, masked."""
        return pa.schema([("text", pa.string())])

    def settings(self) -> Mapping[str, Any]:
        """Nothing but the version of the code."""
        return {}

    def open(self) -> StepFunction:
        """Return the function."""

        def mask(batch: pa.RecordBatch) -> StepResult:
            column = batch.column("text")
            counts: Counter[str] = Counter()
            suspects = pc.fill_null(pc.match_substring_regex(column, _SUSPECT), False).to_numpy(zero_copy_only=False)
            if not suspects.any():
                return StepResult({"text": column})
            texts = column.to_pylist()
            for row in suspects.nonzero()[0].tolist():
                texts[row], found = mask_personal_data(texts[row])
                counts.update(found)
            stats = {f"{kind}_masked": count for kind, count in sorted(counts.items())}
            return StepResult({"text": pa.array(texts, pa.string())}, stats=stats)

        return mask
