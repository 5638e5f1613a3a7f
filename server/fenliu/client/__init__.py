"""A typed asyncio client of the gRPC API, for gateways, the command line and tests.

`Router` and `Presence` are what a gateway lives with, `FenliuGateway` both for programs without an event
loop; `FenliuClient` has every method, call by call. Knows the public protos and nothing of the server behind them.
"""

from fenliu.client.client import FenliuClient
from fenliu.client.errors import FenliuError
from fenliu.client.presence import Presence
from fenliu.client.router import Router
from fenliu.client.sync import FenliuGateway

__all__ = ["FenliuClient", "FenliuError", "FenliuGateway", "Presence", "Router"]
