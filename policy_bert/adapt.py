"""Adapt an encoder to the label scheme before any corpus label: `python -m policy_bert.adapt --text FILES…`.

Intermediate-task training (Phang et al. 2018): the encoder learns the classes' definitions from sentences written
from the codebook and from policy sentences with silver labels. `train` and `crossvalidate` start from the result, which
has seen no label of the corpus, so one adapted model serves every fold.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import dump_config, load_config
from policy_bert.corpora.dataset import load_training_data
from policy_bert.corpora.silver_labels import find_sentences, read_silver_labels
from policy_bert.encoder.base import quiet_transformers
from policy_bert.errors import UserError
from policy_bert.training.recipe import Recipe
from policy_bert.training.settings import RunConfig

logger = logging.getLogger(__name__)

SILVER_LABELS = "data/silver_labels.tsv"


def adapt(config: RunConfig, text: Sequence[str], silver_labels: str = SILVER_LABELS) -> Path:
    """Run the configuration's adaptation phase and return `config.output`, a checkpoint that `train` starts from.

    Near-duplicates of the corpus's sentences are left out of what it trains on.

    Args:
        config: `adaptation` says how, `data.auxiliary` names the sentences that are at hand.
        text: The files that hold the sentences with silver labels; none for training without them.
        silver_labels: The table of digests and class ids.

    Raises:
        UserError: A file cannot be read, no sentence is found, or the configuration has no adaptation
            phase.
    """
    quiet_transformers()
    if config.adaptation is None:
        raise UserError("the configuration has no `adaptation:` phase; see configs/adapt-compact.yaml")
    scheme = load_training_data(config.data, config.split).scheme
    labels = read_silver_labels(silver_labels, len(scheme)) if text else {}
    silver = find_sentences(text, labels) if text else None
    data = load_training_data(config.data, config.split, silver)
    logger.info("%d sentences with silver labels found", len(silver.texts) if silver else 0)
    output = Path(config.output)
    recipe = Recipe(config, data.scheme, data.sentences.texts, data.auxiliary)
    with tempfile.TemporaryDirectory() as folder:
        model = recipe.adapt(Path(folder), config.seed, keep_checkpoints=False)
    recipe.save(model, output)
    (output / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    return output


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, adapt, print the folder."""
    parser = ArgumentParser(prog="policy-bert adapt", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="configs/adapt-compact.yaml", help="YAML file (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--text", nargs="*", default=[], metavar="FILE", help="text that holds the sentences")
    parser.add_argument("--silver-labels", default=SILVER_LABELS, metavar="FILE", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    print(adapt(load_config(RunConfig, arguments.config, arguments.set), arguments.text, arguments.silver_labels))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
