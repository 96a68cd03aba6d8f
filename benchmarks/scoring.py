"""Scoring speed of every engine and precision beside `transformers.pipeline`, in one process, interleaved, medians.

    python benchmarks/scoring.py [--model FOLDER] [--sentences 10000] [--rounds 5] [--large 1000000] [--write]

All systems score the same distinct sentences with the same weights, tokenisation included. Prints, and with `--write`
keeps in `docs/results/`: sentences a second, the ratio to `pipeline(batch_size=32)`, the share of the processor's
measured matrix-product peak for that precision, start-up as a whole process, and throughput by number of sentences.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import check_checkpoint, find_checkpoint
from policy_bert.corpora.reading import load_corpus
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.engine import OnnxEngine, TorchEngine, available_cores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
Scorer = Callable[[Sequence[str]], Any]


def distinct_sentences(count: int) -> list[str]:
    """Real sentences first, then halves of two real sentences joined; all distinct."""
    labelled = load_corpus(ROOT / "data" / "policy_sentences.tsv").sentences
    authored = load_corpus(ROOT / "data" / "authored_sentences.csv").sentences
    texts = [sentence.text for sentence in (*labelled, *authored)]
    generator = np.random.default_rng(0)
    found = dict.fromkeys(texts)
    while len(found) < count:
        first, second = generator.integers(0, len(texts), 2)
        one, other = texts[first], texts[second]
        found[one[: len(one) // 2] + other[len(other) // 2 :]] = None
    return list(found)[:count]


def scorers(folder: Path) -> dict[str, tuple[Scorer, str]]:
    """Each system's function from sentences to scores, and the precision whose peak it is held against."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    torch.set_num_threads(available_cores())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device=-1)
    scheme = check_checkpoint(folder)

    def naive(sentences: Sequence[str]) -> None:
        with torch.inference_mode():
            for sentence in sentences:
                model(**tokenizer(sentence, return_tensors="pt", truncation=True)).logits.softmax(-1)

    systems: dict[str, tuple[Scorer, str]] = {
        "naive loop": (naive, "fp32"),
        "pipeline(batch_size=32)": (
            lambda sentences: classify(list(sentences), batch_size=32, truncation=True),
            "fp32",
        ),
        "PyTorch fp32": (PolicyClassifier(folder, scheme, TorchEngine(folder, "cpu")).scores, "fp32"),
    }
    for precision, graph in graphs(folder).items():
        systems[f"ONNX Runtime {precision}"] = (
            PolicyClassifier(folder, scheme, OnnxEngine(folder, graph=graph)).scores,
            precision,
        )
    return systems


def graphs(folder: Path) -> dict[str, Path]:
    """The checkpoint's own graph by its precision, and a float32 one made for the comparison where it is int8."""
    record = json.loads((folder / "onnx.json").read_text(encoding="utf-8"))
    found = {record["precision"]: folder / "model.onnx"}
    if "fp32" not in found:
        from policy_bert.export.files import GraphFolder

        kept = Path(tempfile.mkdtemp()) / "fp32.onnx"
        shutil.move(GraphFolder(folder).write_graph("fp32"), kept)
        found = {"fp32": kept, **found}
    return found


def timed(scorer: Scorer, sentences: Sequence[str]) -> float:
    """Sentences a second of one call."""
    started = time.perf_counter()
    scorer(sentences)
    return len(sentences) / (time.perf_counter() - started)


def interleaved_rates(
    scorers: Mapping[str, Scorer], parts: Mapping[str, Sequence[str]], rounds: int
) -> dict[str, float]:
    """Each scorer's sentences a second on its part: the median of rounds in which all take turns."""
    rates: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(rounds):
        for name, scorer in scorers.items():
            rates[name].append(timed(scorer, parts[name]))
    return {name: median(values) for name, values in rates.items()}


def operations_per_sentence(folder: Path, sentences: Sequence[str]) -> float:
    """Multiply-adds times two that the full encoder's matrix products take on an average sentence, padding aside."""
    from tokenizers import Tokenizer

    shape = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lengths = np.array([len(encoding.ids) for encoding in tokenizer.encode_batch(list(sentences))], dtype=np.float64)
    hidden, layers, inner = shape["hidden_size"], shape["num_hidden_layers"], shape["intermediate_size"]
    per_token = 2 * (4 * hidden**2 + 2 * hidden * inner)
    full_layers = layers - 1  # the last is needed for [CLS] alone: keys and values for all tokens, the rest for one
    last = lengths * 4 * hidden**2 + per_token
    return float((full_layers * (lengths * per_token + 4 * lengths**2 * hidden) + last).mean())


