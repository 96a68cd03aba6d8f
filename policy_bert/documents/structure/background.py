"""What uses no policy instrument, as far as form decides: by the section it stands in, by the sentence's own shape."""

from __future__ import annotations

import re

from policy_bert.documents.metadata import is_date_line
from policy_bert.documents.model import UnitKind
from policy_bert.documents.titles import LABEL_NAMES

# A rule reads this much of a sentence's beginning and as much of its end, so no text can make it slow.
_READ = 200
_THIS = (
    r"本(?:法|条例|办法|规定|细则|意见|方案|规划|计划|通知|纲要|措施|指南|指引|制度|规则|解释|决定|公告|标准|行动计划|实施意见|实施细则|实施方案"
    r"|暂行办法|管理办法|政策|若干政策|若干措施)"
)
_YEARS = r"(?!\d{4})(?:过去|刚刚过去|近|这|[一二两三四五六七八九十几多\d]){1,6}(?:个)?[年月]"

_Rule = tuple[UnitKind, re.Pattern[str]]


def _section(kind: UnitKind, *forms: str) -> _Rule:
    return kind, re.compile("|".join(forms))


# What the heading of a section says of everything below it; the first that fits decides.
_ACTS = (
    r"(?:进一步|加快|加强|加大|支持|鼓励|实施|构建|打造|培育|引导|深化|强化|建立|健全|开展|完善|公开|公示|报告|报送|定期|及时|检查|跟踪|通报|掌握|监测|核查|了解|统计|考核|提升|提高|巩固|扩大|增强|确保|力争"
    r"|注重|突出|解决|化解|应对|把握|抓住|优化|营造|改善|推动|推进|明确|规范|严格|落实|促进)"
)
_SECTIONS: tuple[_Rule, ...] = (
    _section(
        "definition",
        r"^(?:有关|相关|主要)?(?:名词|术语|概念|指标|缩略语|用语|名词术语|专业术语)[和与及、\u4e00-\u9fff]{0,8}?(?:解释|说明|定义|含义|注释|缩略语)?$",
        r"^(?:注释|注|释义)$",
    ),
    _section(
        "formal",
        r"^(?:联系|咨询|报名|缴费|投诉)(?:方式|电话|地址|人|渠道|时间)",
        r"^(?:申报|报送|提交|受理|填报|办理|报名|推荐|申请|材料|服务与)\S{0,4}(?:时间|地点|方式|流程|程序|时限|途径|渠道|期限|材料|咨询|须知|说明|报送|清单)$",
        r"^(?:报送|提交|填报|材料|申报材料|推荐材料)\S{0,4}要求$",
        r"^(?:填表|填写|编制|使用|文本)(?:说明|须知|要求)$",
        r"^(?:组织推荐[及和与]报送|在线填报|时间安排|其他说明|有效期限?|施行日期|解释权?|服务与咨询|咨询方式|参会回执)",
    ),
    _section(
        "background",
        r"^(?:过去|回顾|刚刚过去)(?!的?问题)",
        rf"^(?!{_ACTS}).{{0,24}}(?:回顾|总结|取得(?:的)?(?:成效|成绩|成就|进展)|(?:工作|发展|建设|主要|积极|显著|初步|明显|阶段性)(?:的)?(?:成效|成就|成绩|进展)|历程)$",
        rf"^(?!{_ACTS}).{{2,24}}(?:工作|进展|执行|实施|开展|落实|完成|建设|发展|利用|推进|办理|基本)(?:的)?(?:基本)?情况$",
        r"^(?:基本情况|工作情况|主要做法|工作做法|经验做法|典型做法|\S{2,14}的主要做法|基本经验|工作亮点)",
        r"^(?:[我全本][国省市区县])?(?:产业|行业|现有|现实|工作|发展|建设|规划|实践)?(?:现状|基础)(?:[和与及、](?:面临|形势|成效|问题|条件|优势|环境|趋势)\S{0,8})?$|^(?:产业|行业|发展|现实|工作)基础|^(?:发展)?现状",
        r"^(?:发展|主要|工作|建设|显著|积极)(?:成效|成就|成绩)",
        r"^(?:\S{0,12}(?:出台|制定|起草|编制|规划|发展|时代|政策|文件|修订|立法|研究|工作|总体))?背景",
        r"^(?:发展|面临的?|外部|国际|国内|国内外|当前|宏观|总体|战略|经济|产业)?(?:形势|态势|环境|发展趋势|趋势)(?:[和与及、]\S{1,8})?$|^(?:面临|发展|战略|国内外)\S{0,2}(?:形势|态势|挑战|机遇|问题|任务与挑战)",
        r"^(?:存在|主要|突出|面临|现存)\S{0,5}(?:问题|困难|短板|不足|挑战|瓶颈)|^(?:问题|短板|不足|机遇|挑战|困难|有利条件|不利因素|制约因素)(?:[和与及、]\S{1,8})?$",
        r"(?:重大|重要|现实|战略|深远|时代)?意义$|^(?:必要性|重要性|可行性)|的?(?:必要性|重要性|紧迫性|重要意义|重大意义)(?:[和与及、]\S{1,6})?$",
        r"^.{0,12}(?:国际形势|外交|祖国(?:和平)?统一|和平发展|人类命运)",
        r"^(?:起草|制定|编制|出台|修订|立法|研究)(?:的)?(?:过程|依据|情况|经过|目的|说明|思路|考虑)",
    ),
    _section(
        "principle",
        r"^(?!.*(?:目标|任务))(?:[^，。\s]{0,6}(?:总体|发展|工作|基本))?(?:指导思想|指导方针)",
        r"^(?:主要|基本|工作|总体|建设|发展|编制|实施|指导|遵循(?:的)?|坚持(?:的)?|设计|规划)?(?:基本)?(?:原则|理念)(?!上)",
        r"^(?:总体|基本|工作|发展)(?:思路|方针)",
    ),
    _section(
        "content",
        r"(?:目标|任务|部署|措施|举措|保障|工程|行动|重点|政策|安排|布局|条件|资格|对象|范围)(?:[和与及、]\S{1,6})?$",
    ),
)
# Words that break a section's spell: what they govern is ordered here and now.
_BREAKS: dict[UnitKind, re.Pattern[str]] = {
    "background": re.compile(r"应当|应该|不得|严禁"),
    "principle": re.compile(r"应当|不得|严禁|^到?(?:20\d\d年|“?十[四五六]五”?末)|力争|\d+(?:\.\d+)?[%％万亿]"),
    "definition": re.compile(r"应当|不得|严禁"),
    "formal": re.compile(
        r"不得|严禁|奖励|补助|补贴|资助|资金|处罚|支持|鼓励|应当加|应满足|推[动进]|优化|构建|加大|完善|下一步"
    ),
}

