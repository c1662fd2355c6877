"""What is done with a text: values in, values out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.sandbox.addons import sentiment
from replay.sandbox.addons.entities import recognise
from replay.sandbox.addons.spelling import Spelling
from replay.sandbox.addons.spoken import Spoken, sentences
from replay.sandbox.addons.summary import Kind, summarise
from replay.sandbox.addons.vocabulary import Vocabulary
from replay.wire.config import VocabularyConfig
from replay.wire.messages import Utterance, Word


def said(text: str, *, start: float = 1.0, language: str = "en", channel: int = 0) -> Utterance:
    """An utterance as recognisers make them, a word every half second."""
    words = [
        Word(word=f" {word}", start=start + n / 2, end=start + n / 2 + 0.4, confidence=0.9)
        for n, word in enumerate(text.split())
    ]
    return Utterance(
        start=start,
        end=words[-1].end if words else start,
        confidence=0.9,
        channel=channel,
        words=words,
        text="".join(word.word for word in words),
        language=language,
    )


def wordless(text: str) -> Utterance:
    """One of which nobody knows when its words were said."""
    return msgspec.structs.replace(said(text), words=[])


def timed(utterance: Utterance) -> list[tuple[str, float, float]]:
    return [(word.word, word.start, word.end) for word in utterance.words]


# ------------------------------------------------------------------ custom_spelling

SPELLINGS: list[tuple[dict[str, list[str]], str, str]] = [
    ({"Gladia": ["gladya", "glad ia"]}, "I use Glad ia, and GLADYA.", "I use Gladia, and Gladia."),
    ({"SQL": ["sequel"]}, "A sequel's sequel.", "A sequel's SQL."),  # whole words
    ({"New York": ["newyork"]}, "In newyork!", "In New York!"),
    ({"C++": ["see plus plus"], "see": ["see"]}, "See plus plus see.", "C++ see."),  # the longest
    ({"X": ["a b"]}, "a b a b a", "X X a"),
    ({"a": ["b"], "b": ["a"]}, "a b", "b a"),  # once, not over and over
    ({"": ["um"], " ": ["uh"], "so": []}, "So um, uh yes.", "So um, uh yes."),
    ({}, "Nothing changes.", "Nothing changes."),
]


@pytest.mark.parametrize(("dictionary", "heard", "written"), SPELLINGS)
def test_spelling(dictionary: dict[str, list[str]], heard: str, written: str) -> None:
    """Heard forms are found in any case and written as asked, in the text and in the words."""
    changed = Spelling(dictionary).apply(said(heard))
    assert changed.text == f" {written}" == "".join(word.word for word in changed.words)
    assert Spelling(dictionary).apply(wordless(heard)).text == f" {written}"


def test_spelling_keeps_times() -> None:
    """Words that become one take their whole time; one that becomes two shares it by letters."""
    spelling = Spelling({"Gladia": ["glad ia"], "New York": ["newyork"]})
    changed = spelling.apply(said("Glad ia in newyork."))
    assert timed(changed)[:2] == [(" Gladia", 1.0, 1.9), (" in", 2.0, 2.4)]
    (_, start, middle), (_, again, end) = timed(changed)[2:]
    assert (start, end) == (2.5, 2.9)
    assert start < middle == again < end


# ------------------------------------------------------------------ custom_vocabulary

VOCABULARIES: list[tuple[list[Any], float, str, str]] = [
    (["Gladia"], 0.5, "I use gladya's API.", "I use Gladia's API."),
    (["Solaria"], 0.5, "The so laria model.", "The Solaria model."),
    (["Gladia"], 0.0, "I use gladya, gladia.", "I use gladya, Gladia."),
    (["Gladia"], 0.2, "I am glad he came.", "I am glad he came."),
    (["Gladia"], 1.0, "I am glad he came.", "I am Gladia he came."),  # asked for
    ([{"value": "Gladia", "intensity": 0}], 1.0, "My gladya.", "My gladya."),
    ([{"value": "Kubernetes", "pronunciations": ["cooper nettys"]}], 0.5, "Run cooper netties now.",
     "Run Kubernetes now."),
    ([{"value": "Gladia", "language": "de"}], 0.5, "My gladia.", "My gladia."),
    ([{"value": "Gladia", "language": "en"}], 0.5, "My gladia.", "My Gladia."),
    (["CAT"], 1.0, "A car and a cat.", "A car and a CAT."),  # short ones only when they are it
    (["New York City"], 0.5, "In new yorks city, yes.", "In New York City, yes."),
    (["Anna", "Annabel"], 0.5, "Hello annabel.", "Hello Annabel."),  # the one most alike
    (["!!"], 1.0, "Wow!! Yes.", "Wow!! Yes."),
    ([], 1.0, "Nothing changes.", "Nothing changes."),
]  # fmt: skip


@pytest.mark.parametrize(("entries", "intensity", "heard", "written"), VOCABULARIES)
def test_vocabulary(entries: list[Any], intensity: float, heard: str, written: str) -> None:
    """What is alike enough is written as in the list; the intensity says what is enough."""
    given = {"vocabulary": entries, "default_intensity": intensity}
    vocabulary = Vocabulary(msgspec.convert(given, VocabularyConfig))
    changed = vocabulary.apply(said(heard))
    assert changed.text == f" {written}" == "".join(word.word for word in changed.words)
    assert vocabulary.apply(wordless(heard)).text == f" {written}"


# ------------------------------------------------------------------ both, whatever is said

TOKENS = st.sampled_from(
    ["glad", "ia", "Gladia,", "gladya", "gladya's", "new", "York.", "–", "...", "um", "9", "ß", "ﬁ"]
)
TEXTS = st.lists(TOKENS, max_size=12).map(" ".join)
FORMS = st.lists(TOKENS, max_size=3).map(" ".join)


def sound(before: Utterance, after: Utterance) -> None:
    """Whatever was changed, an utterance is whole: its words are its text, in order and within."""
    assert after.text == "".join(word.word for word in after.words)
    assert all(word.word.startswith(" ") and word.word.strip() for word in after.words)
    assert (after.start, after.end, after.channel) == (before.start, before.end, before.channel)
    times = [time for word in after.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert not times or before.start <= times[0] <= times[-1] <= before.end
    assert bool(after.words) == bool(before.words)


@given(TEXTS, st.dictionaries(FORMS, st.lists(FORMS, max_size=3), max_size=4))
def test_spelling_leaves_utterances_whole(text: str, dictionary: dict[str, list[str]]) -> None:
    """No dictionary makes words that overlap, leave the utterance or differ from its text."""
    before = said(text)
    sound(before, Spelling(dictionary).apply(before))
    if not any(map(str.strip, dictionary)):
        assert Spelling(dictionary).apply(before) == before


@given(TEXTS, st.lists(FORMS, max_size=4), st.floats(0, 1))
def test_vocabulary_leaves_utterances_whole(
    text: str, entries: list[str], intensity: float
) -> None:
    """No vocabulary makes words that overlap, leave the utterance or differ from its text."""
    before = said(text)
    config = VocabularyConfig(vocabulary=list(entries), default_intensity=intensity)
    sound(before, Vocabulary(config).apply(before))
    if not any(map(str.strip, entries)):
        assert Vocabulary(config).apply(before) == before


# ------------------------------------------------------------------ named_entity_recognition

ENTITIES: list[tuple[str, list[tuple[str, str]]]] = [
    ("My name is Anna Miller.", [("PERSON", "Anna Miller"), ("NAME_GIVEN", "Anna")]),
    ("My name is Xanthippe.", [("NAME_GIVEN", "Xanthippe")]),  # in no list
    ("Sara's dog and Peter.", [("NAME_GIVEN", "Sara"), ("NAME_GIVEN", "Peter")]),
    ("I'm Mark, hello.", [("NAME_GIVEN", "Mark")]),
    ("Mark the date, the rose is red.", []),
    ("Will will call Rose.", [("NAME_GIVEN", "Rose")]),
    ("Call Dr. Smith at half past three.", [("PERSON", "Dr. Smith"), ("TIME", "half past three")]),
    ("At 3:30 pm, ten o'clock, noon.", [
        ("TIME", "3:30 pm"), ("TIME", "ten o'clock"), ("TIME", "noon")]),
    ("Monday the 3rd of March 2024, yesterday.", [
        ("DATE", "Monday the 3rd of March 2024"), ("DATE", "yesterday")]),
    ("I may march on.", []),
    ("She is 35 years old, he is aged forty.", [("AGE", "35 years old"), ("AGE", "aged forty")]),
    ("It costs twenty five dollars and $1,200.50.", [
        ("MONEY", "twenty five dollars"), ("MONEY", "$1,200.50")]),
    ("About 12% of a hundred and five.", [("NUMBER", "12%"), ("NUMBER", "a hundred and five")]),
    ("Write to a.b@example.com.", [("EMAIL_ADDRESS", "a.b@example.com")]),
    ("Write to john dot doe at example dot com.", [
        ("EMAIL_ADDRESS", "john dot doe at example dot com")]),
    ("Meet me at example dot com.", []),
    ("Call +1 555 123 4567 now.", [("PHONE_NUMBER", "+1 555 123 4567")]),
    ("Dial five five five one two three four.", [
        ("PHONE_NUMBER", "five five five one two three four")]),
    ("Paris and Google are left out.", []),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ENTITIES)
def test_entities(text: str, expected: list[tuple[str, str]]) -> None:
    """What is named is found by rules, and what rules cannot tell is left out."""
    assert [(found.entity_type, found.text) for found in recognise(said(text))] == expected
    assert [(found.entity_type, found.text) for found in recognise(wordless(text))] == expected


def test_entities_have_the_times_of_their_words() -> None:
    """Without times of words, those of the utterance are all there is."""
    (found,) = recognise(said("Call Peter now."))
    assert (found.start, found.end) == (1.5, 1.9)
    (found,) = recognise(wordless("Call Peter now."))
    assert (found.start, found.end) == (1.0, 2.4)


# ------------------------------------------------------------------ sentiment_analysis

FEELINGS = [
    ("I love this. I hate that!", [("positive", "neutral"), ("negative", "neutral")]),
    ("It is a table.", [("neutral", "neutral")]),
    ("I am so sad today.", [("negative", "sadness")]),
    ("I am not sad.", [("positive", "neutral")]),  # names what it is not
    ("We are thrilled.", [("positive", "elation")]),
    ("The food was great but the service was horrible.", [("mixed", "neutral")]),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), FEELINGS)
def test_sentiment(text: str, expected: list[tuple[str, str]]) -> None:
    """Each sentence is good, bad, both or neither, and an emotion only when it names one."""
    found = sentiment.analyse(said(text, channel=1))
    assert [(span.sentiment, span.emotion) for span in found] == expected
    assert {span.channel for span in found} <= {1}


def test_sentiment_says_where() -> None:
    """Each sentence has its text and its time."""
    found = sentiment.analyse(said("I love this. I hate that!"))
    assert [(span.text, span.start, span.end) for span in found] == [
        ("I love this.", 1.0, 2.4),
        ("I hate that!", 2.5, 3.9),
    ]


def test_sentiment_of_other_languages_is_unknown() -> None:
    """The lexicon is English, and what it cannot read it does not judge."""
    (found,) = sentiment.analyse(said("Ich liebe es.", language="de"))
    assert (found.sentiment, found.emotion) == ("unknown", "neutral")


# ------------------------------------------------------------------ sentences, summaries

GROW = "We agreed that the budget must grow by ten percent."
LAPTOPS = "The budget for laptops is part of the plan."
MEETING = (
    f"The budget was discussed at length today. {GROW} Lunch was nice. "
    "The marketing team wants more budget for campaigns. Yes. "
    f"The engineers asked for new laptops. {LAPTOPS} See you."
)


def test_sentences() -> None:
    """They end at marks before a space, but not behind a title, and need no mark at the end."""
    text = ' Dr. Smith paid $1.50. "Really?" Yes!!  so be it '
    assert [text[a:b] for a, b in sentences(text)] == [
        "Dr. Smith paid $1.50.",
        '"Really?"',
        "Yes!!",
        "so be it",
    ]
    assert [*sentences("好。再见！")] == [(0, 2), (2, 5)]


SUMMARIES: list[tuple[Kind, str]] = [
    ("concise", LAPTOPS),
    ("general", f"{GROW} {LAPTOPS}"),
    ("bullet_points", f"- {GROW}\n- {LAPTOPS}"),
]


@pytest.mark.parametrize(("kind", "expected"), SUMMARIES)
def test_summary(kind: Kind, expected: str) -> None:
    """The sentences that say most, in the order and the words in which they were said."""
    assert summarise(MEETING, kind) == expected


@pytest.mark.parametrize("kind", ["general", "bullet_points", "concise"])
def test_summary_of_little(kind: Kind) -> None:
    """Nothing said is an empty summary, and one sentence its own."""
    assert summarise("", kind) == summarise("  ", kind) == ""
    assert summarise("Yes.", kind).removeprefix("- ") == "Yes."


def test_summary_of_much() -> None:
    """A text of any length without a full stop, or of one sentence repeated, stays a summary."""
    endless = " ".join(f"word{n}" for n in range(30_000))
    for text in (endless, endless.replace(" ", "")):
        assert 300 < len(summarise(text, "concise")) <= 400
    assert summarise("The same again today. " * 5000) == "The same again today."


def test_text_that_is_not_its_words() -> None:
    """Where a text does not hold its words, each part has the time of the whole."""
    utterance = msgspec.structs.replace(said("one two"), text="something else")
    span = Spoken(utterance).span(0, 4)
    assert (span.text, span.start, span.end) == ("some", 1.0, 1.9)
