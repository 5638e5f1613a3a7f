"""Fenliu as its users run it: processes on real ports and directories. Knows no rule."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

FENLIU = (sys.executable, "-m", "fenliu")
PROJECT = Path(__file__).resolve().parents[2]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without what would set Fenliu's options from outside; its language stays."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "FENLIU_LANG"
        or (not name.startswith("FENLIU_") and name not in ("ONCE", "COLUMNS"))
    }
    return kept | settings


def free_address() -> str:
    """A loopback HOST:PORT that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def fenliu(*arguments: str | Path) -> str:
    """Runs a command to its end, which must be a success; returns standard output."""
    command = [*FENLIU, *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Serving:
    """`fenliu serve` (or another command that says `listening on`), from ready to its end."""

    def __init__(
        self, *arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [*FENLIU, *map(str, arguments)],
            env=environment() if env is None else env,
            cwd=cwd,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.said: list[str] = []
        for line in self._process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                self.address = line.split()[-1]
                return
        raise AssertionError(f"ended with {self.end()}: {self.said}")

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        return self.end()

    def kill(self) -> int:
        """SIGKILL, unless it has ended; the exit code."""
        self._process.kill()
        return self.end()

    def end(self) -> int:
        """Waits for the end; the exit code."""
        code = self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code
