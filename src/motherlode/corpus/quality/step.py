"""The rules of quality as one step: words are split once a document and shared by all families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from motherlode.corpus.language import UNKNOWN
from motherlode.corpus.quality.c4 import apply_c4
from motherlode.corpus.quality.fineweb import check_fineweb
from motherlode.corpus.quality.gopher import check_quality, check_repetition
from motherlode.corpus.quality.presets import QualityConfig, QualityOptions, families, rules_for
from motherlode.corpus.quality.rules import Verdict
from motherlode.corpus.quality.words import Block, blocks
from motherlode.shards.step import Step, StepFunction, StepResult

LANGUAGE = "language"  # the column that a step before may have written
MOST_CHARACTERS = 1_000_000  # of a text, that are judged: the arrays of a block take about 90 bytes a character
_ONLY_LINES = {"min_sentences": 0, "lorem_ipsum": False, "curly_bracket": False}


class FilterQuality(Step):
    """Drop documents that break a rule; C4 also drops lines.

    A document of more than `MOST_CHARACTERS` is judged by its beginning. C4 drops lines of all of it.
    """

    name: ClassVar[str] = "quality"
    version = 3
    reads = ("text",)

    def __init__(self, families: Sequence[str], rules: QualityConfig) -> None:
        """Choose the rules.

        Args:
            families: `gopher`, `c4`, `fineweb`, one at least.
            rules: Their thresholds.
        """
        self.families, self.rules = tuple(families), rules

    @property
    def writes(self) -> pa.Schema:
        """The text, of which C4 may drop lines."""
        return pa.schema([("text", pa.string())] if "c4" in self.families else [])

    def settings(self) -> Mapping[str, Any]:
        """The families with their thresholds, and the language where it is read."""
        rules = self.rules.model_dump(mode="json", include=set(self.families))
        return {"rules": rules, "language": self.rules.language if "gopher" in self.families else None}

    def open(self) -> StepFunction:
        """Return the function."""

        def check(batch: pa.RecordBatch) -> StepResult:
            texts = batch.column("text").to_pylist()
            languages = _languages(batch, self.rules.language)
            reasons: list[str | None] = []
            changed: dict[int, str] = {}
            heads = [text if len(text) <= MOST_CHARACTERS else text[: _piece_end(text, 0)] for text in texts]
            for start, block in blocks(heads):
                of_block, edited = self.judge(block, languages[start : start + len(block)])
                reasons += of_block
                changed.update((start + document, text) for document, text in edited.items())
            columns = {}
            stats = {}
            if "c4" in self.families:
                for document, (text, head) in enumerate(zip(texts, heads, strict=True)):
                    if len(head) < len(text) and reasons[document] is None:
                        rest = text[len(head) :]
                        edited_rest = self._rest(rest)
                        if document in changed or edited_rest != rest:
                            changed[document] = changed.get(document, head) + edited_rest
                for document, text in changed.items():
                    texts[document] = text
                columns["text"] = pa.array(texts, pa.string())
                stats["texts_with_lines_dropped"] = sum(reasons[document] is None for document in changed)
            return StepResult(columns, dropped=pa.array(reasons, pa.string()), stats=stats)

        return check

    def _rest(self, rest: str) -> str:
        """Drop lines of what follows a long document's beginning, which has been judged."""
        lines = self.rules.c4.model_copy(update=_ONLY_LINES)
        parts: list[str] = []
        start = 0
        while start < len(rest):
            end = _piece_end(rest, start)
            piece = rest[start:end]
            block = Block([piece])
            text = apply_c4(block, lines, Verdict(block)).get(0, piece)
            if (
                text and text is not piece and piece.startswith("\n")
            ):  # the line end before it went with the blank lines
                text = f"\n{text}"
            parts.append(text)
            start = end
        return "".join(parts)

    def judge(self, block: Block, languages: list[str]) -> tuple[list[str | None], dict[int, str]]:
        """Judge the documents of a block.

        Args:
            block: The documents.
            languages: `[d]` their languages.

        Returns:
            `[d]` the reason for which each goes, None where it stays; and new texts by document.
        """
        verdict = Verdict(block)
        edited: dict[int, str] = {}
        if "gopher" in self.families:
            check_quality(block, self.rules.gopher, languages, verdict)
            check_repetition(block, self.rules.gopher.repetition, verdict)
        if "c4" in self.families:
            edited = apply_c4(block, self.rules.c4, verdict)
        if "fineweb" in self.families:
            if edited:
                self._check_edited(edited, verdict)
            kept = Verdict(block)
            check_fineweb(block, self.rules.fineweb, kept)
            same = np.ones(len(block), dtype=bool)
            same[list(edited)] = False
            for document in np.flatnonzero(same & (verdict.reasons == None)):  # noqa: E711 - element by element
                verdict.reasons[document] = kept.reasons[document]
        return list(verdict.reasons), edited

    def _check_edited(self, edited: dict[int, str], verdict: Verdict) -> None:
        """Apply the rules of FineWeb to texts that C4 has changed, whose words are split anew."""
        places = list(edited)
        for start, block in blocks(list(edited.values())):
            again = Verdict(block)
            check_fineweb(block, self.rules.fineweb, again)
            verdict.reasons[places[start : start + len(block)]] = again.reasons


def _piece_end(text: str, start: int) -> int:
    """Return where a piece of a long text ends: before a line end if there is one, so that the next begins with it."""
    limit = start + MOST_CHARACTERS
    if limit >= len(text):
        return len(text)
    line_end = text.rfind("\n", start + 1, limit)
    return line_end if line_end > start else limit


def _languages(batch: pa.RecordBatch, default: str) -> list[str]:
    """Return each document's language, without region and script: `en` for `en-GB`."""
    if LANGUAGE not in batch.schema.names:
        return [default] * batch.num_rows
    codes = (default if code in (None, "", UNKNOWN) else code for code in batch.column(LANGUAGE).to_pylist())
    return [code.replace("_", "-").split("-")[0].lower() for code in codes]


def quality_step(options: QualityOptions, format: str) -> FilterQuality | None:
    """Return the step that a preset asks for.

    Args:
        options: The options.
        format: The format of the input, one of the values of `sources.FORMATS`.

    Returns:
        The step; None if nothing is to be filtered.

    Raises:
        InputError: An unknown name, or names that exclude each other.
    """
    wanted = families(options.quality, format)
    return FilterQuality(wanted, rules_for(options.quality, options.quality_rules, format)) if wanted else None
