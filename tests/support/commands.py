"""Runs the commands of `fenliu` in this process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from fenliu.cli import main


def run(*arguments: str | Path, **env: str) -> Result:
    return CliRunner(env=env).invoke(main, [str(one) for one in arguments])


def said(result: Result, code: int = 0) -> str:
    """Standard output of a command that ended as expected, without a traceback."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout
