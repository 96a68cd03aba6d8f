"""The model card of a run folder, in English and Chinese, filled from the files that the run wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from policy_bert.files import write_text
from policy_bert.labels import SCHEME_FILE, LabelScheme, load_scheme

CARD_FILE = "README.md"
POLICY_SCHEME = "policy-instruments"  # as `data/labels.yaml` is named
_FIGURES = (
    ("macro_f1", "macro-F1", "宏平均 F1"),
    ("accuracy", "accuracy", "准确率"),
    ("top_3_accuracy", "top-3 accuracy", "前三准确率"),
    ("calibration_error", "calibration error (15 equal-mass bins)", "校准误差（15 个等量分箱）"),
    ("accuracy_at_60_percent", "accuracy on the most confident 60 %", "置信度最高的 60% 上的准确率"),
)


def write_model_card(run: Path) -> Path:
    """Write `README.md` of a run folder and return its path.

    It is made from `config.yaml`, `labels.yaml` and, where there is one, `crossvalidation.json`, the figures of the
    recipe over repeated folds. Policy instruments and Chinese are claimed for the policy scheme alone: of another
    scheme's sentences the card says what the run knows, the file and the classes.
    """
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    scheme = load_scheme(run / SCHEME_FILE)
    if scheme.name == POLICY_SCHEME:
        front = "language: zh\nlicense: apache-2.0\n", "policy-instruments, 政策工具"
        parts = [_card(config, scheme, run, _ENGLISH | _POLICY_ENGLISH), _card(config, scheme, run, _CHINESE)]
    else:
        front, parts = ("", "sentence-classification"), [_card(config, scheme, run, _ENGLISH)]
    head = f"---\n{front[0]}library_name: transformers\npipeline_tag: text-classification\ntags: [{front[1]}]\n---\n"
    path = run / CARD_FILE
    write_text(path, "\n".join([head, *parts]))
    return path


_ENGLISH = {
    "title": "Sentence classifier",
    "task": "Assigns a sentence to one of {classes} classes: {names}.",
    "comma": ", ",
    "all": "every labelled sentence",
    "part": "the training part of the split",
    "none": "none",
    "facts": """- Base model: {base}; fitted on {fitted} of `{corpus}`.
- Auxiliary sentences, trained on and never scored: {auxiliary}.
- Load it with `PolicyClassifier.from_pretrained(FOLDER)`, or with plain transformers:
  `pipeline("text-classification", model=FOLDER)`. Weights are stored in float16 and computed in float32.
- The settings of the run are in `config.yaml`, the classes' definitions in `labels.yaml`.""",
    "results": "Results",
    "no_results": "See `report.md`, which `evaluate` writes.",
    "results_head": "The recipe over repeated stratified grouped folds, mean and 95 % interval:",
    "limits": "Limits",
    "limits_text": """\
It has learned one file's reading of its classes, errors of the labels included; classes with few sentences are measured
with wide intervals. It must not be used to decide about persons or organisations. Text of another kind than that file's
is outside what it was measured on. A study should report reliability on its own documents, coded by hand.""",
}
_POLICY_ENGLISH = {
    "title": "Policy-instrument classifier",
    "task": "Assigns a sentence of a Chinese policy document to one of {classes} classes: {names}.",
    "limits_text": """\
The labels it learned from are noisy and hold one group of coders' reading of the scheme; classes with few sentences are
measured with wide intervals. It codes sentences by instrument; it does not judge a policy's merit, effect or author,
and must not be used to decide about persons or organisations. Text other than Chinese policy language is outside what
it was measured on. A study should report reliability on its own documents, coded by hand.""",
}
_CHINESE = {
    "title": "政策工具分类模型",
    "task": "将中文政策文件的句子归入 {classes} 类政策工具之一：{names}。",
    "comma": "、",
    "all": "全部标注句",
    "part": "划分中的训练部分",
    "none": "无",
    "facts": """- 基础模型：{base}；在 `{corpus}` 的{fitted}上训练。
- 辅助句（只用于训练，从不用于评分）：{auxiliary}。
- 用 `PolicyClassifier.from_pretrained(文件夹)` 或 `pipeline("text-classification", model=文件夹)` 加载；
  权重以 float16 存储、以 float32 计算。""",
    "results": "结果",
    "no_results": "见 `report.md`（由 evaluate 写出）。",
    "results_head": "重复分层分组交叉验证，折外得分的均值与 95% 区间：",
    "limits": "局限",
    "limits_text": """\
训练标注有噪声，体现的是一组编码者对分类体系的理解；句数少的类别区间较宽。\
模型只判断句子使用的政策工具，不评价政策的优劣、效果或作者，不得用于对个人或组织作出决定。\
非政策语体的文本不在测量范围内。
研究使用时应在自己的文件上人工编码并报告信度。""",
}


def _card(config: dict[str, Any], scheme: LabelScheme, run: Path, words: dict[str, str]) -> str:
    model, data = config["model"], config["data"]
    facts = words["facts"].format(
        base=f"`{model['base']}`" + (f" @ `{model['revision']}`" if model.get("revision") else ""),
        fitted=words["all" if config["fit_on"] == "all" else "part"],
        corpus=Path(data["corpus"]).name,
        auxiliary=", ".join(f"`{Path(path).name}`" for path in data.get("auxiliary") or []) or words["none"],
    )
    task = words["task"].format(classes=len(scheme), names=words["comma"].join(scheme.names))
    return f"""# {words["title"]}

{task}

{facts}

## {words["results"]}

{_results(run, words)}

## {words["limits"]}

{words["limits_text"]}
"""


def _results(run: Path, words: dict[str, str]) -> str:
    folds = run / "crossvalidation.json"
    if not folds.is_file():
        return words["no_results"]
    figures = json.loads(folds.read_text(encoding="utf-8"))[0]["figures"]
    rows = [
        f"| {chinese if words is _CHINESE else english} | {f['value']:.3f} [{f['low']:.3f}, {f['high']:.3f}] |"
        for key, english, chinese in _FIGURES
        for f in (figures[key],)
    ]
    return words["results_head"] + "\n\n| | |\n|---|---|\n" + "\n".join(rows)
