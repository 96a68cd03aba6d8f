"""Calibration: an increasing function of the logits that makes confidences come true, fitted on unseen sentences.

It is the same function for every class, so each sentence keeps the order of its classes and its predicted class (the
diagonal intra order-preserving functions of Rahimi et al. 2020). A temperature (Guo et al. 2017) is its special case,
a straight line; the confidences of a fine-tuned encoder need a bent one. It is a sum of tanh steps, since that is what
BERT's head can compute: `head.fold_calibration` puts it there, and every loader gets calibrated scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_bert.scoring.classifier import softmax

CENTRES = (-3.0, -1.5, 0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0, 0.0)  # of the steps, in centred logits
WIDTHS = (1.1,) * 9 + (16.0,)  # the last is nearly a straight line, which no logit leaves
LIKELIHOOD_SHARE = 0.2  # of the loss; without it the scores of the classes not predicted go astray (docs/log.md)
BEND_PENALTY = 1e-4
_SLOPES = (0.005, 20.0)
_SMALLEST = 1e-12


def fit_calibration(
    scores: ArrayLike, labels: ArrayLike, penalty: float = BEND_PENALTY, likelihood_share: float = LIKELIHOOD_SHARE
) -> NDArray[np.float64]:
    """The slope of each step, shape (steps,), for `calibrate`; all are positive.

    The loss is mostly that of a binary forecast, whether the predicted class is right (top-label calibration: Gupta &
    Ramdas 2022), and for a small part the log loss of all classes.

    Args:
        scores: Probabilities, shape (rows, classes), of sentences that the model was not fitted on.
        labels: True classes, shape (rows,).
        penalty: Of the squared differences of neighbouring steps' log slopes; very much is a single temperature.
        likelihood_share: The share of the log loss.
    """
    from scipy import optimize

    steps = _steps(scores)
    true = np.asarray(labels)
    rows, bends = np.arange(len(steps)), len(CENTRES) - 1

    def loss(log_slopes: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slopes = np.exp(log_slopes)
        calibrated = np.clip(softmax(steps @ slopes), _SMALLEST, 1 - _SMALLEST)
        top = calibrated.argmax(axis=1)
        confidence, correct = calibrated[rows, top], top == true
        by_top = np.where(correct, -1.0, confidence / (1.0 - confidence))  # the forecast's gradient by the top logit
        forecast_gradient = -by_top[:, None] * calibrated
        forecast_gradient[rows, top] += by_top
        likelihood_gradient = calibrated.copy()
        likelihood_gradient[rows, true] -= 1.0
        by_logit = (1 - likelihood_share) * forecast_gradient + likelihood_share * likelihood_gradient
        forecast = -np.where(correct, np.log(confidence), np.log1p(-confidence)).mean()
        likelihood = -np.log(calibrated[rows, true]).mean()
        bend = np.diff(log_slopes[:bends])
        value = (1 - likelihood_share) * forecast + likelihood_share * likelihood + penalty * (bend**2).sum()
        gradient = np.einsum("rc,rcs->s", by_logit, steps) / len(steps) * slopes
        gradient[1:bends] += 2 * penalty * bend
        gradient[: bends - 1] -= 2 * penalty * bend
        return float(value), gradient

    found = optimize.minimize(
        loss, np.log(_straight()), jac=True, method="L-BFGS-B", bounds=[tuple(np.log(_SLOPES))] * len(CENTRES)
    )
    return np.asarray(np.exp(found.x), dtype=np.float64)


def calibrate(scores: ArrayLike, slopes: ArrayLike) -> NDArray[np.float64]:
    """Scores of shape (rows, classes) after the function with these slopes has been applied to their centred logits."""
    return softmax(_steps(scores) @ np.asarray(slopes, dtype=np.float64))


def _straight() -> NDArray[np.float64]:
    """Slopes whose sum is near the identity: where the fit starts."""
    spacing, width = CENTRES[1] - CENTRES[0], WIDTHS[0]
    return np.array([0.9 * spacing / (2 * width)] * (len(CENTRES) - 1) + [0.1])


def _steps(scores: ArrayLike) -> NDArray[np.float64]:
    """Each step's value at each centred logit for a slope of 1, shape (rows, classes, steps)."""
    logits = np.log(np.maximum(np.asarray(scores, dtype=np.float64), _SMALLEST))
    logits = logits - logits.mean(axis=1, keepdims=True)  # the same whatever constant a softmax has taken away
    return np.asarray(WIDTHS) * np.tanh((logits[..., None] - np.asarray(CENTRES)) / np.asarray(WIDTHS))
