"""Accuracy on the probe, by style, of the shipped classifier and of linear models: `python benchmarks/probe.py`.

Nothing is trained on `data/probe_sentences.csv`. Writes `docs/results/probe.json`, of which the READMEs show a table.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.config import load_config
from policy_bert.corpora.dataset import load_data
from policy_bert.evaluation.baselines import fit_system
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.settings import RunConfig

ROOT = Path(__file__).parents[1]


def read_probe() -> tuple[list[str], NDArray[np.int64], NDArray[np.str_]]:
    """Sentences, class ids and styles."""
    with (ROOT / "data" / "probe_sentences.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    labels = np.array([int(row["label"]) for row in rows])
    return [row["text"] for row in rows], labels, np.array([row["style"] for row in rows])


def main() -> int:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="checkpoint folder (default: the classifier in the package)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "probe.json")
    arguments = parser.parse_args()
    texts, labels, styles = read_probe()
    config = load_config(RunConfig, ROOT / "configs" / "compact.yaml")
    train = load_data(config.data, config.split.near_duplicate_threshold).parts()["train"]
    scores = {"recipe": PolicyClassifier.from_pretrained(arguments.model).scores(texts)}
    for name in ("tfidf_logistic+auxiliary", "tfidf_logistic"):
        scores[name] = fit_system(name, train).predict_scores(texts)
    rows = []
    for name, table in scores.items():
        right = table.argmax(axis=1) == labels
        rows.append({"system": name, **{style: float(right[styles == style].mean()) for style in ("usual", "plain")}})
        print(name, rows[-1])
    arguments.output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
