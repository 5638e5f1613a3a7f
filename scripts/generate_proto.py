"""Generates the committed protobuf code for Python and Rust from proto/ (`make proto`).

The freshness test has it written somewhere else and compares.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from google.rpc import status_pb2
from grpc_tools import protoc

PROJECT = Path(__file__).resolve().parent.parent


def proto_files() -> list[str]:
    """All proto files, relative to proto/, sorted."""
    root = PROJECT / "proto"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))


def includes() -> list[str]:
    """Include flags: our own files, protoc's well-known types, the google.rpc ones."""
    google_rpc = Path(status_pb2.__file__).parent.parent.parent
    well_known = Path(str(resources.files("grpc_tools"))) / "_proto"
    return [f"-I{PROJECT / 'proto'}", f"-I{well_known}", f"-I{google_rpc}"]


def generate_python(root: Path) -> None:
    """Writes the Python modules and their stubs below `root`."""
    root.mkdir(parents=True, exist_ok=True)
    arguments = ["protoc", *includes(), f"--python_out={root}", f"--pyi_out={root}", *proto_files()]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def write_descriptors(path: Path) -> None:
    """Writes the descriptor set, imports included, that the Rust code is generated from."""
    arguments = [
        "protoc",
        *includes(),
        "--include_imports",
        f"--descriptor_set_out={path}",
        *proto_files(),
        "google/rpc/error_details.proto",
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def generate_rust(folder: Path) -> None:
    """Writes the Rust messages into `folder`; needs cargo."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        descriptors = Path(temporary) / "descriptors"
        write_descriptors(descriptors)
        subprocess.run(
            ["cargo", "run", "--quiet", "-p", "fenliu-codegen", "--", descriptors, folder],
            cwd=PROJECT / "core_rs",
            check=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=PROJECT / "server", metavar="FOLDER")
    parser.add_argument(
        "--rust", type=Path, default=PROJECT / "core_rs/engine/src/proto", metavar="FOLDER"
    )
    parser.add_argument("--only", choices=["python", "rust"])
    arguments = parser.parse_args()
    if arguments.only != "rust":
        generate_python(arguments.python)
    if arguments.only != "python":
        generate_rust(arguments.rust)


if __name__ == "__main__":
    main()
