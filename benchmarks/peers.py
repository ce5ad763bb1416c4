"""Other ways to find a domain's documents, each in its published form, behind one signature.

Every method is given the same seeds and the same corpus, and scores every document for every domain. Three are what
others published and the field uses to filter text (DoPAMine's recipe, arXiv 2410.00260; DSIR, arXiv 2302.03169; a
fastText classifier, arXiv 1607.01759), one is the least that an encoder can do (similarity to the seeds), and one is no
rival but a ruler: a classifier trained on true labels of *other sources*, which says what labels would have bought.

Choices that a paper leaves open are made without looking at a corpus label: by cross-validation over the seeds where
that is possible, else by the fixed value that the docstring defends. Packages that only a peer needs are imported
where they are used.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelled_data import DOMAINS, Floats, LabelledCorpus, SeedSet, minilm_vectors
from motherlode.errors import MissingExtraError
from motherlode.progress import Progress
from scores import average_precision, equal_size

Flags = NDArray[np.bool_]

_FOLDS = 8  # of the ruler: as many as the domain with the most sources has


@dataclass(frozen=True)
class Task:
    """What every method is given.

    Attributes:
        corpus: The documents. Their labels are for `supervised_upper_bound` alone.
        seeds: Seeds of all packs.
        sizes: `[domains]` how many documents a method takes where it does not decide that itself.
        domains: The target domains.
        cache: The folder where vectors are kept; None keeps nothing.
        random_seed: All randomness: negatives, folds, sampling, and the order of documents with equal scores.
    """

    corpus: LabelledCorpus
    seeds: SeedSet
    sizes: Sequence[int]
    domains: Sequence[str] = DOMAINS
    cache: Path | None = None
    random_seed: int = 0

    def vectors(self) -> tuple[Floats, Floats]:
        """Return the MiniLM vectors of documents `[n, 384]` and seeds `[s, 384]`."""
        return minilm_vectors(self.corpus.texts, self.cache), minilm_vectors(self.seeds.texts, self.cache)

    def prediction(self, name: str, scores: NDArray[np.floating], note: str = "") -> Prediction:
        """Return the prediction that takes the highest scores, as many as `sizes` says."""
        selected = equal_size(scores, self.sizes, self.random_seed)
        return Prediction(name, scores.astype(np.float32), selected, note=note)


@dataclass(frozen=True)
class Prediction:
    """What one method says of every document.

    Attributes:
        name: The method, with its variant.
        scores: `[n, domains]`, higher is likelier; comparable within a domain only.
        selected: `[n, domains]` the documents that the method takes.
        own: Whether the method itself decides how many it takes; otherwise it took the size that it was given.
        note: What a reader must know of this run, e.g. how much a threshold kept; empty if nothing.
    """

    name: str
    scores: Floats
    selected: Flags
    own: bool = False
    note: str = ""


Method = Callable[[Task], list[Prediction]]
"""What every peer is: from the task to a prediction for each of its variants."""


def paper_recipe(
    task: Task,
    *,
    top_k: int = 200,
    thresholds: Sequence[float | str | None] = (0.85, "seeds", None),
    random_negatives: float = 0.0,
) -> list[Prediction]:
    """DoPAMine's recipe: seeds retrieve their neighbours, both train a classifier, the classifier labels the rest.

    Neighbours are a seed's `top_k` nearest documents with at least the threshold as cosine, found exactly; a document
    takes the labels of every seed that retrieved it. The classifier is one logistic regression a domain on the same
    vectors; its negatives are the seeds and neighbours of all other packs, `background` included.

    The published 0.85 belongs to the paper's encoder, bge-large. No cosine of MiniLM reaches it, which leaves a
    classifier trained on seeds alone. So the recipe also runs with a threshold that needs no corpus label (`"seeds"`:
    what one pair in a thousand exceeds among pairs of seeds without a label in common), and without one (None).

    Two choices were settled with the labels of 2,048 documents, in the recipe's favour. Random documents as negatives
    are off: half of this corpus belongs to a domain, and as many as a domain has neighbours took the mean average
    precision from 0.81 to 0.75. The penalty is `C = 1`: with 10, retrieved mistakes are learnt (0.85 to 0.81).

    Args:
        task: The data, the seeds and the sizes.
        top_k: Neighbours a seed. On a sample of a corpus take it in proportion, or it reaches everywhere.
        thresholds: The least cosine, one run for each.
        random_negatives: Random documents that no seed retrieved, as a multiple of a domain's mean neighbours.

    Returns:
        A prediction for each threshold, with selections of the classifier's own size.
    """
    from sklearn.linear_model import LogisticRegression

    documents, queries = task.vectors()
    nearest, cosines = _neighbours(queries, documents, top_k)
    topics = sorted({name for names in task.seeds.labels for name in names} | set(task.domains))
    targets = [topics.index(domain) for domain in task.domains]
    about = task.seeds.truth(topics)
    predictions = []
    for threshold in thresholds:
        if threshold is None:
            least, limit = -np.inf, "no threshold"
        elif threshold == "seeds":
            strangers = about.astype(int) @ about.T.astype(int) == 0
            least = float(np.quantile((queries @ queries.T)[strangers], 0.999))
            limit = "threshold from seeds"
        else:
            least = float(threshold)
            limit = f"cosine >= {least}"
        labels = np.zeros((len(task.corpus), len(topics)), dtype=bool)
        for seed, topic in np.argwhere(about):
            labels[nearest[seed, cosines[seed] >= least], topic] = True
        retrieved = labels.any(axis=1)
        others = np.random.default_rng(task.random_seed).permutation(np.flatnonzero(~retrieved))
        others = others[: round(random_negatives * labels[:, targets].sum(axis=0).mean())]
        rows = np.concatenate([np.flatnonzero(retrieved), others])
        examples = np.concatenate([queries, documents[rows]])
        answers = np.concatenate([about, labels[rows]])
        scores = np.empty((len(task.corpus), len(task.domains)), dtype=np.float32)
        for column, topic in enumerate(targets):
            model = LogisticRegression(C=1.0, max_iter=1000).fit(examples, answers[:, topic])
            scores[:, column] = model.predict_proba(documents)[:, 1]
        counts = zip(task.domains, labels[:, targets].sum(axis=0), strict=True)
        note = f"least cosine {least:.3f}; retrieved {', '.join(f'{domain} {count:,}' for domain, count in counts)}"
        predictions.append(Prediction(f"paper recipe, {limit}", scores, scores >= 0.5, own=True, note=note))
    return predictions


def mean_similarity(task: Task) -> list[Prediction]:
    """Cosine to the domain's seeds: their mean, and the nearest one.

    Args:
        task: The data, the seeds and the sizes.

    Returns:
        The mean and the maximum, as two predictions.
    """
    documents, queries = task.vectors()
    mean, largest = (np.empty((len(task.corpus), len(task.domains)), dtype=np.float32) for _ in range(2))
    for column, mine in enumerate(task.seeds.truth(task.domains).T):
        mean[:, column] = documents @ queries[mine].mean(axis=0)
        largest[:, column] = (documents @ queries[mine].T).max(axis=1)
    return [task.prediction("mean similarity", mean), task.prediction("max similarity", largest)]


def dsir(task: Task) -> list[Prediction]:
    """DSIR by its authors' package: the log ratio of two bags of hashed uni- and bigrams, target over raw.

    The target is the text of a domain's seeds, the raw data are the corpus. The package's settings are kept (10,000
    buckets; on a sample, fewer buckets or a smoothed target did little), except that its filter of documents under 100
    tokens is off, which would cap recall. A log weight is a sum over a document's n-grams, negative for most, so that
    short documents rank high; the mean over n-grams, which the paper does not use, is printed beside it.

    Args:
        task: The data, the seeds and the sizes.

    Returns:
        The largest weights; a sample without replacement in proportion to the weights (Gumbel noise on the log weights,
        the published form); the largest mean weights.

    Raises:
        MissingExtraError: data-selection is not installed.
    """
    try:
        from data_selection import HashedNgramDSIR
    except ImportError as error:
        raise MissingExtraError("bench", "the peer DSIR") from error
    about = task.seeds.truth(task.domains)

    def target(domain: str) -> list[dict[str, str]]:
        return [{"text": task.seeds.texts[row]} for row in np.flatnonzero(about[:, list(task.domains).index(domain)])]

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        estimator = HashedNgramDSIR(
            ["corpus"],
            list(task.domains),
            folder,
            raw_load_dataset_fn=lambda _: ({"text": text} for text in task.corpus.texts),
            target_load_dataset_fn=target,
            num_proc=1,
            separate_targets=True,
        )
        estimator.fit_importance_estimator(num_tokens_to_fit="all")
        estimator.compute_importance_weights()
        weights = np.load(Path(folder) / "log_importance_weights" / "0.npy")
        tokens = np.load(Path(folder) / "perexample_metadata" / "0.npy")
    noisy = weights + np.random.default_rng(task.random_seed).gumbel(size=weights.shape)
    mean = weights / np.maximum(2 * tokens - 1, 1)[:, None]  # n tokens make 2n - 1 uni- and bigrams
    variants = (("DSIR, top", weights), ("DSIR, sampled", noisy), ("DSIR, mean weight", mean))
    return [task.prediction(name, values) for name, values in variants]


def fasttext_seeds(task: Task) -> list[Prediction]:
    """Supervised fastText on the seeds of all packs, `background` among the classes.

    Learning rate and epochs are those with the best average precision in three-fold cross-validation over the seeds.
    One against all, since a seed may have two labels (softmax was behind by 0.02); words and bigrams; 100 dimensions;
    one thread, since more are not reproducible.

    Args:
        task: The data, the seeds and the sizes.

    Returns:
        The probability of each domain.

    Raises:
        MissingExtraError: fastText is not installed.
    """
    lines = [_words(text) for text in task.seeds.texts]
    order = np.random.default_rng(task.random_seed).permutation(len(task.seeds))
    about = task.seeds.truth(task.domains)
    grid = list(itertools.product((0.5, 1.0, 2.0), (20, 60)))

    def quality(setting: tuple[float, int]) -> float:
        scores = np.empty(about.shape, dtype=np.float32)
        for fold in range(3):
            score = _fasttext(lines, task.seeds.labels, np.delete(order, slice(fold, None, 3)), task.domains, setting)
            scores[order[fold::3]] = score([lines[row] for row in order[fold::3]])
        return float(np.mean([average_precision(scores[:, d], about[:, d]) for d in range(len(task.domains))]))

    qualities = [quality(setting) for setting in grid]
    best = grid[int(np.argmax(qualities))]
    score = _fasttext(lines, task.seeds.labels, order, task.domains, best)
    scores = score([_words(text) for text in task.corpus.texts])
    note = f"learning rate {best[0]}, {best[1]} epochs: mean AP {max(qualities):.3f} on held-out seeds"
    return [task.prediction("fastText on seeds", scores, note)]


def supervised_upper_bound(task: Task) -> list[Prediction]:
    """A linear bag of words with true labels: each source is judged by a model that never saw that source.

    Hashed uni- and bigrams (2^20 features), tf-idf with sublinear counts, one logistic regression a domain with classes
    weighed equally (which, on a sample, ranked better than without). Sources are dealt to eight folds label by label,
    so that a fold takes at most one of a small domain's sources away. Word frequencies for the idf come from all
    documents, labels only from the other folds.

    It bounds nothing by force: with four sources a domain, the fifth is another register, and a method that knows the
    domain from better examples can win.

    Args:
        task: The data, the seeds and the sizes.

    Returns:
        The probabilities out of fold.
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    counter = HashingVectorizer(ngram_range=(1, 2), n_features=1 << 20, alternate_sign=False, norm=None)
    counts = counter.transform(task.corpus.texts)
    features = TfidfTransformer(sublinear_tf=True).fit_transform(counts).astype(np.float32)
    ranked = sorted(set(zip(task.corpus.labels, task.corpus.sources, strict=True)))
    fold_of = {source: number % _FOLDS for number, (_, source) in enumerate(ranked)}
    folds = np.array([fold_of[source] for source in task.corpus.sources])
    truth = task.corpus.truth(task.domains)
    scores = np.zeros(truth.shape, dtype=np.float32)
    with Progress("supervised folds", _FOLDS * len(task.domains), "models") as progress:
        for fold, column in itertools.product(range(_FOLDS), range(len(task.domains))):
            seen, judged = folds != fold, folds == fold
            model = LogisticRegression(C=10.0, solver="liblinear", class_weight="balanced")
            model.fit(features[seen], truth[seen, column])
            scores[judged, column] = model.predict_proba(features[judged])[:, 1]
            progress.advance(1)
    return [Prediction("labels of other sources", scores, scores >= 0.5, own=True)]


