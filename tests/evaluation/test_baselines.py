"""Every baseline: one interface, scores that are distributions, the same seed the same scores."""

import numpy as np
import pytest

from policy_bert.evaluation.baselines import BASELINES, fit_system, systems_beside

TOPICS = {
    0: ["加强人才培养与引进", "引进高层次人才", "培养数字化人才队伍", "人才培训与奖励"],
    1: ["设立专项资金予以补贴", "给予资金补贴奖励", "安排财政专项资金", "补贴资金一次性拨付"],
    3: ["建设数据中心设施", "加快基础设施建设", "推进网络设施建设", "建设算力设施与机房"],
}
TEXTS = [text + tail for texts in TOPICS.values() for text in texts for tail in ("。", "；", "工作。")]
LABELS = [label for label, texts in TOPICS.items() for _ in texts for _ in range(3)]
CLASSES = 5  # 2 and 4 never occur in training


@pytest.fixture(scope="module", params=list(BASELINES))
def fitted(request):
    return request.param, BASELINES[request.param](CLASSES, 0).fit(TEXTS, LABELS)


def test_scores_are_distributions_over_all_classes(fitted):
    _, baseline = fitted
    scores = baseline.predict_scores([*TEXTS, "", "no Chinese here", "😀"])
    assert scores.shape == (len(TEXTS) + 3, CLASSES)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    assert (scores >= 0).all()
    assert (scores[:, [2, 4]] == 0).all()
    assert baseline.predict_scores([]).shape == (0, CLASSES)


def test_words_of_a_class_give_that_class(fitted):
    name, baseline = fitted
    predictions = baseline.predict_scores(["引进和培养人才", "专项资金补贴", "设施建设"]).argmax(axis=1)
    assert predictions.tolist() == ([0, 0, 0] if name == "majority" else [0, 1, 3])


def test_a_seed_gives_its_scores(fitted):
    name, baseline = fitted
    again = BASELINES[name](CLASSES, 0).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(baseline.predict_scores(TEXTS), again.predict_scores(TEXTS))


def test_stray_white_space_changes_nothing(fitted):
    _, baseline = fitted
    np.testing.assert_array_equal(baseline.predict_scores(["  设施\u200b建设 "]), baseline.predict_scores(["设施建设"]))


@pytest.mark.parametrize("name", list(BASELINES))
def test_two_classes_are_enough(name):
    baseline = BASELINES[name](2, 0).fit(TEXTS[:24], [int(label == 1) for label in LABELS[:24]])
    scores = baseline.predict_scores(["人才人才", "补贴补贴资金"])
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    if name != "majority":
        assert scores.argmax(axis=1).tolist() == [0, 1]


def rows(origins):
    import datasets

    features = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list("abcde"))}
    features["origin"] = datasets.Value("string")
    columns = {"text": TEXTS[: len(origins)], "label": LABELS[: len(origins)], "origin": origins}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def test_a_twin_learns_from_the_auxiliary_sentences_and_its_baseline_does_not():
    train = rows(["corpus"] * 12 + ["auxiliary"] * 12 + ["corpus"] * 12)
    assert systems_beside(["tfidf_svm", "majority"], train) == ["tfidf_svm", "tfidf_svm+auxiliary", "majority"]
    assert systems_beside(["tfidf_svm"], rows(["corpus"] * 6)) == ["tfidf_svm"]
    plain, twin = (
        fit_system(name, train).predict_scores(["专项资金补贴"])[0] for name in ("tfidf_svm", "tfidf_svm+auxiliary")
    )
    assert plain[1] == 0.0  # all sentences of class 1 are auxiliary
    assert twin.argmax() == 1


def test_an_unknown_baseline_is_a_key_error():
    with pytest.raises(KeyError):
        fit_system("oracle", rows(["corpus"] * 36))
