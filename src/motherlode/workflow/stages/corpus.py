"""`corpus`: from the input files to a corpus of clean, unique documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from motherlode.corpus.build import BuildConfig
from motherlode.shards.local_copy import here
from motherlode.workflow.place import Place
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine


class CorpusOptions(BuildConfig):
    """The section as `corpus build --config` reads it, where inputs can be typed instead."""

    inputs: tuple[str, ...] = Field((), description="files, folders, patterns, addresses")


class CorpusSection(CorpusOptions):
    """The input, and what `corpus build` does with it."""

    inputs: tuple[str, ...] = Field(min_length=1, description="files, folders, patterns, addresses")


def with_paths(values: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return options of `corpus build` with the paths among them made relative to the project's file.

    Args:
        values: Names and values, checked.
        place: The project's folders.
    """
    found = dict(values)
    if found.get("inputs") is not None:
        found["inputs"] = tuple(place.file(named) for named in found["inputs"])
    if found.get("block_urls") is not None:
        found["block_urls"] = here(place.file(str(found["block_urls"])))
    if found.get("decontaminate"):
        found["decontaminate"] = tuple(place.evaluation_file(named)[0] for named in found["decontaminate"])
    return found


class CorpusStage(Stage):
    """Builds `corpus/`."""

    def __init__(self, place: Place, section: CorpusSection) -> None:
        """Note the inputs, the block-list and the evaluation files."""
        super().__init__("corpus", place, section)
        self.section = section
        for named in section.inputs:
            self.reading(named, place.file(named))
        if section.block_urls is not None:
            self.reading(str(section.block_urls), place.file(str(section.block_urls)))
        for named in section.decontaminate:
            self.reading(named, place.evaluation_file(named)[1])
        self.writes = {"corpus": place.corpus, "corpus/documents": place.corpus / "documents"}
        self.replaced = (place.corpus,)

    def run(self, engine: Engine, quiet: bool) -> None:
        """Build, or continue to."""
        from motherlode.corpus.corpus import Corpus

        settings = with_paths({name: getattr(self.section, name) for name in CorpusSection.model_fields}, self.place)
        inputs = settings.pop("inputs")
        settings["quality_rules"] = self.section.quality_rules.model_dump(exclude_unset=True)
        Corpus.build(inputs, self.place.corpus, engine=engine, overwrite=True, **settings)

    def tell(self) -> Told:
        """Count the records."""
        from motherlode.corpus.corpus import Corpus

        stats = Corpus(self.place.corpus).stats()
        numbers = [("records read", f"{stats.read:,}"), ("documents kept", f"{stats.kept:,}")]
        numbers += [(f"dropped: {reason}", f"{count:,}") for reason, count in stats.dropped.items() if count]
        if stats.quarantined:
            numbers.append(("could not be read", f"{stats.quarantined:,}"))
        return Told(f"{stats.kept:,} documents of {stats.read:,} records", numbers)

    def write_page(self) -> Path:
        """Write `corpus/report.html`."""
        from motherlode.report.corpus import write_corpus_report

        return Path(write_corpus_report(self.place.corpus))


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stage of the section."""
    return [CorpusStage(place, parse_section(CorpusSection, values, where, **common))]
