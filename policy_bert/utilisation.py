"""How much of a device's speed a model uses: the operations that a model needs, and the peak that the device shows."""

from __future__ import annotations

import time

import torch
from torch import Tensor
from transformers import PretrainedConfig

_PRODUCTS = 20
_ROUNDS = 5


def matrix_parameters(config: PretrainedConfig) -> int:
    """The weights of an encoder's matrix products: all layers, without embeddings, biases and normalisation."""
    hidden, intermediate = config.hidden_size, config.intermediate_size
    return int(config.num_hidden_layers * (4 * hidden**2 + 2 * hidden * intermediate))


def training_operations(config: PretrainedConfig, window_tokens: int, predicted_share: float = 0.0) -> float:
    """Floating-point operations that training on one token takes: 6 x parameters (Kaplan et al. 2020) and attention.

    Args:
        config: The encoder's shape.
        window_tokens: How many tokens attend to each other.
        predicted_share: The share of tokens at which the output layer over the vocabulary is computed.
    """
    hidden = config.hidden_size
    head = predicted_share * (hidden**2 + hidden * config.vocab_size)
    attention = 2 * config.num_hidden_layers * window_tokens * hidden  # scores and their sums, multiply-adds a token
    return 6.0 * (matrix_parameters(config) + head + attention)


def matrix_peak(device: torch.device | str = "cpu", bfloat16: bool = True, size: int | None = None) -> float:
    """Operations a second that a large square matrix product reaches on the device, the best of five rounds.

    Args:
        device: Where to measure.
        bfloat16: The type of the factors: bfloat16, or float32.
        size: Rows and columns; None for 8,192 on a GPU and 1,024 on a CPU.
    """
    device = torch.device(device)
    size = size or (8192 if device.type == "cuda" else 1024)
    products = _PRODUCTS if device.type == "cuda" else 2
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(left)
    torch.mm(left, right, out=out)  # warm
    return max(2 * size**3 * products / _seconds(left, right, out, products) for _ in range(_ROUNDS))


def synchronise(device: torch.device | str) -> None:
    """Wait until the device has done what it was given; a CPU always has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(left: Tensor, right: Tensor, out: Tensor, products: int) -> float:
    synchronise(left.device)
    started = time.perf_counter()
    for _ in range(products):
        torch.mm(left, right, out=out)
    synchronise(left.device)
    return time.perf_counter() - started
