"""Baselines on character n-grams behind one interface, and as evidence beside the encoder.

`fit_system("tfidf_logistic+auxiliary", train).predict_scores(texts)`: all take the text as `policy_bert.text.clean`
leaves it, none knows words.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from policy_bert.corpora.dataset import AUXILIARY, CORPUS
from policy_bert.scoring.classifier import softmax
from policy_bert.text import clean

if TYPE_CHECKING:
    import datasets


class Baseline:
    """A scikit-learn pipeline from texts to classes; classes that training never saw score 0.

    A model without probabilities (the SVM) has its margins put through softmax: their order is the model's, their
    size says nothing.

    Args:
        pipeline: From a list of texts to class ids; not fitted.
        classes: How many classes there are.
    """

    def __init__(self, pipeline: Pipeline, classes: int) -> None:
        self.pipeline = pipeline
        self.classes = classes

    def fit(self, texts: Sequence[str], labels: ArrayLike) -> Baseline:
        """Learn from texts and their class ids; at least two classes must occur."""
        with warnings.catch_warnings():  # the number of passes is chosen, not waited for
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.pipeline.fit([clean(text) for text in texts], np.asarray(labels, dtype=np.int64))
        return self

    def predict_scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Scores of shape (texts, classes), each row summing to 1."""
        cleaned = [clean(text) for text in texts]
        scores = np.zeros((len(cleaned), self.classes))
        if not cleaned:
            return scores
        if hasattr(self.pipeline, "predict_proba"):
            scores[:, self.pipeline.classes_] = self.pipeline.predict_proba(cleaned)
            return scores
        margins = np.asarray(self.pipeline.decision_function(cleaned), dtype=np.float64)
        if margins.ndim == 1:  # two classes: one margin, towards the second
            margins = np.stack([-margins, margins], axis=1)
        scores[:, self.pipeline.classes_] = softmax(margins)
        return scores


def tfidf_svm(classes: int, seed: int = 0) -> Baseline:
    """TF-IDF of character 1–4-grams and a linear SVM."""
    return Baseline(_tfidf(4, LinearSVC(C=0.25, class_weight="balanced", random_state=seed)), classes)


def tfidf_logistic(classes: int, seed: int = 0) -> Baseline:
    """TF-IDF of character 1–3-grams and multinomial logistic regression; its scores are probabilities."""
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000, random_state=seed)
    return Baseline(_tfidf(3, model), classes)


def hashed_ngrams(classes: int, seed: int = 0) -> Baseline:
    """The architecture of fastText (Joulin et al. 2017): the mean of hashed n-gram embeddings, then softmax.

    Character 1–3-grams in 2¹⁴ buckets, 64 dimensions, no non-linearity; trained with Adam in place of fastText's
    plain gradient steps, so it is like fastText and not fastText.
    """
    ngrams = HashingVectorizer(analyzer="char", ngram_range=(1, 3), n_features=2**14, norm="l1", alternate_sign=False)
    model = MLPClassifier(
        (64,), activation="identity", learning_rate_init=0.005, batch_size=32, max_iter=10, random_state=seed
    )
    return Baseline(Pipeline([("ngrams", ngrams), ("model", model)]), classes)


def _tfidf(longest: int, model: ClassifierMixin) -> Pipeline:
    ngrams = TfidfVectorizer(analyzer="char", ngram_range=(1, longest), sublinear_tf=True)
    return Pipeline([("ngrams", ngrams), ("model", model)])


def majority(classes: int, seed: int = 0) -> Baseline:
    """The class shares of the training texts for every text, so always the most frequent class."""
    return Baseline(Pipeline([("model", DummyClassifier(strategy="prior"))]), classes)


BASELINES: dict[str, Callable[[int, int], Baseline]] = {
    "majority": majority,
    "tfidf_svm": tfidf_svm,
    "tfidf_logistic": tfidf_logistic,
    "hashed_ngrams": hashed_ngrams,
}
WITH_AUXILIARY = "+auxiliary"  # ends the name of a baseline that is given the auxiliary sentences as well


def systems_beside(names: Iterable[str], train: datasets.Dataset) -> list[str]:
    """The baselines of these names, and after each its twin that gets the auxiliary sentences, where there are any."""
    twins = [WITH_AUXILIARY] if AUXILIARY in train["origin"] else []
    return [name + suffix for name in names for suffix in ["", *(twins if name != "majority" else [])]]


def fit_system(system: str, train: datasets.Dataset, seed: int = 0) -> Baseline:
    """The baseline of a name that `systems_beside` gives, fitted.

    Args:
        system: One of `BASELINES`, with or without the ending `WITH_AUXILIARY`.
        train: A part of `LabelledData`; its auxiliary rows are left out for a system without the ending.
        seed: Of whatever is random in it; the same seed gives the same scores.

    Raises:
        KeyError: No baseline of that name.
    """
    wanted = (CORPUS, AUXILIARY) if system.endswith(WITH_AUXILIARY) else (CORPUS,)
    rows = train.select(np.flatnonzero(np.isin(train["origin"], wanted)))
    baseline = BASELINES[system.removesuffix(WITH_AUXILIARY)](len(train.features["label"].names), seed)
    return baseline.fit(list(rows["text"]), np.array(rows["label"]))
