"""Tables: what a column's head says of the cells below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy_bert.documents.model import UnitKind
from policy_bert.documents.structure.background import sentence_kind

_SHORTEST_CELL = 8
# A column's head that names what is done; every other head (序号, 责任单位, 指标来源 …) heads names, figures or sources.
_MEASURES = re.compile(
    r"任务|措施|举措|内容|要求|做法|条款|方向|事项|政策|目标(?!值)|标准(?!号|编号)|重点|建设|安排|说明|描述|支持|职责|义务|成果|条件"
)
_NAMES = re.compile(
    r"序号|编号|代码|单位|部门|机构|来源|指标|名称|时间|时限|年度|年份|期限|进度|计算|公式|方法|备注|联系|电话|地区|区域|数值|目标值|属性|类别|类型|所属|依据|姓名|职务|职称|邮箱"
    r"|地址|层级|领域|数量|金额|频次|频率|权重|分值|得分|牵头|负责|责任人|参与|配合|标准号|标题|文号|日期|[A-Za-z]{2,}"
)
_VERBLESS = re.compile(
    r"[=＝×÷]|^[^。；，]{1,24}(?:率|数|额|量|比重|占比|规模|指数|面积|比例|水平|增速|产值|收入|投资|强度)(?:[（(][^（）()]{1,20}[）)])?$"
)


class Columns:
    """The heads of the table that is being read, row by row."""

    def __init__(self) -> None:
        self._heads: tuple[str, ...] = ()

    def heads(self, line: str) -> Sequence[str]:
        """The heads of the columns of a row, one a cell; empty for a line that is no row or a row without known heads.

        The first row of a table whose cells are short and hold no sentence is its head, and heads itself by 名称.
        """
        if "\t" not in line:
            self._heads = ()
            return ()
        cells = [cell.strip() for cell in line.split("\t")]
        if is_head_row(cells):
            self._heads = tuple(cells)
            return ["名称"] * len(cells)
        return self._heads if len(cells) == len(self._heads) else ()


def is_head_row(cells: Sequence[str]) -> bool:
    """Whether a row's cells are the heads of columns: short, without a sentence, and at least two of them usual heads."""
    if any(len(cell) > 16 or re.search(r"[。；]", cell) for cell in cells):
        return False
    named = sum(bool(_MEASURES.search(cell) or _NAMES.search(cell)) for cell in cells)
    return (
        named >= 2
        and named >= len([cell for cell in cells if cell]) / 2
        and not any(cell.isdecimal() for cell in cells)
    )


def cell_kind(body: str, head: str) -> UnitKind:
    """What a cell's sentence is: `table` if it is short, a name or a formula, or stands below a head of such; else by form."""
    letters = sum(character.isalpha() for character in body)
    if letters < _SHORTEST_CELL or not re.search(r"[\u3400-\u9fff]", body):
        return "table"
    if head and _NAMES.search(head) and not re.search(r"任务|措施|举措|内容|要求|做法|目标(?!值)", head):
        return "table"
    if _VERBLESS.search(body):
        return "table"
    kind = sentence_kind(body)
    return "table" if kind == "fragment" else kind
