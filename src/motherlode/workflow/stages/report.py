"""`report`: the pages of all stages, and one that leads to them and says whether it helped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from motherlode.config import Config
from motherlode.report.workflow import StagePart, write_project_report
from motherlode.workflow.gains import gains
from motherlode.workflow.place import Place
from motherlode.workflow.stage import SECTIONS, Stage, Told, parse_section, stages_of

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine


class ReportSection(Config):
    """The page of the whole project."""

    title: str = Field("A motherlode project", min_length=1, max_length=200, description="headline of the page")


class ReportStage(Stage):
    """Writes `report.html`, and the reports of the stages before it."""

    def __init__(self, place: Place, section: ReportSection, others: list[Stage]) -> None:
        """Note what all other stages leave."""
        super().__init__("report", place, section)
        self.section, self.others = section, others
        for stage in others:
            self.reads |= stage.writes
        self.writes = {"report.html": place.out / "report.html"}

    def run(self, engine: Engine, quiet: bool) -> None:
        """Write the pages."""
        parts = []
        for stage in self.others:
            told, page = stage.tell(), stage.write_page()
            link = None if page is None else page.relative_to(self.place.out).as_posix()
            parts.append(StagePart(stage.name, told.headline, tuple(told.numbers), link))
        write_project_report(self.writes["report.html"], self.section.title, parts, gains(self.place))

    def tell(self) -> Told:
        """Name the page."""
        return Told("report.html")


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stage of the section."""
    section = parse_section(ReportSection, values, where)
    file = where.removesuffix(": report")
    others = [
        stage
        for name in SECTIONS
        if name != "report" and place.has(name)
        for stage in stages_of(name, place, file, common)
    ]
    return [ReportStage(place, section, others)]