_AGENCY = re.compile(
    r"(?:政府|办公厅|办公室|委员会|[\u4e00-\u9fff]委|部门|[\u4e00-\u9fff]部|[\u4e00-\u9fff]{2}[局厅署]|中心|银行|集团|公司|大学|学院|法院|检察院|协会|[数信大]办|领导小组)$"
)
_AGENCY_LIST = re.compile(r"^[\u4e00-\u9fff（）()、，,；;/\s]+$")
_POST = r"(?:主任|书记|主席|[\u4e00-\u9fff]长|总经理|总监|副职|专员|调研员|巡视员|负责人|成员|总?工程师|教授|研究员)"
_DUTY = r"(?:责任|牵头|配合|参与|主办|协办|完成|主管|参加)"
_CONTACT = r"(?:联系(?:人|电话|方式|地址)|电话|传真|邮编|邮箱|地址|网址|此件)"
# A sentence that begins by doing something, or comes to it after what a thing is, is no remark on how things are.
_BEGINS = rf"(?:[一二三四五六七八九十]是)?(?:{_ACTS}|针对|围绕|着力|重点|通过|对|组织|制定|出台)"
# Words by which a sentence orders, promises or forbids something: such a sentence is hardly ever background.
_ORDERS = re.compile(
    r"应(?!用|急|对|届|付|邀)|必须|不得|严禁|需要(?:加|进一步|着力)|(?:^|[，,；])(?:要|需|将|拟|须)|我们[要将]|力争|到20\d\d年"
)


def _rule(kind: UnitKind, *forms: str) -> _Rule:
    return kind, re.compile("|".join(forms))


