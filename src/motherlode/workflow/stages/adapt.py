"""`adapt`: continued pre-training on mined documents (`cpt`), LoRA fine-tuning on samples (`sft`), or both in turn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from motherlode.adaptation.options import CptOptions, SftOptions
from motherlode.errors import InputError, nearest
from motherlode.shards import store
from motherlode.workflow.place import Place
from motherlode.workflow.samples import gather_samples, task_form
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine

PARTS = ("cpt", "sft")


class CptSection(CptOptions):
    """Documents, and how pre-training is continued on them."""

    domain: str = Field(min_length=1, description="a mined domain, a corpus folder, or files with `text`")
    general: str | None = Field(None, description="`corpus`, or another corpus folder, or files with `text`")
    domain_dev: str | None = Field(None, description="held-out documents of the domain")
    general_dev: str | None = Field(None, description="held-out general documents")


class SftSection(SftOptions):
    """Samples, and how the model is fine-tuned on them."""

    train: tuple[str, ...] = Field((), description="files of domain samples, or of tasks")
    dev: str | None = Field(None, description="samples or tasks by which training is stopped")
    selected: bool = Field(True, description="whether the samples that `select` takes are added")


class CptStage(Stage):
    """Fills `adapt/cpt/`."""

    def __init__(self, place: Place, section: CptSection) -> None:
        """Note documents and model."""
        super().__init__("adapt.cpt", place, section)
        self.section = section
        self.documents: dict[str, Path | None] = {}
        for name in ("domain", "general", "domain_dev", "general_dev"):
            named = getattr(section, name)
            self.documents[name] = None if named is None else place.texts(named)
            if named is not None:
                path = self.documents[name]
                assert path is not None
                self.reading(named, path / "documents" if path == place.corpus else path)
        self.model = _read_model(self, section)
        self.writes = {"adapt/cpt": place.cpt, "adapt/cpt/model": place.cpt / "model"}
        self.replaced = (place.cpt,)

    def run(self, engine: Engine, quiet: bool) -> None:
        """Train, or go on."""
        from motherlode.adaptation.cpt import continue_pretraining

        named = self.documents
        domain = named["domain"]
        assert domain is not None
        store.make_folder(self.place.cpt.parent)
        options = _options(self, self.section, CptOptions)
        continue_pretraining(
            domain,
            self.place.cpt,
            model=self.model,
            general=named["general"],
            domain_dev=named["domain_dev"],
            general_dev=named["general_dev"],
            quiet=quiet,
            overwrite=True,
            tell=None if self.show_plan is None else partial(self.show_plan, unit="sequences"),
            **options,
        )

    def tell(self) -> Told:
        """Say what was trained on, and what became of the losses."""
        from motherlode.adaptation.cpt import Pretrained

        done = Pretrained.read(self.place.cpt)
        numbers = [
            ("tokens", f"{done.tokens:,}"),
            ("share of the domain", f"{done.ratio:.1%}"),
            ("readings of the domain", f"{done.domain_readings:.2f}"),
            ("steps", f"{done.steps:,}"),
        ]
        for name, before, after in (
            ("loss on held-out domain text", done.domain_loss_before, done.domain_loss),
            ("loss on held-out general text", done.general_loss_before, done.general_loss),
        ):
            if before is not None and after is not None:
                numbers.append((name, f"{before:.3f} -> {after:.3f} nats per token"))
        return Told(f"{done.tokens:,} tokens, {done.ratio:.0%} of the domain", numbers)

    def write_page(self) -> Path:
        """Write the training's own report."""
        from motherlode.report.adaptation import write_adaptation_report

        return write_adaptation_report(self.place.cpt)


