"""Equal tokens: how many optimiser steps on a set of samples train on as many tokens as the budget allows.

The budget is what `epochs` readings of |D| domain samples and N average pool rows hold. A method that selects long
samples then takes fewer steps, one that selects short ones more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from motherlode.comparison.jobs import RESULT
from motherlode.errors import InputError
from motherlode.models.rows import Samples


def count_tokens(model: str, options: Mapping[str, Any], files: Sequence[Path]) -> list[list[int]]:
    """Count the tokens of every sample of files.

    Args:
        model: The model's folder or name; its tokenizer alone is loaded.
        options: `max_length`, `truncate`, `template`, `fields` of `adapt sft`.
        files: The files.

    Returns:
        A list for each file; samples that cannot be trained on are left out.
    """
    from transformers import AutoTokenizer

    from motherlode.models.tokens import Tokeniser

    choices = {name: options[name] for name in ("max_length", "truncate", "template") if name in options}
    tokeniser = Tokeniser(AutoTokenizer.from_pretrained(model), **choices)
    counts = []
    for file in files:
        samples = Samples.open(file, options.get("fields"))
        found = []
        for row in range(len(samples.rows)):
            try:
                found.append(len(tokeniser(samples[row]).ids))
            except InputError:  # training says what is wrong with it, or skips it
                continue
        counts.append(found)
    return counts


def mean_tokens(settings: Mapping[str, Any], pool: Path) -> dict[str, Any]:
    """Return the mean tokens of the pool's rows."""
    (counts,) = count_tokens(settings["model"], settings["options"], [pool])
    return {"mean": sum(counts) / max(1, len(counts)), "rows": len(counts), "options": settings["options"]}


def steps_for_tokens(settings: Mapping[str, Any], files: Sequence[Path], lengths: Path) -> int:
    """Return the steps of a training run that its tokens allow.

    Args:
        settings: Of the job: `steps` for equal steps, `size`, `n`, `model`.
        files: The domain's samples, and the selected ones if there are any.
        lengths: Folder of the job that counted the pool's tokens.
    """
    known = json.loads((lengths / RESULT).read_text("utf-8"))
    counts = count_tokens(settings["model"], known["options"], files)
    domain, own = sum(counts[0]), [count for part in counts for count in part]
    share = (domain + settings["n"] * known["mean"]) / (settings["size"] + settings["n"])  # tokens of a sample
    return max(1, round(float(settings["steps"]) * float(share) / (sum(own) / len(own))))
