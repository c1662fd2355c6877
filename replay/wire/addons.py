"""The words that add-ons answer with (protocol 5.4); a service may know more of them."""

from __future__ import annotations

from typing import Literal

Mood = Literal["positive", "negative", "neutral", "mixed", "unknown"]

Emotion = Literal[
    "adoration", "amusement", "anger", "awe", "confusion", "contempt", "contentment", "desire",
    "disappointment", "disgust", "distress", "ecstatic", "elation", "embarrassment", "fear",
    "interest", "pain", "realization", "relief", "sadness", "negative_surprise",
    "positive_surprise", "sympathy", "triumph", "neutral",
]  # fmt: skip

#: The first five were seen; the others are a choice in the same style.
EntityType = Literal[
    "NAME_GIVEN", "PERSON", "TIME", "EMAIL_ADDRESS", "AGE",
    "DATE", "MONEY", "NUMBER", "PHONE_NUMBER",
]  # fmt: skip
