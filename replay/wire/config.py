"""The body of `POST /v2/live`: types, defaults, ranges (protocol 3.1 to 3.3), and its checker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec import inspect as mi

from replay.audio import AudioFormat, Encoding

REGIONS = ("us-west", "eu-west")
#: What live sessions can name; the service's types allow any string, so others are no error.
MODELS = ("solaria-1",)

Language = Literal[
    "af", "am", "ar", "as", "az", "ba", "be", "bg", "bn", "bo", "br", "bs", "ca", "cs", "cy", "da",
    "de", "el", "en", "es", "et", "eu", "fa", "fi", "fo", "fr", "gl", "gu", "ha", "haw", "he", "hi",
    "hr", "ht", "hu", "hy", "id", "is", "it", "ja", "jw", "ka", "kk", "km", "kn", "ko", "la", "lb",
    "ln", "lo", "lt", "lv", "mg", "mi", "mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nl", "nn",
    "no", "oc", "pa", "pl", "ps", "pt", "ro", "ru", "sa", "sd", "si", "sk", "sl", "sn", "so", "sq",
    "sr", "su", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "uk", "ur", "uz", "vi",
    "yi", "yo", "zh",
]  # fmt: skip
TargetLanguage = Literal[Language, "wo"]

Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1)]


class LanguageConfig(Struct, kw_only=True):
    languages: list[Language] = field(default_factory=list)
    code_switching: bool = False


class PreProcessing(Struct, kw_only=True):
    audio_enhancer: bool = False
    speech_threshold: Share = 0.6


class VocabularyEntry(Struct, kw_only=True):
    value: Text
    intensity: Share | UnsetType = UNSET
    pronunciations: list[str] | UnsetType = UNSET
    language: Language | UnsetType = UNSET


class VocabularyConfig(Struct, kw_only=True):
    vocabulary: list[str | VocabularyEntry]
    default_intensity: Share = 0.5


class SpellingConfig(Struct, kw_only=True):
    spelling_dictionary: dict[str, list[str]]


class TranslationConfig(Struct, kw_only=True):
    target_languages: Annotated[list[TargetLanguage], Meta(min_length=1)]
    model: Literal["base", "enhanced", "batch"] = "base"
    match_original_utterances: bool = True
    lipsync: bool = True
    context_adaptation: bool = True
    context: str | UnsetType = UNSET
    informal: bool = False


class RealtimeProcessing(Struct, kw_only=True):
    custom_vocabulary: bool = False
    custom_vocabulary_config: VocabularyConfig | UnsetType = UNSET
    custom_spelling: bool = False
    custom_spelling_config: SpellingConfig | UnsetType = UNSET
    translation: bool = False
    translation_config: TranslationConfig | UnsetType = UNSET
    named_entity_recognition: bool = False
    sentiment_analysis: bool = False
    # Gone from the specification, still sent by clients in the field.
    words_accurate_timestamps: bool | UnsetType = UNSET


class SummarizationConfig(Struct, kw_only=True):
    type: Literal["general", "bullet_points", "concise"] = "general"


class PostProcessing(Struct, kw_only=True):
    summarization: bool = False
    summarization_config: SummarizationConfig | UnsetType = UNSET
    chapterization: bool = False


class MessagesConfig(Struct, kw_only=True):
    """Which messages come over the websocket; a missing key takes the default (protocol 3.2)."""

    receive_partial_transcripts: bool = False
    receive_final_transcripts: bool = True
    receive_speech_events: bool = True
    receive_pre_processing_events: bool = True
    receive_realtime_processing_events: bool = True
    receive_post_processing_events: bool = True
    receive_acknowledgments: bool = True
    receive_errors: bool = True
    receive_lifecycle_events: bool = False


class CallbackConfig(Struct, kw_only=True):
    """Where, and which, messages are posted to; the defaults differ from the websocket's."""

    url: str | UnsetType = UNSET
    receive_partial_transcripts: bool = False
    receive_final_transcripts: bool = True
    receive_speech_events: bool = False
    receive_pre_processing_events: bool = True
    receive_realtime_processing_events: bool = True
    receive_post_processing_events: bool = True
    receive_acknowledgments: bool = False
    receive_errors: bool = False
    receive_lifecycle_events: bool = True


class SessionConfig(Struct, kw_only=True):
    """A session's configuration with every default of the service filled in."""

    encoding: Literal["wav/pcm", "wav/alaw", "wav/ulaw"] = "wav/pcm"
    bit_depth: Literal[8, 16, 24, 32] = 16
    sample_rate: Literal[8000, 16000, 32000, 44100, 48000] = 16000
    channels: Annotated[int, Meta(ge=1, le=8)] = 1
    custom_metadata: dict[str, Any] | UnsetType = UNSET
    model: Text = "solaria-1"
    endpointing: Annotated[float, Meta(ge=0.01, le=10)] = 0.05
    maximum_duration_without_endpointing: Annotated[float, Meta(ge=5, le=60)] = 5
    language_config: LanguageConfig = field(default_factory=LanguageConfig)
    pre_processing: PreProcessing = field(default_factory=PreProcessing)
    realtime_processing: RealtimeProcessing = field(default_factory=RealtimeProcessing)
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    messages_config: MessagesConfig = field(default_factory=MessagesConfig)
    callback: bool = False
    callback_config: CallbackConfig | UnsetType = UNSET

    @property
    def format(self) -> AudioFormat:
        """The form of the audio that this session takes.

        Raises:
            ConfigError: the fields contradict each other (A-law with 16 bits).
        """
        return AudioFormat(
            _ENCODINGS[self.encoding], self.sample_rate, self.bit_depth, self.channels
        )


