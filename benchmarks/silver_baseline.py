"""The linear model with all that the recipe was taught, on the folds of a cross-validation.

    python benchmarks/silver_baseline.py runs/crossvalidate --text policy.txt reports.txt

TF-IDF of character 1- to 3-grams and logistic regression, fitted on a fold's training sentences, the authored sentences
(weight 0.6) and the sentences with silver labels (weight 0.2; weights chosen on the first repeat, so if anything in its
favour). Adds the system `tfidf_logistic+silver` to the folder; `python -m policy_bert.crossvalidate` with the same
arguments then sums up.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from policy_bert.config import load_config
from policy_bert.corpora.dataset import AUXILIARY, LabelledData, load_data
from policy_bert.corpora.silver_labels import find_sentences, read_silver_labels
from policy_bert.evaluation.folds import Fold, plan_folds, save_scores, score_file
from policy_bert.training.settings import RunConfig

ROOT = Path(__file__).parents[1]
SYSTEM = "tfidf_logistic+silver"
AUTHORED_WEIGHT, SILVER_WEIGHT = 0.6, 0.2


def fit_and_score(data: LabelledData, authored: int, fold: Fold, output: Path) -> str:
    """Write the scores of a fold's test sentences."""
    parts = data.parts(fold.split)
    train, own = parts["train"], len(fold.split.train)
    labels = np.array(train["label"])
    weights = np.repeat([1.0, AUTHORED_WEIGHT, SILVER_WEIGHT], [own, authored, len(train) - own - authored])
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    features = vectorizer.fit_transform(list(train["text"]))
    model = LogisticRegression(C=5.0, max_iter=300)
    model.fit(features, labels, sample_weight=weights * compute_sample_weight("balanced", labels))
    save_scores(model.predict_proba(vectorizer.transform(list(parts["test"]["text"]))), SYSTEM, fold, output)
    return fold.name


def main() -> None:
    """Parse the command line and score every fold that has no scores."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path, help="the folder of the cross-validation")
    parser.add_argument("--text", nargs="+", required=True, help="the text that holds the sentences")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    config = load_config(RunConfig, ROOT / "configs" / "compact.yaml")
    threshold = config.split.near_duplicate_threshold
    authored = list(load_data(config.data, threshold).rows["origin"]).count(AUXILIARY)
    labels = read_silver_labels(ROOT / "data" / "silver_labels.tsv", 14)
    data = load_data(
        config.data,
        threshold,
        extra={text: (label, 1.0) for text, label in find_sentences(arguments.text, labels).items()},
    )
    plan = plan_folds(data, arguments.folds, arguments.repeats, 1.0, config.split.seed)
    missing = [fold for fold in plan if not score_file(SYSTEM, fold, arguments.output).is_file()]
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = [pool.submit(fit_and_score, data, authored, fold, arguments.output) for fold in missing]
        for job in jobs:
            print(job.result(), flush=True)


if __name__ == "__main__":
    main()
