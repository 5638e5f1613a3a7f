"""All benchmarks, one after another (`make bench`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

for command in (
    ["-m", "pytest", "-q", "benchmarks/test_engine.py", "--benchmark-columns=median,rounds"],
    ["-m", "benchmarks.grpc_load"],
    ["-m", "benchmarks.client_gain"],
    ["-m", "benchmarks.queue_wait"],
    ["-m", "benchmarks.explain"],
    ["-m", "benchmarks.reports"],
):
    subprocess.run([sys.executable, *command], cwd=PROJECT, check=True)
