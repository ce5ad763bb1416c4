"""Lexical metrics of English texts: diversity, richness, density, readability.

The check that DoPAMine makes of its seeds (arXiv 2410.00260): are they as varied and as readable as real documents?
It reports, real / seeds, a type-token ratio of 0.63 / 0.62, a hapax ratio of 0.564 / 0.559, a Flesch figure of
10.08 / 9.8 (by its size the Flesch-Kincaid grade) and a "lexical richness" of 92.16 / 137.64, whose formula it does
not name. Two formulas give values of that size for one document. Measured on 1,500 real documents of five domains
(means by domain) and on five seed packs: MTLD 57 to 87 and 129 to 177, Yule's K 117 to 160 and 75 to 107. Seeds lie
above real documents by MTLD, as in the paper, and below them by K, where more means *less* rich. So
`richness` is MTLD; K is given beside it. Whether the paper computed MTLD is our guess, not its statement.

Ratios of types fall with a text's length, so raw ones compare only at equal length; the moving average and MTLD hold
up better. Every value describes one document; `measure_all` gives means and standard deviations over documents.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

WINDOW = 50  # words; the moving average's window
MTLD_THRESHOLD = 0.72  # the ratio at which a factor is complete (McCarthy & Jarvis 2010)

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_TOKEN = re.compile(r"\S+")
_ENDING = re.compile(r"[.!?…]+[\"'”’)\]]*$")
_ABBREVIATIONS = (
    "mr mrs ms dr prof st jr sr vs etc eg ie cf al fig figs eq no nos vol pp p art sec ch inc ltd co corp dept est "
    "approx jan feb mar apr jun jul aug sep sept oct nov dec"
)

_CLOSED_CLASS = (
    # articles, demonstratives, quantifiers
    "a an the this that these those some any no none every each either neither both all half few fewer little less "
    "many more most much several enough such other another same own "
    # pronouns and question words
    "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers "
    "herself it its itself they them their theirs themselves one oneself someone somebody something anyone anybody "
    "anything everyone everybody everything nobody nothing who whom whose which what whatever whoever whichever where "
    "when why how wherever whenever however there here "
    # auxiliaries and modals
    "be am is are was were been being have has had having do does did doing done will would shall should can cannot "
    "could may might must ought need dare used ain gonna wanna gotta "
    # prepositions
    "about above across after against along amid among amongst around as at before behind below beneath beside besides "
    "between beyond by concerning despite down during except for from in inside into like near of off on onto opposite "
    "out outside over past per regarding round since through throughout till to toward towards under underneath until "
    "unto up upon via with within without "
    # conjunctions and particles
    "and but or nor so yet if unless because although though while whereas whether than once lest not n't also too "
    "only even just very then thus hence therefore else again"
)
CLOSED_CLASS = frozenset(_CLOSED_CLASS.split())
"""Words of the closed classes: every other word counts as a content word."""


@dataclass(frozen=True)
class Lexical:
    """The metrics of one document, or means or standard deviations of many.

    Attributes:
        words: Words: runs of letters, with inner apostrophes. Numbers are not words; hyphens divide.
        sentences: Sentences, see `split_sentences`.
        type_token_ratio: Distinct words / words, in (0, 1]; falls with length.
        moving_type_token_ratio: Mean ratio over all windows of 50 words (Covington & McFall 2010), in (0, 1]; the plain
            ratio of a shorter text.
        hapax_ratio: Words that occur once / words, in [0, 1]; falls with length.
        lexical_density: Content words / words (Ure 1971), in [0, 1]; content is what `CLOSED_CLASS` does not hold.
        richness: MTLD, measure of textual lexical diversity (McCarthy & Jarvis 2010), in words.
        yule_k: Yule's characteristic (1944), 10,000 (sum of squared counts - words) / words^2; more is less rich.
        reading_ease: Flesch reading ease (1948): 206.835 - 1.015 words/sentence - 84.6 syllables/word.
        grade: Flesch-Kincaid grade (1975): 0.39 words/sentence + 11.8 syllables/word - 15.59.
        sentence_length: Words / sentences.
        word_length: Mean letters in a word.
    """

    words: float
    sentences: float
    type_token_ratio: float
    moving_type_token_ratio: float
    hapax_ratio: float
    lexical_density: float
    richness: float
    yule_k: float
    reading_ease: float
    grade: float
    sentence_length: float
    word_length: float


@dataclass(frozen=True)
class LexicalSummary:
    """Metrics over a set of documents.

    Attributes:
        documents: Documents measured: those with at least one word.
        mean: The mean of each metric over documents.
        deviation: Its sample standard deviation; 0 for one document.
    """

    documents: int
    mean: Lexical
    deviation: Lexical


def split_words(text: str) -> list[str]:
    """Return the words of a text in lower case, with straight apostrophes."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text.

    A sentence ends at a token that ends in `.`, `!`, `?` or an ellipsis, unless the token is an initial, a known
    abbreviation, or the next token starts in lower case; and at a line break, unless the next line starts in lower
    case (hard-wrapped text) without a blank line between. Pieces without a word are dropped.
    """
    sentences: list[str] = []
    tokens = list(_TOKEN.finditer(text))
    start = 0
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if following is not None:
            gap = text[token.end() : following.start()]
            goes_on = following.group()[0].islower()
            ends = gap.count("\n") > 1 or (not goes_on and ("\n" in gap or _ends_sentence(token.group())))
            if not ends:
                continue
        sentence = text[start : token.end()].strip()
        start = token.end()
        if _WORD.search(sentence):
            sentences.append(sentence)
    return sentences


def _ends_sentence(token: str) -> bool:
    if not (match := _ENDING.search(token)):
        return False
    stem = token[: match.start()].lstrip("\"'“‘([").replace(".", "").lower()
    abbreviated = match.group() == "." and (
        stem in _ABBREVIATIONS.split() or (len(stem) == 1 and stem.isalpha() and stem != "i")
    )
    return not abbreviated


_CLITIC = re.compile(r"'(?:s|d|m|ll|re|ve)$")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(
    r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouytd]ed$|(?:[^aeiouysxzhcgl]|[^cs]h)es$"
    r"|(?<=[aeiouy])[^aeiouyl]+e(?=(?:ments?|ly|ful|less|ness)$)"
)
_HIATUS = re.compile(r"(?<![cgstx])i[ao]|(?<=[aeiouy])ing$|sms?$|[ds]n't$")


def count_syllables(word: str) -> int:
    """Count the syllables of an English word by rule.

    Groups of vowels (y is one); less one for a silent e (final, in -ed not after t or d, in -es not after a sibilant,
    before -ment, -ly, -ful, -less, -ness); plus one for each vowel pair that is spoken apart (ia and io not after
    c, g, s, t, x; -ing after a vowel) and for a syllabic -sm, -dn't, -sn't. At least one.

    Against the CMU Pronouncing Dictionary, on the running words of 3,000 news, legal, medical and forum texts
    that it knows (97 % of them): 97 % of words right, the total within 0.5 %.

    Args:
        word: One word, in lower case.

    Returns:
        Syllables, at least 1.
    """
    word = _CLITIC.sub("", word)
    return max(1, len(_VOWELS.findall(word)) - bool(_SILENT.search(word)) + len(_HIATUS.findall(word)))


def is_content(word: str) -> bool:
    """Tell whether a word, in lower case, is of an open class: a noun, a verb, an adjective, most adverbs."""
    return not (word in CLOSED_CLASS or word.endswith("n't") or word.partition("'")[0] in CLOSED_CLASS)


def moving_type_token_ratio(words: Sequence[str], window: int = WINDOW) -> float:
    """Mean type-token ratio over all windows of a text (MATTR, Covington & McFall 2010).

    Args:
        words: The text, at least one word.
        window: Words in a window, at least 1.

    Returns:
        A ratio in (0, 1]; that of the whole text if it is shorter than the window.
    """
    if len(words) <= window:
        return len(set(words)) / len(words)
    counts = Counter(words[:window])
    total = len(counts)
    for gone, come in zip(words, words[window:], strict=False):
        counts[come] += 1
        counts[gone] -= 1
        if not counts[gone]:
            del counts[gone]
        total += len(counts)
    return total / (window * (len(words) - window + 1))


def mtld(words: Sequence[str], threshold: float = MTLD_THRESHOLD) -> float:
    """Measure of textual lexical diversity: mean length of runs that keep the type-token ratio above a threshold.

    McCarthy & Jarvis (2010): words per factor, the mean of a pass forwards and one backwards; what is left at the end
    counts as the part of a factor that its ratio has covered on the way from 1 to the threshold.

    Args:
        words: The text, at least one word.
        threshold: The ratio at or below which a factor is complete, in (0, 1).

    Returns:
        Words per factor; the number of words if no word is repeated, where the measure has no value.
    """
    return (_words_per_factor(words, threshold) + _words_per_factor(words[::-1], threshold)) / 2


def _words_per_factor(words: Sequence[str], threshold: float) -> float:
    factors, seen, count = 0.0, set[str](), 0
    for word in words:
        count += 1
        seen.add(word)
        if len(seen) / count <= threshold:
            factors, seen, count = factors + 1, set(), 0
    if count:
        factors += (1 - len(seen) / count) / (1 - threshold)
    return len(words) / factors if factors else float(len(words))


def measure(text: str) -> Lexical | None:
    """Measure one document.

    Args:
        text: Any text; the readability formulas and the word list are for English.

    Returns:
        The metrics, or None if the text holds no word.
    """
    words = split_words(text)
    if not words:
        return None
    total, sentences = len(words), len(split_sentences(text))
    counts = Counter(words)
    pace = total / sentences
    syllables = sum(count_syllables(word) * count for word, count in counts.items()) / total
    return Lexical(
        words=total,
        sentences=sentences,
        type_token_ratio=len(counts) / total,
        moving_type_token_ratio=moving_type_token_ratio(words),
        hapax_ratio=sum(count == 1 for count in counts.values()) / total,
        lexical_density=sum(count for word, count in counts.items() if is_content(word)) / total,
        richness=mtld(words),
        yule_k=1e4 * (sum(count * count for count in counts.values()) - total) / total**2,
        reading_ease=206.835 - 1.015 * pace - 84.6 * syllables,
        grade=0.39 * pace + 11.8 * syllables - 15.59,
        sentence_length=pace,
        word_length=sum(len(word.replace("'", "")) for word in words) / total,
    )


def measure_all(texts: Iterable[str]) -> LexicalSummary | None:
    """Measure a set of documents.

    Args:
        texts: The documents; those without a word are left out.

    Returns:
        Means and standard deviations over documents, or None if none holds a word.
    """
    rows = [asdict(row) for row in map(measure, texts) if row is not None]
    if not rows:
        return None
    columns = {f.name: [row[f.name] for row in rows] for f in fields(Lexical)}
    return LexicalSummary(
        documents=len(rows),
        mean=Lexical(**{name: math.fsum(values) / len(rows) for name, values in columns.items()}),
        deviation=Lexical(
            **{name: statistics.stdev(values) if len(rows) > 1 else 0.0 for name, values in columns.items()}
        ),
    )
