"""The charts as PNG (300 dpi) and SVG, with Chinese or English text that is drawn the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from policy_bert.fonts import chinese_figures, drawable
from policy_bert.reports.palette import GROUP_COLOURS, group_colours, label_colours
from policy_bert.reports.tables import CrossTable, Tables

DPI = 300
MAX_ROWS = 40  # documents or values that a chart can show legibly
LABEL_CHARACTERS = 24

_WORDS = {
    "distribution": ("各类政策工具的分布", "Distribution of policy instruments"),
    "sides": ("各面向占比", "Shares of the sides"),
    "heatmap": ("文档 × 类别", "Documents by class"),
    "trend": ("各面向逐年占比", "Shares of the sides by year"),
    "cross": ("各面向占比，按{}", "Shares of the sides by {}"),
    "share": ("占已编码单元的比例（%）", "Share of coded units (%)"),
    "row_share": ("占本文档已编码单元的比例（%）", "Share of the document's coded units (%)"),
    "first": ("（单元最多的 {} 项）", " (the {} with most units)"),
    "year": ("年份", "year"),
    "issuer": ("发文机关", "issuer"),
    "document": ("文档", "document"),
    "title": ("标题", "title"),
    "number": ("发文字号", "document number"),
    "date": ("日期", "date"),
}


def write_figures(tables: Tables, folder: Path, language: str = "zh") -> list[Path]:
    """Write every chart that the counts allow and return the files, PNG and SVG of each.

    `01-distribution`, `02-sides` (a scheme with groups), `03-heatmap`, `04-trend` (two years or more) and
    `05-cross-<field>` (a field with two values or more). Nothing is drawn where nothing is coded.
    """
    if not tables.coded:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    charts = _Charts(tables, language)
    drawings: list[tuple[str, Callable[[], Any]]] = [("01-distribution", charts.distribution)]
    if tables.scheme.groups:
        drawings.append(("02-sides", charts.sides))
    drawings.append(("03-heatmap", charts.heatmap))
    if tables.has_years and len(_known(tables.trend())) > 1:
        drawings.append(("04-trend", charts.trend))
    for field in tables.cross_fields():
        table = tables.cross_table(field)
        if len(table.values) > 1 and field != "document":
            drawings.append((f"05-cross-{_file_word(field)}", partial(charts.cross, table)))
    written = []
    with chinese_figures():
        import matplotlib.pyplot as plt

        for name, draw in drawings:
            figure = draw()
            for suffix, metadata in ((".png", {"Software": "policy_bert"}), (".svg", {"Date": None})):
                path = folder / f"{name}{suffix}"
                figure.savefig(path, dpi=DPI, metadata=metadata, bbox_inches="tight")
                written.append(path)
            plt.close(figure)
    return written


class _Charts:
    def __init__(self, tables: Tables, language: str) -> None:
        self.tables = tables
        self.english = language == "en"
        self.labels = [self._name(label) for label in tables.scheme.labels]
        self.groups = [self._name(group) for group in tables.scheme.groups]

    def distribution(self) -> Any:
        """Bars of the classes, coloured by side, with 95 % intervals."""
        shares = self.tables.label_shares()
        sides = group_colours(self.tables.scheme)
        colours = [sides.get(label.group, GROUP_COLOURS[0]) for label in self.tables.scheme.labels]
        figure, axes = self._axes("distribution", 7.2, 1.2 + 0.32 * len(shares))
        self._interval_bars(axes, self.labels, shares, colours)
        if self.groups:
            from matplotlib.patches import Patch

            handles = [Patch(color=colour) for colour in sides.values()]
            axes.legend(handles, self.groups, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    def sides(self) -> Any:
        """Bars of the sides with 95 % intervals."""
        shares = self.tables.group_shares()
        figure, axes = self._axes("sides", 7.2, 1.2 + 0.42 * len(shares))
        self._interval_bars(axes, self.groups, shares, list(group_colours(self.tables.scheme).values()))
        return figure

    def heatmap(self) -> Any:
        """Documents by class: shares of each document's coded units; counts are written into the cells."""
        rows = [row for row in self.tables.documents if row.coded]
        cut = len(rows) > MAX_ROWS
        rows = sorted(rows, key=lambda row: -row.coded)[:MAX_ROWS]
        rows.sort(key=lambda row: row.id)
        shares = np.array([[100 * count / row.coded for count in row.counts] for row in rows])
        figure, axes = self._axes("heatmap", 2.6 + 0.5 * len(self.labels), 1.9 + 0.3 * len(rows), cut)
        image = axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0)
        axes.set_xticks(range(len(self.labels)), self.labels, rotation=45, ha="right")
        axes.set_yticks(range(len(rows)), [self._text(f"{row.id} {row.title or row.name}") for row in rows])
        for y, row in enumerate(rows):
            for x, count in enumerate(row.counts):
                if count:
                    dark = shares[y, x] > 0.6 * shares.max()
                    axes.text(x, y, str(count), ha="center", va="center", fontsize=7, color="w" if dark else "k")
        figure.colorbar(image, ax=axes, label=self._word("row_share"), fraction=0.05, pad=0.02)
        return figure

    def trend(self) -> Any:
        """Lines of the sides' shares (or the classes', without sides) over the years."""
        table = self.tables.trend()
        known = _known(table)
        years = [int(table.values[i]) if table.values[i].isdigit() else i for i in known]
        figure, axes = self._axes("trend", 7.2, 3.8)
        names, series, colours = self._series(table)
        for name, counts, colour in zip(names, series, colours, strict=True):
            points = [100 * counts[i] / max(1, sum(table.counts[i])) for i in known]
            axes.plot(years, points, marker="o", label=name, color=colour)
        axes.set_xticks(years, [table.values[i] for i in known])
        axes.set_ylabel(self._word("share"))
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    def cross(self, table: CrossTable) -> Any:
        """Stacked bars of the sides' shares (or the classes') for each value of a field."""
        order = sorted(range(len(table.values)), key=lambda i: -sum(table.counts[i]))[:MAX_ROWS]
        order.sort()
        cut = len(table.values) > MAX_ROWS
        figure, axes = self._axes("cross", 7.2, 1.3 + 0.38 * len(order), cut, self._field(table.field))
        left = np.zeros(len(order))
        for name, counts, colour in zip(*self._series(table), strict=True):
            widths = np.array([100 * counts[i] / max(1, sum(table.counts[i])) for i in order])
            axes.barh(range(len(order)), widths, left=left, color=colour, label=name)
            left += widths
        axes.set_yticks(range(len(order)), [f"{self._text(table.values[i])} (n={sum(table.counts[i])})" for i in order])
        axes.invert_yaxis()
        axes.set_xlabel(self._word("share"))
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    def _series(self, table: CrossTable) -> tuple[list[str], list[list[int]], list[str]]:
        scheme = self.tables.scheme
        if not scheme.groups:
            counts = [[row[i] for row in table.counts] for i in range(len(scheme))]
            return self.labels, counts, list(label_colours(scheme))
        members = [[label.id for label in scheme.in_group(group.id)] for group in scheme.groups]
        counts = [[sum(row[i] for i in ids) for row in table.counts] for ids in members]
        return self.groups, counts, list(group_colours(scheme).values())

    def _interval_bars(self, axes: Any, names: Sequence[str], shares: Sequence[Any], colours: Sequence[str]) -> None:
        values = np.array([100 * share.share for share in shares])
        errors = np.array([[100 * (s.share - s.low), 100 * (s.high - s.share)] for s in shares]).T.clip(0)
        axes.barh(range(len(names)), values, color=colours, xerr=errors, ecolor="#444", capsize=2)
        for y, share in enumerate(shares):
            axes.text(100 * share.high + 0.4, y, f"{100 * share.share:.1f}% ({share.count})", va="center", fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.18 * max(100 * share.high for share in shares) + 4)
        axes.set_xlabel(self._word("share"))

    def _axes(self, word: str, width: float, height: float, cut: bool = False, field: str = "") -> tuple[Any, Any]:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(width, height))
        first = self._word("first").format(MAX_ROWS) if cut else ""
        axes.set_title(self._word(word).format(field) + first)
        axes.spines[["top", "right"]].set_visible(False)
        return figure, axes

    def _word(self, key: str) -> str:
        return _WORDS[key][self.english]

    def _field(self, field: str) -> str:
        return self._word(field) if field in _WORDS else self._text(field)

    def _name(self, entry: Any) -> str:
        return self._text((self.english and entry.english) or entry.name, 40)

    def _text(self, text: str, limit: int = LABEL_CHARACTERS) -> str:
        text = text if len(text) <= limit else text[: limit - 1] + "…"
        return drawable(text).replace("$", r"\$")


def _known(table: CrossTable) -> list[int]:
    return [i for i, value in enumerate(table.values) if value.isascii() and value.isdigit()]


def _file_word(field: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in field)
