"""A project: `motherlode.yaml`, read and checked as a whole before anything runs.

A section that is not there is a stage that is off. Only sections that are there are loaded, so that a project without
training needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from motherlode.config import Config
from motherlode.errors import InputError, nearest
from motherlode.shards.local_copy import LocalCopy, here, path_here
from motherlode.shards.location import address_of
from motherlode.shards.mirror import mirrored
from motherlode.shards.outputs import check_output
from motherlode.workflow.place import Place
from motherlode.workflow.stage import SECTIONS, Stage, stages_of
from motherlode.yaml_file import read_yaml


class ProjectConfig(Config):
    """What stands at the top of the file, beside the sections."""

    out: str = Field("out", min_length=1, description="folder of all outputs")
    model: str | None = Field(None, description="model of all sections that name none: a folder or hub name")
    device: str | None = Field(None, description="device of all sections that name none: cpu, cuda or cuda:N")
    random_seed: int | None = Field(None, ge=0, description="seed of all sections that name none")
    engine: Literal["local", "ray"] | None = Field(None, description="who runs what is cut into shards")
    ray_address: str | None = Field(None, description="HOST:PORT of a Ray cluster, or local")
    workers: int | None = Field(None, ge=1, description="how many shards are worked on at a time")


@dataclass(frozen=True)
class Project:
    """A project whose file is sound.

    Attributes:
        path: Its file.
        place: Its folders.
        stages: The stages that are on, in order.
    """

    path: Path
    place: Place
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a project's file.

        Args:
            path: The file, or the folder that holds `motherlode.yaml`.

        Returns:
            The project.

        Raises:
            InputError: It is missing or no YAML, or a section, a name or a value in it must be changed.
            MissingExtraError: What a section needs is not installed.
        """
        path = _file(path)
        values = read_yaml(path)
        known = (*ProjectConfig.model_fields, *SECTIONS)
        for name in values:
            if name not in known:
                raise InputError(f"unknown section '{name}'", where=str(path), hint=nearest(name, known))
        sections: dict[str, dict[str, Any]] = {}
        for name in SECTIONS:
            if name not in values:
                continue
            found = values[name] if values[name] is not None else {}
            if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
                raise InputError(f"the section '{name}' does not hold names and values", where=str(path))
            sections[name] = found
        if not sections:
            raise InputError("has no section", where=str(path), hint=f"known: {', '.join(SECTIONS)}")
        config = ProjectConfig.parse({k: v for k, v in values.items() if k not in SECTIONS}, str(path))
        base = path.parent
        out = path_here(_beside(base, config.out))
        check_output(out, [path])
        place = Place(base, out, sections, config.model)
        common = {"model": config.model, "device": config.device, "random_seed": config.random_seed}
        stages = [stage for name in sections for stage in stages_of(name, place, str(path), common)]
        return cls(path, place, tuple(stages))

    def chosen(self, name: str) -> list[Stage]:
        """Return the stages of that name: one, or all of a section.

        Raises:
            InputError: None is called so.
        """
        found = [stage for stage in self.stages if name in (stage.name, stage.name.partition(".")[0])]
        if not found:
            names = [stage.name for stage in self.stages]
            what = f"there is no stage {name!r}"
            if name in SECTIONS:
                raise InputError(what, where=str(self.path), hint=f"it is off: the file has no section '{name}'")
            raise InputError(what, where=str(self.path), hint=nearest(name, names))
        return found


@contextmanager
def opened_project(path: Path | str) -> Iterator[Project]:
    """Read a project's file; if its outputs lie at an address, they are mirrored as long as it is open.

    Args:
        path: The file, or the folder that holds `motherlode.yaml`; an address too.

    Raises:
        InputError: As `Project.read`; or another process writes to the address.
    """
    file = _file(path)
    out = read_yaml(file).get("out")
    if not isinstance(out, str) or not out:  # the default, or refused when it is read
        out = ProjectConfig.model_fields["out"].get_default()
    with mirrored(_beside(file.parent, out)):
        yield Project.read(file)


def _file(path: Path | str) -> Path:
    path = here(path)
    return path / "motherlode.yaml" if path.is_dir() else path


def _beside(base: Path, out: str) -> Path | str:
    """Return the place of outputs, relative to the file; nothing is copied."""
    if address_of(out) is not None:
        return out
    place = base / Path(out).expanduser()
    return str(place) if isinstance(base, LocalCopy) and not Path(out).expanduser().is_absolute() else place
