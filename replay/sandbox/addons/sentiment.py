"""sentiment_analysis: VADER's lexicon and rules, sentence by sentence. English.

The lexicon weighs words as good or bad and knows no emotions, so an emotion is told only where a
sentence names one ("I am sad") and its weight agrees; else it is neutral.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from replay.sandbox.addons.spoken import Spoken, sentences
from replay.wire.addons import Emotion, Mood
from replay.wire.messages import SentimentSpan, Utterance

LANGUAGES = frozenset({"en"})

#: VADER's own bounds of what is neutral.
_CLEAR = 0.05
#: A sentence is mixed when its good and its bad words both take up this share of it.
_BOTH = 0.15

_NAMED: dict[Emotion, tuple[Mood, str]] = {
    "anger": ("negative", "angry|furious|outraged|anger|enraged"),
    "disappointment": ("negative", "disappointed|disappointing|disappointment|letdown"),
    "disgust": ("negative", "disgusted|disgusting|disgust|revolting"),
    "distress": ("negative", "distressed|distressing|anguish"),
    "embarrassment": ("negative", "embarrassed|embarrassing|ashamed"),
    "fear": ("negative", "afraid|scared|frightened|terrified|fear"),
    "pain": ("negative", "pain|painful|hurts"),
    "sadness": ("negative", "sad|sadly|sadness|unhappy|heartbroken"),
    "adoration": ("positive", "adore|adorable|adored"),
    "amusement": ("positive", "funny|hilarious|amusing|amused"),
    "contentment": ("positive", "content|satisfied|pleased"),
    "ecstatic": ("positive", "ecstatic|overjoyed"),
    "elation": ("positive", "elated|thrilled|delighted"),
    "relief": ("positive", "relieved|relief"),
    "triumph": ("positive", "triumph|triumphant|victorious"),
}
_PATTERNS = {
    emotion: (mood, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for emotion, (mood, words) in _NAMED.items()
}


def analyse(utterance: Utterance) -> list[SentimentSpan]:
    """One result for each sentence; unknown in a language that the lexicon does not have."""
    spoken = Spoken(utterance)
    results = []
    for first, last in sentences(spoken.text):
        span = spoken.span(first, last)
        mood, emotion = _judge(span.text, utterance.language)
        results.append(
            SentimentSpan(
                sentiment=mood,
                emotion=emotion,
                text=span.text,
                start=span.start,
                end=span.end,
                channel=utterance.channel,
            )
        )
    return results


def _judge(text: str, language: str) -> tuple[Mood, Emotion]:
    if language not in LANGUAGES:
        return "unknown", "neutral"
    scores = _analyzer().polarity_scores(text)
    mood: Mood = "neutral"
    if min(scores["pos"], scores["neg"]) >= _BOTH:
        return "mixed", "neutral"
    if abs(scores["compound"]) >= _CLEAR:
        mood = "positive" if scores["compound"] > 0 else "negative"
    named: list[Emotion] = [
        emotion
        for emotion, (sign, words) in _PATTERNS.items()
        if sign == mood and words.search(text)
    ]
    return mood, named[0] if len(named) == 1 else "neutral"


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def load() -> None:
    """Read the lexicon, which takes some 20 ms, before it is needed."""
    _analyzer()
