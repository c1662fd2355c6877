"""The API's protocol as types. No other part of the program knows its strings.

`config`: the body that opens a session. `messages`: what passes over the websocket. `http`: the
other routes. `closing`: what close codes and refusals mean. `limits`: sizes and times.
"""
