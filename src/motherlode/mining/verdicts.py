"""Verdicts on documents, as labelled examples of a further run: what a judge, or a person, says they are about.

A verdict file is JSONL: `text`; `judged`, the domains that the document belongs to, an empty list for none; `asked`,
the domains that were asked about. `motherlode judge` writes such files; a person can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from motherlode.errors import InputError
from motherlode.seeds.files import read_records
from motherlode.shards.fingerprint import fingerprint

_FILE = "name a JSONL file of verdicts, as `motherlode judge` writes"
_LINE = 'write each verdict as {"text": "...", "judged": [...], "asked": [...]} on a line of its own'


@dataclass(frozen=True)
class Verdicts:
    """Documents with the domains that they belong to.

    Attributes:
        texts: The documents.
        labels: For each, its domains; none for an example of what is not wanted.
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    @property
    def digest(self) -> str:
        """Digest of texts and labels."""
        return fingerprint(list(self.texts), [list(labels) for labels in self.labels])

    @classmethod
    def read(cls, path: Path, domains: Sequence[str]) -> Verdicts:
        """Read verdicts on the domains of a run; labels of other domains are passed over.

        Args:
            path: The file.
            domains: The run's domains.

        Raises:
            InputError: The file, or a line of it, must be changed, or a domain was not asked about.
        """
        texts, labels = [], []
        for number, record in read_records(path, _FILE, _LINE):
            where = f"{path}:{number}"
            text = record.get("text")
            if not isinstance(text, str) or not text.strip():
                raise InputError("has no text", where=where)
            judged, asked = (_domains(record.get(name), name, where) for name in ("judged", "asked"))
            if missing := [name for name in domains if name not in asked]:
                raise InputError(
                    f"was not asked about {missing[0]!r}", where=where, hint="judge a run of the same domains"
                )
            texts.append(text)
            labels.append(tuple(name for name in domains if name in judged))
        return cls(tuple(texts), tuple(labels))


def _domains(values: object, name: str, where: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"'{name}' is not a list of domains", where=where, hint='e.g. ["finance"]')
    return values
