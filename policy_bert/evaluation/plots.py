"""Figures of an evaluation, with Chinese class names that are drawn the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.fonts import chinese_figures, drawable

DPI = 150
CELL_INCHES = 0.45
MOST_CLASSES_WITH_COUNTS = 40


def draw_confusion_matrix(matrix: NDArray[np.int64], names: Sequence[str], path: str | Path, title: str = "") -> Path:
    """Write the confusion matrix as PNG (or what the file name's ending says) and return its path.

    Cells are coloured by their share of the true class and hold the counts, zeros left out; above
    `MOST_CLASSES_WITH_COUNTS` classes the colours alone are drawn.

    Args:
        matrix: Counts, shape (classes, classes): row the true class, column the predicted one.
        names: Class names in the order of the rows; a character that the font lacks is drawn as 〓.
        path: The file to write.
        title: Stands above the figure.

    Raises:
        ValueError: There are not as many names as classes.
    """
    classes = len(names)
    if matrix.shape != (classes, classes):
        raise ValueError(f"expected a matrix of {classes} × {classes} counts, found shape {matrix.shape}")
    ticks = [f"{index} {_plain(name)}" for index, name in enumerate(names)]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with_counts = classes <= MOST_CLASSES_WITH_COUNTS
    side = max(4.0, (CELL_INCHES if with_counts else 0.2) * classes)
    with chinese_figures():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(side + 2.2, side + 1.6), dpi=DPI, layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
        axes.set_xticks(range(classes), ticks, rotation=90, fontsize=10 if with_counts else 7)
        axes.set_yticks(range(classes), ticks, fontsize=10 if with_counts else 7)
        axes.set_xlabel("预测类别 predicted")
        axes.set_ylabel("人工类别 labelled")
        axes.set_title(_plain(title))
        figure.colorbar(image, ax=axes, shrink=0.7, label="占人工类别的比例 share of the labelled class")
        if with_counts:
            for row, column in np.argwhere(matrix):
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
        figure.savefig(path)
    return Path(path)


def _plain(text: str) -> str:
    """The text as matplotlib draws it to the letter: no missing glyphs, and `$` begins no formula."""
    return drawable(text).replace("$", r"\$")
