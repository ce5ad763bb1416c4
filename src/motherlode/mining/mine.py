"""Mining: from the names of domains, or their seeds, to labelled domain corpora (arXiv 2410.00260).

The stages, each resumable and each leaving what it did in the output folder:

1. *encode* the corpus (kept beside it) and the seeds;
2. *retrieve*: every seed against every document (`retrieved/`);
3. *calibrate* a threshold for each domain;
4. *classify*: train on seeds, retrieved documents and the rest of the corpus, in rounds (`classifier/`);
5. *label* every document (`labels/`);
6. *export* each domain (`domains/<name>/`), and say what was found (`result.json`, `report.html`).

Seeds of other domains and of everything else, the contrast set, tell what is *not* wanted. They ship with the package
and take part unless their own seeds are too close to a wanted domain's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from motherlode.corpus.corpus import Corpus
from motherlode.encode.encoder import parse_spec
from motherlode.errors import InputError, nearest
from motherlode.mining.contrast import SeedsGiven, contrast_packs, gather_seeds
from motherlode.mining.export import FORMATS
from motherlode.mining.result import MineResult
from motherlode.mining.run import RETRIEVALS, STARTED, MineConfig, Mining
from motherlode.mining.train import VERSION
from motherlode.mining.verdicts import Verdicts
from motherlode.shards.engine import Engine, LocalEngine
from motherlode.shards.fingerprint import fingerprint
from motherlode.shards.local_copy import here
from motherlode.shards.location import location
from motherlode.shards.manifest import Manifest
from motherlode.shards.outputs import check_output, named_within


def mine(
    corpus: Corpus | str | Path,
    seeds: SeedsGiven,
    out: str | Path,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
    verdicts: str | Path | None = None,
    **settings: Any,
) -> MineResult:
    """Mine domains out of a corpus.

    Args:
        corpus: The corpus, or its folder.
        seeds: Names of packs that ship, or domains with `Seeds`, files, or `"builtin"`.
        out: The output folder; continued if the same run was interrupted there.
        engine: Who does the work; by default this machine's cores.
        overwrite: Whether another run in the folder is replaced.
        verdicts: A file of judged documents that the classifier is trained on too (`motherlode.mining.verdicts`).
        **settings: The fields of `MineConfig`.

    Returns:
        What was found, and where it lies.

    Raises:
        InputError: The corpus, the seeds, a setting or the folder must be changed.
        MotherlodeError: The work failed; what is done is kept for the next try.
    """
    config = MineConfig.parse(settings, "mine")
    if config.format not in FORMATS:
        raise InputError(f"unknown format {config.format!r}", where="--format", hint=nearest(config.format, FORMATS))
    if config.retrieval not in RETRIEVALS:
        hint = nearest(config.retrieval, RETRIEVALS)
        raise InputError(f"unknown retrieval {config.retrieval!r}", where="--retrieval", hint=hint)
    if config.cascade is not None and parse_spec(config.cascade, "--cascade")[0] == "lexical":
        raise InputError("the cheap encoder is no cascade", where="--cascade", hint="name a stronger one, e.g. minilm")
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    domains = gather_seeds(seeds)
    folder = location(out)
    check_output(folder, [corpus.folder])
    judged = None
    if verdicts is not None:
        verdicts = here(verdicts)
        if named_within(verdicts, folder) or verdicts.resolve().is_relative_to(folder.resolve()):
            hint = "give another --out, or copy the file elsewhere"
            raise InputError("lies in the folder that is written", where=f"--verdicts {verdicts}", hint=hint)
        judged = Verdicts.read(verdicts, list(domains))
    own = engine is None
    engine = engine or LocalEngine()
    identity = {
        **config.model_dump(mode="json"),
        "corpus": fingerprint(list(corpus.documents.digest)),
        "seeds": {name: pack.digest for name, pack in domains.items()},
        "contrast_seeds": {name: pack.digest for name, pack in contrast_packs(config.contrast).items()},
        "version": VERSION,
    }
    if not config.mix_seeds:  # folders of earlier versions stay what they are
        del identity["mix_seeds"]
    if judged is not None:
        identity["verdicts"] = judged.digest
    try:
        with Manifest.open(folder, "mined", identity, overwrite=overwrite) as outer:
            if outer.complete and (folder / "result.json").exists():
                return MineResult.read(folder)
            result = Mining(corpus, domains, folder, config, engine, judged).run(outer)
            outer.finish([STARTED])
    finally:
        if own:
            engine.close()
    return result
