"""The model card of a run folder, in English and Chinese, filled from the files that the run wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from policy_bert.labels import SCHEME_FILE, LabelScheme, load_scheme

CARD_FILE = "README.md"
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
    recipe over repeated folds.
    """
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    scheme = load_scheme(run / SCHEME_FILE)
    parts = [_front_matter(), _english(config, scheme, run), _chinese(config, scheme, run)]
    path = run / CARD_FILE
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _front_matter() -> str:
    return (
        "---\nlanguage: zh\nlicense: apache-2.0\nlibrary_name: transformers\npipeline_tag: text-classification\n"
        "tags: [policy-instruments, 政策工具]\n---\n"
    )


def _english(config: dict[str, Any], scheme: LabelScheme, run: Path) -> str:
    fitted = "every labelled sentence" if config["fit_on"] == "all" else "the training part of the split"
    return f"""# Policy-instrument classifier

Assigns a sentence of a Chinese policy document to one of {len(scheme)} classes: {", ".join(scheme.names)}.

- Base model: {_base(config)}; fitted on {fitted} of `{_corpus(config)}`.
- Auxiliary sentences, trained on and never scored: {_auxiliary(config) or "none"}.
- Load it with `PolicyClassifier.from_pretrained(FOLDER)`, or with plain transformers:
  `pipeline("text-classification", model=FOLDER)`. Weights are stored in float16 and computed in float32.
- The settings of the run are in `config.yaml`, the classes' definitions in `labels.yaml`.

## Results
{_results(run, chinese=False)}
## Limits

The labels it learned from are noisy and hold one group of coders' reading of the scheme; classes with few sentences are
measured with wide intervals. It codes sentences by instrument; it does not judge a policy's merit, effect or author,
and must not be used to decide about persons or organisations. Text other than Chinese policy language is outside what
it was measured on. A study should report reliability on its own documents, coded by hand.
"""


def _chinese(config: dict[str, Any], scheme: LabelScheme, run: Path) -> str:
    fitted = "全部标注句" if config["fit_on"] == "all" else "划分中的训练部分"
    return f"""# 政策工具分类模型

将中文政策文件的句子归入 {len(scheme)} 类政策工具之一：{"、".join(scheme.names)}。

- 基础模型：{_base(config)}；在 `{_corpus(config)}` 的{fitted}上训练。
- 辅助句（只用于训练，从不用于评分）：{_auxiliary(config) or "无"}。
- 用 `PolicyClassifier.from_pretrained(文件夹)` 或 `pipeline("text-classification", model=文件夹)` 加载；
  权重以 float16 存储、以 float32 计算。

## 结果
{_results(run, chinese=True)}
## 局限

训练标注有噪声，体现的是一组编码者对分类体系的理解；句数少的类别区间较宽。模型只判断句子使用的政策工具，不评价政策的优劣、效果或作者，不得用于对个人或组织作出决定。非政策语体的文本不在测量范围内。
研究使用时应在自己的文件上人工编码并报告信度。
"""


def _base(config: dict[str, Any]) -> str:
    model = config["model"]
    return f"`{model['base']}`" + (f" @ `{model['revision']}`" if model.get("revision") else "")


def _corpus(config: dict[str, Any]) -> str:
    return Path(config["data"]["corpus"]).name


def _auxiliary(config: dict[str, Any]) -> str:
    return ", ".join(f"`{Path(path).name}`" for path in config["data"].get("auxiliary") or [])


def _results(run: Path, chinese: bool) -> str:
    folds = run / "crossvalidation.json"
    if not folds.is_file():
        missing = "见 `report.md`（由 evaluate 写出）。" if chinese else "See `report.md`, which `evaluate` writes."
        return f"\n{missing}\n"
    summary = json.loads(folds.read_text(encoding="utf-8"))[0]
    head = (
        "\n重复分层分组交叉验证，折外得分的均值与 95% 区间：\n\n"
        if chinese
        else "\nThe recipe over repeated stratified grouped folds, mean and 95 % interval:\n\n"
    )
    rows = [
        f"| {zh if chinese else en} | {f['value']:.3f} [{f['low']:.3f}, {f['high']:.3f}] |"
        for key, en, zh in _FIGURES
        for f in (summary["figures"][key],)
    ]
    return head + "| | |\n|---|---|\n" + "\n".join(rows) + "\n"
