"""An ONNX graph under construction, and the versions of the operators that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET, MICROSOFT_OPSET = 17, 1


class OnnxGraph:
    """Nodes and initialisers of a graph under construction; every method returns the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """An initialiser; float64 becomes float32."""
        from onnx import numpy_helper

        value = np.array(value, dtype=np.float32 if np.asarray(value).dtype == np.float64 else None, order="C")
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], output: str | list[str], domain: str = "", **attributes: Any
    ) -> str:
        """An operator's first output."""
        from onnx import helper

        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, domain=domain, **attributes))
        return outputs[0]