# What a sentence's own form says; the first that fits decides.
_FRAGMENTS = _rule(
    "fragment",
    r"^(?:副?组\s*长|成\s*员|副?主\s*任|联络员|召集人)[：:]",
    rf"^[\u4e00-\u9fff·]{{2,4}}\s*[^。，；：]{{0,28}}{_POST}(?:[、兼]\S{{0,12}}{_POST})?$",
    rf"^(?:任命|免去)[^。，]{{2,60}}$|^[\u4e00-\u9fff、]{{2,40}}任[^。，]{{2,40}}{_POST}[；;。]?$",
    r"^\S{0,6}(?:https?://|www\.)\S+$|^[^。；]{1,40}[=＝][^。；]{0,120}(?:[×÷+*/%％]|100)[^。；]{0,60}$",
    r"^(?:(?:计量)?单位|(?:数据|资料)?来源|注)[：:][^。]{1,60}。?$|^[图表]\s*\d{1,3}(?:-\d+)?[^。；，]{0,40}$",
    # papers to hand in, titles of documents, standards
    r"^(?!.{0,20}(?:提交|填[写报]|报送|编制|出具|办理))[^，；：]{2,40}(?:[^发代]表|[清名]单|提纲|通讯录|申报书|承诺书|复印件|证明材料|回执)[；;]?$",
    rf"^(?!{_ACTS}|研究|[制修]订?定|制订|出台|起草)[^。；！？：]{{4,200}}(?:条例|办法|规[定划]|细则|通[知告报]|公[告示]|意见|决定|批复|函|答复|提案|指南|纲要)(?:[（(][^（）()]{{1,60}}[）)])*$",
    r"^[^。；：！？]*(?:关于|[印转公]发|公布)[^。；！？]{2,200}(?:报告|方案|计划|》)(?:[（(][^（）()]{1,20}[）)])?$",
    r"^《[^》]{2,60}》(?:[（(][^（）()]{1,60}[）)])?[；;。]?$|^(?:GB|DB|GA|YD|SJ|HJ|ISO|IEC)(?:/[TZ])?\s*\d",
)
_FORMS: tuple[_Rule, ...] = (
    _rule(
        "legal_basis",
        rf"^(?:为|根据|依据|[按依遵]照|结合|经|现|贯彻).*(?:[制修]定|制订|编制|出台|提出|发布)(?:{_THIS}(?:（试行）)?[。；]?$|了?《)|[，,][特现]?(?:制[定订]|编制){_THIS}",
        r"(?:为|根据|依据|按照|经|现).*(?:提出|作出|制定|明确|通知|公告|决定|规定|解释|印发|修改|答复)了?(?:如下|以下|本)[\u4e00-\u9fff]{0,12}[：:。]?$",
        r"(?:〔(?:19|20)\d\d〕\s*\d+\s*号|(?:关于|印发)[^。：]{4,120}(?:通知|意见|决定|办法|方案|公告|批复))[^。：《》]{0,40}(?:各|中国|国家|你|本|市|省)[^。：]{1,200}[：:]",
        r"(?:^[\d.]*|的)(?:编制|制定)依据",
    ),
    _rule(
        "formal",
        rf"^(?:{_THIS}(?:（试行）)?[^，。]{{0,8}}(?:适用|涉及|考虑)|.{{0,80}}适用{_THIS}。$|(?:{_THIS}|政策)(?:（试行）)?，?[自从于].{{0,30}}(?:[施执]行|实施|生效)|{_THIS}.{{0,12}}有效期)",
        r"^(?:特此(?:通知|公告|函复|批复)|.{0,30}请.{0,20}认真(?:贯彻|遵照|组织|抓好)|(?:现|兹)[将就].{2,120}(?:[印转]发|[公发]布|报送|下达)|以上报告.{0,20}审[议查])",
        rf"^[（(]?{_DUTY}(?:单位|部门|处室|时限|时间)?[：:]|^[（(][^（）()]{{2,120}}(?:负责|参与|配合|牵头)[^（）()]{{0,12}}[）)][。；]?$",
        r"^(?:申报|报送|受理|提交|报名|会议|培训|活动|公示|截止|评审|办理|推进)(?:时[间限]|地点|方式|期限|日期|途径)[：:为]",
        rf"^(?:[抄主]送|转载来源|通讯员|作者|编辑|附件)[：:\d]|^.{{0,20}}{_CONTACT}[^。]{{0,6}}[：:]|{_CONTACT}[：:\s]{{0,2}}[\w\u4e00-\u9fff]{{0,8}}[\d-]{{6,}}",
        r"^(?:请|并请|逾期|于\d).{0,60}(?:报送|反馈|报至|报我|发送|不予受理|回执|寄)|逾期不[再予]|^(?:请|欢迎|希望).{0,40}(?:宝贵意见|关心和支持|关注和支持)",
        rf"^[【\[]?(?:{LABEL_NAMES})[】\]]?[：:]|(?:{LABEL_NAMES})[：:]$|^(?:其中|包括|具体为)[：:]$",
        r"(?:有关|相关|具体)(?:事项|情况|要求|内容)[^。]{0,12}如下[：:。]?$|(?:[答函回批]复|通知|公告|报告)如下[：:。]?$",
        r"另有规定的[，,]?(?:除外|从其规定)[。；]$|不一致的[，,][^。]{0,20}(?:为准|执行)[。；]$|[从按用照]其(?:他)?规定(?:执行)?[。；]?$",
        rf"{_THIS}.{{0,10}}由.{{1,50}}解释|(?:同时|即行|予以)废止[。；]?$|印发给你们|现予?以?(?:公[布告]|发布|印发)|请(?:予?审议|[^。]{{0,60}}提出意见)[。！]?$",
        r"一式[一二三四五六七八九十两\d]+份|装订成册|加盖(?:单位)?公章|(?:电子版|纸质版?|光盘)[^。]{0,30}(?:报送|提交|寄送|发送|各?[一二三四五1-9]份)",
        r"(?:感谢|谢谢)(?:您|你们|贵|各位)|收悉[。，]|本文有删减",
        r"各(?:省|[市区县]|有关|部|设区|地|中央)[^。；！？]{0,198}(?:单位|部门|机构|政府|企业|院校|高校|[局厅委会])(?:[（(][^（）()]{1,8}[）)])?[：:]$",
    ),
    _rule(
        "definition",
        rf"^{_THIS}中?(?:所?[称指]|下列(?:用语|术语|概念))|^(?:前款|前述|上述)所称[^，。]{{1,40}}，?[是即]?指|^[“《]?[^，。“”：]{{1,40}}[”》]?[，,]?\s*[是系]指|(?:用语|术语)的?(?:含义|定义)(?:如下|是)?[：:]?$|^[［\[]\d{{1,3}}[］\]]",
    ),
)
# What a sentence outside a law says without ordering anything: wishes, guidance and attitudes first.
_SLOGAN = re.compile(
    r"^(?:各位代表|同志们|朋友们|各位委员)[！!：:，,]?$|^让我们|表示\S{0,6}(?:感谢|敬意|问候|祝愿|慰问)|(?:奋斗|努力|拼搏|贡献)[！!]$"
    rf"|^(?!{_ACTS}|深入|倡导|更加|持续|实行).{{1,80}}[！!]$"
)
_GUIDANCE = re.compile(
    r"^(?:[^，。]{0,14}(?:指导思想|总体要求|总体思路|总的要求|基本思路)是?：?)?(?:必须坚持|坚持|要)?(?:以习近平|以邓小平|以毛泽东|以马克思|以[^，。]{0,60}为指导|高举|(?:全面|深入)?(?:学习)?贯彻(?:落实)?(?:党的|习近平)|坚持党的(?:全面)?领导)"
    r"|^(?:实现|完成|围绕)(?:上述|以上|这些)[^，。]{0,12}(?:目标|任务|要求)|^(?:面对|展望(?!20)|回首|奋进|踏上|站在)"
    r"|(?:高度重视|提高政治站位|充分认识|统一思想|提高认识|两个确立|四个意识|两个维护|精气神|斗争精神)(?!.*(?:决定|建立|制定|健全|明确|纳入|加大|安排|成立|设立|出台|严格|履行|监督|考核|检查|推[动进]|打造|培育|持续|加快|开展|列入|摸底|清理|排查|报送))"
)
_YEAR_IS = re.compile(
    r"(?:今年|20\d\d年|(?:今后|未来)\S{1,3}年|“十[三四五六]五”时期)[，,]?[既也又]?是(?!.*(?:[，；]要|我们[要将]))"
)
_CLAIMS = re.compile(
    r"^[这那它他][^，。]{0,20}(?:是|为|有|既)|^(?:由于|因为|但是|然而|尽管|虽然|事实|实践|只有|只要)|？$"
)
_PAST = re.compile(
    rf"^(?:各位代表[！，：])?(?:[一二三四五六七八九十]是)?(?:(?:20\d\d年)?\d{{1,2}}月\d{{1,2}}日(?!前|起|之|以|至|止|内|零|24)[^，。]{{0,6}}[，,]|近年来|近日|日前|近些年|多年来|长期以来|改革开放以来|党的十[八九]大以来|进入新时代|随着|与此同时|同时也要看到|但也存在"
    rf"|[去上]年|截至(?:目前|(?:19|20)\d\d年)|目前|当前(?!，?(?:要|必须))|当今|“十[一二三四五]五”(?:时期|期间|以来)[，,]|{_YEARS}(?:来|间|中)?[，,]|\d{{4}}年(?:以来|末|底)，?我?[国省市区县]|经过.{{1,12}}(?:努力|发展))"
)
_REMARKS = re.compile(
    r"(?:亟待|有待|尚未|仍然?存在|还存在|还不|[仍尚]不|不(?:够|高|强|足|充分|平衡|协调|完善|健全|到位|适应)(?=[^于过]))[^，。；的]{0,12}[，,；;。]|(?:薄弱|滞后|偏[弱低少]|落后|缺失|匮乏|凸显|严峻)[，,；;。]"
    r"|^[^，。；]{2,40}(?:是|作为)[^。]{2,120}的?(?:重要|关键|必然|内在|有力|迫切|战略|核心|根本|主要|基本|客观|有效)性?[\u4e00-\u9fff]{0,6}"
    r"(?:举措|途径|抓手|要求|支撑|内容|基础|力量|方[式面]|保障|选择|环节|手段|引擎|动力|机遇|载体|时期|阶段|标志|体现|资源|要素|路径|产业|组成部分)[，。；]"
    r"|(?:具有|有着)[^，。]{0,20}意义[。，；]"
)
_DESCRIBES = re.compile(
    r"^(?!.{0,16}(?:支持|补助|奖励|任务|职责|重点|措施|资助|范围|对象|条件))[^，。；：]{2,30}(?:主要包括|主要由|由[^，。]{2,40}(?:组成|构成)[。，；]|包括[^。]{2,160}等\S{0,2}(?:部分|方面|环节|层)|分别?为[^。]{2,60}层|(?:标准|指标)(?:主要)?用于)"
    r"|^《[^》]{2,50}》(?:[（(][^（）()]{2,40}[）)])?(?:旨在|作为|是|适用于|配套|共[分有\d一二三四五六七八九十]|由|分为|主要|聚焦|面向|立足|的(?:出台|发布|制定|实施|印发))"
)


