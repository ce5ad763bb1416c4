"""One run of mining, stage by stage; see `mine` for what the stages are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from motherlode.config import Config
from motherlode.corpus.corpus import Corpus
from motherlode.encode.vectors import COLUMN, Vectors, encode_texts
from motherlode.mining.calibrate import Calibration, calibrate, seed_confusion
from motherlode.mining.cascade import prepare_cascade, screened_columns
from motherlode.mining.classify import DomainClassifier
from motherlode.mining.contrast import with_contrast
from motherlode.mining.counts import merge_counts
from motherlode.mining.export import Selection, export_tasks, select
from motherlode.mining.findings import find, seeds_without_documents
from motherlode.mining.label import LabelStep
from motherlode.mining.merge import merge_neighbours
from motherlode.mining.mix import SeedExportTask
from motherlode.mining.pool import build_pool, found_rows, seed_counts
from motherlode.mining.result import CascadeResult, DomainResult, MineResult
from motherlode.mining.retrieve import Neighbours, RetrieveStep, SeedMatrix
from motherlode.mining.rounds import ClassifierConfig
from motherlode.mining.support import Support, measure_support, unsupported
from motherlode.mining.train import VERSION, Examples, Training, train
from motherlode.mining.verdicts import Verdicts
from motherlode.seeds.seeds import Seed, Seeds
from motherlode.shards import store
from motherlode.shards.dataset import Dataset
from motherlode.shards.engine import Engine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.manifest import Entry, Manifest
from motherlode.shards.task import map_tasks

STARTED = "started"  # the only entry of the output folder's own manifest
RETRIEVALS = ("exact", "ann")


class MineConfig(Config):
    """How domains are mined."""

    encoder: str = Field("lexical", description="encoder of documents and seeds")
    retrieval: str = Field("exact", description="nearest documents of each seed: exact, or ann (by the index)")
    t_sim: float | None = Field(None, gt=-1, le=1, description="retrieval threshold (cosine); None: calibrated")
    target_precision: float = Field(0.9, gt=0, lt=1, description="precision that the calibrated threshold aims at")
    top_k: int = Field(200, ge=1, description="nearest documents of each seed")
    contrast: tuple[str, ...] | None = Field(None, description="packs of what is not wanted; None: the usual ones")
    cascade: str | None = Field(None, description="stronger encoder for documents that can still matter")
    rounds: int = Field(5, ge=0, le=50, description="rounds of relabelling, at most")
    sample: int = Field(40_000, ge=100, description="random documents that the classifier sees")
    most_found: int = Field(10_000, ge=1, description="retrieved documents of a domain that the classifier sees")
    min_score: float | None = Field(None, ge=0, le=1, description="least score of a document; None: the classifier's")
    max_documents: int | None = Field(None, ge=1, description="documents of a domain, at most")
    max_tokens: int | None = Field(None, ge=1, description="tokens of a domain, at most (4/3 of its words)")
    mix_seeds: bool = Field(False, description="whether the seeds are exported beside the mined documents")
    format: str = Field("jsonl", description="format of the export: jsonl or parquet")
    random_seed: int = Field(0, ge=0, description="seed of all random choices")


class Mining:
    """One run, stage by stage."""

    def __init__(
        self,
        corpus: Corpus,
        domains: dict[str, Seeds],
        folder: Path,
        config: MineConfig,
        engine: Engine,
        verdicts: Verdicts | None = None,
    ) -> None:
        self.corpus, self.domains, self.folder, self.config, self.engine = corpus, domains, folder, config, engine
        self.verdicts = verdicts

    def run(self, manifest: Manifest) -> MineResult:
        """Go through all stages; those that an earlier try finished cost nothing.

        Args:
            manifest: Of the output folder. Once the first stage begins, the folder belongs to this run: a run with
                other settings that finds it unfinished is refused, and does not throw away what is done.
        """
        config, documents = self.config, self.corpus.documents
        vectors = self.corpus.encode(config.encoder, engine=self.engine)
        packs, matrix, seeds, notes = with_contrast(self.domains, config.contrast, vectors)
        if not manifest.holds(STARTED, ""):
            manifest.commit(Entry(STARTED, ""))
        _keep_seeds(seeds, self.folder / "seeds.jsonl")
        retrieved = self._retrieve(vectors, matrix)
        hit, false_hit = seed_confusion(matrix)
        stats = merge_counts(retrieved, matrix.names, self.engine, self.folder / "counts")
        calibrations = {
            name: calibrate(
                name,
                stats,
                float(hit[matrix.names.index(name)]),
                float(false_hit[matrix.names.index(name)]),
                threshold=config.t_sim,
                target=config.target_precision,
            )
            for name in packs
        }
        neighbours, recall = self._neighbours(retrieved, vectors, matrix)
        wanted = {name: calibrations[name] for name in self.domains}
        rows, found = found_rows(neighbours, matrix, list(wanted.values()), config.most_found)
        idle = seeds_without_documents(neighbours, matrix, {name: c.threshold for name, c in wanted.items()})
        training = self._train(vectors, matrix, seeds, list(wanted.values()), rows)
        classifier = DomainClassifier.load(self.folder / "classifier")
        labels = self._label(vectors, classifier, "labels" if config.cascade is None else "screened")
        cascade = None
        if config.cascade is not None:
            labels, cascade = self._cascade(config.cascade, labels, matrix, seeds, classifier)
        selections = self._export(labels, retrieved, classifier, seeds)
        counted, support = labels.stats, self._support(labels, retrieved, matrix, classifier, wanted)
        results = {
            name: self._domain(
                name, wanted[name], found[name], selections[name], counted, classifier, training, support[name]
            )
            for name in self.domains
        }
        for name, mined in results.items():
            results[name] = dataclasses.replace(mined, idle_seeds=tuple(seeds[number].id for number in idle[name]))
        findings = notes + find(
            list(self.domains),
            matrix,
            calibrations,
            idle,
            documents.rows,
            {name: result.labelled for name, result in results.items()},
            {name: result.own_seeds for name, result in results.items()},
            training.stable,
        )
        findings += unsupported(results, support, [seed.id for seed in seeds])
        result = MineResult(
            folder=str(self.folder),
            corpus=str(self.corpus.folder),
            encoder=config.encoder,
            documents=documents.rows,
            contrast=tuple(name for name in packs if name not in self.domains),
            domains=results,
            rounds=tuple(training.rounds),
            stable=training.stable,
            several_labels=int(counted["several labels"]),
            cascade=cascade,
            findings=tuple(findings),
            retrieval=config.retrieval,
            recall=recall,
        )
        store.write_text(self.folder / "result.json", json.dumps(dataclasses.asdict(result), indent=1) + "\n")
        return result

    def _retrieve(self, vectors: Vectors, matrix: SeedMatrix) -> Dataset:
        path = self.folder / "seeds.safetensors"
        matrix.save(path)
        step = RetrieveStep(
            path, matrix.digest, matrix.names, self.config.top_k if self.config.retrieval == "exact" else 0
        )
        place = self.folder / "retrieved"
        with Manifest.open(place, "retrieved", dict(step.settings()), overwrite=True) as manifest:
            self.engine.run(map_tasks(step, self.corpus.documents, [(vectors, step.reads)]), manifest, "retrieve")
        return Dataset(place)

    def _neighbours(self, retrieved: Dataset, vectors: Vectors, matrix: SeedMatrix) -> tuple[Neighbours, float | None]:
        """Return the nearest documents of each seed, and the recall if an index found them."""
        if self.config.retrieval == "exact":
            return merge_neighbours(retrieved, self.config.top_k, self.engine, self.folder / "nearest"), None
        from motherlode.mining.index import neighbours_from_index, require_index
        from motherlode.mining.recall import recall_of

        index = require_index(self.corpus, vectors)
        neighbours = neighbours_from_index(index, matrix, self.config.top_k, self.corpus.documents)
        return neighbours, recall_of(neighbours, matrix, vectors, self.config.top_k)

    def _train(
        self, vectors: Vectors, matrix: SeedMatrix, seeds: list[Seed], wanted: list[Calibration], rows: Any
    ) -> Training:
        config = self.config
        place = self.folder / "classifier"
        settings = {
            "version": VERSION,
            "seeds": matrix.digest,
            "thresholds": [c.threshold for c in wanted],
            "vectors": vectors.key,
            "config": [config.rounds, config.sample, config.most_found, config.random_seed],
        }
        if self.verdicts is not None:
            settings["verdicts"] = self.verdicts.digest
        with Manifest.open(place, "classifier", settings, overwrite=True) as manifest:
            if not manifest.complete:
                pool = build_pool(
                    self.corpus.documents, vectors, matrix, wanted, rows, config.sample, config.random_seed
                )
                classifier, training = train(
                    pool,
                    seed_counts([seed.text for seed in seeds]),
                    matrix,
                    tuple(self.domains),
                    ClassifierConfig(rounds=config.rounds, random_seed=config.random_seed),
                    self._examples(vectors, matrix),
                )
                classifier.save(place)
                store.write_text(place / "training.json", json.dumps(dataclasses.asdict(training), indent=1) + "\n")
                manifest.finish([])
        values = json.loads((place / "training.json").read_text("utf-8"))
        return Training(**values)

    def _examples(self, vectors: Vectors, matrix: SeedMatrix) -> Examples | None:
        if self.verdicts is None:
            return None
        labels = np.array([[name in given for name in matrix.names] for given in self.verdicts.labels], dtype=bool)
        texts = list(self.verdicts.texts)
        return Examples(seed_counts(texts), encode_texts(vectors.encoder, texts), labels)

    def _label(self, vectors: Vectors, classifier: DomainClassifier, name: str) -> Dataset:
        step = LabelStep(self.folder / "classifier", classifier.digest, classifier.domains)
        target = self.folder / name
        documents = self.corpus.documents
        with Manifest.open(target, "labels", dict(step.settings()), overwrite=True) as manifest:
            self.engine.run(map_tasks(step, documents, [(documents, ["text"]), (vectors, [COLUMN])]), manifest, "label")
        return Dataset(target)

    def _cascade(
        self, spec: str, screened: Dataset, matrix: SeedMatrix, seeds: list[Seed], classifier: DomainClassifier
    ) -> tuple[Dataset, CascadeResult]:
        documents, texts = self.corpus.documents, [seed.text for seed in seeds]
        domains, thresholds = classifier.domains, [float(value) for value in classifier.thresholds]
        ready = prepare_cascade(
            spec,
            self.folder / "cascade",
            documents,
            screened,
            matrix,
            texts,
            domains,
            thresholds,
            self.config.random_seed,
        )
        target = self.folder / "labels"
        inputs = [(documents, ["text"]), (screened, screened_columns(domains))]
        with Manifest.open(target, "labels", dict(ready.step.settings()), overwrite=True) as manifest:
            self.engine.run(map_tasks(ready.step, documents, inputs), manifest, "cascade")
        labels = Dataset(target)
        encoded = int(labels.stats["encoded"])
        return labels, CascadeResult(spec, encoded, ready.audited, ready.changed)

    def _export(
        self, labels: Dataset, retrieved: Dataset, classifier: DomainClassifier, seeds: list[Seed]
    ) -> dict[str, Selection]:
        config, documents = self.config, self.corpus.documents
        chosen = {
            name: select(
                documents,
                labels,
                name,
                float(classifier.thresholds[classifier.domains.index(name)])
                if config.min_score is None
                else config.min_score,
                config.max_documents,
                config.max_tokens,
            )
            for name in self.domains
        }
        place = self.folder / "domains"
        settings = {
            "format": config.format,
            "limits": [config.min_score, config.max_documents, config.max_tokens],
            "labels": fingerprint(list(labels.digest)),
        }
        if config.mix_seeds:
            settings["mixed with"] = fingerprint([[name, pack.digest] for name, pack in self.domains.items()])
        with Manifest.open(place, "domains", settings, overwrite=True) as manifest:
            ids = [seed.id for seed in seeds]
            mix = config.mix_seeds
            tasks = export_tasks(list(chosen.values()), config.format, documents, labels, retrieved, ids, mix)
            every = tuple(self.domains)
            own = [SeedExportTask(n, pack, config.format, every) for n, pack in self.domains.items() if mix]
            self.engine.run([*tasks, *own], manifest, "export")
        for name in self.domains:
            store.make_folder(place / name)
        return chosen

    def _support(
        self,
        labels: Dataset,
        retrieved: Dataset,
        matrix: SeedMatrix,
        classifier: DomainClassifier,
        wanted: Mapping[str, Calibration],
    ) -> dict[str, Support]:
        thresholds = dict(zip(classifier.domains, map(float, classifier.thresholds), strict=True))
        chance = {name: calibration.false_hit for name, calibration in wanted.items()}
        documents, seeds = self.corpus.documents, len(matrix.vectors)
        return measure_support(documents, labels, retrieved, matrix.names, thresholds, chance, seeds)

    def _domain(
        self,
        name: str,
        calibration: Calibration,
        found: int,
        selection: Selection,
        counted: Mapping[str, Any],
        classifier: DomainClassifier,
        training: Training,
        support: Support,
    ) -> DomainResult:
        labelled = int(counted[f"documents:{name}"])
        return DomainResult(
            name=name,
            folder=str(self.folder / "domains" / name),
            seeds=len(self.domains[name]),
            calibration=calibration,
            found=found,
            score_threshold=float(classifier.thresholds[classifier.domains.index(name)]),
            labelled=labelled,
            documents=selection.documents,
            words=selection.words,
            expected_precision=float(counted[f"expected:{name}"]) / max(1, labelled),
            own_seeds=training.own_seeds[name],
            idle_seeds=(),
            score_histogram=tuple(counted[f"scores:{name}"]),
            agreement=support.agreement,
            crowd=support.crowd,
        )


def _keep_seeds(seeds: Sequence[Seed], path: Path) -> None:
    """Write the seeds of the run, so that provenance can be followed without their sources."""
    lines = [
        json.dumps({"id": s.id, "labels": list(s.labels), "type": s.type, "text": s.text}, ensure_ascii=False)
        for s in seeds
    ]
    store.write_text(path, "".join(f"{line}\n" for line in lines))
