"""Plays recorded audio and live streams into a real-time speech-to-text API, and measures it."""

__version__ = "0.1.0"
