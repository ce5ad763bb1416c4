"""Per-document steps of `corpus build`: each cleans the text, or drops a document with a named reason.

Every filter is a `Step` over batches with the columns of `RECORD`. The list that `document_steps` returns is the place
where language, quality and privacy filters belong.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ftfy.badness import is_bad
from ftfy.chardata import CONTROL_CHARS, LIGATURES

from motherlode.shards.step import Step, StepFunction, StepResult

# Typographic quotes stay, and so do full-width characters: they are the punctuation of Chinese and Japanese.
_CONFIG = ftfy.TextFixerConfig(uncurl_quotes=False, fix_character_width=False, explain=False)
_CONFIG_AFTER_TAG = _CONFIG._replace(unescape_html=False)  # ftfy leaves character references after the first "<" alone

# ftfy looks at each line a dozen times, mostly in vain: two thirds of the time of a build. These say which lines it
# can change at all (measured on English web text: 0.40 ms a text without them, 0.08 ms with).
_PLAIN = re.compile(r"[\n\t\x20-\x25\x27-\x7e]*")
_REPLACED = {*LIGATURES, *CONTROL_CHARS, *range(0x7F, 0xA0), *map(ord, "&\r\u2028\u2029ÂÃŒœ")}
_CALM = re.compile("[^" + "".join(f"\\U{code:08x}" for code in sorted(_REPLACED)) + "\ud800-\udfff]*")
# Mojibake is a run of characters outside ASCII; the few single ones that count are in `_REPLACED`.
_RUN = re.compile(r"[^\x00-\x7f]{2}")


def clean_text(text: str) -> str:
    """Repair a text's Unicode: mojibake, character references, control characters, ligatures, line ends (ftfy).

    Args:
        text: Any text; unpaired surrogates are replaced.

    Returns:
        The text in NFC, without white space at its ends. Typographic quotes and full-width characters stay.
    """
    if _PLAIN.fullmatch(text) or _stays(text):
        return text.strip()
    config, lines = _CONFIG, without_surrogates(text).split("\n")
    for place, line in enumerate(lines):
        ended = line if place == len(lines) - 1 else line + "\n"
        if not _stays(ended):
            lines[place] = ftfy.fix_text(ended, config).removesuffix("\n" if ended is not line else "")
        if "<" in line:
            config = _CONFIG_AFTER_TAG
    return "\n".join(lines).strip()


def _stays(text: str) -> bool:
    """Return whether ftfy leaves a text as it is; False if in doubt."""
    if not _CALM.fullmatch(text) or not unicodedata.is_normalized("NFC", text):
        return False
    return not _RUN.search(text) or ("\n" not in text[:-1] and not is_bad(text))


def without_surrogates(text: str) -> str:
    r"""Return a text that UTF-8 can hold: pairs of surrogates are joined, lone ones become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class CleanText(Step):
    """Repair the Unicode of every text."""

    name: ClassVar[str] = "clean"
    version: ClassVar[int] = 2
    reads = ("text",)

    @property
    def writes(self) -> pa.Schema:
        """The text, repaired."""
        return pa.schema([("text", pa.string())])

    def settings(self) -> Mapping[str, Any]:
        """The version of the library decides the result."""
        return {"ftfy": ftfy.__version__}

    def open(self) -> StepFunction:
        """Return the function."""

        def clean(batch: pa.RecordBatch) -> StepResult:
            before = batch.column("text").to_pylist()
            after = [clean_text(text) for text in before]
            repaired = sum(a != b for a, b in zip(after, before, strict=True))
            return StepResult({"text": pa.array(after, pa.string())}, stats={"texts_repaired": repaired})

        return clean


class CountWords(Step):
    """Count words (runs of non-space) and drop documents with too few."""

    name: ClassVar[str] = "words"
    reads = ("text",)

    def __init__(self, least: int) -> None:
        """Set the least number of words, 0 or more; documents without text are dropped in any case."""
        self.least = least

    @property
    def writes(self) -> pa.Schema:
        """The number of words."""
        return pa.schema([("words", pa.int32())])

    def settings(self) -> Mapping[str, Any]:
        """The threshold."""
        return {"least": self.least}

    def open(self) -> StepFunction:
        """Return the function."""
        reason = f"under {self.least} words"

        def count(batch: pa.RecordBatch) -> StepResult:
            words = count_words(batch.column("text"))
            empty = pc.equal(words, 0)
            short = pc.less(words, self.least)
            none = pa.scalar(None, pa.string())
            dropped = pc.if_else(empty, "no text", pc.if_else(short, reason, none))
            return StepResult({"words": words}, dropped=dropped)

        return count


_IS_SPACE = np.isin(np.arange(256), list(b" \t\n\f\r"))


def count_words(texts: pa.StringArray) -> pa.Int32Array:
    """Count the words (runs of bytes that are no ASCII space) of texts, 0 where there is nothing but white space.

    One pass over the bytes of the whole array: a regular expression takes ten times as long.
    """
    texts = pc.utf8_trim_whitespace(texts)
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    space = _IS_SPACE[np.frombuffer(data, dtype=np.uint8)[bounds[0] : bounds[-1]]] if data else np.zeros(0, dtype=bool)
    ends = np.flatnonzero(space[1:] & ~space[:-1]) + bounds[0]  # the last bytes of words, but for each text's last word
    before = np.searchsorted(ends, bounds)
    return pa.array(np.where(bounds[1:] > bounds[:-1], np.diff(before) + 1, 0), pa.int32())


def document_steps(
    clean: bool,
    least_words: int,
    *,
    block: Step | None = None,
    language: Step | None = None,
    quality: Step | None = None,
    decontaminate: Step | None = None,
    personal_data: Step | None = None,
) -> list[Step]:
    """Return the per-document steps in order; a step that is None is left out."""
    cleaning = CleanText() if clean else None
    steps = [block, cleaning, language, quality, decontaminate, personal_data, CountWords(least_words)]
    return [step for step in steps if step is not None]