class SftStage(Stage):
    """Fills `adapt/sft/`."""

    def __init__(self, place: Place, section: SftSection) -> None:
        """Note samples and model."""
        super().__init__("adapt.sft", place, section)
        self.section = section
        self.options["form of tasks"] = task_form(place)
        for named in (*section.train, *([section.dev] if section.dev else [])):
            self.reading(named, place.path(named))
        self.with_selected = section.selected and place.has("select")
        if self.with_selected:
            self.reading("select/selected.jsonl", place.selected)
        self.model = _read_model(self, section)
        self.writes = {"adapt/sft": place.sft, "adapt/sft/adapter": place.sft / "adapter"}
        self.replaced = (place.sft,)

    def run(self, engine: Engine, quiet: bool) -> None:
        """Train, or go on."""
        from motherlode.adaptation.sft import fine_tune

        section, place = self.section, self.place
        folder = place.sft.parent
        store.make_folder(folder)
        form = task_form(place)
        train = [place.selected] if self.with_selected else []
        if section.train:
            own = [place.path(named) for named in section.train]
            train.insert(0, gather_samples(own, folder / "sft-train.jsonl", form))
        dev = None if section.dev is None else gather_samples([place.path(section.dev)], folder / "sft-dev.jsonl", form)
        options = _options(self, section, SftOptions)
        tell = None if self.show_plan is None else partial(self.show_plan, unit="samples")
        fine_tune(train, place.sft, model=self.model, dev=dev, quiet=quiet, overwrite=True, tell=tell, **options)

    def tell(self) -> Told:
        """Say what was trained on, and what became of the losses."""
        from motherlode.adaptation.sft import FineTuned

        done = FineTuned.read(self.place.sft)
        numbers = [
            ("samples", f"{done.samples:,}"),
            ("tokens, repeats counted", f"{done.tokens:,}"),
            ("steps", f"{done.steps:,}"),
            ("loss of the first and the last step", f"{done.losses[0]:.3f} -> {done.losses[-1]:.3f}"),
        ]
        if done.dev_losses:
            best = min(loss for _, loss in done.dev_losses)
            numbers.append(("loss on dev", f"{done.dev_losses[0][1]:.3f} -> {best:.3f} (step {done.best_step:,})"))
        return Told(f"{done.samples:,} samples, {done.steps:,} steps", numbers)

    def write_page(self) -> Path:
        """Write the training's own report."""
        from motherlode.report.adaptation import write_adaptation_report

        return write_adaptation_report(self.place.sft)


def _read_model(stage: Stage, section: CptSection | SftSection) -> str:
    """Note the model that is trained, and return what it is called: that of `cpt`, for fine-tuning after it."""
    place = stage.place
    if isinstance(section, SftSection) and place.has("adapt", "cpt"):
        stage.reading("adapt/cpt/model", place.cpt / "model")
        return str(place.cpt / "model")
    called, folder = place.models(section.model)
    if folder is not None:
        stage.reading(section.model, folder)
    if section.adapter is not None:
        stage.reading(section.adapter, place.path(section.adapter))
    return called


def _options(stage: Stage, section: CptSection | SftSection, kind: type[CptOptions | SftOptions]) -> dict[str, Any]:
    options = section.model_dump(include=set(kind.model_fields), exclude={"model"})
    if section.adapter is not None:
        options["adapter"] = str(stage.place.path(section.adapter))
    return options


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stages of the section."""
    for name, part in values.items():
        if name not in PARTS:
            raise InputError(f"unknown key '{name}'", where=where, hint=nearest(name, PARTS))
        if part is not None and not isinstance(part, Mapping):
            raise InputError(f"'{name}' does not hold names and values", where=where)
    if not values:
        raise InputError("holds neither `cpt` nor `sft`", where=where, hint="add one, or leave the section out")
    stages: list[Stage] = []
    if "cpt" in values:
        cpt = parse_section(CptSection, values["cpt"] or {}, f"{where}.cpt", **common)
        if cpt.ratio < 1 and cpt.general is None:
            hint = "add `general: corpus`, or train on the domain alone with `ratio: 1`"
            raise InputError(f"general documents are needed for ratio {cpt.ratio:g}", where=f"{where}.cpt", hint=hint)
        stages.append(CptStage(place, cpt))
    if "sft" in values:
        given = dict(values["sft"] or {})
        if isinstance(given.get("train"), str):
            given["train"] = [given["train"]]
        sft = parse_section(SftSection, given, f"{where}.sft", **common)
        if "cpt" in values and "model" in given:
            hint = "leave it out, or leave `cpt` out"
            raise InputError("a model is named, and `cpt` makes another one", where=f"{where}.sft", hint=hint)
        if not sft.train and not (sft.selected and place.has("select")):
            hint = "name files with `train:`, or add a section `select`"
            raise InputError("there are no samples to train on", where=f"{where}.sft", hint=hint)
        stages.append(SftStage(place, sft))
    return stages