PEERS: dict[str, Method] = {
    "paper_recipe": paper_recipe,
    "mean_similarity": mean_similarity,
    "dsir": dsir,
    "fasttext_seeds": fasttext_seeds,
    "supervised_upper_bound": supervised_upper_bound,
}
"""All methods by name."""


def _neighbours(queries: Floats, documents: Floats, top_k: int) -> tuple[NDArray[np.int64], Floats]:
    """Return the rows and cosines of each query's nearest documents, `[queries, top_k]`, in no order."""
    top_k = min(top_k, len(documents))
    rows = np.empty((len(queries), top_k), dtype=np.int64)
    cosines = np.empty((len(queries), top_k), dtype=np.float32)
    for start in range(0, len(queries), 64):
        block = queries[start : start + 64] @ documents.T
        found = np.argpartition(block, -top_k, axis=1)[:, -top_k:]
        rows[start : start + 64] = found
        cosines[start : start + 64] = np.take_along_axis(block, found, axis=1)
    return rows, cosines


def _words(text: str) -> str:
    """Return a text as fastText wants it: lower case, words and punctuation marks apart, one line."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text.lower()))


def _fasttext(
    lines: Sequence[str],
    labels: Sequence[tuple[str, ...]],
    rows: NDArray[np.int64],
    domains: Sequence[str],
    setting: tuple[float, int],
) -> Callable[[Sequence[str]], Floats]:
    """Train on some seeds and return the function from lines to the domains' probabilities."""
    try:
        import fasttext
    except ImportError as error:
        raise MissingExtraError("bench", "the peer fastText") from error
    rate, epochs = setting
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seeds.txt"
        names = ["".join(f"__label__{name} " for name in labels[row]) for row in rows]
        path.write_text("".join(f"{name}{lines[row]}\n" for name, row in zip(names, rows, strict=True)), "utf-8")
        model = fasttext.train_supervised(
            str(path), loss="ova", lr=rate, epoch=epochs, wordNgrams=2, dim=100, bucket=200_000, thread=1, verbose=0
        )

    def score(texts: Sequence[str]) -> Floats:
        scores = np.zeros((len(texts), len(domains)), dtype=np.float32)
        columns = {f"__label__{domain}": column for column, domain in enumerate(domains)}
        for row, text in enumerate(texts):
            for name, probability in zip(*model.predict(text, k=-1), strict=True):
                if name in columns:
                    scores[row, columns[name]] = probability
        return scores

    return score
