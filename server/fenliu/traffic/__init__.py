"""Traffic for a running server: recorded days, generated ones, and the player that sends them.

Talks to the server through `fenliu.client` only and decides nothing itself.
"""
