"""Where a project's files lie: paths in its file are relative to that file, outputs have fixed names under `out`.

A section may name what another section makes: `corpus`, or a domain of `seeds` that `mine` exports. Everything else is
a path, or (of a model) a name on the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motherlode.corpus.remote import is_url
from motherlode.shards.local_copy import beside


@dataclass(frozen=True)
class Place:
    """The folders of a project, and which sections it has.

    Attributes:
        base: The folder of its file.
        out: The folder of all outputs.
        sections: The sections that are there, as they were written.
        model: The model of all sections that name none.
    """

    base: Path
    out: Path
    sections: Mapping[str, Mapping[str, Any]]
    model: str | None = None

    @property
    def corpus(self) -> Path:
        """The corpus that `corpus` builds."""
        return self.out / "corpus"

    @property
    def seeds(self) -> Path:
        """The folder of seed files that `seeds` writes."""
        return self.out / "seeds"

    @property
    def mined(self) -> Path:
        """The folder that `mine` writes."""
        return self.out / "mined"

    @property
    def selected(self) -> Path:
        """The rows that `select` writes."""
        return self.out / "select" / "selected.jsonl"

    @property
    def cpt(self) -> Path:
        """The folder of continued pre-training."""
        return self.out / "adapt" / "cpt"

    @property
    def sft(self) -> Path:
        """The folder of fine-tuning."""
        return self.out / "adapt" / "sft"

    def evaluation(self, model: str) -> Path:
        """Return the folder of a model's evaluation: `base`, `cpt` or `sft`."""
        return self.out / "evaluate" / model

    def has(self, section: str, part: str | None = None) -> bool:
        """Return whether the project has a section, and a part of it."""
        return section in self.sections and (part is None or part in self.sections[section])

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of `seeds`, in order."""
        named = self.sections.get("seeds", {}).get("domains", {})
        return tuple(named) if isinstance(named, Mapping) else ()

    def path(self, named: str) -> Path:
        """Return a path that the file names."""
        return beside(self.base, named)

    def file(self, named: str) -> str:
        """Return a path that the file names, or an address as it is."""
        return named if is_url(named) else str(self.path(named))

    def evaluation_file(self, named: str) -> tuple[str, str]:
        """Return `FILE` or `FILE:FIELD,FIELD` with its path as other commands take it, and the file alone."""
        path, colon, fields = named.rpartition(":")
        if not colon or self.path(named).exists() or (is_url(named) and path.isalnum()):
            return self.file(named), self.file(named)
        return f"{self.file(path)}:{fields}", self.file(path)

    def encoder(self, spec: str) -> str:
        """Return an encoder's specification with its folder, if it has one."""
        kind, colon, folder = spec.partition(":")
        return f"{kind}:{self.path(folder)}" if kind == "static" and colon else spec

    def models(self, named: str) -> tuple[str, Path | None]:
        """Return what a model is called, and its folder if it is one."""
        folder = self.path(named)
        if folder.exists() or named.startswith((".", "/", "~")):
            return str(folder), folder
        return named, None

    def texts(self, named: str) -> Path:
        """Return where documents lie: `corpus`, a mined domain, or a path."""
        if named == "corpus" and self.has("corpus"):
            return self.corpus
        if named in self.domains and self.has("mine"):
            return self.mined / "domains" / named
        return self.path(named)
