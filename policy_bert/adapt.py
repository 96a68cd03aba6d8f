"""Adapt an encoder to the label scheme before any corpus label: `python -m policy_bert.adapt --text FILES…`.

Intermediate-task training (Phang et al. 2018): the encoder learns the classes' definitions from sentences written
from the codebook and from policy sentences with silver labels. `train` and `crossvalidate` start from the result, which
has seen no label of the corpus, so one adapted model serves every fold.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from policy_bert.command import ArgumentParser, run_command, weighted_file
from policy_bert.config import load_config
from policy_bert.corpora.dataset import AUXILIARY, load_data, read_corpus
from policy_bert.corpora.silver_labels import find_sentences, read_silver_labels, sentence_digest
from policy_bert.encoder.base import quiet_transformers
from policy_bert.errors import UserError
from policy_bert.training.recipe import Recipe
from policy_bert.training.record import describe, model_digests, write_record
from policy_bert.training.run import CHECKPOINTS, claim
from policy_bert.training.settings import RunConfig

logger = logging.getLogger("policy_bert.adapt")  # under -m its name is __main__

# The second table's sentences are those that a linear model was unsure of.
SILVER_LABELS = (("data/silver_labels.tsv", 1.0), ("data/silver_labels_unsure.tsv", 0.7))


def adapt(
    config: RunConfig,
    text: Sequence[str],
    silver_labels: Sequence[tuple[str, float]] = SILVER_LABELS,
    restart: bool = False,
) -> Path:
    """Run the configuration's adaptation phase and return `config.output`, a checkpoint that `train` starts from.

    Near-duplicates of the corpus's sentences are left out of what it trains on.

    Args:
        config: `adaptation` says how, `data.auxiliary` names the sentences that are at hand.
        text: The files that hold the sentences with silver labels; none for training without them.
        silver_labels: Tables of digests and class ids, each with the weight of its sentences; the first one that has
            a sentence counts.
        restart: Whether to replace what the folder holds of another run.

    Raises:
        UserError: A file cannot be read, no sentence is found, the configuration has no adaptation phase, or the
            folder holds another run.
    """
    quiet_transformers()
    if config.adaptation is None:
        raise UserError("the configuration has no `adaptation:` phase; see configs/adapt-compact.yaml")
    silver: dict[str, tuple[int, float]] = {}
    if text:
        classes = len(read_corpus(config.data).scheme)
        labels: dict[str, int] = {}
        weights: dict[str, float] = {}
        for file, weight in reversed(silver_labels):
            found = read_silver_labels(file, classes)
            labels, weights = {**labels, **found}, {**weights, **dict.fromkeys(found, weight)}
        sentences = find_sentences(text, labels)
        silver = {text: (label, weights[sentence_digest(text)]) for text, label in sentences.items()}
    data = load_data(config.data, config.split.near_duplicate_threshold, extra=silver)
    logger.info(
        "%d sentences with silver labels found; %d sentences left out as near-duplicates of the corpus",
        len(silver), data.left_out,
    )  # fmt: skip
    auxiliary = np.flatnonzero(np.array(data.rows["origin"]) == AUXILIARY)
    if not len(auxiliary):
        raise UserError("no sentence to adapt to: name labelled files under data.auxiliary, or the text with --text")
    output = Path(config.output)
    recipe = Recipe(config, data.scheme, data.rows.select(auxiliary))
    model = recipe.initial_model(config.seed)
    record = describe(config, {**data.inputs, **model_digests(config, recipe.base)})
    claim(output, config, record, restart)
    recipe.adapt(model, output / CHECKPOINTS, config.seed)
    recipe.save(model, output)
    write_record(output, config, record)
    shutil.rmtree(output / CHECKPOINTS)
    return output


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, adapt, print the folder."""
    parser = ArgumentParser(prog="policy-bert adapt", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="configs/adapt-compact.yaml", help="YAML file (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--text", nargs="*", default=[], metavar="FILE", help="text that holds the sentences")
    parser.add_argument(
        "--silver-labels", nargs="+", type=weighted_file, default=SILVER_LABELS, metavar="FILE[:WEIGHT]",
        help="tables of digests and classes (default: both of data/, the unsure one at weight 0.7)",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="replace another run, finished or not")
    arguments = parser.parse_args(argv)
    config = load_config(RunConfig, arguments.config, arguments.set)
    print(adapt(config, arguments.text, arguments.silver_labels, arguments.restart))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
