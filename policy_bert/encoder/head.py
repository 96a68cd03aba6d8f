"""The classification head: a plain linear layer while it learns, BERT's own when it is stored, calibration inside.

BERT's head computes `classifier(tanh(pooler(h)))` from [CLS] `h`. While it is trained here the tanh is left out, so
that the logits are linear in `h`. Stored, the pooler and its tanh serve the calibration (`evaluation.calibration`):
each class has one of the pooler's units for each step, and the classifier sums a class's steps. Every loader of the
standard architecture then computes calibrated logits.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import BertForSequenceClassification, PreTrainedModel

from policy_bert.errors import ConfigError
from policy_bert.evaluation.calibration import CENTRES, WIDTHS

POOLED_SCALE = 0.5  # of [CLS] in what the classifier reads while it is trained
_LINEAR_RANGE = 2.0**-8  # |tanh(x) - x| < 3e-4 |x| for x = 2**-8 h and |h| < 8: without calibration tanh does nothing


def make_linear(model: PreTrainedModel, new: bool) -> None:
    """Take the tanh out of a BERT classifier's head, in place; other architectures are left as they are.

    Args:
        model: The classifier.
        new: Whether its classifier knows nothing yet; one that does keeps its logits as they are near zero.
    """
    if not isinstance(model, BertForSequenceClassification):
        return
    classifier = model.classifier
    logits = (classifier.weight * POOLED_SCALE, classifier.bias) if new else _logits_of_cls(model)
    _read_cls(model, *logits, POOLED_SCALE, torch.nn.Identity())


def check_calibration(model: PreTrainedModel, slopes: Sequence[float]) -> None:
    """Refuse slopes that `fold_calibration` cannot put into the model's head, with a `ConfigError`."""
    if len(slopes) != len(CENTRES) or min(slopes) <= 0:
        raise ConfigError(
            f"calibration: expected {len(CENTRES)} slopes of more than 0, as `crossvalidate` finds them, found {slopes}"
        )
    if not isinstance(model, BertForSequenceClassification):
        raise ConfigError(f"calibration: expected a BERT classifier, found {type(model).__name__}; set calibration=[]")
    classes, hidden = model.classifier.weight.shape
    units = classes * len(CENTRES)
    if units > hidden:
        raise ConfigError(
            f"calibration: {classes} classes need {units} units of the pooler, the model has {hidden}; "
            "set calibration=[]"
        )


def fold_calibration(model: PreTrainedModel, slopes: Sequence[float]) -> None:
    """Make a linear head BERT's own, in place, its centred logits calibrated by the steps' slopes.

    Raises:
        ConfigError: See `check_calibration`.
    """
    check_calibration(model, slopes)
    bert: Any = model
    pooler, classifier = bert.bert.pooler, bert.classifier
    centres, widths = torch.tensor(CENTRES), torch.tensor(WIDTHS)
    with torch.no_grad():
        weight, bias = _logits_of_cls(model)
        weight, bias = weight - weight.mean(dim=0), bias - bias.mean()
        for parameter in (pooler.dense.weight, pooler.dense.bias, classifier.weight, classifier.bias):
            parameter.zero_()
        units = torch.arange(len(bias) * len(slopes))
        pooler.dense.weight[units] = (weight[:, None] / widths[:, None]).flatten(0, 1)
        pooler.dense.bias[units] = ((bias[:, None] - centres) / widths).flatten()
        classifier.weight[units // len(slopes), units] = (torch.tensor(slopes) * widths).repeat(len(bias))
    pooler.activation = torch.nn.Tanh()


def standard_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of the model, with BERT's own head where its head is linear."""
    stored = copy.deepcopy(model)
    if _is_linear(stored):
        _read_cls(stored, *_logits_of_cls(stored), _LINEAR_RANGE, torch.nn.Tanh())
    return stored


def _read_cls(model: Any, weight: torch.Tensor, bias: torch.Tensor, scale: float, activation: torch.nn.Module) -> None:
    """Have the pooler hand on [CLS] times `scale`, and the classifier make these logits of it."""
    pooler, classifier = model.bert.pooler, model.classifier
    with torch.no_grad():
        classifier.weight.copy_(weight / scale)
        classifier.bias.copy_(bias)
        pooler.dense.weight.copy_(scale * torch.eye(model.config.hidden_size))
        pooler.dense.bias.zero_()
    pooler.activation = activation


def _is_linear(model: Any) -> bool:
    return hasattr(model, "bert") and isinstance(getattr(model.bert.pooler, "activation", None), torch.nn.Identity)


def _logits_of_cls(model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (classes, hidden) and bias of the logits by [CLS], the tanh left out."""
    pooler, classifier = model.bert.pooler.dense, model.classifier
    return classifier.weight @ pooler.weight, classifier.weight @ pooler.bias + classifier.bias
