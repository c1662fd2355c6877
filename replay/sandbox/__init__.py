"""The API on this machine: the same protocol, spoken without a network and without a key.

`hub` holds the sessions, `live` is one of them, `store` keeps what it took in and gave out, and
`recognizers` turn audio into words. None of these knows a socket: `websocket` and `server` bring
connections, `app` answers plain HTTP, `process` runs all of it in a process of its own.
"""
