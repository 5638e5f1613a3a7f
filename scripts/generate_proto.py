"""Generates the committed protobuf code for Python from proto/ (`make proto`).

Writes `*_pb2.py` and `*_pb2.pyi` under the given root, `server/` by default; the freshness test gives
a temporary one and compares.
"""

from __future__ import annotations

import sys
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


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--descriptors":
        write_descriptors(Path(sys.argv[2]))
    else:
        generate_python(Path(sys.argv[1]) if len(sys.argv) == 2 else PROJECT / "server")
