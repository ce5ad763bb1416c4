"""A stage: what it depends on, what it leaves behind, how it runs, and what it says of itself afterwards."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from motherlode.config import Config
from motherlode.workflow.place import Place

if TYPE_CHECKING:
    from motherlode.adaptation.plan import Plan
    from motherlode.shards.engine import Engine

C = TypeVar("C", bound=Config)


class ShowPlan(Protocol):
    """Shows the plan of a training."""

    def __call__(self, plan: Plan, unit: str) -> None:
        """Show a plan whose batches are of `unit`: `samples`, `sequences`."""


SECTIONS = ("corpus", "seeds", "mine", "select", "adapt", "evaluate", "report")


@dataclass(frozen=True)
class Told:
    """What a finished stage says of itself.

    Attributes:
        headline: In a few words.
        numbers: Names and values, as a person reads them.
    """

    headline: str
    numbers: Sequence[tuple[str, str]] = ()


class Stage(ABC):
    """One stage of a project.

    Attributes:
        name: Its name: that of its section, with the part after a dot where a section holds several (`adapt.sft`).
        place: The project's folders.
        options: Everything that was set, defaults included; JSON-able.
        reads: Paths that it depends on, by what a person calls them.
        writes: Paths that it leaves, likewise.
        replaced: What is removed before it runs with other options than the run before, or over a damaged output.
        show_plan: Told what a training will do and need before it starts, and the unit of its batches.
        version: Changes whenever the same options give another output.
    """

    version: ClassVar[int] = 1

    def __init__(self, name: str, place: Place, section: Config) -> None:
        """Take the section; subclasses say what it reads and writes."""
        self.name, self.place = name, place
        self.options: dict[str, Any] = section.model_dump(mode="json")
        self.reads: dict[str, Path | str] = {}
        self.writes: dict[str, Path] = {}
        self.replaced: tuple[Path, ...] = ()
        self.show_plan: ShowPlan | None = None

    @abstractmethod
    def run(self, engine: Engine, quiet: bool) -> None:
        """Do the work, or what an interrupted run has left of it.

        Args:
            engine: Who does the work that is cut into shards.
            quiet: Whether no progress is shown.
        """

    @abstractmethod
    def tell(self) -> Told:
        """Say what came of it."""

    def write_page(self) -> Path | None:
        """Write the stage's own report, if it has one, and return its file."""
        return None

    def reading(self, label: str, path: Path | str) -> Path | str:
        """Note a path that the stage depends on, and return it."""
        self.reads[label] = path
        return path


def parse_section(kind: type[C], values: Mapping[str, Any], where: str, **common: Any) -> C:
    """Check a section.

    Args:
        kind: Its configuration.
        values: What it holds.
        where: Its place, for error lines.
        common: What holds for all sections; taken where the section has such a field and does not set it itself.

    Raises:
        InputError: A name or a value must be changed.
    """
    given = {name: value for name, value in common.items() if value is not None and name in kind.model_fields}
    return kind.parse({**given, **values}, where)


def stages_of(section: str, place: Place, where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stages of a section that is there.

    Args:
        section: Its name.
        place: The project's folders.
        where: The project's file, for error lines.
        common: What holds for all sections.

    Raises:
        InputError: A name or a value must be changed.
        MissingExtraError: What the section needs is not installed.
    """
    module = importlib.import_module(f"motherlode.workflow.stages.{section}")
    made: list[Stage] = module.make(place, place.sections[section], f"{where}: {section}", common)
    return made
