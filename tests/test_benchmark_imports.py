from pathlib import Path

import pytest

from benchmarks.imports import as_markdown, circles, measure

FILES = {
    "__init__.py": '"""Says what it is, and has no code."""\n',
    "app.py": "from small import room\nfrom small.room.one import ONE\n",
    "low.py": "ONE = 1\n",
    "room/__init__.py": "",
    "room/one.py": "from small.low import ONE\n\nif TYPE_CHECKING:\n    import small.room.two\n",
    "room/two.py": "import os\n\n\ndef late():\n    from small.room import one\n\n    return one, os\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, source in FILES.items():
        path = tmp_path / "small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_hidden_imports_count_and_circles_are_found(root: Path) -> None:
    found = measure(root, "small")

    assert found.files == {"small": 2, "small/room": 2}
    assert (found.rooms, found.room_arrows) == (3, 2)  # app to room, room to low
    assert found.module_arrows == 5
    assert found.module_circles == [["small.room.one", "small.room.two"]]
    assert found.room_circles == []
    assert "| circles of modules | small.room.one, small.room.two |" in as_markdown(found)


def test_a_node_on_the_way_to_a_circle_is_not_in_it() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]
