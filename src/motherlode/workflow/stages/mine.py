"""`mine`: domain corpora out of the corpus, from the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from motherlode.errors import InputError
from motherlode.mining.run import MineConfig
from motherlode.workflow.place import Place
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine


class MineSection(MineConfig):
    """How domains are mined, and from what."""

    corpus: str = Field("corpus", description="the folder of a corpus; default: the one that `corpus` builds")
    verdicts: str | None = Field(None, description="judged documents to train on too: a file that `judge` wrote")

    @field_validator("t_sim", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        return None if value == "auto" else value


class MineStage(Stage):
    """Fills `mined/`."""

    def __init__(self, place: Place, section: MineSection) -> None:
        """Note corpus, seeds and verdicts."""
        super().__init__("mine", place, section)
        self.section = section
        self.corpus = place.texts(section.corpus)
        self.reading("corpus", self.corpus / "documents")
        for name in place.domains:
            self.reading(f"seeds/{name}.jsonl", place.seeds / f"{name}.jsonl")
        if section.verdicts is not None:
            self.reading(section.verdicts, place.path(section.verdicts))
        self.writes = {
            "mined/result.json": place.mined / "result.json",
            "mined/domains": place.mined / "domains",
            "mined/labels": place.mined / "labels",
        }
        self.replaced = (place.mined,)

    def run(self, engine: Engine, quiet: bool) -> None:
        """Mine, or continue to."""
        from motherlode.mining.mine import mine

        section = self.section
        settings = {name: getattr(section, name) for name in MineConfig.model_fields}
        settings["encoder"] = self.place.encoder(section.encoder)
        if section.cascade is not None:
            settings["cascade"] = self.place.encoder(section.cascade)
        seeds = {name: self.place.seeds / f"{name}.jsonl" for name in self.place.domains}
        verdicts = None if section.verdicts is None else self.place.path(section.verdicts)
        mine(self.corpus, seeds, self.place.mined, engine=engine, overwrite=True, verdicts=verdicts, **settings)

    def tell(self) -> Told:
        """Count documents by domain."""
        from motherlode.mining.result import MineResult

        result = MineResult.read(self.place.mined)
        numbers = [
            (name, f"{domain.documents:,} documents, {domain.words:,} words, t_sim {domain.calibration.threshold:.3f}")
            for name, domain in result.domains.items()
        ]
        numbers += [("to know", str(finding)) for finding in result.findings]
        mined = ", ".join(f"{name} {domain.documents:,}" for name, domain in result.domains.items())
        return Told(f"{mined} of {result.documents:,} documents", numbers)

    def write_page(self) -> Path:
        """Write `mined/report.html`."""
        from motherlode.report.mining import write_report

        return write_report(self.place.mined)


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stage of the section."""
    section = parse_section(MineSection, values, where, **common)
    if not place.has("seeds"):
        raise InputError("there are no seeds to mine by", where=where, hint="add a section `seeds`")
    if section.corpus == "corpus" and not place.has("corpus"):
        raise InputError("there is no corpus", where=where, hint="add a section `corpus`, or name one with `corpus:`")
    return [MineStage(place, section)]
