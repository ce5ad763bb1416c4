"""`diagnose`: are the assumptions of the kernel true of this model and these data?

A random sample of the domain and of the pool is scored in every way there is, at the end of a warm-up as `select` makes
it, and compared with what is exact. Every measure is defined where it is computed: `trace`, `outputs`, `variants`,
`recognition`, `stability`, `preselection`, `subsets`, `regression`; thresholds of the verdicts are in `verdicts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from motherlode.diagnosis.agreement import spearman
from motherlode.diagnosis.kernels import TRACE, kernel_agreements
from motherlode.diagnosis.options import DiagnoseOptions
from motherlode.diagnosis.outputs import look_at_head
from motherlode.diagnosis.result import Diagnosis
from motherlode.diagnosis.stages import Stages
from motherlode.diagnosis.verdicts import all_verdicts
from motherlode.progress import Progress
from motherlode.shards.local_copy import here, path_here

WORK = "work"  # folder of finished stages, within the output


def diagnose(
    model: str,
    domain: Path | str,
    pool: Path | str,
    *,
    out: Path | str | None = None,
    quiet: bool = True,
    **options: Any,
) -> Diagnosis:
    """Measure whether the kernel's assumptions are true of a model and its data.

    Args:
        model: Folder or hub name of a causal language model.
        domain: Domain samples: a JSONL or Parquet file, a folder of such files, or a pattern.
        pool: General samples, likewise.
        out: Folder of `diagnosis.json`, and of `work`, from which a run that was killed goes on. Without any, nothing
            is kept.
        quiet: Whether no progress is shown.
        options: The other fields of `DiagnoseOptions`.

    Returns:
        The diagnosis.

    Raises:
        InputError: An option, a file, a sample or the model must be changed, or memory does not suffice.
        MotherlodeError: A gradient is zero or not finite.
    """
    settings = DiagnoseOptions.parse({"model": str(model), **options}, "diagnose")
    work = None if out is None else path_here(out) / WORK
    diagnosis = _diagnose(Stages(settings, here(domain), here(pool), work), quiet)
    if out is not None:
        diagnosis.write(out)
    return diagnosis


def _diagnose(run: Stages, quiet: bool) -> Diagnosis:
    names = (
        *("task", "warm-up", "trace", "kernels", "recognition", "outputs", "engines", "stability"),
        *("pre-selection", "predictions"),
    )
    with Progress("diagnose", len(names), "stages", quiet=quiet) as progress:
        following = iter((*names[1:], "done"))

        def done() -> None:
            progress.note = next(following)
            progress.advance(1)

        progress.note = names[0]
        regression = run.regression()
        done()
        _ = run.states
        done()
        trace = run.trace()
        done()
        found = run.scores()
        agreements = kernel_agreements(found, trace.scores, run.top)
        scores = {TRACE: trace.scores, **found}
        done()
        recognitions = run.recognitions()
        done()
        head, outputs = look_at_head(run.adapted), run.outputs()
        done()
        agreements += run.engines(scores)
        done()
        stability = run.stability()
        done()
        preselections = run.preselections(scores)
        done()
        subsets = run.subsets(scores["loss"])
        done()
    predictions = {}
    for training in dict.fromkeys(subset.training for subset in subsets):
        own = [subset for subset in subsets if subset.training == training]
        predictions[training] = spearman([s.predicted for s in own], [s.measured for s in own])
    ratio = float(np.abs(scores["ntk"] - trace.scores).sum() / max(np.abs(trace.scores).sum(), 1e-300))
    verdicts = all_verdicts(
        head,
        ratio,
        agreements,
        trace.reliability,
        recognitions,
        stability,
        preselections,
        subsets,
        predictions,
        regression,
    )
    return Diagnosis(
        model=run.options.model,
        domain_samples=len(run.domain),
        pool_samples=len(run.pool),
        top=run.top,
        trace_probes=trace.probes,
        trace_exact=trace.exact,
        trace_reliability=trace.reliability,
        head=head,
        outputs=outputs,
        cross_to_trace=ratio,
        agreements=tuple(agreements),
        stability=tuple(stability),
        preselections=tuple(preselections),
        regression=regression,
        subsets=tuple(subsets),
        predictions=predictions,
        recognitions=tuple(recognitions),
        verdicts=verdicts,
        notes=tuple(run.notes),
        scores={name: tuple(float(value) for value in values) for name, values in scores.items()},
        pool_rows=tuple(run.pool_rows),
        settings=run.settings,
    )
