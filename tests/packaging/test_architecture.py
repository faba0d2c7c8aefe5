"""The picture, the pages for developers and the contracts describe the package as it is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from logos_cli import registry
from scripts.draw_architecture import Rooms, count, differences, draw, read


@pytest.fixture(scope="module")
def now() -> Rooms:
    return count()


@pytest.fixture(scope="module")
def layers(checkout: Path) -> list[str]:
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [each for each in settings["contracts"] if "logos_cli.cli" in each.get("layers", ())]
    return [name.removeprefix("logos_cli.") for name in contract["layers"]]


def test_the_picture_shows_the_imports(checkout: Path, now: Rooms) -> None:
    drawn = read((checkout / "docs" / "contributing" / "architecture.svg").read_text(encoding="utf-8"))
    assert differences(drawn, now) == [], "run `make picture`"


def test_a_drawn_picture_reads_back(now: Rooms) -> None:
    assert read(draw(now)) == now


def test_a_new_arrow_and_a_new_room_make_a_picture_stale(now: Rooms) -> None:
    arrow = next(iter(now.imports))
    fewer = {each: n for each, n in now.imports.items() if each != arrow}
    assert differences(replace(now, imports=fewer), now) == [
        f"{arrow[0]} -> {arrow[1]}: 0 drawn, {now.imports[arrow]} imports"
    ]
    room, *rest = now.sizes
    assert f"room {room} is not drawn" in differences(replace(now, sizes={name: now.sizes[name] for name in rest}), now)


def test_floors_and_direct_arrows() -> None:
    rooms = Rooms({"a": 1, "b": 1, "c": 1}, {("a", "b"): 1, ("b", "c"): 1, ("a", "c"): 5})
    assert rooms.floors == [["c"], ["b"], ["a"]]
    assert rooms.direct == [("a", "b"), ("b", "c")]


def test_the_table_of_layers_is_the_contract(checkout: Path, layers: list[str]) -> None:
    text = (checkout / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert listed == layers


def test_the_picture_keeps_to_the_layers(now: Rooms, layers: list[str]) -> None:
    assert set(now.sizes) <= set(layers)
    assert all(layers.index(source) < layers.index(target) for source, target in now.imports)


def test_every_room_of_plugins_is_in_the_table(checkout: Path) -> None:
    text = (checkout / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for room in sorted(path.name for path in (checkout / "logos_cli").iterdir() if (path / "__init__.py").exists()):
        if registry.names(room):
            assert f"| `{room}/NAME.py` |" in text, room


def test_modules_named_by_the_page_exist(checkout: Path) -> None:
    text = (checkout / "docs" / "contributing" / "architecture.md").read_text(encoding="utf-8")
    cells = re.findall(r"\| ([^|]*)\|$", text, re.MULTILINE)
    names = re.findall(r"`([a-z_.]+)`", " ".join(cells))
    assert len(names) > 30
    assert [name for name in names if find_spec(f"logos_cli.{name}") is None] == []
