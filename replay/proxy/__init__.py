"""The injector: a reverse proxy that knows the protocol, and harms what passes on purpose.

`server`: on a port. `injector`: everything but the sockets. `watch`: one session; `link`: one of
its connections, with a `pump` for each direction. `frames`, `traffic`: what passes. `effects`: the
faults.
"""
