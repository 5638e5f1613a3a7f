"""Shop documents as resources: their parts, masks, differences, and what looks wrong in them.

Knows the public messages only: no gRPC, no engine, no rule of dispatch.
"""
