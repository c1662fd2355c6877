"""named_entity_recognition: names, numbers, times and addresses, by rules and a list of names.

The rules are English. What they cannot tell they leave out: no places, no companies, no names of
people that are not in the list, unless a title or an introduction comes before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from replay.sandbox.addons.names import ALSO_WORDS, GIVEN
from replay.sandbox.addons.spoken import Spoken
from replay.wire.addons import EntityType
from replay.wire.messages import NamedEntity, Utterance

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SCALES = "hundred thousand million billion trillion"
_NUMERAL = "|".join(f"{_UNITS} {_TENS} {_SCALES}".split())
_IN_WORDS = (
    r"(?:a\s+(?=(?:hundred|thousand|million|billion)\b))?"
    rf"(?:{_NUMERAL})(?:(?:[\s-]+|\s+and\s+)(?:{_NUMERAL}))*\b"
)
_DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)?(?:\s+(?:hundred|thousand|million|billion|trillion)\b)?"
_NUMBER = rf"(?:{_DIGITS}|\b{_IN_WORDS})"
_CURRENCY = (
    r"(?:(?:us|canadian|australian)\s+)?(?:dollars?|euros?|pounds?(?:\s+sterling)?|cents?|pence|"
    r"yen|rupees?|francs?|bucks|usd|eur|gbp)\b"
)
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_ORDINAL = (
    r"(?:\d{1,2}(?:st|nd|rd|th)?|(?:twenty|thirty)[\s-](?:first|second|third|fourth|fifth|sixth|"
    r"seventh|eighth|ninth)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|"
    r"eleventh|twelfth|\w+teenth|twentieth|thirtieth)"
)
_YEAR = r"(?:,?\s+(?:of\s+)?(?:19|20)\d\d)?"
_HOUR = r"(?:\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_MINUTES = r"(?:[\s-]+(?:o\s+\w+|(?:twenty|thirty|forty|fifty)(?:[\s-]\w+)?|fifteen|ten))?"
#: What speech writes where an address has a sign.
_TOP = r"(?:com|org|net|edu|gov|io|ai|co|eu|de|fr|uk|info|dev|app)"
#: Before "at example dot com" these say where something is.
_NO_LOCAL_PART = (
    "me|us|him|her|them|it|is|are|was|were|be|meet|look|see|find|here|there|office|live|arrive"
)

#: The first rule that takes a part of the text has it. Names come apart from these.
_RULES: tuple[tuple[EntityType, str], ...] = (
    ("EMAIL_ADDRESS", r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    (
        "EMAIL_ADDRESS",
        (
            rf"\b(?!(?:{_NO_LOCAL_PART})\b)"
            rf"[\w+-]+(?:\s+(?:dot|underscore|dash)\s+[\w+-]+|\.[\w+-]+){{0,3}}\s+at\s+"
            rf"[\w-]+(?:\s+dot\s+[\w-]+|\.[\w-]+){{0,2}}(?:\s+dot\s+|\.){_TOP}\b"
        ),
    ),
    (
        "AGE",
        (
            rf"{_NUMBER}[\s-]+(?:years?|months?|weeks?|days?)[\s-]+olds?\b"
            rf"|\baged\s+{_NUMBER}|\bage\s+of\s+{_NUMBER}"
        ),
    ),
    ("MONEY", rf"[$€£¥]\s?{_DIGITS}|{_NUMBER}\s+{_CURRENCY}"),
    ("DATE", r"\b\d{4}-\d\d-\d\d\b|\b\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)\b"),
    (
        "DATE",
        (
            rf"\b(?:{_DAY},?\s+)?(?:(?:the\s+)?{_ORDINAL}\s+(?:of\s+)?{_MONTH}"
            rf"|{_MONTH}\s+(?:the\s+)?{_ORDINAL})\b{_YEAR}"
        ),
    ),
    ("DATE", rf"\b(?!may\b|march\b){_MONTH}\b{_YEAR}|\b{_DAY}\b|\b(?:today|tomorrow|yesterday)\b"),
    (
        "TIME",
        (
            rf"\b\d{{1,2}}:\d\d(?::\d\d)?(?:\s*[ap]\.?m\b\.?)?"
            rf"|\b{_HOUR}{_MINUTES}\s*(?:[ap]\.?\s?m\b\.?|o['’ ]?clock\b)"
            rf"|\b(?:half|quarter|twenty|ten|five)\s+(?:past|to)\s+{_HOUR}\b|\b(?:noon|midnight)\b"
        ),
    ),
    ("PHONE_NUMBER", r"(?<![\w.])\+?\(?\d{1,4}\)?(?:[\s.-]\(?\d{2,4}\)?){2,5}(?!\w)|\+\d{8,15}\b"),
    (
        "PHONE_NUMBER",
        (
            r"\b(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)[\s,-]+){6,14}"
            r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b"
        ),
    ),
    ("NUMBER", rf"(?<![\w.]){_DIGITS}(?:\s?%|\s+percent\b)?(?!\w)|\b{_IN_WORDS}(?:\s+percent\b)?"),
)
_COMPILED = tuple((kind, re.compile(rule, re.IGNORECASE)) for kind, rule in _RULES)

_TITLE = r"(?:Mr|Mrs|Ms|Miss|Dr|Doctor|Professor|Prof|Sir|Lady)\.?"
_CAPITAL = r"[A-Z][^\W\d_]+(?:[-'’][A-Z][^\W\d_]+)*"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_TITLED = re.compile(rf"\b{_TITLE}\s+{_CAPITAL}(?:\s+{_CAPITAL})?")
_SURNAME = re.compile(
    rf"(?:\s+[A-Z]\.)?\s+(?:(?:van|von|de|da|del|O['’])\s*)?{_CAPITAL}(?:['’]s\b)?"
)
_INTRODUCED = re.compile(
    r"(?:\bmy name is|\bmy name's|\bname's|\bi am|\bi'm|\bthis is|\bcalled|\bhello|\bhi|\bdear|"
    r"\bmeet|\bthanks|\bthank you)[\s,]+$",
    re.IGNORECASE,
)
_NAMING = re.compile(r"(?:\bmy name is|\bmy name's)\s+$", re.IGNORECASE)

Found = tuple[int, int, EntityType]


def recognise(utterance: Utterance) -> list[NamedEntity]:
    """What is named in an utterance, in the order of the text. A full name is a PERSON and its
    given name a NAME_GIVEN as well; nothing else overlaps."""
    spoken = Spoken(utterance)
    found = [*_by_rules(spoken.text)]
    taken = [(first, last) for first, last, _ in found]

    def free(first: int, last: int) -> bool:
        return all(last <= start or first >= end for start, end in taken)

    found += list(_names(spoken.text, free))
    results = []
    for first, last, kind in sorted(found, key=lambda each: (each[0], -each[1], each[2])):
        span = spoken.span(first, last)
        results.append(
            NamedEntity(entity_type=kind, text=span.text, start=span.start, end=span.end)
        )
    return results


def _by_rules(text: str) -> Iterator[Found]:
    left = text
    for kind, rule in _COMPILED:
        for match in rule.finditer(left):
            yield match.start(), match.end(), kind
        left = rule.sub(lambda match: "\0" * len(match[0]), left)


def _names(text: str, free: Callable[[int, int], bool]) -> Iterator[Found]:
    end = 0
    for match in _TITLED.finditer(text):
        if free(*match.span()):
            yield match.start(), match.end(), "PERSON"
    titled = [match.span() for match in _TITLED.finditer(text)]
    for match in _WORD.finditer(text):
        first, last = match.span()
        within = any(start < last and stop > first for start, stop in titled)
        if first < end or within or not free(first, last) or not _is_given(text, match):
            continue
        yield first, last, "NAME_GIVEN"
        end = last
        surname = _SURNAME.match(text, last)
        if surname and free(*surname.span()) and not surname[0].endswith(("'s", "’s")):
            end = surname.end()
            yield first, end, "PERSON"


def _is_given(text: str, match: re.Match[str]) -> bool:
    name, before = match[0], text[: match.start()]
    if not name[0].isupper():
        return False
    key = name.casefold()
    if key in GIVEN:
        return True
    if _NAMING.search(before):
        return True
    if key not in ALSO_WORDS:
        return False
    # An everyday word: a name only after an introduction, or in the middle of a sentence.
    return bool(_INTRODUCED.search(before)) or bool(re.search(r"[^\W\d_,]\s+$", before))