_ENCODINGS = {"wav/pcm": Encoding.PCM, "wav/alaw": Encoding.ALAW, "wav/ulaw": Encoding.ULAW}
_ENCODING_NAMES = {encoding: name for name, encoding in _ENCODINGS.items()}

#: The names of the encodings, as the service spells them.
ENCODINGS = tuple(_ENCODINGS)


def format_fields(fmt: AudioFormat) -> dict[str, Any]:
    """The fields of the body that say what form the audio has."""
    return {
        "encoding": _ENCODING_NAMES[fmt.encoding],
        "bit_depth": fmt.bit_depth,
        "sample_rate": fmt.sample_rate,
        "channels": fmt.channels,
    }


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration.

    Attributes:
        field: dotted path, e.g. `language_config.languages[0]`; empty for the body itself.
        rule: what holds for that field, e.g. `must not be less than 0.01`.
        unknown: the service does not know a field of this name.
    """

    field: str
    rule: str
    unknown: bool = False

    def __str__(self) -> str:
        return f'Field "{self.field}" {self.rule}' if self.field else f"The body {self.rule}"


METADATA_CHARACTERS = 2000


def problems(body: object) -> list[Problem]:
    """Everything wrong with `body` as the body of `POST /v2/live`, in the order of its fields.

    Unknown fields are marked as such: whether they are refused is the caller's choice.
    """
    found = list(_walk(body, _TYPE, ""))
    if not isinstance(body, Mapping):
        return found
    metadata = body.get("custom_metadata")
    if isinstance(metadata, Mapping):
        size = len(msgspec.json.encode(metadata).decode())
        if size > METADATA_CHARACTERS:
            rule = f"must be at most {METADATA_CHARACTERS} characters as JSON, not {size}"
            found.append(Problem("custom_metadata", rule))
    law = body.get("encoding") in ("wav/alaw", "wav/ulaw")
    if law and body.get("bit_depth", 16) != 8:
        found.append(Problem("bit_depth", f"must be 8 with encoding {body['encoding']}"))
    return found


def complete(body: Mapping[str, Any]) -> SessionConfig:
    """`body` with the service's defaults filled in; it must have no `problems` but unknown fields.

    Raises:
        msgspec.ValidationError: it had.
    """
    return msgspec.convert(body, SessionConfig)


def _walk(value: object, kind: mi.Type, path: str) -> Iterator[Problem]:
    """Hold `value` against `kind`: one case for each kind of type, so that all faults come out."""
    match kind:
        case mi.StructType():
            yield from _walk_object(value, kind, path)
        case mi.UnionType(types=types):
            attempts = [list(_walk(value, member, path)) for member in types]
            if all(attempts):
                # Of several readings, the one that got furthest into the value explains most.
                yield from max(attempts, key=lambda found: max(len(p.field) for p in found))
        case mi.ListType(item_type=item, min_length=least):
            if not isinstance(value, list):
                yield Problem(path, "must be an array")
            elif least and len(value) < least:
                yield Problem(path, f"must have at least {least} item{'s' * (least > 1)}")
            else:
                for i, each in enumerate(value):
                    yield from _walk(each, item, f"{path}[{i}]")
        case mi.DictType(value_type=item):
            if not isinstance(value, Mapping):
                yield Problem(path, "must be an object")
            else:
                for key, each in value.items():
                    yield from _walk(each, item, f"{path}.{key}")
        case _:
            rule = _scalar_rule(value, kind)
            if rule:
                yield Problem(path, rule)


def _walk_object(value: object, kind: mi.StructType, path: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(path, "must be an object")
        return
    names = {f.encode_name: f for f in kind.fields}
    prefix = f"{path}." if path else ""
    for name, given in value.items():
        if name in names:
            yield from _walk(given, names[name].type, prefix + name)
        else:
            yield Problem(prefix + str(name), f"is unknown; known are {', '.join(names)}", True)
    for name, spec in names.items():
        if spec.required and name not in value:
            yield Problem(prefix + name, "is required")


def _scalar_rule(value: object, kind: mi.Type) -> str:
    """What `value` should have been, or an empty string when it is all right."""
    match kind:
        case mi.LiteralType(values=allowed):
            if not any(value == each and type(value) is type(each) for each in allowed):
                return f"is {value!r}: must be one of {', '.join(map(str, allowed))}"
        case mi.BoolType():
            if not isinstance(value, bool):
                return "must be true or false"
        case mi.IntType(ge=low, le=high):
            if not isinstance(value, int) or isinstance(value, bool):
                return "must be a whole number"
            return _range_rule(value, low, high)
        case mi.FloatType(ge=low, le=high):
            if not isinstance(value, int | float) or isinstance(value, bool):
                return "must be a number"
            return _range_rule(value, low, high)
        case mi.StrType(min_length=least):
            if not isinstance(value, str):
                return "must be a string"
            if least and len(value) < least:
                return "must not be empty"
    return ""


def _range_rule(value: float, low: float | None, high: float | None) -> str:
    if low is not None and not value >= low:
        return f"must not be less than {low:g}"
    if high is not None and not value <= high:
        return f"must not be greater than {high:g}"
    return ""


_TYPE = mi.type_info(SessionConfig)
