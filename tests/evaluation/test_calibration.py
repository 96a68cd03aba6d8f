"""Calibration undoes what is known to be wrong with confidences, and never changes a predicted class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_bert.evaluation.calibration import CENTRES, calibrate, fit_calibration
from policy_bert.evaluation.metrics import calibration_error, log_loss
from policy_bert.scoring.classifier import softmax

CLASSES, ROWS = 6, 6000


@pytest.fixture(scope="module")
def sample():
    """Centred logits and labels drawn from their probabilities."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=2.0, size=(ROWS, CLASSES))
    logits -= logits.mean(axis=1, keepdims=True)
    return logits, np.array([generator.choice(CLASSES, p=row) for row in softmax(logits)])


def error(scores, labels):
    return calibration_error(labels, scores)


@pytest.mark.parametrize("distortion", [lambda z: z / 2, lambda z: 2 * z, np.cbrt, lambda z: z + z**3 / 20])
def test_an_increasing_distortion_of_the_logits_is_undone(sample, distortion):
    logits, labels = sample
    wrong = softmax(distortion(logits))
    half = np.arange(ROWS) % 2 == 0
    mended = calibrate(wrong[~half], fit_calibration(wrong[half], labels[half]))
    assert error(wrong[~half], labels[~half]) > 0.04
    assert error(mended, labels[~half]) < 0.03
    assert log_loss(labels[~half], mended) < log_loss(labels[~half], wrong[~half])


def test_a_heavy_penalty_leaves_little_but_a_temperature(sample):
    logits, labels = sample
    slopes = fit_calibration(softmax(2 * logits), labels, penalty=1e4)
    assert np.ptp(slopes[:-1]) < 0.01
    assert np.abs(calibrate(softmax(2 * logits), slopes) - softmax(logits)).mean() < 0.01


@given(
    st.lists(st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4), min_size=1, max_size=8),
    st.lists(st.floats(0.01, 5.0), min_size=len(CENTRES), max_size=len(CENTRES)),
)
def test_the_order_of_the_classes_is_kept(rows, slopes):
    scores = np.array(rows)
    scores /= scores.sum(axis=1, keepdims=True)
    calibrated = calibrate(scores, slopes)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0)
    for before, after in zip(scores, calibrated, strict=True):
        ordered = np.argsort(before, kind="stable")
        assert (np.diff(after[ordered]) >= -1e-12).all()