def section_kind(heading: str) -> UnitKind | None:
    """What everything below a heading is by what the heading (without its numbering) names; None where it says nothing.

    >>> section_kind("2023年工作回顾"), section_kind("基本原则"), section_kind("重点任务")
    ('background', 'principle', None)
    """
    heading = heading.strip(' \u3000“”"。：:')[:60]
    return next((kind for kind, pattern in _SECTIONS if pattern.search(heading)), None)


def begins_with_act(heading: str) -> bool:
    """Whether a heading, after its numbering, begins with what is to be done: （三）加大金融支持力度."""
    return re.match(rf"[^\u4e00-\u9fff]*(?:[一二三四五六七八九十]+[）)、])?\s*{_ACTS}", heading) is not None


def sentence_kind(sentence: str, section: UnitKind | None = None, articles: bool = False) -> UnitKind:
    """What a sentence's place and form say it is, else `content`.

    Args:
        sentence: The sentence without its numbering.
        section: What the headings above it say of all that stands below them.
        articles: Whether it stands in a text of 条, whose norms describe and restrict but never merely narrate.
    """
    sentence = sentence.strip()
    if len(sentence) > 2 * _READ:
        sentence = sentence[:_READ] + "…" + sentence[-_READ:]
    if _is_fragment(sentence, articles):
        return "fragment"
    for kind, pattern in _FORMS:
        if pattern.search(sentence) and not (articles and kind == "formal" and re.search(r"不得|处|应当", sentence)):
            return kind
    inherits = section not in (None, "content") and not (articles and section == "principle")
    if section and inherits and not _BREAKS[section].search(sentence):
        return section
    if articles:
        return "content"
    if _SLOGAN.search(sentence):
        return "background"
    if _GUIDANCE.search(sentence):
        return "principle"
    if _YEAR_IS.match(sentence):
        return "background"
    if _ORDERS.search(sentence):
        return "content"
    if _CLAIMS.search(sentence):
        return "background"
    if section == "content" or re.match(_BEGINS, sentence):
        return "content"
    if _DESCRIBES.search(sentence):
        return "background" if sentence.startswith("《") else "definition"
    remark = _REMARKS.search(sentence) and not re.search(rf"[，；]{_BEGINS}", sentence)
    return "background" if remark or _PAST.match(sentence) else "content"


def _is_fragment(sentence: str, articles: bool) -> bool:
    if (len(sentence) < 24 and is_date_line(sentence)) or (not articles and _FRAGMENTS[1].search(sentence)):
        return True
    if articles or sentence.endswith("；") or not _AGENCY_LIST.match(sentence):
        return False
    names = [name for name in re.split(r"[、，,；;/\s]+|（[^（）]*）", sentence) if name]
    return bool(names) and all(len(name) <= 16 and _AGENCY.search(name) for name in names)
