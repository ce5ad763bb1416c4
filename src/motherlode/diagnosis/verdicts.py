"""Verdicts in words. Thresholds are ours, stated with each verdict and in docs/diagnose.md.

A rank correlation of 0.95 leaves about nine tenths of a top quarter in place, one of 0.8 about seven tenths; engines,
types and projections are held to more, because nothing but arithmetic lies between them and what they compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from motherlode.diagnosis.agreement import Agreement
from motherlode.diagnosis.kernels import CROSS, TRACE
from motherlode.diagnosis.outputs import Head
from motherlode.diagnosis.preselection import Preselection
from motherlode.diagnosis.recognition import COSINE, EMBEDDING, Recognition
from motherlode.diagnosis.regression import Regression
from motherlode.diagnosis.result import Answer, Subset, Verdict
from motherlode.diagnosis.stability import KernelState

RANKS = (0.95, 0.8)
ARITHMETIC = (0.999, 0.99)
ROUNDING = (0.99, 0.95)
SHARED = (0.05, 0.2)
CANCELLED = (0.1, 1.0)
FROBENIUS = (0.99, 0.9)
RETAINED = 0.8
RELATIVE = (0.05, 0.25)
ALPHA = 0.01
RECOGNISED = (0.9, 0.7)


def at_least(value: float | None, limits: tuple[float, float]) -> Answer:
    """Judge a number that should be large; one that could not be told fails."""
    if value is None:
        return "fails"
    return "holds" if value >= limits[0] else "doubtful" if value >= limits[1] else "fails"


def at_most(value: float, limits: tuple[float, float]) -> Answer:
    """Judge a number that should be small."""
    return "holds" if value <= limits[0] else "doubtful" if value <= limits[1] else "fails"


def _rule(sign: str, limits: tuple[float, float]) -> str:
    return f"holds {sign} {limits[0]:g}, doubtful {sign} {limits[1]:g}"


def _number(value: float | None, digits: int = 3) -> str:
    return "constant" if value is None else f"{value:.{digits}f}"


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ranks(row: Agreement) -> str:
    overlap = f"top {row.top} overlap {row.overlap:.2f} (chance {row.chance:.2f})"
    return f"rank correlation {_number(row.spearman, 4)}, {overlap}"


def kernel_verdicts(
    head: Head, cross_to_trace: float, ones: Agreement, cross: Agreement, reliability: float | None
) -> list[Verdict]:
    """Judge the all-ones kernel against the trace of the full one.

    Args:
        head: The output head.
        cross_to_trace: Size of the cross terms relative to the trace.
        ones: The all-ones kernel against the trace kernel.
        cross: The all-ones kernel against its own cross terms.
        reliability: How sure the trace kernel is.
    """
    follows = "the trace" if (ones.spearman or 0) >= (cross.spearman or 0) else "the cross terms"
    sure = "" if reliability is None or reliability >= 0.999 else f"; the trace itself is known to {reliability:.3f}"
    told = at_least(ones.spearman, RANKS)
    size = at_most(cross_to_trace, CANCELLED)
    shared = at_most(head.shared, SHARED)
    return [
        Verdict(
            "The output head's rows share no direction",
            shared,
            f"{head.shared:.0%} of their squared norm lies along the mean row (chance {head.shared_by_chance:.1%}); "
            f"the all-ones direction is {_times(head.amplification)} times as strong as random signs",
            _rule("<=", SHARED),
            "" if shared == "holds" else "use --kernel ntk-signs or loss, which the shared direction does not rule",
        ),
        Verdict(
            "Cross-output terms cancel in the all-ones kernel",
            size,
            f"over the whole vocabulary they are {_times(cross_to_trace)} times the trace",
            _rule("<=", CANCELLED),
            "" if size == "holds" else "do not read the score as an approximate NTK; compare kernels by training",
        ),
        Verdict(
            "The all-ones kernel ranks as the full NTK does",
            told,
            f"{_ranks(ones)}; it follows {follows} (rank correlation with cross terms {_number(cross.spearman)}){sure}",
            _rule(">=", RANKS),
            "" if told == "holds" else "use --kernel ntk-signs for the full kernel's ranking",
        ),
    ]


def arithmetic_verdicts(agreements: Sequence[Agreement]) -> list[Verdict]:
    """Judge engines, layouts, projections and bf16 by the worst of each; groups that were not measured are left out."""
    groups = (
        ("The engine 'contraction' is exact, however samples are padded", "contraction", ARITHMETIC, "report it"),
        ("The engine 'difference' ranks as the exact score", "difference", ARITHMETIC, "set --difference-step"),
        ("A projection keeps the ranking", " projection ", ROUNDING, "project to more dimensions, or not at all"),
        ("Scores in bf16 rank as in fp32", "bf16 ", ROUNDING, "use --dtype fp32"),
    )
    found = []
    for assumption, part, limits, advice in groups:
        rows = [row for row in agreements if part in f"{row.name} " and ("bf16" in row.name) == (part == "bf16 ")]
        if part == " projection " and rows:  # the paper's own: dense, the largest that was measured
            dense = [row for row in rows if row.name.startswith("rademacher")] or rows
            rows = list({row.against: row for row in dense}.values())
        if part == "difference" and rows:  # any step is free to be chosen
            rows = [max(rows, key=lambda row: -1.0 if row.spearman is None else row.spearman)]
        if not rows:
            continue
        worst = min(rows, key=lambda row: -1.0 if row.spearman is None else row.spearman)
        answer = at_least(worst.spearman, limits)
        found.append(
            Verdict(
                assumption,
                answer,
                f"{worst.name}, against {worst.against}: {_ranks(worst)}",
                _rule(">=", limits),
                "" if answer == "holds" else advice,
            )
        )
    return found


def recognition_verdicts(found: Sequence[Recognition]) -> list[Verdict]:
    """Judge whether a kernel finds the domain's own samples among the pool's."""
    by_name = {item.name: item for item in found}
    verdicts = []
    for item in [item for item in found if f"{item.name}{COSINE}" in by_name]:
        cosine, hidden = by_name[f"{item.name}{COSINE}"], by_name[EMBEDDING]
        answer = at_least(item.area, RECOGNISED)
        if answer == "fails" and item.high >= RECOGNISED[1]:
            answer = "doubtful"  # too few samples to say so
        advice = (
            "its mean gradient does not point to the domain: try the other kernel, --selector round-robin, or votes"
        )
        if cosine.area > item.high:
            advice = "lengths of gradients rule it: --normalize cosine finds more; `compare` tells which trains better"
        verdicts.append(
            Verdict(
                f"The kernel '{item.name}' finds the domain's own samples in the pool",
                answer,
                f"one of {item.unseen} other domain samples scores above a pool sample with probability "
                f"{item.area:.2f} ({item.low:.2f} to {item.high:.2f}); by cosines of gradients {cosine.area:.2f}, by "
                f"hidden states {hidden.area:.2f}",
                f"{_rule('>=', RECOGNISED)} or if the interval reaches that",
                "" if answer == "holds" else advice,
            )
        )
    return verdicts


def stability_verdicts(states: Sequence[KernelState], kernel: str) -> list[Verdict]:
    """Judge whether a kernel, and who is chosen, stay as they are at the start."""
    own = [state for state in states if state.kernel == kernel]
    if len(own) < 2:
        return []
    start, end = own[0], own[-1]
    still = at_least(end.frobenius, FROBENIUS)
    ranks = at_least(start.spearman, RANKS)
    return [
        Verdict(
            f"The matrix of the kernel '{kernel}' stays what it was at the start",
            still,
            f"Frobenius cosine {end.frobenius:.3f} after {end.step:,} steps (centred {end.centred:.3f})",
            _rule(">=", FROBENIUS),
            "" if still == "holds" else "score after the warm-up, not at the start",
        ),
        Verdict(
            f"Who the kernel '{kernel}' chooses stays the same from the start on",
            ranks,
            f"rank correlation of scores at the start with those at the end {_number(start.spearman)}, top overlap "
            f"{start.overlap:.2f}",
            _rule(">=", RANKS),
            "" if ranks == "holds" else "do not skip the warm-up; more epochs may change the choice again",
        ),
    ]


def preselection_verdict(found: Preselection) -> Verdict:
    """Judge whether votes keep what the kernel would choose."""
    lost = found.high < RETAINED and found.p_value > ALPHA
    answer: Answer = "holds" if found.retained >= RETAINED else "fails" if lost else "doubtful"
    return Verdict(
        f"Votes keep what the kernel '{found.kernel}' would choose",
        answer,
        f"{found.retained:.0%} of its choice is kept ({found.low:.0%} to {found.high:.0%}), {found.chance:.0%} by "
        f"chance (p = {found.p_value:.2g})",
        f"holds >= {RETAINED:g}, fails if the interval is below that and chance explains it (p > {ALPHA:g})",
        "" if answer == "holds" else "use --preselect none, or a larger --preselect-factor",
    )


def regression_verdict(found: Regression) -> Verdict:
    """Judge whether kernel regression predicts as fine-tuning does."""
    kernel, tuned, majority = found.kernel, found.fine_tuned, found.majority
    learnt = tuned.low > majority.accuracy
    answer: Answer = "fails"
    if not learnt:
        answer = "doubtful"
    elif kernel.accuracy >= tuned.low:
        answer = "holds"
    elif kernel.accuracy > majority.high:
        answer = "doubtful"
    said = "" if learnt else "; fine-tuning itself is not surely better than the majority class, so this tells nothing"
    return Verdict(
        "Kernel regression answers as fine-tuning does",
        answer,
        f"{kernel.accuracy:.2f} against {tuned.accuracy:.2f} ({tuned.low:.2f} to {tuned.high:.2f}), majority class "
        f"{majority.accuracy:.2f}, regression on hidden states {found.hidden_states.accuracy:.2f}{said}",
        "holds within the 95 % interval of fine-tuning, doubtful above that of the majority class",
        "" if answer == "holds" else "do not take kernel values for what training would learn",
    )


def prediction_verdicts(errors: Sequence[float], ranks: float | None, subsets: int) -> list[Verdict]:
    """Judge the first-order prediction: its size for a small step, its order for an epoch."""
    error = sorted(errors)[len(errors) // 2]
    size = at_most(error, RELATIVE)
    order = at_least(ranks, (0.8, 0.4))
    return [
        Verdict(
            "A small step changes the domain's loss as the kernel 'loss' says",
            size,
            f"median relative error {error:.2%} over {subsets} subsets",
            _rule("<=", RELATIVE),
            "" if size == "holds" else "rounding or curvature rules here: use --dtype fp32",
        ),
        Verdict(
            "An epoch of training orders subsets as predicted",
            order,
            f"rank correlation of predicted with measured changes {_number(ranks)} over {subsets} subsets",
            _rule(">=", (0.8, 0.4)),
            "" if order == "holds" else "first order does not carry this far, or the subsets differ too little",
        ),
    ]


def all_verdicts(
    head: Head,
    cross_to_trace: float,
    agreements: Sequence[Agreement],
    reliability: float | None,
    recognitions: Sequence[Recognition],
    stability: Sequence[KernelState],
    preselections: Sequence[Preselection],
    subsets: Sequence[Subset],
    predictions: Mapping[str, float | None],
    regression: Regression | None,
) -> tuple[Verdict, ...]:
    """Judge everything that was measured; what was not has no verdict."""
    found = {(row.name, row.against): row for row in agreements}
    kernels = dict.fromkeys(state.kernel for state in stability)
    verdicts = [
        *kernel_verdicts(head, cross_to_trace, found["ntk", TRACE], found["ntk", CROSS], reliability),
        *recognition_verdicts(recognitions),
        *arithmetic_verdicts(agreements),
        *(verdict for kernel in kernels for verdict in stability_verdicts(stability, kernel)),
        *(preselection_verdict(item) for item in preselections),
    ]
    small = [subset for subset in subsets if subset.training == "small step"]
    if small:
        errors = [abs(subset.predicted - subset.measured) / max(abs(subset.measured), 1e-300) for subset in small]
        verdicts += prediction_verdicts(errors, predictions["epoch"], len(small))
    if regression is not None:
        verdicts.append(regression_verdict(regression))
    return tuple(verdicts)
