"""`evaluate`: the base model and those that `adapt` makes, on the same tasks and held-out texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from motherlode.errors import InputError
from motherlode.evaluation.options import EvaluateOptions
from motherlode.workflow.gains import BASE, MODELS
from motherlode.workflow.place import Place
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine

_TRAIN = ":train="
_ENDINGS = (".jsonl", ".ndjson", ".json", ".parquet", ".gz", ".zst")


class EvaluateSection(EvaluateOptions):
    """What models are asked, and which."""

    model: str | None = Field(None, description="the base model")
    tasks: tuple[str, ...] = Field((), description="files of items, or names of lm-evaluation-harness tasks")
    texts: dict[str, str] = Field(default_factory=dict, description="held-out documents, by name")
    models: tuple[Literal["base", "cpt", "sft"], ...] = Field(
        MODELS, min_length=1, description="which models, of those that there are"
    )


class EvaluateStage(Stage):
    """Fills `evaluate/<model>/`."""

    def __init__(self, place: Place, section: EvaluateSection, which: str) -> None:
        """Note tasks, texts, model and adapter."""
        super().__init__(f"evaluate.{which}", place, section)
        del self.options["models"], self.options["batch"]  # scores do not depend on them
        self.section, self.which = section, which
        self.tasks = [self._task(named) for named in section.tasks]
        self.texts = {name: place.texts(named) for name, named in section.texts.items()}
        for name, named in section.texts.items():
            self.reading(named, self.texts[name])
        self.adapter: Path | None = None
        if which == "cpt" or (which == "sft" and place.has("adapt", "cpt")):
            self.model, folder = str(place.cpt / "model"), place.cpt / "model"
            self.reading("adapt/cpt/model", folder)
        else:
            named = _base(place, section)
            self.model, found = place.models(named)
            if found is not None:
                self.reading(named, found)
        if which == "sft":
            self.adapter = place.sft / "adapter"
            self.reading("adapt/sft/adapter", self.adapter)
        self.writes = {f"evaluate/{which}": place.evaluation(which) / "evaluation.json"}

    def _task(self, named: str) -> str:
        """Return a task as `evaluate` takes it, its files noted."""
        parts = named.split(_TRAIN)
        found = []
        for part in parts:
            path = self.place.path(part)
            if part.lower().endswith(_ENDINGS) or path.exists():
                self.reading(part, path)
                found.append(str(path))
            else:
                found.append(part)
        return _TRAIN.join(found)

    def run(self, engine: Engine, quiet: bool) -> None:
        """Ask the model, or go on."""
        from motherlode.evaluation.evaluate import evaluate

        evaluate(
            self.tasks,
            model=self.model,
            adapter=self.adapter,
            texts=self.texts,
            out=self.place.evaluation(self.which),
            quiet=quiet,
            **self.section.model_dump(include=set(EvaluateOptions.model_fields)),
        )

    def tell(self) -> Told:
        """Give the scores, with what they must be held against."""
        from motherlode.evaluation.result import Evaluation

        found = Evaluation.read(self.place.evaluation(self.which))
        numbers = []
        for name, score in found.tasks.items():
            beside = [
                f"{what} {value:.3f}"
                for what, value in (("chance", score.chance), ("majority", score.majority))
                if value is not None
            ]
            flag = f": {score.flag}" if score.flag else ""
            held = f" ({', '.join(beside)}{flag})" if beside else ""
            numbers.append((name, f"{score.metric} {score.score:.3f} [{score.low:.3f}, {score.high:.3f}]{held}"))
        numbers += [
            (name, f"perplexity {text.perplexity:.2f} [{text.low:.2f}, {text.high:.2f}]")
            for name, text in found.texts.items()
        ]
        parts = [f"{name} {score.score:.3f}" for name, score in found.tasks.items()]
        parts += [f"{name} perplexity {text.perplexity:.1f}" for name, text in found.texts.items()]
        return Told(", ".join(parts), numbers)


def _base(place: Place, section: EvaluateSection) -> str:
    """Return the model that training began with."""
    if section.model is not None:
        return section.model
    adapt = place.sections.get("adapt", {})
    for part in ("cpt", "sft"):
        named = (adapt.get(part) or {}).get("model")
        if isinstance(named, str):
            return named
    raise InputError("there is no model", where="evaluate", hint="name one with `model:`")


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stages of the section."""
    given = dict(values)
    for name in ("tasks", "models"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    section = parse_section(EvaluateSection, given, where, **common)
    if not section.tasks and not section.texts:
        raise InputError("there is nothing to evaluate on", where=where, hint="add `tasks:` or `texts:`")
    there = {BASE, *(part for part in ("cpt", "sft") if place.has("adapt", part))}
    if "models" in given and (absent := [name for name in section.models if name not in there]):
        raise InputError(f"there is no model '{absent[0]}'", where=where, hint=f"add `adapt: {absent[0]}:`")
    return [EvaluateStage(place, section, name) for name in section.models if name in there]
