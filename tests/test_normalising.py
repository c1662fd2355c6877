"""Texts normalised in pieces: always what the library makes of the whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replay import normalising
from replay.normalising import TimesOfDay, WordReplacements, normalised, plainly

known = normalising._cutter("en") is not None
only_known = pytest.mark.skipif(not known, reason="the installed library's steps were not read")

PLAIN = """the house river open someone phone tender onerous often weight street remain of who
into also she he it to can would alone eleventh per cents mile ample aim army pointed dotted
king sting Saturday Hello Batons""".split()
FIGURES = """one two three twelve twenty thirty-five hundred thousand million and a half first
second 21st 4th 3rd zero oh double triple point five 5 10 007 2024 1,234 1.234 9.8 12:30 5:45pm
10.5% $5 $5.50 5$ €0.50 ¢20 #1 +33 + - -- … minus plus VIII iv v v2.1.3 V dollars cents pounds
percent per cent ten p.m. a.m. PM am o'clock O'Clock half past km/h m/s uno dos mil y treinta
veinte ciento coma punto deux vingt et un virgule neuf zwei hundert ein""".split()
WORDS = """I'm don't didn’t y'all he'd it's gonna ain't 'em 'cause cause 'all 'am r o' ma'am
jan. May um uh, hmm. yeah okay colour organise vs good bye www www.example.com info@example.com
a.b@c.d x.y U.S. U.S.A. e.g. Mr. NATO B2B ABC123 a b j o h n a-b-c I A file.txt 192.168.1.1 dot
com at euh bueno o sea xatx XDOTX xltrx zqcutqzz café naïve straße Łódź ½ ² ſix Kelvin 你好 один
١٢""".split()
MARKS = [*",.;:!?-…'\"()%&$€", "'s", "’s", "n't", "...", " - ", ", "]

_token = st.one_of(st.sampled_from(PLAIN), st.sampled_from(FIGURES), st.sampled_from(WORDS))
_word = st.builds(
    lambda before, word, case, after: before + case(word) + after,
    st.sampled_from(["", "", "", "", "(", "“", "'"]),
    _token,
    st.sampled_from([str, str, str, str.capitalize, str.upper]),
    st.one_of(st.just(""), st.just(""), st.sampled_from(MARKS)),
)
_text = st.builds(
    lambda words, gap: gap.join(words),
    st.lists(_word, max_size=18),
    st.sampled_from([" ", " ", " ", "  ", "\n", "\u00a0"]),
)
#: Ours, those the library has its own rules for, and one that it has none for.
LANGUAGES = ["en", "en", "en", "es", "fr", "de", "it", "nl", "sv", "pt"]


@given(st.lists(_text, min_size=1, max_size=3), st.sampled_from(LANGUAGES))
@settings(max_examples=300, deadline=None)
@example(["two, tender", "five - one", "two tender"], "en")
def test_in_pieces_and_together_as_the_library_does_the_whole(
    texts: list[str], language: str
) -> None:
    """Whatever stands beside whatever, and however often: word for word the same."""
    assert normalised(texts, language) == [plainly(text, language) for text in texts]


TRAPS = [
    "the house two, tender is the night",
    "the phone - two hundred houses",
    "the phone 'all-two hundred houses",
    "someone, one by one",
    "plus oneself and plus 'all oneself",
    "it happened to cause pain, to cause, he may cause trouble because they can cause harm",
    "he ain't gonna go and she ain't gonna go and it ain’t gonna go, i'ma go",
    "two and a half million and a half house and a half and a half",
    "and a half of them",
    "one house, one 5, 10 one one, one 007",
    "at ten thirty p.m. or two twenty-one AM or noon pm, the twenty one am show, twenty, ten pm",
    "at seven o'clock p.m., 5 o'clock o'clock, ten o’clock am",
    "house at the ſix thirty pm and mıdnight am",
    "$ house $ 5 house $, the 5 $ house $",
    "zero point five percent of 1,234.5 point, point point house point",
    "the j o h n house a b cd, b-o-b",
    "good bye good house bye",
    "call + 33 6 12, the 1 2 3rd house 4 th st",
    "the xatx house taxatxy xdotx dot com house dot",
    "river r 'x r house r",
    "Vi VI vi House HOUSE HoUSE iPhone",
    "mr. smith jan. 5 feb., may. dec",
    "um the um, house uh. yeah, the o sea house",
    "dos mil treinta y cinco casas, ciento uno casas y mil",
    "the zqcutqz house two zqcutqz three",
    "İstanbul I'm two house he'd go on",
    "it is in İzmir İstanbul and İt's",
    "house",
    "Two",
    ", . -",
    "",
]


@pytest.mark.parametrize("language", ["en", "es", "pt"])
@pytest.mark.parametrize("text", TRAPS)
def test_where_neighbours_matter(text: str, language: str) -> None:
    """Each has something in it that a careless cut would take apart."""
    assert normalised([text], language) == [plainly(text, language)]
    around = f"quiet rivers remain {text} quiet rivers remain"
    both = normalised([around, text], language)
    assert both == [plainly(around, language), plainly(text, language)]


@only_known
@pytest.mark.parametrize(
    ("careless", "text"),
    [
        ({"_JOINED": re.compile("(?!)")}, "the phone -two hundred houses"),
        ({"_JOINED": re.compile("(?!)")}, "it happened to cause pain"),
        ({"_FREE": re.compile(".*")}, "the house two, tender is the night"),
        ({"_PLACEHOLDERS": re.compile("(?!)")}, "rivers remain taxatxy two rivers"),
        ({"_special": lambda _: ()}, "rivers two and a half million rivers"),
    ],
)
def test_a_careless_cut_is_found(
    careless: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: each of the rules that say where to cut is left out, and something differs."""
    for name, value in careless.items():
        monkeypatch.setattr(normalising, name, value)
    cutter = normalising._Cutter(normalising._pipeline("en"))
    found = cutter.normalised([text]) or {}
    assert found.get(text) != plainly(text, "en")


