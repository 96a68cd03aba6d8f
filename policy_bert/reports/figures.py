"""The charts as PNG (300 dpi) and SVG, with Chinese or English text that is drawn the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from policy_bert.fonts import chinese_figures, drawable
from policy_bert.reports.columns import UNKNOWN
from policy_bert.reports.palette import GROUP_COLOURS, group_colours, label_colours
from policy_bert.reports.tables import CrossTable, Share, Tables, is_year
from policy_bert.reports.words import field_word, word

DPI = 300
MAX_ROWS = 40  # documents or values that a chart can show legibly
LABEL_CHARACTERS = 24
MAX_TICKS = 12  # years that an axis names
NAMED = 3  # documents without a year that a chart names
BESIDE: dict[str, Any] = {"frameon": False, "loc": "upper left", "bbox_to_anchor": (1, 1)}  # where legends stand


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
            name = "".join(c if c.isalnum() else "-" for c in field)
            drawings.append((f"05-cross-{name}", partial(charts.cross, table)))
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
        self.language, self._word = language, partial(word, language)
        self.labels = [self._name(label) for label in tables.scheme.labels]
        self.groups = [self._name(group) for group in tables.scheme.groups]

    def distribution(self) -> Any:
        """Bars of the classes, coloured by side, with 95 % intervals."""
        shares = self.tables.label_shares()
        sides = group_colours(self.tables.scheme)
        colours = [sides.get(label.group, GROUP_COLOURS[0]) for label in self.tables.scheme.labels]
        figure, axes = self._axes("distribution_figure", 7.2, 1.2 + 0.32 * len(shares))
        self._interval_bars(axes, self.labels, shares, colours)
        if self.groups:
            from matplotlib.patches import Patch

            axes.legend([Patch(color=colour) for colour in sides.values()], self.groups, **BESIDE)
        return figure

    def sides(self) -> Any:
        """Bars of the sides with 95 % intervals."""
        shares = self.tables.group_shares()
        figure, axes = self._axes("sides_figure", 7.2, 1.2 + 0.42 * len(shares))
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
        """Lines of the sides' shares (or the classes') over the years, broken where years are missing."""
        from matplotlib.ticker import MaxNLocator

        table = self.tables.trend()
        known = {int(table.values[i]): i for i in _known(table)}
        coded = {year: table.shares[i] for year, i in known.items() if sum(table.counts[i])}
        years = range(min(known), max(known) + 1)
        figure, axes = self._axes("trend_figure", 7.2, 3.8)
        names, colours = self._series()
        for line, (name, colour) in enumerate(zip(names, colours, strict=True)):
            shares = [coded[year][line] if year in coded else None for year in years]
            points = [100 * share.share if share else np.nan for share in shares]
            axes.plot(years, points, marker="o", markersize=4, label=name, color=colour)
            shift = 0.06 * (line - (len(names) - 1) / 2)
            for year, share in zip(years, shares, strict=True) if self.groups else ():
                if share and share.low is not None and share.high is not None:
                    axes.vlines(year + shift, 100 * share.low, 100 * share.high, color=colour, alpha=0.4)
        axes.xaxis.set_major_locator(MaxNLocator(MAX_TICKS, integer=True, min_n_ticks=1))
        axes.set_xlim(min(known) - 0.5, max(known) + 0.5)
        axes.set_ylabel(self._word("share"))
        axes.set_ylim(0, 103)
        axes.set_yticks(range(0, 101, 25))
        axes.legend(**BESIDE)
        if missing := self.tables.without_year():
            named = self._word("comma").join(self._text(name) for name in missing[:NAMED])
            named += self._word("and_more") if len(missing) > NAMED else ""
            note = self._word("without_year", len(missing), named)
            axes.text(0, -0.16, note, transform=axes.transAxes, fontsize=8, va="top", color="#555")
        return figure

    def cross(self, table: CrossTable) -> Any:
        """Stacked bars of the sides' shares (or the classes') for each value of a field."""
        order = sorted(range(len(table.values)), key=lambda i: -sum(table.counts[i]))[:MAX_ROWS]
        order.sort()
        cut = len(table.values) > MAX_ROWS
        field = self._text(field_word(table.field, self.language))
        figure, axes = self._axes("cross_figure", 7.2, 1.3 + 0.38 * len(order), cut, field)
        left = np.zeros(len(order))
        for line, (name, colour) in enumerate(zip(*self._series(), strict=True)):
            widths = np.array([100 * table.shares[i][line].share for i in order])
            axes.barh(range(len(order)), widths, left=left, color=colour, label=name)
            left += widths
        known = {UNKNOWN: self._word("unknown")}
        values = [known.get(table.values[i]) or self._text(table.values[i]) for i in order]
        totals = (sum(table.counts[i]) for i in order)
        axes.set_yticks(range(len(order)), [f"{value} (n={n})" for value, n in zip(values, totals, strict=True)])
        axes.invert_yaxis()
        axes.set_xlabel(self._word("share"))
        axes.set_xticks(range(0, 101, 25))
        axes.legend(**BESIDE)
        return figure

    def _series(self) -> tuple[list[str], list[str]]:
        """Names and colours of what a cross-table has shares of."""
        scheme = self.tables.scheme
        colours = group_colours(scheme).values() if scheme.groups else label_colours(scheme)
        return self.groups or self.labels, list(colours)

    def _interval_bars(self, axes: Any, names: Sequence[str], shares: Sequence[Share], colours: Sequence[str]) -> None:
        axes.barh(range(len(names)), [100 * share.share for share in shares], color=colours)
        ends = [100 * (share.share if share.high is None else share.high) for share in shares]
        for y, (share, end) in enumerate(zip(shares, ends, strict=True)):
            if share.low is not None and share.high is not None:
                below, above = share.share - share.low, share.high - share.share
                axes.errorbar(100 * share.share, y, xerr=[[100 * below], [100 * above]], ecolor="#444", capsize=2)
            axes.text(end + 0.8, y, f"{100 * share.share:.1f}% ({share.count})", va="center", fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, max(100.0, *(end + 16 for end in ends)))
        axes.set_xticks(range(0, 101, 25))
        axes.set_xlabel(self._word("share"))

    def _axes(self, title: str, width: float, height: float, cut: bool = False, field: str = "") -> tuple[Any, Any]:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(width, height))
        first = self._word("first", MAX_ROWS) if cut else ""
        axes.set_title(self._word(title).format(field) + first)
        axes.spines[["top", "right"]].set_visible(False)
        return figure, axes

    def _name(self, entry: Any) -> str:
        return self._text((self.language == "en" and entry.english) or entry.name, 40)

    def _text(self, text: str, limit: int = LABEL_CHARACTERS) -> str:
        text = text if len(text) <= limit else text[: limit - 1] + "…"
        return drawable(text).replace("$", r"\$")


def _known(table: CrossTable) -> list[int]:
    return [i for i, value in enumerate(table.values) if is_year(value)]
