"""Load on a server and a no-op echo beside it, for `fenliu bench` and the benchmarks.

Knows the public protos and nothing of the server behind them. Everything that is sent is encoded before it is
timed, and calls are made without a gRPC library, so that what is measured is the server.
"""
