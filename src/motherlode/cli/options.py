"""Options from a file and from the command line: what a person typed wins over the file, the file over the defaults."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import typer

from motherlode.config import Config
from motherlode.errors import InputError, nearest
from motherlode.shards.local_copy import here
from motherlode.yaml_file import read_yaml

if TYPE_CHECKING:
    from motherlode.corpus.build import BuildConfig

_NEAR = ("threshold", "ngram", "bands", "rows", "verify", "keep")  # options on near-duplicates


def typed(context: typer.Context, fields: type[Config]) -> dict[str, Any]:
    """Return the options that were typed, by the name of the configuration's field.

    Args:
        context: The running command; its parameters are called as the fields are.
        fields: The configuration.

    Returns:
        Names and values, several with commas between them as a list; options left at their default are not among them.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params if name in fields.model_fields}
    given = [name for name, source in sources.items() if source and source.name != "DEFAULT"]
    return {name: _listed(context.params[name], fields.model_fields[name].annotation) for name in given}


def _listed(value: Any, kind: object) -> Any:
    """Return what was typed with commas as a list where the field holds several."""
    if get_origin(kind) is tuple and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def read_section(path: Path | None, section: str, fields: type[Config]) -> dict[str, Any]:
    """Read one section of a YAML file, and check it.

    Args:
        path: The file; None holds nothing.
        section: The name of the section.
        fields: The configuration whose fields the section may set.

    Returns:
        Names and values.

    Raises:
        InputError: The file is missing or no YAML, has no such section, or a name or value in it must be changed.
    """
    if path is None:
        return {}
    path = here(path)
    values = read_yaml(path)
    if section not in values:
        hint = nearest(section, values) if values else f"begin it with `{section}:`"
        raise InputError(f"has no section '{section}'", where=str(path), hint=hint)
    found = values[section] or {}
    if not isinstance(found, dict):
        raise InputError(f"the section '{section}' does not hold names and values", where=str(path))
    fields.parse(found, f"{path}: {section}")
    return found


def corpus_section(path: Path | None) -> dict[str, Any]:
    """Read the section `corpus` of a project's file, as `motherlode run` reads it.

    Args:
        path: The file; None holds nothing.

    Returns:
        Names and values, `inputs` among them if it names some; paths are relative to the file.

    Raises:
        InputError: As `read_section`.
    """
    if path is None:
        return {}
    from motherlode.workflow.place import Place
    from motherlode.workflow.stages.corpus import CorpusOptions, with_paths

    path = here(path)
    values = read_section(path, "corpus", CorpusOptions)
    return with_paths(values, Place(path.parent, path.parent, {}))


def refuse_idle(given: Iterable[str], settings: BuildConfig) -> None:
    """Refuse options of `corpus build` that were typed and change nothing, because what they belong to is off.

    Args:
        given: The fields that were typed.
        settings: All settings.

    Raises:
        InputError: There is such an option; the line names the one that it waits for.
    """
    near = settings.deduplicate if settings.near_duplicates is None else settings.near_duplicates
    waits = {
        "--decontaminate": (
            bool(settings.decontaminate or settings.decontaminate_tasks),
            ("contaminated", *(f"decontaminate_{name}" for name in ("ngram", "fuzzy", "short", "frequent"))),
        ),
        "--repeated-paragraphs first (or drop)": (
            settings.repeated_paragraphs != "keep",
            ("repeated_in", "paragraph_unit", "paragraph_characters"),
        ),
        "--near-duplicate-keep quality": (settings.near_duplicate_keep == "quality", ("quality_field",)),
        "--near-duplicates": (near, [f"near_duplicate_{name}" for name in _NEAR]),
        "--chunk-words": (settings.chunk_words > 0, ("min_chunk_words",)),
        "--languages": (bool(settings.languages), ("min_language_score",)),
    }
    given = set(given)
    for option, (on, names) in waits.items():
        for name in names:
            if not on and name in given and getattr(settings, name) != type(settings).model_fields[name].get_default():
                where = f"--{name.replace('_', '-')}"
                raise InputError(f"has no effect without {option}", where=where, hint="add it, or leave this one out")
