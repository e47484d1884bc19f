"""The dependencies between the modules of a package: files per folder, import arrows, and circles.

    python -m benchmarks.imports service [--root CHECKOUT] [--json]

Imports are read from the source with `ast`, so nothing is imported, and those under `TYPE_CHECKING` or inside functions
count like all others. A room is a folder or a module directly in the package. A circle is a set of modules, or of
rooms, each of which leads to all others. `--root` measures another checkout, for example one of an earlier commit.
"""

import argparse
import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

Graph = Mapping[str, set[str]]


class Imports(NamedTuple):
    """The dependencies found in a package.

    Attributes:
        files: number of modules, by folder; `__init__.py` without code is left out.
        rooms: number of rooms.
        module_arrows: imports from one module to another, each pair once.
        room_arrows: the same between rooms.
        module_circles: modules that import each other in a circle.
        room_circles: the same between rooms.
    """

    files: dict[str, int]
    rooms: int
    module_arrows: int
    room_arrows: int
    module_circles: list[list[str]]
    room_circles: list[list[str]]


def main() -> int:
    """Measure one package."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports")
    parser.add_argument("package", help="name of a package at the root of the checkout")
    parser.add_argument("--root", type=Path, default=Path(), metavar="CHECKOUT")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not (args.root / args.package).is_dir():
        print(f"{args.root / args.package}: there is no such package", file=sys.stderr)
        return 2
    found = measure(args.root, args.package)
    print(json.dumps(found._asdict(), indent=1) if args.json else as_markdown(found))
    return 0


def measure(root: Path, package: str) -> Imports:
    """The imports of the modules of a package under `root` from each other."""
    paths = {_name(path.relative_to(root)): path for path in sorted((root / package).rglob("*.py"))}
    sources = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    graph = {name: _imported(source, set(paths)) - {name} for name, source in sources.items()}
    rooms: dict[str, set[str]] = {_room(name): set() for name in graph if name != package}
    for name, others in graph.items():
        if name != package:
            rooms[_room(name)] |= {_room(other) for other in others if other != package} - {_room(name)}
    counted = [path for name, path in paths.items() if path.name != "__init__.py" or _has_code(sources[name])]
    return Imports(
        files=dict(Counter(str(path.parent.relative_to(root)) for path in counted)),
        rooms=len(rooms),
        module_arrows=sum(map(len, graph.values())),
        room_arrows=sum(map(len, rooms.values())),
        module_circles=circles(graph),
        room_circles=circles(rooms),
    )


def circles(graph: Graph) -> list[list[str]]:
    """The sets of two or more nodes that all lead to each other."""
    reached = {node: _reachable(graph, node) for node in graph}
    together = {tuple(sorted(b for b in reached[a] if a in reached[b])) for a in graph}
    return sorted(list(nodes) for nodes in together if len(nodes) > 1)


def as_markdown(found: Imports) -> str:
    """A table for people."""
    rows = [(f"modules in `{folder}/`", str(count)) for folder, count in found.files.items()]
    rows += [
        ("rooms", str(found.rooms)),
        ("arrows between rooms", str(found.room_arrows)),
        ("arrows between modules", str(found.module_arrows)),
        ("circles of rooms", _listed(found.room_circles)),
        ("circles of modules", _listed(found.module_circles)),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def _listed(found: list[list[str]]) -> str:
    return "; ".join(", ".join(names) for names in found) or "none"


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _has_code(source: str) -> bool:
    return any(not isinstance(node, ast.Expr) for node in ast.parse(source).body)


def _imported(source: str, modules: set[str]) -> set[str]:
    return {name for node in ast.walk(ast.parse(source)) for name in _names(node, modules) if name in modules}


def _names(node: ast.AST, modules: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in modules else node.module


def _reachable(graph: Graph, start: str) -> set[str]:
    """The nodes that arrows from a node lead to; the node itself only if it is in a circle."""
    seen: set[str] = set()
    left = [start]
    while left:
        for other in graph[left.pop()]:
            if other not in seen:
                seen.add(other)
                left.append(other)
    return seen


if __name__ == "__main__":
    sys.exit(main())
