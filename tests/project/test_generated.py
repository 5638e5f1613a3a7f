"""Code made from proto/ is committed; here it is made again and compared."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "scripts" / "generate_proto.py"


def files(root: Path, pattern: str) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob(pattern)}


@pytest.mark.parametrize("pattern", ["*_pb2.py", "*_pb2.pyi"])
def test_python_code_is_what_the_proto_files_give(tmp_path: Path, pattern: str):
    subprocess.run(
        [sys.executable, SCRIPT, "--only", "python", "--python", str(tmp_path)], check=True
    )
    assert files(tmp_path, pattern) == files(PROJECT / "server", pattern)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
def test_rust_code_is_what_the_proto_files_give(tmp_path: Path):
    subprocess.run([sys.executable, SCRIPT, "--only", "rust", "--rust", str(tmp_path)], check=True)
    committed = PROJECT / "core_rs" / "engine" / "src" / "proto"
    made = files(tmp_path, "*.rs")
    assert made
    assert {name: text for name, text in files(committed, "*.rs").items() if name in made} == made
