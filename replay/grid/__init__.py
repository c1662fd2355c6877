"""Agents × cases: what becomes of a program when its connection is harmed, in every way we know.

`cases`: what is done. `cell`: one agent in one case. `grading`: what came of it, in a word.
`runner`: all of it, several cells at once. `results`: as it is kept and rendered.
"""
