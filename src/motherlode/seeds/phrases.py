"""What models say in place of a document, or around it, in fourteen languages: `phrases.yaml` beside this file.

The expressions are data, so that a language can be added, and an expression that errs be mended, without code. How they
err is tested both ways: sentences that they must find, and honest first sentences of documents that they must not.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources

import yaml

BEGINNING = 200  # characters in which a refusal is looked for; further on it is somebody's speech
_BLANKS = re.compile(r"[^\S\n]+")
_UNSPACED = frozenset({"zh", "ja"})
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`", "'"))


@dataclass(frozen=True)
class Phrases:
    """The expressions of all languages together.

    Attributes:
        refusals: Declines the order.
        talk: Speaks to the person who asked; at the beginning.
        gaps: A bracket that is to be filled in.
    """

    refusals: re.Pattern[str]
    talk: re.Pattern[str]
    gaps: re.Pattern[str]

    def refuses(self, text: str) -> bool:
        """Tell whether a text begins by declining the order."""
        return self.refusals.search(_plain(text[:BEGINNING])) is not None

    def talks(self, text: str) -> bool:
        """Tell whether a text begins by speaking to the person who asked."""
        return self.talk.match(_plain(text[: 2 * BEGINNING])) is not None

    def has_gaps(self, text: str) -> bool:
        """Tell whether something in a text is to be filled in."""
        return self.gaps.search(_plain(text)) is not None


@functools.cache
def phrases() -> Phrases:
    """Return the expressions that ship with the package."""
    by_language = yaml.safe_load((resources.files("motherlode.seeds") / "phrases.yaml").read_text("utf-8"))
    refusals, talk, gaps = (
        "|".join(_joined(language, found[kind].splitlines(), kind == "gaps") for language, found in by_language.items())
        for kind in ("refusals", "talk", "gaps")
    )
    marks = r"<(?:insert|your)\b[^>\n]{0,40}>|\{[a-z_]+\}|\blorem ipsum\b"
    return Phrases(
        refusals=re.compile(refusals, re.IGNORECASE),
        talk=re.compile(rf"[\W_]*(?:{talk})", re.IGNORECASE),
        gaps=re.compile(rf"[\[【［](?:{gaps})[^\]】］\n]{{0,40}}[\]】］]|{marks}", re.IGNORECASE),
    )


def _joined(language: str, expressions: list[str], whole_words: bool) -> str:
    joined = "|".join(expressions).replace(" ?", r"\s*").replace(" ", r"\s")
    if language in _UNSPACED:
        return f"(?:{joined})"
    return rf"(?<!\w)(?:{joined})" + (r"(?!\w)" if whole_words else "")


def _plain(text: str) -> str:
    """Fold apostrophes, and white space within a line."""
    return _BLANKS.sub(" ", text.translate(_APOSTROPHES))
