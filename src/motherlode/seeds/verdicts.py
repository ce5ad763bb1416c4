"""What a seed check finds, in plain words: each rule looks at one thing and says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from motherlode.errors import nearest
from motherlode.seeds.seeds import Seeds
from motherlode.seeds.template import DEMEANOURS, DOCUMENT_TYPES, FURTHER_TYPES, LENGTHS, length_of

if TYPE_CHECKING:
    from motherlode.seeds.check import Coverage, SeedCheck

FEW = 30  # seeds; the paper writes 200 a domain
SHORT = 20  # words; what is shorter says too little about its domain, and the paper drops such documents
_SHOWN = 6  # names in a list
_COMPARED = {
    "moving_type_token_ratio": ("more varied in their words", "less varied in their words"),
    "lexical_density": ("denser in content words", "less dense in content words"),
    "grade": ("harder to read (grade)", "easier to read (grade)"),
    "sentence_length": ("longer in their sentences (words)", "shorter in their sentences (words)"),
}


@dataclass(frozen=True)
class Verdict:
    """One finding.

    Attributes:
        level: `fix` for what harms mining, `consider` for what may be as intended.
        what: The finding, in plain words.
        hint: What to do.
    """

    level: str
    what: str
    hint: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.level}: {self.what}; {self.hint}"


def judge(seeds: Seeds, found: SeedCheck) -> list[Verdict]:
    """Judge what `check` has measured.

    Args:
        seeds: The seeds.
        found: The measurements.

    Returns:
        The findings, in the order of the rules.
    """
    return [
        *_numbers(seeds, found),
        *_likeness(found),
        *_labels(found),
        *_dimension("type", found.types, found.count, (*DOCUMENT_TYPES, *FURTHER_TYPES)),
        *_dimension("demeanour", found.demeanours, found.count, DEMEANOURS),
        *_lengths(seeds, found),
        *_against_real(found),
    ]


def _some(names: list[str] | tuple[str, ...]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _seeds(count: int, verb: str, plural: str) -> str:
    return f"1 seed {verb}" if count == 1 else f"{count} seeds {plural}"


def _numbers(seeds: Seeds, found: SeedCheck) -> Iterator[Verdict]:
    if found.count < FEW:
        yield Verdict(
            "consider",
            f"there are only {found.count} seeds",
            f"write at least {FEW}; a narrow set finds a narrow domain",
        )
    short = [seed.id for seed in seeds if len(seed.text.split()) < SHORT]
    if short:
        yield Verdict(
            "fix",
            f"{_seeds(len(short), 'has', 'have')} fewer than {SHORT} words ({_some(short)})",
            "write whole documents of 80 words or more, not titles or keywords",
        )


def _likeness(found: SeedCheck) -> Iterator[Verdict]:
    if not found.near_duplicates:
        return
    alike = list(dict.fromkeys(name for pair in found.near_duplicates for name in pair[:2]))
    later = list(dict.fromkeys(pair[1] for pair in found.near_duplicates))
    yield Verdict(
        "fix",
        f"{len(alike)} seeds are near-duplicates of another (similarity {found.threshold:g} or more)",
        f"remove or rewrite {_some(later)}",
    )


def _labels(found: SeedCheck) -> Iterator[Verdict]:
    carried = found.labels.get(found.name, 0)
    if carried < found.count:
        yield Verdict(
            "consider",
            f"{_seeds(found.count - carried, 'does', 'do')} not carry the label {found.name!r} "
            f"(labels: {_some(list(found.labels))})",
            "every seed of a set counts as its domain's; put those of other domains into files of their own",
        )
    if not found.several_labels:
        yield Verdict(
            "consider",
            "no seed is about two domains",
            "write some with two labels, for documents where domains meet; the shipped packs have 10 to 18",
        )


def _dimension(name: str, coverage: Coverage, count: int, known: tuple[str, ...]) -> Iterator[Verdict]:
    if coverage.unset == count:
        yield Verdict("consider", f"no seed says its {name}", f"add '{name}', so that gaps can be found")
        return
    if coverage.missing:
        yield Verdict(
            "consider",
            f"no seed of {name} {_some(coverage.missing)}",
            "write one of each, unless the domain has no such documents",
        )
    if coverage.unset:
        yield Verdict("consider", f"{_seeds(coverage.unset, 'does', 'do')} not say the {name}", f"add '{name}'")
    for value in coverage.unknown[:_SHOWN]:
        hint = nearest(value, known)
        yield Verdict(
            "consider",
            f"{name} {value!r} is not in the template",
            hint if hint.startswith("did") else "keep it if it is meant",
        )


def _lengths(seeds: Seeds, found: SeedCheck) -> Iterator[Verdict]:
    only = next(iter(found.lengths.counts)) if len(found.lengths.counts) == 1 and found.count > 1 else None
    real = found.real_words
    if only and (real is None or length_of(round(real.median)) != only):
        other = "long ones (over 500 words)" if only == "short" else "short ones"
        spread = f"{found.words.least} to {found.words.most} words"
        spread += f"; half of the real documents have over {real.median:g}" if real and only == "short" else ""
        yield Verdict(
            "consider", f"all seeds are {only} ({spread})", f"add {other} if the documents you look for are such"
        )
    wrong = [
        seed.id
        for seed in seeds
        if seed.length and seed.length in LENGTHS and seed.length != length_of(len(seed.text.split()))
    ]
    if wrong:
        yield Verdict(
            "consider",
            f"{_seeds(len(wrong), 'is', 'are')} not as long as 'length' says ({_some(wrong)})",
            "correct 'length' (short: to 500 words, long: to 1,000), or the document",
        )


def _against_real(found: SeedCheck) -> Iterator[Verdict]:
    """Compare means with real documents of the same length: a standard deviation of these apart is a lot."""
    if found.lexical is None or found.real_cut is None:
        return
    for metric, (more, less) in _COMPARED.items():
        seed, real = getattr(found.lexical.mean, metric), getattr(found.real_cut.mean, metric)
        if abs(seed - real) > getattr(found.real_cut.deviation, metric) > 0:
            yield Verdict(
                "consider",
                f"seeds are {more if seed > real else less} than real documents ({seed:.3g} against {real:.3g})",
                "ask for other authors and audiences, or seed from real documents",
            )
