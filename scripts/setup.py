"""Sets up `.venv` for running and testing from the checkout. Run by make; needs Python alone.

Installs what pyproject.toml asks for in the versions of constraints.txt, puts server/ on the path, makes
`.venv/bin/fenliu`, and, if cargo is there, builds the Rust core in place. Does nothing when all is up to date.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
MINIMUM = (3, 11)
LAUNCHER = """#!{python}
import sys
from fenliu.cli import main
sys.exit(main())
"""


def main() -> None:
    if sys.version_info < MINIMUM:
        sys.exit(
            f"Fenliu needs Python {'.'.join(map(str, MINIMUM))} or newer, not {sys.version.split()[0]}"
        )
    install_dependencies()
    put_on_path()
    build_core()


def install_dependencies() -> None:
    """Creates the environment and installs the locked versions, when any of that has changed."""
    inputs = [PROJECT / "pyproject.toml", PROJECT / "constraints.txt"]
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in inputs))
    fingerprint.update(f"{sys.version} {PROJECT}".encode())
    stamp = VENV / ".ready"
    if stamp.exists() and stamp.read_text() == fingerprint.hexdigest():
        return
    say("setting up .venv")
    venv.create(VENV, with_pip=True, clear=VENV.exists())
    import tomllib  # noqa: PLC0415 - absent from Pythons that main() turns away

    project = tomllib.loads(inputs[0].read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    pip("install", "--quiet", "--constraint", str(inputs[1]), *wanted)
    stamp.write_text(fingerprint.hexdigest())


def put_on_path() -> None:
    """Makes the environment run the sources in server/ directly."""
    site = next((VENV / "lib").glob("python3*/site-packages"))
    (site / "fenliu-source.pth").write_text(f"{PROJECT / 'server'}\n")
    launcher = BIN / "fenliu"
    launcher.write_text(LAUNCHER.format(python=PYTHON))
    launcher.chmod(0o755)


def build_core() -> None:
    """Builds the Rust core into server/fenliu/engine/. Without cargo the server says what serves."""
    extension = PROJECT / "server" / "fenliu" / "engine" / "_core.abi3.so"
    if shutil.which("cargo") is None:
        return
    sources = [
        path
        for path in (PROJECT / "core_rs").rglob("*")
        if path.suffix in {".rs", ".toml", ".lock"} and not {"target", "fuzz"} & set(path.parts)
    ]
    if extension.exists() and extension.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return
    say("building the Rust core")
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    built = subprocess.run(
        [BIN / "maturin", "develop", "--release", "--skip-install", "--quiet"],
        cwd=PROJECT,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if built.returncode:
        print(built.stdout, file=sys.stderr)
        say("the Rust core did not build (see above): the pure-Python core serves, only slower")


def pip(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments], check=True)


def say(text: str) -> None:
    print(f"fenliu: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
