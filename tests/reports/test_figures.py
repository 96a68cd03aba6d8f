"""Figures: every chart as PNG at 300 dpi and SVG, its Chinese labels drawn; a missing glyph is an error."""

import warnings
from dataclasses import replace

import pytest
from PIL import Image
from report_samples import PLAIN_SCHEME, SCHEME, make_coding

from policy_bert.fonts import CHINESE_FONT, GETA_MARK, chinese_figures, drawable, missing_glyphs
from policy_bert.reports import figures
from policy_bert.reports.figures import write_figures
from policy_bert.reports.palette import group_colours, label_colours
from policy_bert.reports.tables import Tables, build_tables
from policy_bert.reports.words import WORDS


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    tables = build_tables(make_coding(folder, by=("region", "year")))
    return write_figures(tables, folder / "out"), tables


def test_every_chart_is_there_as_png_and_svg(charts):
    names = ["01-distribution", "02-sides", "03-heatmap", "04-trend", "05-cross-region", "05-cross-year"]
    assert [path.name for path in charts[0]] == [f"{name}{suffix}" for name in names for suffix in (".png", ".svg")]
    for path in charts[0]:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert [round(dpi) for dpi in image.info["dpi"]] == [300, 300]
                assert len(image.convert("L").resize((60, 60)).getcolors()) > 3


def test_svg_draws_chinese_as_outlines_of_the_shipped_font(charts):
    svg = next(path for path in charts[0] if path.name == "01-distribution.svg").read_text(encoding="utf-8")
    for name in SCHEME.names:
        assert name in svg  # matplotlib notes each text beside its outlines
    assert "<text" not in svg
    assert "font-family" not in svg


def test_a_missing_glyph_is_an_error_and_drawable_text_has_none(tmp_path):
    rare = "\U00020bb7野"
    assert missing_glyphs(rare) == {"\U00020bb7"}
    assert drawable(rare) == f"{GETA_MARK}野"
    with chinese_figures():
        import matplotlib.pyplot as plt

        figure = plt.figure()
        figure.text(0.5, 0.5, rare)
        with pytest.raises(UserWarning, match="missing from"):
            figure.savefig(tmp_path / "rare.png")
        plt.close(figure)


def test_the_font_draws_all_of_gb2312_and_the_scheme():
    hanzi = [bytes([high, low]) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF)]
    text = b"".join(hanzi).decode("gb2312", errors="ignore")
    words = "".join(word for pair in WORDS.values() for word in pair)
    assert len(text) > 6700
    assert not missing_glyphs(text + "".join(SCHEME.names) + words + "，。、；：？！“”‘’（）《》〔〕…—·％")
    assert CHINESE_FONT.stat().st_size < 6_000_000
    assert (CHINESE_FONT.parent / "OFL.txt").read_text(encoding="utf-8").count("SIL OPEN FONT LICENSE") == 1


def test_documents_with_rare_characters_dollars_and_long_titles_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "MAX_ROWS", 2)
    monkeypatch.setattr(figures, "DPI", 40)
    tables = build_tables(make_coding(tmp_path, documents=4, by=("region", "title")))
    rows = [
        type(row)(
            row.id, row.name, "$\U00020bb7$长" * 20, row.year, {**row.fields, "title": f"${row.id}$"}, row.counts, 0, 0
        )
        for row in tables.documents
    ]
    changed = Tables(tables.scheme, tuple(rows), {}, tables.by)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert len(write_figures(changed, tmp_path / "out", "en")) == 12


def test_a_scheme_without_sides_or_codes_is_drawn_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "DPI", 40)
    tables = build_tables(make_coding(tmp_path, PLAIN_SCHEME))
    names = {path.stem for path in write_figures(tables, tmp_path / "out")}
    assert names == {"01-distribution", "03-heatmap", "04-trend", "05-cross-year"}
    assert write_figures(Tables(PLAIN_SCHEME, (), {}), tmp_path / "none") == []


def test_classes_of_a_side_are_distinct_shades_of_its_colour():
    shades, sides = label_colours(SCHEME), group_colours(SCHEME)
    assert len(set(shades)) == len(SCHEME)
    for group in SCHEME.groups:
        assert shades[SCHEME.in_group(group.id)[0].id] == sides[group.id]


def test_a_trend_names_whole_years_once_breaks_at_gaps_and_names_who_has_no_year(tmp_path):
    made = build_tables(make_coding(tmp_path, documents=6))
    years = ["1998", "1999", "2015", "2016", "", "不详"]
    rows = [replace(row, fields={"year": year}) for row, year in zip(made.documents, years, strict=True)]
    tables = replace(made, documents=tuple(rows))
    with chinese_figures():
        figure = figures._Charts(tables, "zh").trend()
        figure.canvas.draw()
        axes = figure.axes[0]
        labels = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
        line = axes.lines[0]
    assert len(set(labels)) == len(labels) <= figures.MAX_TICKS + 1
    assert all(label.isdigit() for label in labels)
    assert list(axes.get_yticks()) == [0, 25, 50, 75, 100]
    missing = [int(x) for x, y in zip(*line.get_data(), strict=True) if y != y]
    assert missing == list(range(2000, 2015))
    assert any("文件 5.docx、文件 6.docx" in text.get_text() for text in axes.texts)
