"""The plan of a review: its sample is random and as large as its margin needs, the rest is what is least certain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_bert.reports.review_plan import LARGEST_FOCUS, margin_of, plan_review, sample_size


def make_units(count, seed=0):
    random = np.random.default_rng(seed)
    confidences = random.uniform(0.2, 1, count).round(4)
    return confidences, random.permutation(count) / count, confidences < 0.6


@given(st.integers(1, 100_000), st.floats(0.001, 0.5))
def test_the_sample_is_the_smallest_that_reaches_its_margin(units, margin):
    size = sample_size(margin, units)
    assert 1 <= size <= units
    assert margin_of(size, units) <= margin + 1e-9
    assert size == 1 or margin_of(size - 1, units) > margin - 1e-9


@pytest.mark.parametrize("count", [1, 20, 100, 1000, 20_000])
def test_a_plan_holds_what_it_counts_and_is_no_second_coding(count):
    confidences, randoms, doubtful = make_units(count)
    plan = plan_review(confidences, randoms, doubtful)
    purposes = [plan.purpose(*unit) for unit in zip(confidences, randoms, doubtful.tolist(), strict=True)]
    assert (purposes.count("sample"), purposes.count("focus")) == (plan.sample, plan.focus)
    assert plan.focus <= count * LARGEST_FOCUS
    if count >= 200:
        assert plan.sample + plan.focus <= 0.36 * count
    if count >= 2000:
        assert plan.margin <= 0.05
    kept = [c for c, purpose, doubt in zip(confidences, purposes, doubtful, strict=True) if not purpose and doubt]
    listed = [c for c, purpose in zip(confidences, purposes, strict=True) if purpose == "focus"]
    assert not (kept and listed) or max(listed) <= min(kept)


def test_a_margin_that_is_asked_for_is_reached_whatever_it_takes():
    plan = plan_review(*make_units(200), margin=0.02)
    assert plan.margin <= 0.02
    assert plan.sample == sample_size(0.02, 200) > 100


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_margin_covers_the_share_of_right_codes(share):
    units, random, held = 600, np.random.default_rng(3), 0
    right = np.arange(units) < share * units
    size = sample_size(0.05, units)
    for _ in range(2000):
        held += abs(random.choice(right, size, replace=False).mean() - share) <= margin_of(size, units)
    assert held / 2000 >= 0.94


def test_units_that_rules_exclude_are_never_asked_for_and_no_units_need_no_plan():
    plan = plan_review(*make_units(50))
    assert plan.purpose(None, None, True) == ""
    empty = plan_review(*(np.zeros(0) for _ in range(2)), np.zeros(0, dtype=bool))
    assert (empty.sample, empty.focus) == (0, 0)
