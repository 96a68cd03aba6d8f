"""Sentences that use no policy instrument, as far as their form alone decides; all others are left to the model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy_bert.documents.model import UnitKind

_THIS = (
    r"本(?:法|条例|办法|规定|细则|意见|方案|规划|计划|通知|纲要|措施|指南|指引|制度|规则|解释|决定|公告|标准|行动计划|实施意见|实施细则|实施方案"
    r"|暂行办法|管理办法)"
)
_LEGAL_BASIS = re.compile(
    rf"(?:为|为了|根据|依据|按照|依照|结合|经|现).*(?:制定|制订|修订|编制|出台){_THIS}(?:（试行）)?[。；]?$"
    r"|(?:为|为了|根据|依据|按照|依照|经|现).*(?:提出|作出|制定|明确|通知|公告|决定|规定|解释|印发)"
    r"(?:了)?(?:如下|以下|本)[\u4e00-\u9fff]{0,12}[：:。]?$"
    r"|^(?:为|为了|根据|依据|按照|经).*(?:如下|以下)[：:]$"
)
_DEFINITION = re.compile(
    rf"^{_THIS}(?:中)?(?:所)?(?:称|指)[^，。]{{0,40}}[，,]?\s*(?:是|即|包括)?指?"
    rf"|^{_THIS}(?:中)?下列(?:用语|术语|概念)|^[“《]?[^，。“”]{{1,20}}[”》]?[，,]\s*是指|^(?:前款|前述|上述)所称[^，。]{{1,40}}[，,]\s*(?:是|即)?指"
    r"|(?:用语|术语)的?(?:含义|定义)(?:如下|是)?[：:]?$"
)
_FORMAL = re.compile(
    rf"^{_THIS}(?:（试行）)?(?:，)?(?:自|从|于).{{0,30}}(?:施行|实施|执行|生效)"
    rf"|{_THIS}.{{0,10}}由.{{1,40}}负责(?:具体)?解释|(?:同时|即行)废止[。；]?$|^{_THIS}.{{0,12}}有效期"
    r"|^特此(?:通知|公告|通告|函复|批复)|^(?:以上|上述)?.{0,30}请.{0,20}认真(?:贯彻|遵照|组织)"
    r"|印发给你们|^(?:现|现将).{2,80}(?:印发|转发|公布|发布)(?:给你们)?|^以上报告.{0,20}(?:审议|审查)"
    r"|^[（(](?:责任|牵头|配合|参与)(?:单位|部门)?[：:][^（）()]*[）)][。；]?$|^[（(][^（）()]{2,120}(?:负责|参与|配合|牵头)[）)][。；]?$"
    r"|^(?:责任|牵头|配合)(?:单位|部门)[：:]"
)
_BACKGROUND = re.compile(
    r"^(?:近年来|近年|近些年|多年来|长期以来|改革开放以来|党的十[八九]大以来|进入新时代|当前|目前|当今|与此同时|同时也要看到|但也存在"
    r"|随着|“十[二三四]五”(?:时期|期间|以来)|过去[一五]年|\d{4}年(?:以来|末|底)?，?我[国省市区县]|经过.{1,12}(?:努力|发展))"
)
# Words by which a sentence orders, promises or forbids something: such a sentence is never background.
_DIRECTIVE = re.compile(
    r"应当|应该|必须|不得|要(?:加快|加强|坚持|进一步|切实|大力|着力|充分|抓住|把|推)|鼓励|支持|推动|推进|加快|加强|完善|建立健全|建设|实施|开展|力争|确保|严禁"
)
_BACKGROUND_HEADING = re.compile(
    r"^(?:[^\s]*[、）)．.\s])?(?:发展)?(?:背景|现状|现状与形势|形势|发展形势|面临形势|面临的形势|发展现状|现实基础|发展基础|发展现状和形势|发展环境|重要意义|重大意义|规划背景"
    r"|工作回顾|过去.{0,6}回顾|.{0,8}工作回顾|存在(?:的)?(?:主要)?问题|主要成效|发展成效)$"
)


def sentence_kind(sentence: str, headings: Sequence[str] = (), preamble: bool = False) -> UnitKind:
    """What a sentence's form says it is: `legal_basis`, `definition`, `formal`, `background`, or else `content`.

    Conservative: a legal basis must end in making this document (制定本办法, 提出如下意见), a definition must say 是指
    of a term or name the document (本法所称), background must open with its usual words and order nothing, and stand
    before the first numbered part or below a heading such as 发展形势.

    Args:
        sentence: The sentence without its numbering.
        headings: The headings above it.
        preamble: Whether it stands before the first numbered part.
    """
    sentence = sentence.strip()
    if _FORMAL.search(sentence):
        return "formal"
    if _LEGAL_BASIS.search(sentence):
        return "legal_basis"
    if _DEFINITION.search(sentence) and (
        "指" in sentence or "称" in sentence or "用语" in sentence or "术语" in sentence
    ):
        return "definition"
    below_background = any(_BACKGROUND_HEADING.match(heading.strip()) for heading in headings)
    if below_background and not _ORDERS.search(sentence):
        return "background"
    if preamble and _BACKGROUND.match(sentence) and (not _DIRECTIVE.search(sentence) or _NARRATES.search(sentence)):
        return "background"
    return "content"


# Under a heading such as 发展形势 only a plain order is content; in a preamble 取得…成就 outweighs a word of action.
_ORDERS = re.compile(r"应当|必须|不得|严禁|^(?:鼓励|支持|推动|推进|加快|加强|完善|建立|建设|实施|开展)")
_NARRATES = re.compile(
    r"取得|成效|成就|存在|不足|面临|不平衡|问题|挑战|机遇|日益|不断(?:提升|扩大|增强|完善|涌现)|迅速|蓬勃"
)
