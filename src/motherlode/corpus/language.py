"""Which language a text is in: a label with a score for every document, and a list of the languages that stay.

`cld2` (Compact Language Detector 2) tells 83 languages and more, the score being the share of the text that is in the
one named; `resiliparse` tells 101, four times as fast and less surely, its rank mapped to a score. Codes are ISO 639-1
where there is one, without script or region; `und` is what cannot be told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any, ClassVar

import pyarrow as pa

from motherlode.errors import InputError, MissingExtraError, nearest
from motherlode.shards.step import Step, StepFunction, StepResult

IDENTIFIERS = ("cld2", "resiliparse")
UNKNOWN = "und"
_PACKAGES = {"cld2": "pycld2", "resiliparse": "resiliparse"}
_LEGACY = {"iw": "he", "jw": "jv", "in": "id", "ji": "yi", "mo": "ro", "nb": "no"}
_LEGACY |= dict.fromkeys(("un", "xx", "zzp"), UNKNOWN)
_CHARACTERS = 100_000  # of a text, that are looked at
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff]")
_WORST_RANK = 1200  # resiliparse: what lies above is usually false

Identify = Callable[[str], tuple[str, float]]


def check_identifier(name: str) -> None:
    """Check that an identifier exists and is installed.

    Raises:
        InputError: There is no such identifier.
        MissingExtraError: It is not installed.
    """
    if name not in IDENTIFIERS:
        raise InputError(f"unknown identifier {name!r}", where="--identifier", hint=nearest(name, IDENTIFIERS))
    if find_spec(_PACKAGES[name]) is None:
        raise MissingExtraError("web", "language identification", where="--identifier")


def known_languages(identifier: str) -> frozenset[str]:
    """Return the codes that an identifier can give."""
    if identifier == "resiliparse":
        from resiliparse.parse.lang import supported_langs

        return frozenset(supported_langs())
    import pycld2

    detected = set(pycld2.DETECTED_LANGUAGES)
    return frozenset(_code(code) for name, code in pycld2.LANGUAGES if name in detected) - {UNKNOWN}


def check_languages(codes: Sequence[str], identifier: str) -> tuple[str, ...]:
    """Return language codes in their one form.

    Args:
        codes: Codes as a person gives them: `en`, `DE`, `pt-BR`.
        identifier: Who has to know them.

    Raises:
        InputError: The identifier does not know one.
    """
    known = known_languages(identifier)
    checked = []
    for given in codes:
        code = _code(given.strip().lower())
        if code not in known:
            raise InputError(
                f"unknown language code {given.strip()!r}",
                where="--languages",
                hint=f"{nearest(code, known)} ISO 639-1 codes such as en, de, zh"
                if len(nearest(code, known)) < 60
                else "use ISO 639-1 codes such as en, de, zh",
            )
        checked.append(code)
    return tuple(dict.fromkeys(checked))


def _code(tag: str) -> str:
    code = tag.replace("_", "-").partition("-")[0].lower()
    return _LEGACY.get(code, code)


def identifier_function(name: str) -> Identify:
    """Return a function from a text to its language and score."""
    return _cld2() if name == "cld2" else _resiliparse()


def _cld2() -> Identify:
    import pycld2

    def identify(text: str) -> tuple[str, float]:
        text = text[:_CHARACTERS]
        try:
            reliable, _, found = pycld2.detect(text)
        except (pycld2.error, UnicodeEncodeError):  # it refuses what it takes for invalid
            try:
                reliable, _, found = pycld2.detect(_UNPRINTABLE.sub(" ", text))
            except pycld2.error:
                return UNKNOWN, 0.0
        _, code, percent, _ = found[0]
        code = _code(code)
        return (code, percent / 100) if reliable and code != UNKNOWN else (UNKNOWN, 0.0)

    return identify


def _resiliparse() -> Identify:
    from resiliparse.parse.lang import detect_fast

    def identify(text: str) -> tuple[str, float]:
        code, rank = detect_fast(text[:_CHARACTERS])
        if code == "unknown":
            return UNKNOWN, 0.0
        return _code(code), round(max(0.0, 1 - rank / _WORST_RANK), 4)

    return identify


class IdentifyLanguage(Step):
    """Label every document with its language; drop those in other languages than the ones to keep."""

    name: ClassVar[str] = "language"
    reads = ("text",)

    def __init__(self, identifier: str, keep: Sequence[str] = (), least_score: float = 0.0) -> None:
        """Describe the step.

        Args:
            identifier: One of `IDENTIFIERS`.
            keep: Codes of the languages that stay; none given: all.
            least_score: The least score with which a document in one of them stays, 0 to 1.
        """
        self.identifier, self.keep, self.least_score = identifier, tuple(keep), least_score

    @property
    def writes(self) -> pa.Schema:
        """The label and its score."""
        return pa.schema([("language", pa.string()), ("language_score", pa.float32())])

    def settings(self) -> Mapping[str, Any]:
        """Who identifies, in which version; and what stays."""
        version = metadata.version(_PACKAGES[self.identifier])
        return {
            "identifier": [self.identifier, version],
            "keep": sorted(self.keep),
            "least_score": self.least_score if self.keep else 0,
        }

    def open(self) -> StepFunction:
        """Return the function."""
        identify, keep, least = identifier_function(self.identifier), frozenset(self.keep), self.least_score

        def label(batch: pa.RecordBatch) -> StepResult:
            found = [identify(text) for text in batch.column("text").to_pylist()]
            codes, scores = [code for code, _ in found], [score for _, score in found]
            columns = {"language": pa.array(codes, pa.string()), "language_score": pa.array(scores, pa.float32())}
            dropped = None
            if keep:
                reasons = [_reason(code, score, keep, least) for code, score in found]
                dropped = pa.array(reasons, pa.string())
            return StepResult(columns, dropped, stats={"languages": dict(Counter(codes))})

        return label


def _reason(code: str, score: float, keep: frozenset[str], least: float) -> str | None:
    if code == UNKNOWN:
        return "language unknown"
    if code not in keep:
        return "other language"
    return "language uncertain" if score < least else None
