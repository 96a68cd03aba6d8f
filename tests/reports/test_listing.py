"""`documents.csv`: every document once, its identifiers and metadata as text."""

import csv
from dataclasses import replace

from report_samples import make_coding

from policy_bert.reports import columns
from policy_bert.reports.coding import read_part, write_part
from policy_bert.reports.listing import write_documents


def test_every_document_is_a_row_with_its_fields_as_text(tmp_path):
    coding = make_coding(tmp_path)
    first = read_part(coding.parts[0])
    write_part(replace(first, metadata={"region": "东部", "代码": "0044", columns.DOCUMENT_ID: "x"}), coding.parts[0])
    write_documents(coding, tmp_path / "documents.csv")
    with (tmp_path / "documents.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row[columns.DOCUMENT_ID] for row in rows] == ["01", "02", "03", "04"]
    assert [row["year"] for row in rows] == ["2019", "2020", "2021", ""]
    assert [row["region"] for row in rows] == ["东部", "西部", "东部", "西部"]
    assert [row["代码"] for row in rows] == ["0044", "", "", ""]
    assert {row["issuer"] for row in rows} == {"某市人民政府"}
