"""The stages of a GPU run: each takes the run and returns what its `result.json` says."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gpu_downstream import Downstream, free_memory
from gpu_figures import measure_figures

from policy_bert.errors import UserError
from policy_bert.pretrain import pretrain
from policy_bert.pretraining_data import PretrainingData, prepare_data
from policy_bert.pretraining_model import initial_model
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.settings import RunConfig
from policy_bert.shards import MEBIBYTE, split_folder
from policy_bert.time_budget import measure_speed

OBJECTIVES = {
    "mlm": {"objective": "mlm"},
    "rtd": {"objective": "rtd"},
    "mlm+contrast": {"objective": "mlm", "contrast_weight": 0.1},
    "rtd+contrast": {"objective": "rtd", "contrast_weight": 1.0},  # its other losses are larger
}
DEFAULT_SIZE, DEFAULT_OBJECTIVE = "6x384", "mlm"  # where no stage has chosen
PART_BYTES = 15 * MEBIBYTE  # below 16 MB
MOST_FILES = 8  # of what comes back, the manifest among them


@dataclass
class GpuRun:
    """What the stages share.

    Attributes:
        output: The folder with one folder a stage.
        sizes: A pretraining configuration a size; smallest first, the last is the teacher's.
        finetune: The recipe that compares encoders.
        minutes: How long each training of a stage takes.
        silver_labels: The table of silver labels, None for none.
        figures: The shape, the checkpoint and the numbers of sentences that `figures` measures with.
        size: The size to go on with, None for the best of `sizes`.
        objective: The objective to go on with, None for the best of `objectives`.
        repeats: How many outer folds, each of another repeat, the downstream score is the mean of.
    """

    output: Path
    sizes: dict[str, PretrainConfig]
    finetune: RunConfig
    minutes: dict[str, float]
    silver_labels: str | None
    figures: dict[str, Any]
    size: str | None = None
    objective: str | None = None
    repeats: int = 1

    @cached_property
    def data(self) -> PretrainingData:
        """The windows, made once for all trainings and kept in `data`."""
        folder, config = self.output / "data", next(iter(self.sizes.values()))
        source = {
            "text": [asdict(one) for one in config.text],
            "exclude": list(config.exclude),
            "window_tokens": config.window_tokens,
            "vocabulary_size": config.encoder.vocabulary_size,
            "held_out_fraction": config.held_out_fraction,
        }
        record = folder / "source.json"  # written last: it marks the rest as complete
        if record.is_file() and json.loads(record.read_text(encoding="utf-8")) == source:
            return PretrainingData.load(folder)
        shutil.rmtree(folder, ignore_errors=True)
        data = prepare_data(replace(config, output=str(folder)))
        data.save(folder)
        record.write_text(json.dumps(source), encoding="utf-8")
        return data

    @cached_property
    def downstream(self) -> Downstream:
        """The corpus and its inner folds."""
        text = tuple(source.path for source in next(iter(self.sizes.values())).text)
        return Downstream(self.finetune, text, self.silver_labels, self.repeats)

    def result(self, stage: str) -> dict[str, Any]:
        """What a stage has found, empty where it has not run."""
        path = self.output / stage / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def chosen_size(self) -> str:
        """The size asked for, or the one with the best macro-F1, or the default."""
        return self.size or _best(self.result("sizes"), fallback=DEFAULT_SIZE)

    def chosen_objective(self) -> str:
        """Likewise of objectives."""
        return self.objective or _best(self.result("objectives"), fallback=DEFAULT_OBJECTIVE)

    def train(self, folder: Path, size: str, objective: str, minutes: float) -> dict[str, Any]:
        """Pretrain and fine-tune an encoder, or take up what is there; both figures."""
        encoder, score = folder / "encoder", folder / "score.json"
        config = replace(self.sizes[size], output=str(folder), minutes=minutes, **OBJECTIVES[objective])
        if not (encoder / "vocab.txt").is_file():  # the last file that is written
            pretrain(config, self.data)
            free_memory()
        if not score.is_file():
            score.write_text(json.dumps(self.downstream.score(encoder, folder / "finetuned")), encoding="utf-8")
            free_memory()
        pretraining = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        downstream = json.loads(score.read_text(encoding="utf-8"))
        return {"size": size, "objective": objective, "minutes": minutes, **pretraining, "downstream": downstream}


def _best(result: dict[str, Any], fallback: str) -> str:
    runs = result.get("runs", {})
    return max(runs, key=lambda name: runs[name]["downstream"]["macro_f1"]) if runs else fallback


def probe(run: GpuRun) -> dict[str, Any]:
    """Tokens a second and utilisation of every size, for masked-language modelling."""
    found = {}
    for size, config in run.sizes.items():
        model = initial_model(config, run.data, config.encoder.layers)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        found[size] = {"parameters": parameters, **asdict(measure_speed(config, model, run.data))}
        del model
        free_memory()
    return {"sizes": found}


def sizes(run: GpuRun) -> dict[str, Any]:
    """Every size for equal time, and what it is worth downstream."""
    folder, minutes = run.output / "sizes", run.minutes["sizes"]
    return {"runs": {size: run.train(folder / size, size, DEFAULT_OBJECTIVE, minutes) for size in run.sizes}}


def objectives(run: GpuRun) -> dict[str, Any]:
    """Every objective for equal time at the chosen size; a training that `sizes` has made is not made again."""
    minutes, size = run.minutes["objectives"], run.chosen_size()
    folders = {name: run.output / "objectives" / f"{size}-{name}" for name in OBJECTIVES}
    if run.result("sizes").get("runs", {}).get(size, {}).get("minutes") == minutes:
        folders[DEFAULT_OBJECTIVE] = run.output / "sizes" / size
    return {"runs": {name: run.train(folder, size, name, minutes) for name, folder in folders.items()}}


def long(run: GpuRun) -> dict[str, Any]:
    """The chosen size and objective for the long run: the encoder that may ship."""
    return run.train(run.output / "long" / "run", run.chosen_size(), run.chosen_objective(), run.minutes["long"])


def teacher(run: GpuRun) -> dict[str, Any]:
    """The largest encoder, fine-tuned; `run/finetuned/adapted` has seen no corpus label: it may teach in any fold."""
    largest = list(run.sizes)[-1]
    return run.train(run.output / "teacher" / "run", largest, run.chosen_objective(), run.minutes["teacher"])


def distill(run: GpuRun) -> dict[str, Any]:
    """The long run's adapted model taught by the teacher's scores of unlabelled sentences, and what that is worth.

    Raises:
        UserError: `long` or `teacher` has no result.
    """
    missing = [name for name in ("long", "teacher") if not run.result(name)]
    if missing:
        raise UserError(f"nothing to distill: the stage `{missing[0]}` has no result")
    student, teacher = (run.output / name / "run" / "finetuned" / "adapted" for name in ("long", "teacher"))
    folder = run.output / "distill" / "run"
    distilled = run.downstream.distil(student, [teacher], folder)
    free_memory()
    before = {name: run.result(name)["downstream"] for name in ("long", "teacher")}
    return {"downstream": run.downstream.score(distilled, folder / "finetuned", adapted=True), "before": before}


def figures(run: GpuRun) -> dict[str, Any]:
    """Fine-tuning and scoring speed at the size of bert-base-chinese, and scoring speed of the shipped classifier."""
    return measure_figures(**run.figures)


def pack(run: GpuRun) -> dict[str, Any]:
    """The long run's encoder, the distilled model and every stage's figures, in parts that a narrow channel carries.

    Raises:
        UserError: There is no long run, or there are more parts than may come back.
    """
    if not run.result("long"):
        raise UserError("nothing to pack: the stage `long` has no result")
    folder = run.output / "pack"
    content, parts = folder / "content", folder / "parts"
    for path in (content, parts):
        shutil.rmtree(path, ignore_errors=True)
    content.mkdir(parents=True)
    for name in STAGES:
        for file in (run.output / name).glob("*.json"):
            (content / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, content / name)
    for file in ("curve.csv", "config.yaml"):
        shutil.copy(run.output / "long" / "run" / file, content / "long")
    shutil.copytree(run.output / "long" / "run" / "encoder", content / "long" / "encoder")
    if run.result("distill"):
        shutil.copytree(run.output / "distill" / "run" / "distilled", content / "distill" / "distilled")
    files = split_folder(content, parts, PART_BYTES)
    if len(files) + 1 > MOST_FILES:
        raise UserError(f"{parts}: {len(files) + 1} files, at most {MOST_FILES} may come back; choose a smaller --size")
    return {"parts": [path.name for path in files], "bytes": sum(path.stat().st_size for path in files)}


def table(output: Path) -> list[dict[str, Any]]:
    """One row a training, for `summary.csv`."""
    rows = []
    for stage in ("sizes", "objectives", "long", "teacher"):
        path = output / stage / "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        for one in result.get("runs", {"": result} if result else {}).values():
            names = ("size", "objective", "minutes", "tokens", "tokens_per_s", "utilisation", "held_out_loss")
            scores = {name: one["downstream"][name] for name in ("accuracy", "macro_f1")}
            rows.append({"stage": stage, **{name: one[name] for name in names}, **scores})
    return rows


def write_table(output: Path) -> None:
    """`summary.csv` of the trainings so far."""
    rows = table(output)
    if rows:
        with (output / "summary.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


STAGES: dict[str, Callable[[GpuRun], dict[str, Any]]] = {
    stage.__name__: stage for stage in (probe, sizes, objectives, long, teacher, distill, figures, pack)
}
