"""Temperatures undo what is known to be wrong with scores, and change nothing where nothing is."""

import numpy as np
import pytest

from policy_bert.calibration import calibrate, fit_temperatures
from policy_bert.statistics import expected_calibration_error

CLASSES, ROWS = 6, 6000


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def sample():
    """Centred logits and labels drawn from their probabilities."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=2.0, size=(ROWS, CLASSES))
    logits -= logits.mean(axis=1, keepdims=True)
    return logits, np.array([generator.choice(CLASSES, p=row) for row in softmax(logits)])


def error(scores, labels):
    return expected_calibration_error(scores.max(axis=1), scores.argmax(axis=1) == labels)


@pytest.mark.parametrize("temperature", [1.0, 3.0, 0.5])
def test_a_common_temperature_is_found_again(sample, temperature):
    logits, labels = sample
    found = fit_temperatures(softmax(logits / temperature), labels)
    np.testing.assert_allclose(found, 1.0 / temperature, rtol=0.12)


def test_classes_too_sure_of_themselves_are_set_right(sample):
    logits, labels = sample
    # half the classes' logits twice and half of them half as large, as a model that is surest where labels are noisiest
    factors = np.array([2.0, 2.0, 2.0, 0.5, 0.5, 0.5])
    wrong = softmax(logits * factors)
    half = np.arange(ROWS) % 2 == 0
    mended = calibrate(wrong[~half], fit_temperatures(wrong[half], labels[half]))
    one = fit_temperatures(wrong[half], labels[half], penalty=1e6)
    assert one.std() < 1e-3
    assert error(mended, labels[~half]) < 0.03
    assert error(mended, labels[~half]) < error(calibrate(wrong[~half], one), labels[~half])


def test_calibrated_scores_are_probabilities_and_ones_change_nothing(sample):
    scores = softmax(sample[0])
    np.testing.assert_allclose(calibrate(scores, np.ones(CLASSES)), scores, atol=1e-9)
    np.testing.assert_allclose(calibrate(scores, np.full(CLASSES, 2.5)).sum(axis=1), 1.0)
