"""What is posted to somebody's URL about a session: callbacks (protocol 8.6), webhooks (8.7)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from replay.wire import messages as m

_PREFIX = "live."
_LIFECYCLE = (m.StartSession, m.StartRecording, m.EndRecording, m.EndSession)


class Post(Struct, kw_only=True, omit_defaults=True):
    """Either of them. `id`: the job's, in a callback; `payload`: a callback's is the message as
    the websocket has it, a webhook's holds the job's id."""

    id: str | UnsetType = UNSET
    event: str
    payload: Raw


def event_of(message: m.Message) -> str:
    """The name under which `message` is posted."""
    return _PREFIX + m.message_type(message)


def once(message: m.Message) -> str:
    """What says that two messages tell the same, for those that come once in a session, else ""."""
    match message:
        case m.Transcript(data=m.TranscriptData(is_final=True, id=name)):
            return f"{m.message_type(message)} {name}"
        case m.Transcript() | m.AudioAck() | m.StopAck() | m.SpeechStart() | m.SpeechEnd():
            return ""
        case m.Translation() | m.NamedEntities() | m.Sentiment() | m.ServiceMessage():
            return ""
    return m.message_type(message)


def lifecycle() -> tuple[str, ...]:
    """`once` of every message that webhooks tell of: each session has them all."""
    return tuple(m.message_type(each) for each in _LIFECYCLE)


def callback_body(session_id: str, message: m.Message) -> bytes:
    payload = Raw(m.encode(message).encode())
    post = Post(id=session_id, event=event_of(message), payload=payload)
    return msgspec.json.encode(post)


def is_hook(message: m.Message) -> bool:
    """Do webhooks tell of `message`?"""
    return isinstance(message, _LIFECYCLE)


def webhook_body(session_id: str, message: m.Message) -> bytes:
    payload = Raw(msgspec.json.encode({"id": session_id}))
    return msgspec.json.encode(Post(event=event_of(message), payload=payload))


def decode(body: bytes) -> Post | None:
    """What came in a request, or None when it is neither of them."""
    try:
        return msgspec.json.decode(body, type=Post)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_callback(post: Post) -> bool:
    """Is it a session's callback, and no webhook?"""
    return post.id is not UNSET


def told(post: Post) -> m.Received:
    """The message in a callback."""
    return m.decode(bytes(post.payload))


def ends_session(post: Post) -> bool:
    """Is `post` the last of a session that tells of its lifecycle?"""
    return post.event == _PREFIX + m.message_type(m.EndSession)