@only_known
def test_plain_words_are_not_gone_over() -> None:
    """Of a sentence only what is not plain is given to the library, and that once."""
    cutter = normalising._cutter("en")
    assert cutter is not None
    said = "The river remains, and I'm here to open two old houses, and I'm glad. Rivers remain."
    assert [*cutter._cut(said).pieces] == ["and I'm", "two"]
    assert normalised([said], "en")[0][:7] == ["the", "river", "remains", "and", "i", "am", "here"]


@only_known
def test_languages_whose_steps_were_not_read() -> None:
    """And versions of the library that were not: asked as it is."""
    assert normalising._cutter("fr") is None
    assert normalising._cutter("es") is not None
    assert normalised(["vingt et un"], "fr") == [["21"]]


def test_another_version_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps may be others: nothing is cut."""
    monkeypatch.setattr(normalising, "version", lambda _: "0.0")
    assert normalising._cutter.__wrapped__("en") is None


@pytest.fixture(scope="module")
def english() -> Any:
    return normalising._pipeline("en")


_hours = "one two seven ten twelve noon midnight thirteen twenty thirty fifty".split()
_spoken = st.one_of(
    st.sampled_from(_hours),
    st.sampled_from(["twenty-one", "twenty one", "thirty five", "fifty-nine", "x-ten", "ſeven"]),
    st.sampled_from(["pm", "p.m.", "a.m", "AM", "Pm.", "pms", "p m", "amp", "o'clock", "O'CLOCK"]),
    st.sampled_from(["12", "5", "10:00", "7:00", "the", "-", "five,"]),
)


@given(st.lists(st.tuples(_spoken, st.sampled_from([" ", " ", "  ", "-", ", "])), max_size=9))
@settings(max_examples=200, deadline=None)
def test_times_of_day(english: Any, spoken: list[tuple[str, str]]) -> None:
    """One pattern does what the library's 2,450 do."""
    (step,) = (each for each in english.text_pre_steps if each.name == TimesOfDay.name)
    text = "".join(word + gap for word, gap in spoken)
    made = TimesOfDay(step, english.operators)(text, english.operators)
    assert made == step(text, english.operators)


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_that_are_written_in_one_way(language: str) -> None:
    """Every word that the library replaces, and others, as its own step has them."""
    pipeline = normalising._pipeline(language)
    (step,) = (each for each in pipeline.word_steps if each.name == WordReplacements.name)
    ours = WordReplacements(pipeline.operators)
    others = ["house", "info@example.com", "x@y", "", "i'ma", "\u2003colour", "núm"]
    for word in [*pipeline.operators.get_word_replacements(), *others]:
        assert ours(word, pipeline.operators) == step(word, pipeline.operators)
