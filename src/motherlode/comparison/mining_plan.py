"""The jobs of a comparison of mining variants: mine, gather documents, continue pre-training, test.

Equal budgets: every variant is trained on the same number of tokens, the same share of them of the domain (documents
are read again where a variant found too few), with the same general text. `general-only` has a share of 0.
"""

from __future__ import annotations

from typing import Any

from motherlode.comparison.config import MiningConfig
from motherlode.comparison.inputs import Checked
from motherlode.comparison.jobs import Job, Jobs
from motherlode.comparison.methods import VariantConfig
from motherlode.comparison.plan import add_evaluation
from motherlode.shards.fingerprint import fingerprint

DOMAIN_TEXT, GENERAL_TEXT = "domain", "general"


class MiningPlan:
    """Adds the jobs of a comparison's variants."""

    def __init__(self, checked: Checked, jobs: Jobs, parameters: float) -> None:
        """Take what was checked, where jobs are added, and the model's parameters, for estimates."""
        self.checked, self.config, self.jobs, self.parameters = checked, checked.config, jobs, parameters
        assert checked.config.mining is not None
        self.mining: MiningConfig = checked.config.mining
        self.cells: list[dict[str, Any]] = []
        self.sets: list[tuple[str, str, Job]] = []
        self.mined: dict[str, Job] = {}

    def add(self) -> None:
        """Add everything."""
        for name, variant in self.mining.variants.items():
            for domain in self.config.domains:
                if variant.method == "base":
                    self._cell(name, domain, None, None)
                    continue
                documents = None if variant.method == "general-only" else self._documents(name, variant, domain)
                if documents is not None:
                    self.sets.append((name, domain, documents))
                for seed in self.config.random_seeds:
                    self._cell(name, domain, seed, self._pretrain(name, domain, seed, documents))

    def _digest(self, path: str) -> str:
        return self.checked.digests[path]

    def _cell(self, name: str, domain: str, seed: int | None, trained: Job | None) -> None:
        place = "base" if trained is None else f"s{seed} {name}"
        heldout = str(self.config.domains[domain].heldout)
        texts = {DOMAIN_TEXT: heldout, GENERAL_TEXT: self.mining.general_heldout}
        before = {} if trained is None else {"0": trained}
        tasks = self.config.domains[domain].tasks
        label = f"evaluate mined {domain} {place}"
        job = add_evaluation(self.jobs, self.checked, label, tasks, texts, before, self.parameters)
        self.cells.append({"method": name, "domain": domain, "size": None, "n": None, "random_seed": seed, "job": job})

    def _documents(self, name: str, variant: VariantConfig, domain: str) -> Job:
        seeds = {key: str(part.seeds) for key, part in self.config.domains.items()}
        corpus = self._digest(self.mining.corpus)
        before: dict[str, Job] = {}
        if variant.method == "mine":
            options = {**self.mining.mine, **variant.options}
            settings: dict[str, Any] = {"corpus": self.mining.corpus, "seeds": seeds, "options": options}
            depends: list[Any] = [corpus, {key: self._digest(f"seeds of {key}") for key in seeds}, options]
            lane = f"corpus {self.mining.corpus}"
            self.mined[name] = before["mine"] = self.jobs.add(f"mine {name}", "mine", settings, depends, lane=lane)
        held = self._held()
        label = self.config.domains[domain].label or domain
        settings = {
            "domain": domain,
            "label": label,
            "method": variant.method,
            "documents": variant.documents,
            "seeds": seeds[domain],
            "corpus": self.mining.corpus,
            "labels": self.mining.labels,
            "heldout": held,
            "random_seed": self._draw(variant.method, domain),
        }
        depends = [
            corpus,
            [domain, label, variant.method, variant.documents, settings["random_seed"]],
            self._digest(f"seeds of {domain}"),
            None if self.mining.labels is None else self._digest(self.mining.labels),
            [self._digest(path) for path in held],
        ]
        return self.jobs.add(f"documents {domain} {name}", "documents", settings, depends, before)

    def _draw(self, method: str, domain: str) -> int:
        """Return the seed of a selection: `random`, which reads no seeds, must not take the same for every domain."""
        first = self.config.random_seeds[0]
        return int(fingerprint(first, domain)[:7], 16) if method == "random" else first

    def _held(self) -> list[str]:
        return sorted({str(part.heldout) for part in self.config.domains.values()} | {self.mining.general_heldout})

    def _general(self) -> Job:
        source = self.mining.general or self.mining.corpus
        settings = {"general": source, "tokens": self.mining.tokens, "heldout": self._held()}
        depends = [self._digest(source), self.mining.tokens, [self._digest(path) for path in self._held()]]
        return self.jobs.add("general", "general", settings, depends)

    def _pretrain(self, name: str, domain: str, seed: int, documents: Job | None) -> Job:
        options = {**self.mining.training, "tokens": self.mining.tokens, "random_seed": seed}
        place = name if documents is None else f"{domain} {name}"  # general text alone serves all domains
        settings = {"model": self.config.model, "options": options}
        depends = [
            self.checked.model_digest,
            {key: value for key, value in options.items() if key != "device"},
        ]
        before = {"general": self._general()} | ({} if documents is None else {"documents": documents})
        flops = 6 * self.parameters * self.mining.tokens
        return self.jobs.add(f"pretrain {place} s{seed}", "pretrain", settings, depends, before, flops=flops)
