"""The page: one safe file, and in a browser its filters count what the tables count."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import PLAIN_SCHEME, SCHEME, make_coding

from policy_bert.reports.methods import describe_methods
from policy_bert.reports.page import script_json, write_page
from policy_bert.reports.tables import build_tables

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def make_page(folder, scheme=SCHEME, **settings):
    coding = make_coding(folder, scheme, **settings)
    tables = build_tables(coding)
    coding = replace(coding, plan=tables.plan)
    write_page(coding, tables, describe_methods(coding, tables), folder / "report.html")
    return coding, tables, (folder / "report.html").read_text(encoding="utf-8")


def blocks(page):
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(content) for name, content in found}


@given(st.text())
def test_json_in_a_script_element_cannot_end_it_and_reads_back(text):
    embedded = script_json({"text": text})
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded) == {"text": text}


def test_the_page_asks_nothing_of_the_network(tmp_path):
    _, _, page = make_page(tmp_path)
    assert "default-src 'none'" in page
    assert re.findall(r"https?://[^\"'\s]*", page) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"""<(?:img|iframe|link(?! rel="icon" href="data:)|script src)""", page)
    assert "<script>alert" not in page


def test_the_blocks_hold_the_documents_text_in_order(tmp_path):
    coding, _, page = make_page(tmp_path)
    found = blocks(page)
    for index, document in enumerate(coding.documents()):
        text = "".join(gap + body for gap, body, *_ in found[f"doc-{index}"])
        assert document.text.startswith(text)
        assert document.text.rstrip("\n") == text


def test_the_tables_of_the_page_are_those_of_the_report(tmp_path):
    _, tables, page = make_page(tmp_path, by=("year", "region"))
    found = blocks(page)
    data = found["tables"]
    assert sum(share["count"] for share in data["labelShares"]) == tables.coded == data["coded"]
    assert sum(share["count"] for share in data["groupShares"]) == tables.coded
    for table in [*data["cross"], data["trend"]]:
        assert sum(map(sum, table["counts"])) == tables.coded
        assert sum(table["uncoded"]) == tables.uncoded
    codes = [found[f"codes-{index}"] for index in range(len(data["documents"]))]
    assert sum(len(code["labels"]) for code in codes) == tables.coded + tables.uncoded
    assert sum(sum(code["reviews"]) for code in codes) == tables.review


def test_each_language_has_a_page_of_its_own(tmp_path):
    coding, tables, page = make_page(tmp_path, warnings=("文件 1.docx：第 1、2 页没有文字层，未读取",))
    data = blocks(page)["tables"]
    names = [row.name for row in tables.documents] + [file.name for file in coding.skipped]
    said = json.dumps([data["words"]["en"], data["methods"]["en"], list(data["reasons"].values())], ensure_ascii=False)
    for name in names:
        said = said.replace(name, "")
    assert re.findall("[\u3400-\u9fff]+", said) == ["中文"]  # on the button that changes the language
    assert set(data["reasons"]) == set(tables.reasons)
    assert not re.search("unit of analysis", json.dumps(data["methods"]["zh"]), re.IGNORECASE)
    assert data["words"]["zh"].keys() == data["words"]["en"].keys()


def test_no_table_is_there_twice(tmp_path):
    _, _, page = make_page(tmp_path, by=("year", "region", "document"))
    data = blocks(page)["tables"]
    assert [table["field"] for table in data["cross"]] == ["region"]
    assert data["trend"]["field"] == "year"
    assert data["withoutYear"] == ["文件 4.docx"]


def run_in_browser(page, script, folder, width=1280):
    """The value that a script returns in the page, with the page's errors; the script runs after the page's own."""
    collect = "<script>window.errors = []; addEventListener('error', e => errors.push(String(e.message)));"
    collect += "addEventListener('securitypolicyviolation', e => errors.push('csp ' + e.blockedURI));</script>"
    probe = f"""<script>setTimeout(() => {{ const result = (() => {{ {script} }})();
      document.body.append(make("pre", {{id: "result"}}, JSON.stringify({{ result, errors,
        requests: performance.getEntriesByType("resource").map(e => e.name) }}))); }}, 0);</script>"""
    file = folder / "probe.html"
    file.write_text(page.replace("<style>", collect + "<style>", 1).replace("</body>", probe + "</body>"), "utf-8")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    flags += [
        f"--window-size={width},900",
        "--virtual-time-budget=5000",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--dump-dom",
    ]
    done = subprocess.run([CHROMIUM, *flags, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    answer = json.loads(html.unescape(re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL).group(1)))
    assert answer["errors"] == []
    assert answer["requests"] == []
    return answer["result"]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.slow
def test_in_a_browser_filters_count_what_the_coding_holds(tmp_path):
    coding, tables, page = make_page(tmp_path)
    units = [unit for document in coding.documents() for unit in document.units]
    label = max(range(len(SCHEME)), key=lambda i: sum(unit.label == i for unit in units))
    script = f"""
      const count = () => Number($("match-count").textContent.match(/\\d+$/)[0]), found = {{}};
      const set = (id, value) => {{ $(id).value = value; $(id).dispatchEvent(new Event("input")); }};
      found.all = count();
      set("filter-label", "{label}"); found.label = count(); set("filter-label", "uncoded"); found.uncoded = count();
      set("filter-label", ""); set("filter-group", "supply"); found.supply = count(); set("filter-group", "");
      set("filter-max", "0.5"); found.low = count(); set("filter-min", "0.4"); found.band = count();
      $("filter-reset").click(); $("filter-review").click(); found.review = count(); $("filter-reset").click();
      set("filter-name", "文件 2"); found.name = count(); $("filter-reset").click();
      nodes[0].node.open = true; showText(0); found.text = nodes[0].node.querySelectorAll(".unit").length;
      found.injected = document.querySelectorAll("#documents script").length;
      $("language").click(); found.english = $("match-count").textContent + document.querySelector("h1").textContent;
      return found;"""
    found = run_in_browser(page, script, tmp_path)
    asked = [unit.confidence for unit in units if unit.confidence is not None]
    documents = list(coding.documents())
    assert found == {
        "all": len(units),
        "label": sum(unit.label == label for unit in units),
        "uncoded": tables.uncoded,
        "supply": tables.group_shares()[0].count,
        "low": sum(confidence <= 0.5 for confidence in asked),
        "band": sum(0.4 <= confidence <= 0.5 for confidence in asked),
        "review": tables.review,
        "name": len(documents[1].units),
        "text": len(documents[0].units),
        "injected": 0,
        "english": f"matching units: {len(units)}Policy coding report",
    }


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.slow
def test_in_a_browser_a_scheme_without_sides_shows_its_classes(tmp_path):
    _, _, page = make_page(tmp_path, PLAIN_SCHEME, language="en")
    script = 'return [$("filter-group").closest("label").hidden, document.querySelectorAll("#classes .track").length];'
    assert run_in_browser(page, script, tmp_path) == [True, len(PLAIN_SCHEME)]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("width", [1280, 500])
def test_in_a_browser_the_page_fits_its_window_and_axes_have_quarters(tmp_path, language, width):
    _, _, page = make_page(tmp_path, documents=5, language=language)
    script = """
      const tracks = [...document.querySelectorAll(".track")].map(t => Math.round(t.getBoundingClientRect().width));
      return { over: document.documentElement.scrollWidth > innerWidth, tracks: new Set(tracks).size,
        axis: [...document.querySelectorAll(".axis span")].map(s => s.textContent),
        ticks: [...document.querySelectorAll("#trend svg text")].map(t => t.textContent) };"""
    found = run_in_browser(page, script, tmp_path, width)
    quarters = ["0%", "25%", "50%", "75%", "100%"]
    assert found == {"over": False, "tracks": 1, "axis": quarters, "ticks": [*quarters, "2019", "2020", "2021", "2022"]}
