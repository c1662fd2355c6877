"""Soaks: many sessions for hours, with disconnects coming and going."""
