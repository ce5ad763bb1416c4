"""`select`: the samples of a general pool that help a domain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from motherlode.selection.options import WITH_MODEL, SelectOptions
from motherlode.shards import store
from motherlode.workflow.place import Place
from motherlode.workflow.samples import gather_samples, task_form
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine


class SelectSection(SelectOptions):
    """The samples, and how they are selected."""

    domain: tuple[str, ...] = Field(min_length=1, description="files of domain samples, or of tasks")
    pool: str = Field(min_length=1, description="general samples: a file, folder or pattern")
    dev: str | None = Field(None, description="development split that candidates are held against")


class SelectStage(Stage):
    """Writes `select/selected.jsonl`; vectors and scores are kept, so that another N costs nothing."""

    def __init__(self, place: Place, section: SelectSection) -> None:
        """Note samples, evaluation files and model."""
        super().__init__("select", place, section)
        self.section = section
        self.options["form of tasks"] = task_form(place)
        for named in (*section.domain, section.pool, *([section.dev] if section.dev else [])):
            self.reading(named, place.path(named))
        for named in section.eval_files:
            self.reading(named, place.evaluation_file(named)[1])
        self.model: str | None = None
        if section.model is not None:
            self.model, folder = place.models(section.model)
            if folder is not None:
                self.reading(section.model, folder)
        if section.adapter is not None:
            self.reading(section.adapter, place.path(section.adapter))
        folder = place.selected.parent
        self.writes = {
            "select/selected.jsonl": place.selected,
            "select/selected.record.json": folder / "selected.record.json",
        }

    def run(self, engine: Engine, quiet: bool) -> None:
        """Select."""
        from motherlode.selection.select import select

        section, place = self.section, self.place
        folder = place.selected.parent
        store.make_folder(folder)
        options = section.model_dump(include=set(SelectOptions.model_fields), exclude={"n", "model", "method"})
        options["eval_files"] = tuple(place.evaluation_file(named)[0] for named in section.eval_files)
        options["preselect_encoder"] = place.encoder(section.preselect_encoder)
        if section.adapter is not None:
            options["adapter"] = str(place.path(section.adapter))
        form = task_form(place)
        domain = gather_samples([place.path(named) for named in section.domain], folder / "domain.jsonl", form)
        dev = None if section.dev is None else gather_samples([place.path(section.dev)], folder / "dev.jsonl", form)
        select(
            domain,
            place.path(section.pool),
            section.n,
            model=self.model,
            method=section.method,
            dev=dev,
            out=place.selected,
            work=folder / "work",
            quiet=quiet,
            **options,
        )

    def tell(self) -> Told:
        """Count the samples, and name their sources."""
        record = json.loads((self.place.selected.parent / "selected.record.json").read_text("utf-8"))
        numbers = [
            ("method", record["options"]["method"]),
            ("samples of the domain", f"{record['domain']['rows']:,}"),
            ("rows of the pool", f"{record['pool']['rows']:,}"),
            ("scored", f"{record['scored']:,}"),
            ("selected", f"{record['selected']:,}"),
        ]
        most = sorted(record["sources"].items(), key=lambda item: (-item[1][1], item[0]))[:5]
        numbers += [(f"from {name}", f"{taken:,} of {there:,}") for name, (there, taken) in most if taken]
        return Told(f"{record['selected']:,} of {record['pool']['rows']:,} samples", numbers)

    def write_page(self) -> Path:
        """Write `select/selected.report.html`."""
        from motherlode.report.selection import write_selection_report

        return write_selection_report(self.place.selected)


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stage of the section."""
    given = dict(values)
    if isinstance(given.get("domain"), str):
        given["domain"] = [given["domain"]]
    shared = dict(common)
    if str(given.get("method", "ntk")) not in WITH_MODEL and given.get("preselect_encoder") != "model":
        shared.pop("model", None)  # a method that needs none is not to load the one of the other sections
    return [SelectStage(place, parse_section(SelectSection, given, where, **shared))]
