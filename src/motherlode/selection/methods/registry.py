"""The methods that are no kernel, by name."""

from __future__ import annotations

from motherlode.selection.methods.dsir import dsir
from motherlode.selection.methods.method import Method
from motherlode.selection.methods.plain import longest, perplexity_middle, random
from motherlode.selection.methods.similar import embedding, rds, votes
from motherlode.selection.methods.tsds import tsds

BASELINES: dict[str, Method] = {
    "random": random,
    "longest": longest,
    "embedding": embedding,
    "votes": votes,
    "perplexity-middle": perplexity_middle,
    "dsir": dsir,
    "rds": rds,
    "tsds": tsds,
}
