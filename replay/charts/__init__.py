"""What charts show, worked out: curves, courses, a session on one axis of time, rows of bars.

Values in, plain data out. Nothing here knows how anything is drawn, and whatever draws it computes
nothing but where things go on the page.
"""
