"""`fenliu` without what protects it from overload, to see what the protection is worth.

    python -m benchmarks.unprotected serve ...

gRPC itself turns calls away (CANCELLED) when more than a few thousand wait to be read, and by chance from a
thousand on; here it does not.
"""

from __future__ import annotations

import sys

import fenliu.rpc.server
from fenliu.cli import main

WITHOUT_LIMIT = 2**30

fenliu.rpc.server.OPTIONS += (
    ("grpc.server_max_pending_requests", WITHOUT_LIMIT),
    ("grpc.server_max_pending_requests_hard_limit", WITHOUT_LIMIT),
)

if __name__ == "__main__":
    main(sys.argv[1:])
