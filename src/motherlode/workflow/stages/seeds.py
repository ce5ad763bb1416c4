"""`seeds`: the seed documents of every domain, as files: from a pack, from a file, or written by a language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from motherlode.config import Config
from motherlode.errors import InputError, MotherlodeError, nearest
from motherlode.llm.endpoint import Budget, Endpoint
from motherlode.seeds.seeds import Seeds, check_name
from motherlode.seeds.writer import GenerateConfig
from motherlode.shards import store
from motherlode.workflow.place import Place
from motherlode.workflow.stage import Stage, Told, parse_section

if TYPE_CHECKING:
    from motherlode.shards.engine import Engine

BUILTIN, GENERATE = "builtin", "generate"


class GenerateSection(GenerateConfig):
    """Who writes the seeds of domains that are marked `generate`, and how; the key comes from the environment."""

    endpoint: Endpoint = Field(description="the server and the model")
    budget: Budget = Field(Budget(), description="what may be spent")
    descriptions: dict[str, str] = Field(default_factory=dict, description="what belongs to a domain, in a sentence")
    template: str | None = Field(None, description="YAML file with dimensions and prompt")
    samples: str | None = Field(None, description="real documents to steer by: JSONL with 'text'")


class SeedsSection(Config):
    """Domains, and where their seeds come from."""

    domains: dict[str, str] = Field(min_length=1, description="builtin, a seed file, or generate; by domain")
    generate: GenerateSection | None = Field(None, description="how seeds are written")

    @field_validator("domains")
    @classmethod
    def _named(cls, domains: dict[str, str]) -> dict[str, str]:
        for name, source in domains.items():
            try:
                check_name(name, "domains")
            except InputError as error:
                raise ValueError(error.what) from None
            if source == BUILTIN and name not in Seeds.builtin_names():
                raise ValueError(f"there is no pack {name!r}; {nearest(name, Seeds.builtin_names())}")
        return domains


class SeedsStage(Stage):
    """Writes `seeds/<domain>.jsonl`; what was written by a model is kept, so that no answer is paid for twice."""

    def __init__(self, place: Place, section: SeedsSection) -> None:
        """Note the files."""
        super().__init__("seeds", place, section)
        self.section = section
        for source in section.domains.values():
            if source not in (BUILTIN, GENERATE):
                self.reading(source, place.path(source))
        if section.generate is not None:
            for named in (section.generate.template, section.generate.samples):
                if named is not None:
                    self.reading(named, place.path(named))
        self.writes = {f"seeds/{name}.jsonl": place.seeds / f"{name}.jsonl" for name in section.domains}

    def run(self, engine: Engine, quiet: bool) -> None:
        """Write one file a domain."""
        store.make_folder(self.place.seeds)
        for name, source in self.section.domains.items():
            path = self.place.seeds / f"{name}.jsonl"
            if source == GENERATE:
                self._generate(name, path, quiet)
            elif source == BUILTIN:
                Seeds.builtin(name).write(path)
            else:
                Seeds.read(self.place.path(source), name).write(path)

    def _generate(self, name: str, path: Path, quiet: bool) -> None:
        from motherlode.seeds.generate import generate, read_samples
        from motherlode.seeds.prompt import SeedTemplate
        from motherlode.seeds.screen import counted

        settings = self.section.generate
        assert settings is not None
        template, samples = settings.template, settings.samples
        done = generate(
            name,
            path,
            settings.endpoint,
            description=settings.descriptions.get(name),
            template=None if template is None else SeedTemplate.read(self.place.path(template)),
            samples=[] if samples is None else read_samples(self.place.path(samples)),
            budget=settings.budget,
            overwrite=True,
            quiet=quiet,
            **{field: getattr(settings, field) for field in GenerateConfig.model_fields},
        )
        if done.missing:
            faults = Counter(fault for found in done.missing.values() for fault in found)
            raise MotherlodeError(
                f"{len(done.seeds)} of {done.ordered} seeds were written ({counted(faults)})",
                where=str(path),
                hint="give more tries, or another model, and run again: answers are kept",
            )

    def tell(self) -> Told:
        """Count the seeds."""
        counts = {name: len(Seeds.read(self.place.seeds / f"{name}.jsonl", name)) for name in self.section.domains}
        numbers = [(name, f"{count:,} ({_origin(self.section.domains[name])})") for name, count in counts.items()]
        domains = f"{len(counts)} domain{'' if len(counts) == 1 else 's'}"
        return Told(f"{sum(counts.values()):,} seeds of {domains}", numbers)


def _origin(source: str) -> str:
    return {BUILTIN: "a pack that ships", GENERATE: "written by a model"}.get(source, "a file")


def make(place: Place, values: Mapping[str, Any], where: str, common: Mapping[str, Any]) -> list[Stage]:
    """Make the stage of the section."""
    generate = values.get("generate")
    if isinstance(generate, Mapping) and isinstance(generate.get("endpoint"), Mapping):
        Endpoint.parse(generate["endpoint"], f"{where}.generate.endpoint")  # shows no address that may hold a password
    section = parse_section(SeedsSection, values, where, **common)
    wanted = [name for name, source in section.domains.items() if source == GENERATE]
    if wanted and section.generate is None:
        hint = "add `generate:` with an endpoint, or name a seed file"
        raise InputError(f"nobody is named who writes the seeds of {wanted[0]!r}", where=where, hint=hint)
    if section.generate is not None and not wanted:
        raise InputError("`generate` is there, and no domain is marked `generate`", where=where)
    return [SeedsStage(place, section)]