def matrix_peaks() -> dict[str, float]:
    """Measured operations a second of large matrix products on all cores, by the fastest library at hand."""
    import torch
    from onnx import TensorProto

    size = 1024
    a, b = torch.randn(4 * size, size), torch.randn(size, size)
    torch.set_num_threads(available_cores())
    operations = 2 * 4 * size**3
    float32 = max(operations / _seconds(lambda: a @ b) for _ in range(10))
    rows = np.random.default_rng(0).integers(0, 255, (4 * size, size)).astype(np.uint8)
    floats = _product_session("MatMul", np.ones((size, size), np.float32), TensorProto.FLOAT, TensorProto.FLOAT)
    integers = _product_session("MatMulInteger", np.ones((size, size), np.int8), TensorProto.UINT8, TensorProto.INT32)
    inputs = {"a": rows.astype(np.float32)}
    float32 = max(float32, *(operations / _seconds(lambda: floats.run(None, inputs)) for _ in range(10)))
    int8 = max(operations / _seconds(lambda: integers.run(None, {"a": rows})) for _ in range(10))
    return {"fp32": float32, "int8": int8}


def _product_session(operator: str, weights: NDArray[Any], left_type: int, right_type: int) -> Any:
    """An ONNX Runtime session that multiplies `a`, of four times as many rows, by the constant `weights`."""
    import onnxruntime
    from onnx import helper, numpy_helper

    size = len(weights)
    node = helper.make_node(operator, ["a", "b"], ["c"])
    left = helper.make_tensor_value_info("a", left_type, [4 * size, size])
    right = helper.make_tensor_value_info("c", right_type, [4 * size, size])
    graph = helper.make_graph([node], "product", [left], [right], [numpy_helper.from_array(weights, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def start_up(folder: Path) -> dict[str, float]:
    """Seconds of whole processes, medians of five: `predict` on 20 lines, and importing what the pipeline needs."""
    with tempfile.TemporaryDirectory() as place:
        lines = Path(place) / "lines.txt"
        lines.write_text("\n".join(distinct_sentences(20)) + "\n", encoding="utf-8")
        commands = {
            "predict": ["-m", "policy_bert.predict", str(lines), "--model", str(folder)],
            "import": ["-c", "from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(5):
            for name, command in commands.items():
                run = [sys.executable, *command]
                times[name].append(
                    _seconds(lambda run=run: subprocess.run(run, check=True, capture_output=True, cwd=ROOT))  # type: ignore[misc]
                )
    return {name: median(values) for name, values in times.items()}


def measure(folder: Path, count: int, rounds: int, large: int) -> dict[str, Any]:
    """All figures; see the module's docstring."""
    sentences, systems = distinct_sentences(count), scorers(folder)
    for scorer, _ in systems.values():
        scorer(sentences[:64])  # warm
    parts = {**dict.fromkeys(systems, sentences), "naive loop": sentences[: max(1, count // 10)]}
    rates = interleaved_rates({name: scorer for name, (scorer, _) in systems.items()}, parts, rounds)
    peaks, work = matrix_peaks(), operations_per_sentence(folder, sentences)
    base = rates["pipeline(batch_size=32)"]
    rows = [
        {
            "system": name,
            "sentences_per_s": rate,
            "ratio_to_pipeline": rate / base,
            "share_of_peak": rate * work / peaks[systems[name][1]],
        }
        for name, rate in rates.items()
    ]
    shipped = PolicyClassifier.from_pretrained(folder)
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= large]
    growth = {size: timed(shipped.scores, distinct_sentences(size)) for size in sizes}
    return {
        "rows": rows,
        "growth": growth,
        "start_up_s": start_up(folder),
        "peaks_operations_per_s": peaks,
        "sentences": count,
        "cores": available_cores(),
        "processor": processor(),
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(result: dict[str, Any], chinese: bool) -> str:
    """The figures as Markdown."""
    start = result["start_up_s"]
    start_share = start["predict"] / start["import"]
    if chinese:
        header = ["系统", "句/秒", "与 pipeline 之比", "占实测矩阵乘峰值"]
        note = (
            f"{result['cores']} 核 {result['processor']}，{result['sentences']:,} 条互不相同的句子，"
            "同一进程内交替测量，取中位数。"
            f"`predict` 处理 20 行的整个进程所需时间为导入 transformers 的 {start_share:.2f} 倍。"
        )
    else:
        header = ["system", "sentences/s", "ratio to pipeline", "share of measured matrix peak"]
        note = (
            f"{result['cores']} cores of {result['processor']}; {result['sentences']:,} distinct sentences "
            "interleaved in one process, medians. As a whole process "
            f"`predict` on 20 lines takes {start_share:.2f} of the time that importing transformers takes."
        )
    lines = [header, ["---"] * 4]
    lines += [
        [
            row["system"],
            f"{row['sentences_per_s']:,.0f}",
            f"{row['ratio_to_pipeline']:.2f}",
            f"{row['share_of_peak']:.0%}",
        ]
        for row in result["rows"]
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\n{note}\n"


def main() -> int:
    """Parse the command line, measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="checkpoint folder (default: the classifier in the package)")
    parser.add_argument("--sentences", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=100_000, help="the most sentences in the growth series")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/results")
    arguments = parser.parse_args()
    result = measure(find_checkpoint(arguments.model), arguments.sentences, arguments.rounds, arguments.large)
    print(table(result, chinese=False))
    for size, rate in result["growth"].items():
        print(f"{size:>10,} sentences: {rate:,.0f}/s")
    if arguments.write:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "scoring.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "scoring.md").write_text(table(result, chinese=False), encoding="utf-8")
        (RESULTS / "scoring.zh.md").write_text(table(result, chinese=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
