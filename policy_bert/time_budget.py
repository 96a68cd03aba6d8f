"""How many tokens a training may see to end on time: measured over a short warmed-up stretch, and kept for a resume."""

from __future__ import annotations

import copy
import gc
import json
import logging
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from policy_bert.hardware import supports_bfloat16
from policy_bert.masking import SparseBertForMaskedLM
from policy_bert.pretraining_data import PretrainingData
from policy_bert.pretraining_run import compilation_kept_here, make_trainer, training_arguments
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.replaced_tokens import ReplacedTokenBert, generator_config
from policy_bert.utilisation import matrix_peak, synchronise, training_operations

logger = logging.getLogger(__name__)

PLAN_FILE = "plan.json"
WARM_STEPS = 10  # they compile, and fill caches
TIMED_STEPS = 40
RESERVE = 0.04  # of the time, for held-out losses and checkpoints
RECOMPILING = 0.2  # of the warm-up, for compiling what the compiler's cache knows already


@dataclass(frozen=True)
class Speed:
    """How fast a model trains on the device at hand.

    Attributes:
        tokens_per_s: Over the timed steps.
        warm_up_s: What the steps before them took.
        elapsed_s: The whole measurement.
        operations_per_token: `utilisation.training_operations`, the generator's among them.
        peak_operations_per_s: The measured matrix peak for the precision that the training uses.
        utilisation: The share of that peak that the operations reach.
    """

    tokens_per_s: float
    warm_up_s: float
    elapsed_s: float
    operations_per_token: float
    peak_operations_per_s: float
    utilisation: float


@dataclass(frozen=True)
class Plan:
    """How many tokens to train on, and the speed that says so."""

    tokens: int
    speed: Speed


class StepClock(TrainerCallback):
    """The time at which each of two steps was done, device included."""

    def __init__(self, first: int, last: int, device: torch.device) -> None:
        self.steps = (first, last)
        self.device = device
        self.times: dict[int, float] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time."""
        if state.global_step in self.steps:
            synchronise(self.device)
            self.times[state.global_step] = time.perf_counter()


def measure_speed(config: PretrainConfig, model: SparseBertForMaskedLM, data: PretrainingData) -> Speed:
    """The speed of the configuration's training steps, taken on a copy of the model, which stays as it was."""
    started = time.perf_counter()
    steps = WARM_STEPS + TIMED_STEPS
    step_tokens = config.batch_windows * config.gradient_accumulation_steps * config.window_tokens
    with tempfile.TemporaryDirectory() as folder, compilation_kept_here(), torch.random.fork_rng():
        arguments = training_arguments(
            config, steps * step_tokens * max(torch.cuda.device_count(), 1), 0.0, Path(folder), len(data.train), False
        )
        arguments.save_strategy = arguments.logging_strategy = "no"
        clock = StepClock(WARM_STEPS, steps, arguments.device)
        trainer = make_trainer(config, copy.deepcopy(model), data, arguments, [clock])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    del trainer  # its copy of the model, and the optimiser's state
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    seconds = clock.times[steps] - clock.times[WARM_STEPS]
    rate = TIMED_STEPS * step_tokens * max(arguments.world_size, arguments.n_gpu) / seconds
    operations, peak = operations_per_token(config, model), matrix_peak(arguments.device, supports_bfloat16())
    return Speed(
        tokens_per_s=rate,
        warm_up_s=clock.times[WARM_STEPS] - started,
        elapsed_s=time.perf_counter() - started,
        operations_per_token=operations,
        peak_operations_per_s=peak,
        utilisation=rate * operations / (peak * max(arguments.world_size, arguments.n_gpu)),
    )


def operations_per_token(config: PretrainConfig, model: SparseBertForMaskedLM) -> float:
    """Operations that one token of training takes, the generator's among them."""
    total = training_operations(model.config, config.window_tokens, config.mask_fraction)
    if isinstance(model, ReplacedTokenBert):
        total += training_operations(generator_config(model.config), config.window_tokens)
    return total


def plan_tokens(config: PretrainConfig, model: SparseBertForMaskedLM, data: PretrainingData, folder: Path) -> Plan:
    """The plan in the folder where an interrupted run left one, else a new one, kept there.

    The measurement comes on top of the configuration's minutes, so that a model which takes long to compile is not
    trained for less; compiling once more, out of the cache, is taken off them.
    """
    kept = folder / PLAN_FILE
    if kept.is_file():
        record = json.loads(kept.read_text(encoding="utf-8"))
        return Plan(record["tokens"], Speed(**record["speed"]))
    assert config.minutes is not None
    speed = measure_speed(config, model, data)
    remaining_s = 60.0 * config.minutes * (1.0 - RESERVE) - RECOMPILING * speed.warm_up_s
    step_tokens = config.batch_windows * config.gradient_accumulation_steps * config.window_tokens
    plan = Plan(max(step_tokens, int(remaining_s * speed.tokens_per_s)), speed)
    if remaining_s <= 0:
        logger.warning("%.2f minutes are too short to compile and train: one step is made", config.minutes)
    logger.info(
        "%.0f tokens/s, %.1f %% of the measured matrix peak: %.1f M tokens in %.2f minutes",
        speed.tokens_per_s, 100 * speed.utilisation, plan.tokens / 1e6, config.minutes,
    )  # fmt: skip
    kept.write_text(json.dumps(asdict(plan), indent=2) + "\n", encoding="utf-8")
    return plan
