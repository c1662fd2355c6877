"""A whole run in one process and in virtual time: client, network, injector and sandbox.

`simulate` is the call. `network`: a connection that takes its time; `injected`: the service that a
client plays into; `order`: what makes two simulations of the same spec the same, byte for byte.
"""

from replay.simulation.simulate import simulate
from replay.simulation.spec import Simulated, Simulation

__all__ = ["Simulated", "Simulation", "simulate"]
