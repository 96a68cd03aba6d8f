"""Calibration: a temperature for each class that makes confidences come true, fitted on scores of unseen sentences.

One temperature for all classes (Guo et al. 2017) cannot serve a model that is too sure of some classes and not sure
enough of others, as it is where some classes' labels are noisier. `encoder.fold_temperatures` puts them into the head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPREAD_PENALTY = 0.005  # 0.001 and 0.02 gave the same calibration error within 0.003 (docs/log.md)
_SMALLEST = 1e-12


def fit_temperatures(scores: ArrayLike, labels: ArrayLike, penalty: float = SPREAD_PENALTY) -> NDArray[np.float64]:
    """The temperatures, shape (classes,), under which the confidences of the predicted classes are most likely.

    A confidence is the probability that the predicted class is right, so the loss is that of a binary forecast
    (top-label calibration: Gupta & Ramdas 2022).

    Args:
        scores: Probabilities, shape (rows, classes), of sentences that the model was not fitted on.
        labels: True classes, shape (rows,).
        penalty: Of the squared differences of the classes' logarithms from their common one; more is safer with few
            rows, very much is one temperature for all.

    Returns:
        More than 1 for a class of which the model was too sure.
    """
    from scipy import optimize

    logits = _centred_logits(scores)
    rows, true = np.arange(len(logits)), np.asarray(labels)
    classes = logits.shape[1]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * np.exp(parameters[0] + parameters[1:])
        confident = _softmax(scaled)
        top = confident.argmax(axis=1)
        confidence = np.clip(confident[rows, top], _SMALLEST, 1 - _SMALLEST)
        correct = top == true
        slope = np.where(correct, -1.0, confidence / (1.0 - confidence))  # of the loss by the logit of the top class
        gradient = -slope[:, None] * confident
        gradient[rows, top] += slope
        by_class = (gradient * scaled).mean(axis=0)
        value = -np.where(correct, np.log(confidence), np.log1p(-confidence)).mean()
        value += penalty * (parameters[1:] ** 2).sum()
        return float(value), np.concatenate([[by_class.sum()], by_class + 2 * penalty * parameters[1:]])

    found = optimize.minimize(
        loss, np.zeros(1 + classes), jac=True, method="L-BFGS-B", bounds=[(-3.0, 3.0)] * (1 + classes)
    )
    return np.asarray(np.exp(-(found.x[0] + found.x[1:])), dtype=np.float64)


def calibrate(scores: ArrayLike, temperatures: ArrayLike) -> NDArray[np.float64]:
    """Scores of shape (rows, classes) after each class's centred logit is divided by its temperature."""
    return _softmax(_centred_logits(scores) / np.asarray(temperatures, dtype=np.float64))


def _centred_logits(scores: ArrayLike) -> NDArray[np.float64]:
    """The logarithms less their mean in each row: the same whatever constant a softmax has taken away."""
    logits = np.log(np.maximum(np.asarray(scores, dtype=np.float64), _SMALLEST))
    return np.asarray(logits - logits.mean(axis=1, keepdims=True))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
