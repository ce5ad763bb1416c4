"""Seeds of a run: those of the domains wanted, joined with the contrast packs, which tell what is *not* wanted.

All packs of `CONTRAST_PACKS` that are not mined themselves take part, `background` first. A pack whose seeds are too
close to a wanted domain's (cardiology is wanted, healthcare ships) would take documents away from it and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from motherlode.encode.vectors import Vectors, encode_texts
from motherlode.errors import InputError, nearest
from motherlode.mining.findings import Finding, confusion_between
from motherlode.mining.retrieve import SeedMatrix
from motherlode.seeds.seeds import Seed, Seeds, check_name
from motherlode.shards import store
from motherlode.shards.local_copy import here

CONTRAST_PACKS = (
    "background",
    "everyday",
    "healthcare",
    "finance",
    "legal",
    "psychology",
    "software",
    "science",
)
_TOO_CLOSE = 0.35  # share of a domain's seeds nearest to a contrast pack, from which on that pack is left out

SeedsGiven = Mapping[str, "Seeds | str | Path"] | Sequence[str]


def gather_seeds(given: SeedsGiven) -> dict[str, Seeds]:
    """Turn what a caller gave into seeds by domain.

    Args:
        given: Names of packs; or domains with seeds, files, or `builtin`.

    Returns:
        Seeds by domain, in the order given.

    Raises:
        InputError: Nothing was given, or a pack or file is not usable.
    """
    if not given:
        raise InputError("no seeds were given", where="--seeds", hint="name a pack or NAME=FILE")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Mapping):
        given = dict.fromkeys(given, "builtin")
    gathered: dict[str, Seeds] = {}
    for name, value in given.items():
        check_name(name, "--seeds")
        if name == store.MANIFEST:
            raise InputError(f"{name!r} is the name of a file of the export", where="--seeds", hint="use another name")
        if isinstance(value, Seeds):
            gathered[name] = value
        elif value == "builtin":
            gathered[name] = Seeds.builtin(name)
        else:
            gathered[name] = Seeds.read(here(value), name)
    return gathered


def _labels_of(seed: Seed, pack: str, pack_label: str, names: Sequence[str]) -> list[str]:
    """Return the labels of a seed among the labels known; a pack's own label counts as the name it was given."""
    own = [pack if label == pack_label else label for label in seed.labels] or [pack]
    kept = [label for label in own if label in names]
    return kept if pack in kept else [pack, *kept]


def seed_matrix(packs: Mapping[str, Seeds], vectors: Vectors) -> tuple[SeedMatrix, list[Seed]]:
    """Encode the seeds of all packs.

    Args:
        packs: Seeds by the label that they stand for.
        vectors: The corpus's vectors, for their encoder.

    Returns:
        The seeds as a matrix, with one label a pack, and the seeds themselves in the same order.
    """
    names = tuple(packs)
    seeds = [seed for pack in packs.values() for seed in pack]
    labels = np.zeros((len(seeds), len(names)), dtype=bool)
    row = 0
    for name, pack in packs.items():
        for seed in pack:
            for label in _labels_of(seed, name, pack.name, names):
                labels[row, names.index(label)] = True
            row += 1
    return SeedMatrix(encode_texts(vectors.encoder, [seed.text for seed in seeds]), labels, names), seeds


def contrast_packs(names: Sequence[str] | None) -> dict[str, Seeds]:
    """Return the contrast packs of these names; None: the usual ones.

    Raises:
        InputError: No pack of such a name ships.
    """
    wanted = CONTRAST_PACKS if names is None else tuple(names)
    known = Seeds.builtin_names()
    for name in wanted:
        if name not in known:
            raise InputError(f"unknown contrast pack {name!r}", where="--contrast", hint=nearest(name, known))
    return {name: Seeds.builtin(name) for name in wanted}


def with_contrast(
    domains: dict[str, Seeds], contrast: Sequence[str] | None, vectors: Vectors
) -> tuple[dict[str, Seeds], SeedMatrix, list[Seed], list[Finding]]:
    """Join the domains' seeds with the contrast packs; of those that ship, without any that a domain overlaps with."""
    packs = {**domains, **{name: pack for name, pack in contrast_packs(contrast).items() if name not in domains}}
    matrix, seeds = seed_matrix(packs, vectors)
    findings: list[Finding] = []
    confused = confusion_between(matrix)
    close: dict[str, str] = {}
    for domain in domains:
        for rival in packs:
            share = confused[matrix.names.index(domain), matrix.names.index(rival)]
            if contrast is None and rival not in domains and share >= _TOO_CLOSE:
                close[rival] = domain
                findings.append(
                    Finding(
                        "contrast-left-out",
                        domain,
                        f"{share:.0%} of its seeds are nearest to the contrast pack '{rival}', which was left out",
                        "nothing needs to be done; name --contrast to decide yourself",
                    )
                )
    if close:
        packs = {name: pack for name, pack in packs.items() if name not in close}
        matrix, seeds = seed_matrix(packs, vectors)
    if len(packs) == 1:
        findings.append(
            Finding(
                "no-contrast",
                next(iter(domains)),
                "these seeds are the only ones, so nothing shows what is not wanted",
                "let the contrast packs take part, or mine several domains at once",
            )
        )
    return packs, matrix, seeds, findings
