"""A BERT sequence classifier as an ONNX graph, written from its weights with ONNX Runtime's fused operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.errors import CheckpointError

OPSET, MICROSOFT_OPSET = 17, 1
_LARGE = 4096  # numbers: smaller arrays are stored as they are
Array = NDArray[Any]


@dataclass(frozen=True)
class BertShape:
    """What a `config.json` says about the encoder's shape."""

    layers: int
    hidden: int
    heads: int
    epsilon: float
    classes: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str) -> BertShape:
        """Read and check a `config.json`.

        Raises:
            CheckpointError: It describes something else than a BERT sequence classifier with erf-GELU and
                absolute positions.
        """
        expected = {
            "model_type": "bert",
            "hidden_act": "gelu",
            "position_embedding_type": "absolute",
            "is_decoder": False,
            "problem_type": "single_label_classification",
        }
        for key, value in expected.items():
            if config.get(key) not in (None, value):
                raise CheckpointError(f"{source}: cannot export: expected {key} {value!r}, found {config[key]!r}")
        try:
            return cls(
                layers=int(config["num_hidden_layers"]),
                hidden=int(config["hidden_size"]),
                heads=int(config["num_attention_heads"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
                classes=len(config["id2label"]),
            )
        except KeyError as error:
            raise CheckpointError(f"{source}: cannot export: no {error.args[0]}") from error


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix product in integers: uint8 activations of fixed scale times int8 weights with a scale a column.

    Attributes:
        weights: int8, shape (inputs, outputs).
        weight_scales: float32, shape (outputs,).
        input_scale: What one step of the uint8 activations is worth.
        input_zero: The uint8 value that stands for zero.
        damping: What each input is divided by before it becomes an integer, float32, shape (inputs,); the weights are
            those of the divided inputs.
    """

    weights: NDArray[np.int8]
    weight_scales: NDArray[np.float32]
    input_scale: float
    input_zero: int
    damping: NDArray[np.float32]


def joined_attention(weights: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Query, key and value of a layer side by side: weights (hidden, 3 · hidden) and bias (3 · hidden,)."""
    parts = ("query", "key", "value")
    matrix = np.concatenate([weights[f"{name}.{part}.weight"].T for part in parts], axis=1)
    return matrix, np.concatenate([weights[f"{name}.{part}.bias"] for part in parts])


class OnnxGraph:
    """Nodes and initialisers of a graph under construction; every method returns the name of a value.

    Args:
        small: Whether large float32 matrices are stored in float16 and tables in int8 with a scale a row; ONNX Runtime
            makes them float32 when it loads the graph.
    """

    def __init__(self, small: bool = False) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.small = small

    def constant(self, name: str, value: NDArray[Any], table: bool = False) -> str:
        """An initialiser; float64 becomes float32.

        Args:
            name: Its name.
            value: What it holds.
            table: Whether single rows of it are looked up.
        """
        value = np.array(value, dtype=np.float32 if np.asarray(value).dtype == np.float64 else None, order="C")
        if not self.small or value.dtype != np.float32 or value.size < _LARGE:
            return self._initializer(name, value)
        if not table:
            return self.node("Cast", [self._initializer(name + ".half", value.astype(np.float16))], name, to=1)
        scales = np.maximum(np.abs(value).max(axis=1, keepdims=True), 1e-12) / 127
        steps = self._initializer(name + ".steps", np.round(value / scales).astype(np.int8))
        steps = self.node("Cast", [steps], name + ".steps_float", to=1)
        return self.node("Mul", [steps, self._initializer(name + ".row_scales", scales)], name)

    def _initializer(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

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


class OnnxBert:
    """Writes the graph: inputs `input_ids` and `attention_mask`, int64 (batch, length); output `logits`.

    The classifier's head reads [CLS] alone, so the last layer is computed for [CLS] only, and its key and value
    projections are applied to the one query and the one weighted sum instead of to every token. Both are exact.
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        shape: BertShape,
        quantized: Mapping[str, QuantizedMatrix] | None = None,
        probes: bool = False,
    ) -> None:
        """Prepare a graph.

        Args:
            weights: Tensors under their names in `BertForSequenceClassification`.
            shape: The encoder's shape.
            quantized: Integer matrices by name (`matrix_names`); the others stay float32.
            probes: Make the inputs of all matrices outputs of the graph too, for calibration.
        """
        self._weights = weights
        self._shape = shape
        self._quantized = quantized or {}
        self._graph = OnnxGraph(small=bool(self._quantized))
        self._probed: list[str] = []
        self._probes = probes

    def build(self) -> Any:
        """The `onnx.ModelProto`.

        Raises:
            CheckpointError: A weight is missing.
        """
        from onnx import TensorProto, helper

        try:
            hidden = self._embeddings()
            for layer in range(self._shape.layers - 1):
                hidden = self._layer(layer, hidden)
            self._head(self._cls_layer(self._shape.layers - 1, hidden))
        except KeyError as error:
            raise CheckpointError(f"cannot export: the weights lack {error.args[0]}: not a classifier") from error
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ]
        outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", self._shape.classes])]
        outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self._probed]
        graph = helper.make_graph(self._graph.nodes, "policy_bert", inputs, outputs, self._graph.initializers)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", MICROSOFT_OPSET)]
        return helper.make_model(graph, producer_name="policy_bert", opset_imports=opsets, ir_version=8)

    def _constant(self, name: str, transpose: bool = False, table: bool = False) -> str:
        value = self._weights[name]
        return self._graph.constant(name, value.T if transpose else value, table)

    def _embeddings(self) -> str:
        graph, prefix = self._graph, "bert.embeddings."
        positions = self._weights[prefix + "position_embeddings.weight"]
        # Every token is of type 0: its embedding is added to the positions once, here.
        positions = positions + self._weights[prefix + "token_type_embeddings.weight"][0]
        graph.node("Cast", ["input_ids"], "ids", to=6)
        graph.node("Cast", ["attention_mask"], "mask", to=6)
        inputs = [
            "ids",
            "",
            self._constant(prefix + "word_embeddings.weight", table=True),
            graph.constant("positions", positions),
            "",
            self._constant(prefix + "LayerNorm.weight"),
            self._constant(prefix + "LayerNorm.bias"),
        ]
        outputs = ["embedded", "lengths_unused"]
        return graph.node("EmbedLayerNormalization", inputs, outputs, "com.microsoft", epsilon=self._shape.epsilon)

    def _layer(self, index: int, hidden: str) -> str:
        prefix = f"bert.encoder.layer.{index}."
        context = self._attention(prefix, hidden)
        out = self._matrix(prefix + "attention.output.dense", context)
        attended = self._add_norm(prefix + "attention.output", out, hidden)
        return self._feed_forward(prefix, attended)

    def _attention(self, prefix: str, hidden: str) -> str:
        graph, name = self._graph, prefix + "attention.self"
        weights, bias = joined_attention(self._weights, name)
        bias_name = graph.constant(name + ".bias", bias)
        self._probe(name, hidden)
        matrix = self._quantized.get(name)
        heads = self._shape.heads
        if matrix is None:
            inputs = [hidden, graph.constant(name + ".weight", weights), bias_name, "mask"]
            return graph.node("Attention", inputs, name, "com.microsoft", num_heads=heads)
        q_input, scale, zero = self._quantize(name, hidden, matrix)
        inputs = [
            q_input, graph.constant(name + ".weight", matrix.weights), bias_name, scale,
            graph.constant(name + ".scales", matrix.weight_scales), "mask", zero,
            graph.constant(name + ".zeros", np.zeros_like(matrix.weight_scales, dtype=np.int8)),
        ]  # fmt: skip
        return graph.node("QAttention", inputs, name, "com.microsoft", num_heads=heads)

    def _probe(self, name: str, value: str) -> None:
        if self._probes:
            self._probed.append(self._graph.node("Identity", [value], "probe:" + name))

    def _quantize(self, name: str, value: str, matrix: QuantizedMatrix) -> tuple[str, str, str]:
        graph = self._graph
        if (matrix.damping != 1).any():
            value = graph.node("Mul", [value, graph.constant(name + ".damping", 1 / matrix.damping)], name + ".damped")
        scale = graph.constant(name + ".input_scale", np.float32(matrix.input_scale))
        zero = graph.constant(name + ".input_zero", np.uint8(matrix.input_zero))
        return graph.node("QuantizeLinear", [value, scale, zero], name + ".quantized"), scale, zero

    def _matrix(self, name: str, value: str, bias: bool = True) -> str:
        """The product, with its bias unless `bias` is false and the matrix is float32."""
        graph = self._graph
        self._probe(name, value)
        matrix = self._quantized.get(name)
        if matrix is None:
            product = graph.node("MatMul", [value, self._constant(name + ".weight", transpose=True)], name)
            return graph.node("Add", [product, self._constant(name + ".bias")], name + ".biased") if bias else product
        q_input, scale, zero = self._quantize(name, value, matrix)
        inputs = [
            q_input, graph.constant(name + ".weight", matrix.weights), scale,
            graph.constant(name + ".scales", matrix.weight_scales), zero, "", self._constant(name + ".bias"),
        ]  # fmt: skip
        return graph.node("MatMulIntegerToFloat", inputs, name, "com.microsoft")

    def _add_norm(self, prefix: str, value: str, residual: str) -> str:
        # Two plain operators: ONNX Runtime's SkipLayerNormalization took five times as long on a CPU.
        graph = self._graph
        total = graph.node("Add", [value, residual], prefix + ".sum")
        scale, bias = self._constant(prefix + ".LayerNorm.weight"), self._constant(prefix + ".LayerNorm.bias")
        output, epsilon = prefix + ".LayerNorm", self._shape.epsilon
        return graph.node("LayerNormalization", [total, scale, bias], output, axis=-1, epsilon=epsilon)

    def _feed_forward(self, prefix: str, attended: str) -> str:
        graph, name = self._graph, prefix + "intermediate.dense"
        wide = self._matrix(name, attended, bias=False)
        if name in self._quantized:  # with tanh instead of erf: the difference is less than a step of the int8
            active = graph.node("FastGelu", [wide], prefix + "gelu", "com.microsoft")
        else:
            active = graph.node("BiasGelu", [wide, self._constant(name + ".bias")], prefix + "gelu", "com.microsoft")
        return self._add_norm(prefix + "output", self._matrix(prefix + "output.dense", active), attended)

    def _cls_layer(self, index: int, hidden: str) -> str:
        """The last layer's output at [CLS], shape (batch, hidden)."""
        graph, prefix = self._graph, f"bert.encoder.layer.{index}."
        name = prefix + "attention.self."
        heads, width = self._shape.heads, self._shape.hidden // self._shape.heads
        first = graph.node("Gather", [hidden, graph.constant("first", np.int64(0))], "cls", axis=1)
        # q·(x Wk + bk) = (q Wkᵀ)·x + constant, and softmax ignores the constant; so the key's bias is not needed.
        query_weights = self._weights[name + "query.weight"] / np.sqrt(width)
        query_bias = self._weights[name + "query.bias"] / np.sqrt(width)
        query = self._linear(name + "query", first, query_weights.T, query_bias)
        by_head = graph.constant("by_head", np.array([-1, heads, width]))
        query = graph.node("Reshape", [query, by_head], name + "query_heads")
        query = graph.node("Transpose", [query], name + "query_by_head", perm=[1, 0, 2])
        keys = self._weights[name + "key.weight"].reshape(heads, width, -1)
        query = graph.node("MatMul", [query, graph.constant(name + "keys", keys)], name + "query_tokens")
        query = graph.node("Transpose", [query], name + "query_batch", perm=[1, 0, 2])
        tokens = graph.node("Transpose", [hidden], name + "tokens", perm=[0, 2, 1])
        scores = graph.node("MatMul", [query, tokens], name + "scores")
        scores = graph.node("Add", [scores, self._mask_bias()], name + "masked")
        shares = graph.node("Softmax", [scores], name + "shares", axis=-1)
        sums = graph.node("MatMul", [shares, hidden], name + "sums")
        sums = graph.node("Transpose", [sums], name + "sums_by_head", perm=[1, 0, 2])
        values = self._weights[name + "value.weight"].reshape(heads, width, -1).transpose(0, 2, 1)
        context = graph.node("MatMul", [sums, graph.constant(name + "values", values)], name + "context_by_head")
        context = graph.node("Transpose", [context], name + "context_heads", perm=[1, 0, 2])
        flat = graph.constant("flat", np.array([-1, self._shape.hidden]))
        context = graph.node("Reshape", [context, flat], name + "context_flat")
        context = graph.node("Add", [context, self._constant(name + "value.bias")], name + "context")
        out = self._dense(prefix + "attention.output.dense", context)
        return self._cls_feed_forward(prefix, self._add_norm(prefix + "attention.output", out, first))

    def _cls_feed_forward(self, prefix: str, attended: str) -> str:
        wide = self._dense(prefix + "intermediate.dense", attended)
        active = self._graph.node("Gelu", [wide], prefix + "gelu", "com.microsoft")
        return self._add_norm(prefix + "output", self._dense(prefix + "output.dense", active), attended)

    def _dense(self, name: str, value: str) -> str:
        return self._linear(name, value, self._weights[name + ".weight"].T, self._weights[name + ".bias"])

    def _mask_bias(self) -> str:
        """0 for tokens and -1e9 for padding, shape (batch, 1, length)."""
        graph = self._graph
        mask = graph.node("Cast", ["attention_mask"], "mask_float", to=1)
        one, far = graph.constant("one", np.float32(1)), graph.constant("far", np.float32(1e9))
        bias = graph.node("Mul", [graph.node("Sub", [mask, one], "mask_less_one"), far], "mask_bias_rows")
        return graph.node("Unsqueeze", [bias, graph.constant("axis_1", np.array([1]))], "mask_bias")

    def _linear(self, name: str, value: str, weights: Array, bias: Array) -> str:
        graph = self._graph
        inputs = [value, graph.constant(name + ".weight", weights), graph.constant(name + ".bias", bias)]
        return graph.node("Gemm", inputs, name)

    def _head(self, cls: str) -> None:
        pooled = self._graph.node("Tanh", [self._dense("bert.pooler.dense", cls)], "pooled")
        head = self._weights["classifier.weight"].T
        self._linear("logits", pooled, head, self._weights["classifier.bias"])
