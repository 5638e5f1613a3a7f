"""The house's rules, held against the code: who may import whom, and what the engine may not touch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = PROJECT / "server" / "fenliu"

# Part -> the parts it may import. Downward only; what is not listed is not allowed.
MAY_IMPORT = {
    "fenliu": set(),
    "v1": set(),
    "config": set(),
    "failpoints": set(),
    "engine": {"v1"},
    "journal": {"failpoints"},
    "recovery": {"engine", "journal", "v1", "failpoints"},
    "dispatch": {"recovery", "engine", "journal", "failpoints"},
    "insight": {"recovery", "engine", "journal", "v1"},
    "resources": {"v1"},
    "rpc": {"dispatch", "insight", "resources", "engine", "v1", "config", "fenliu"},
    "workers": {"rpc", "dispatch", "insight", "journal", "engine", "v1", "config"},
    "client": {"v1"},
    "traffic": {"client", "v1"},
    "load": {"client", "v1"},
    "app": {"workers", "rpc", "dispatch", "insight", "journal", "engine", "config", "fenliu"},
    "worker": {"app", "workers", "engine", "journal"},
    "offline": {"dispatch", "recovery", "journal", "engine", "v1", "config", "fenliu"},
    "cli": {"app", "offline", "traffic", "load", "client", "resources", "v1", "config", "fenliu"},
    "__main__": {"cli"},
}

# A pure state machine does no I/O, reads no clock, draws no random numbers, starts nothing.
IMPURE = {
    "asyncio", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "uuid", "grpc",
}  # fmt: skip


def modules(folder: Path = PACKAGE) -> Iterator[Path]:
    return (path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module or ""
            if node.module == "fenliu":
                yield from (f"fenliu.{alias.name}" for alias in node.names)


def part_of(module: str) -> str | None:
    """ "fenliu.rpc.server" -> "rpc"; "fenliu" -> "fenliu"; another package -> None."""
    names = module.split(".")
    if names[0] != "fenliu":
        return None
    return names[1] if len(names) > 1 and (names[1] in MAY_IMPORT) else "fenliu"


def test_every_part_is_known_to_these_rules():
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()}
    assert parts - {"__init__"} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_go_downward_only(part: str):
    root = PACKAGE / part if (PACKAGE / part).is_dir() else PACKAGE / f"{part}.py"
    files = [PACKAGE / "__init__.py"] if part == "fenliu" else [root]
    if root.is_dir():
        files = list(modules(root))
    broken = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in files
        for module in imports(path)
        if part_of(module) not in {None, part, *MAY_IMPORT[part]}
    ]
    assert not broken, "\n".join(broken)


def test_the_python_core_is_pure():
    broken = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in modules(PACKAGE / "engine" / "pure")
        for module in imports(path)
        if module.split(".")[0] in IMPURE
    ]
    assert not broken, "\n".join(broken)


def test_the_python_core_has_no_floats():
    for path in modules(PACKAGE / "engine" / "pure"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            is_division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            assert not is_float and not is_division, f"{path}:{node.lineno}"


def test_the_rust_engine_knows_no_python_and_no_unsafe():
    crate = PROJECT / "core_rs" / "engine"
    sources = [*crate.rglob("*.rs"), crate / "Cargo.toml"]
    assert len(sources) > 5
    assert not [path for path in sources if "pyo3" in path.read_text()]
    assert "#![forbid(unsafe_code)]" in (crate / "src" / "lib.rs").read_text()


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        if not path.name.endswith("_pb2.py") and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent
