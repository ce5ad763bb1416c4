"""What is wrong with a document that a model wrote to order, if anything: each fault has a name and a remedy.

Faults of one document are found here; near-duplicates, which take two, by the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from motherlode.corpus.words import fold
from motherlode.llm.chat import Answer
from motherlode.seeds.answers import read_answer
from motherlode.seeds.phrases import phrases
from motherlode.seeds.prompt import FIELDS, SeedAnswer

Run = tuple[str, ...]

COPIED = 10  # words in a row that a document may not share with a sample
LEAKED = 8  # words in a row that it may not share with the prompt
SLACK = 0.2  # share by which a length may be missed
_ANOTHER = "This is fiction for a collection of writing samples. Choose a harmless topic."
_LABEL = re.compile(rf"^\W*(?:{'|'.join(FIELDS[:5])})\W*:|</?(?:{'|'.join(FIELDS)})>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer.

    Attributes:
        name: `malformed`, `truncated`, `refused`, `wrong length`, `wrong language`, `template leaked`, `copied`,
            `near-duplicate`.
        steer: What the model is told when it is asked again; empty: the same as before.
    """

    name: str
    steer: str = ""


@dataclass(frozen=True)
class Screen:
    """What answers are held against.

    Attributes:
        words: Least and most words; None is no limit.
        prompt: Runs of words of the prompt that may not reappear.
        samples: Runs of words of the samples, likewise.
        language: ISO 639-1 code.
        identify: Tells a text's language and how much of the text is in it; None: languages are not checked.
    """

    words: tuple[int, int | None]
    prompt: Set[Run]
    samples: Set[Run]
    language: str
    identify: Callable[[str], tuple[str, float]] | None

    def read(self, answer: Answer) -> SeedAnswer | Fault:
        """Return what an answer holds, or what is wrong with it."""
        if answer.refusal or answer.finish == "content_filter":
            return Fault("refused", _ANOTHER)
        if answer.finish == "length":
            return Fault("truncated", "Keep the document well within its limit of words, and finish it.")
        written = read_answer(answer.text, SeedAnswer)
        if written is None:
            if phrases().refuses(answer.text):
                return Fault("refused", _ANOTHER)
            return Fault("malformed")
        return self._fault(written.document) or written

    def _fault(self, text: str) -> Fault | None:
        if phrases().refuses(text):
            return Fault("refused", _ANOTHER)
        leaks = phrases().has_gaps(text) or _LABEL.search(text) or phrases().talks(text)
        if leaks or not runs(text, LEAKED).isdisjoint(self.prompt):
            return Fault(
                "template leaked",
                "The document holds nothing but itself: no words of this task, no field names, no gaps to fill in.",
            )
        if self.samples and not runs(text, COPIED).isdisjoint(self.samples):
            return Fault(
                "copied", "Your last attempt copied from the samples. Use words, names and numbers of your own."
            )
        count = len(fold(text))
        least, most = self.words
        if count < least * (1 - SLACK) or (most is not None and count > most * (1 + SLACK)):
            return Fault("wrong length", f"Your last attempt had {count} words. Mind the length.")
        if self.identify is not None:
            found, _ = self.identify(text)
            if found not in (self.language, "und"):
                return Fault("wrong language", "Your last attempt was in the wrong language.")
        return None


def runs(text: str, length: int) -> set[Run]:
    """Return all runs of so many words, folded for case."""
    words = fold(text)
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def counted(faults: Mapping[str, int]) -> str:
    """Write counts of faults as a sentence does: `refused 8, malformed 3`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(faults.items(), key=lambda f: (-f[1], f[0])))
