"""Operations that a model needs, and the peak of a device."""

import pytest
import torch
from transformers import BertConfig, BertModel

from policy_bert.utilisation import matrix_parameters, matrix_peak, training_operations

SHAPE = BertConfig(vocab_size=50, hidden_size=16, num_attention_heads=2, intermediate_size=40, num_hidden_layers=3)


def test_matrix_parameters_are_the_weights_of_the_layers_linear_maps():
    encoder = BertModel(SHAPE).encoder
    linear = [module for module in encoder.modules() if isinstance(module, torch.nn.Linear)]
    assert matrix_parameters(SHAPE) == sum(module.weight.numel() for module in linear)


def test_training_takes_three_times_what_the_forward_pass_is_counted_at():
    from torch.utils.flop_counter import FlopCounterMode

    model = BertModel(SHAPE, add_pooling_layer=False)
    ids = torch.randint(5, 50, (4, 32))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids)
    assert training_operations(SHAPE, 32) == pytest.approx(3 * counter.get_total_flops() / ids.numel())
    head = 6 * 0.5 * (16**2 + 16 * 50)
    assert training_operations(SHAPE, 32, predicted_share=0.5) - training_operations(SHAPE, 32) == pytest.approx(head)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_the_peak_is_a_rate(bfloat16):
    assert matrix_peak("cpu", bfloat16, size=64) > 1e6
