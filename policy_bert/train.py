"""Fine-tune a classifier: corpus in, run folder out: `python -m policy_bert.train --config configs/compact.yaml`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import load_config
from policy_bert.training.run import train
from policy_bert.training.settings import RunConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, train, print the run folder."""
    parser = ArgumentParser(prog="policy-bert train", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", help="YAML file, such as configs/compact.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--restart", action="store_true", help="replace another run, finished or not")
    arguments = parser.parse_args(argv)
    print(train(load_config(RunConfig, arguments.config, arguments.set), arguments.restart))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
