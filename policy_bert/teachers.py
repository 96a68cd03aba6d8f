"""Teachers of a fine-tuning: what an encoder or a linear model says of sentences, as targets to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from policy_bert.hardware import supports_bfloat16
from policy_bert.linear import make_baseline
from policy_bert.splits import stratified_folds
from policy_bert.training_data import LabelledTexts
from policy_bert.training_examples import EncodedDataset, Examples, PaddingCollator

SCORING_BATCH = 64
TEACHER_FOLDS = 3


@torch.inference_mode()
def score_texts(
    model: PreTrainedModel, tokenizer: Tokenizer, texts: Sequence[str], max_length_tokens: int
) -> NDArray[np.float32]:
    """Probabilities of shape (texts, classes), in the order of the texts; `model` is left in evaluation mode.

    They are targets to learn from, not measurements: in bfloat16 where that is faster.
    """
    model.eval()
    autocast = torch.autocast(model.device.type, torch.bfloat16, enabled=supports_bfloat16())
    nothing = Examples(texts, np.zeros((len(texts), 1), np.float32), np.zeros(len(texts), np.float32))
    rows = EncodedDataset(nothing, tokenizer, max_length_tokens).rows
    order = np.argsort([row["length"] for row in rows], kind="stable")
    collate = PaddingCollator(model.config.pad_token_id or 0)
    scores = []
    for start in range(0, len(order), SCORING_BATCH):
        batch = collate([rows[index] for index in order[start : start + SCORING_BATCH]])
        inputs = {name: batch[name].to(model.device) for name in ("input_ids", "attention_mask")}
        with autocast:
            logits = model(**inputs).logits
        scores.append(logits.float().softmax(-1).cpu().numpy())
    by_text = np.empty((len(texts), scores[0].shape[1]), np.float32)
    by_text[order] = np.concatenate(scores)
    return by_text


def cross_fitted_linear_scores(
    train: LabelledTexts, groups: NDArray[np.int64], auxiliary: LabelledTexts, classes: int, seed: int
) -> NDArray[np.float32]:
    """The linear model's scores of sentences it has not seen: fitted on the other folds of the training part.

    Args:
        train: The training part.
        groups: Its near-duplicate groups, which stay in one fold.
        auxiliary: Sentences that every fold's model is fitted on too.
        classes: How many classes there are.
        seed: Of the folds.

    Returns:
        Probabilities of shape (sentences, classes).
    """
    scores = np.zeros((len(train.texts), classes), dtype=np.float32)
    everything = np.arange(len(train.texts))
    for held_out in stratified_folds(train.labels, groups, TEACHER_FOLDS, seed):
        part = train.subset(np.setdiff1d(everything, held_out))
        texts = [*part.texts, *auxiliary.texts]
        labels = np.concatenate([part.labels, auxiliary.labels])
        teacher = make_baseline("tfidf_logistic", classes).fit(texts, labels)
        scores[held_out] = teacher.predict_scores([train.texts[index] for index in held_out])
    return scores
