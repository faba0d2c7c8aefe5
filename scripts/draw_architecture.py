"""Draw the rooms of the package and the imports between them.

    python -m scripts.draw_architecture            # write docs/contributing/architecture.svg
    python -m scripts.draw_architecture --check    # report rooms and arrows that differ from the code, and fail

A room stands above all rooms that it imports from. The picture has an arrow from each room to the rooms directly below it,
with the number of imports of one module by another; the table under it has the numbers of all pairs. Rooms and arrows must
be those of the code; a number may be off by a fifth, so that one new import does not make the picture stale.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "contributing" / "architecture.svg"
ROOT = "logos_cli"
GROUND = ("accounting", "errors", "records", "registry", "resources")  # modules that every room imports
WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT, MARGIN = 1000, 84, 128, 40, 20
CELL, HEAD = 36, 100
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9"'
    ' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="#456"/></marker></defs>'
)

Arrow = tuple[str, str]


@dataclass(frozen=True)
class Rooms:
    """The rooms, and how many imports lead from one to another.

    Attributes
    ----------
    sizes : dict of str to int
        Modules of each room.
    imports : dict of (str, str) to int
        Importing room and imported room.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    imports: dict[Arrow, int] = field(default_factory=dict)

    @cached_property
    def floors(self) -> list[list[str]]:
        """Rooms by floor, the lowest first: each room above those that it imports from."""
        level: dict[str, int] = {}

        def floor(room: str) -> int:
            if room not in level:
                below = [floor(target) for source, target in self.imports if source == room]
                level[room] = 1 + max(below, default=-1)
            return level[room]

        for room in self.sizes:
            floor(room)
        return [sorted(room for room in level if level[room] == n) for n in range(max(level.values()) + 1)]

    @cached_property
    def direct(self) -> list[Arrow]:
        """The arrows that no chain of other arrows replaces."""
        reach: dict[str, set[str]] = {}
        for room in (room for floor in self.floors for room in floor):
            targets = {target for source, target in self.imports if source == room}
            reach[room] = targets.union(*(reach[target] for target in targets))
        return sorted(
            (source, target)
            for source, target in self.imports
            if not any((source, other) in self.imports and target in reach[other] for other in self.sizes)
        )


def count() -> Rooms:
    """Return the rooms of the package as its imports show them."""
    graph = grimp.build_graph(ROOT, cache_dir=None)
    sizes: Counter[str] = Counter()
    imports: Counter[Arrow] = Counter()
    for module in graph.modules:
        room = _room(module)
        if room is None:
            continue
        sizes[room] += 1
        for imported in graph.find_modules_directly_imported_by(module):
            other = _room(imported)
            if other is not None and other != room:
                imports[room, other] += 1
    return Rooms(dict(sorted(sizes.items())), dict(sorted(imports.items())))


def _room(module: str) -> str | None:
    """Return the room of a module; None for the ground and for the package itself."""
    name = module.split(".")[1] if "." in module else ""
    return None if name in ("", "__main__", *GROUND) else name


def read(text: str) -> Rooms:
    """Return the rooms that a picture shows."""
    sizes = {room: int(n) for room, n in re.findall(r'data-room="(\w+)" data-modules="(\d+)"', text)}
    found = re.findall(r'data-from="(\w+)" data-to="(\w+)" data-imports="(\d+)"', text)
    return Rooms(sizes, {(source, target): int(n) for source, target, n in found})


def differences(drawn: Rooms, now: Rooms) -> list[str]:
    """Return what a picture shows otherwise than the code has it."""
    found = [f"room {room} is not drawn" for room in now.sizes if room not in drawn.sizes]
    found += [f"there is no room {room}" for room in drawn.sizes if room not in now.sizes]
    for arrow in sorted({*drawn.imports, *now.imports}):
        was, is_now = drawn.imports.get(arrow, 0), now.imports.get(arrow, 0)
        if bool(was) != bool(is_now) or abs(was - is_now) > max(3, 0.2 * is_now):
            found.append(f"{arrow[0]} -> {arrow[1]}: {was} drawn, {is_now} imports")
    return found


def draw(rooms: Rooms) -> str:
    """Return the picture as SVG."""
    ground_y = ROW * len(rooms.floors)
    table_y = ground_y + BOX_HEIGHT + 2 * MARGIN
    total = int(table_y + HEAD + CELL * 0.6 * len({source for source, _ in rooms.imports}) + MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" font-family="sans-serif" font-size="12">',
        "<title>Rooms of logos and the imports between them</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        TIP,
        *_arrows(rooms),
        *_boxes(rooms),
        f'<rect x="{MARGIN}" y="{ground_y}" width="{WIDTH - 2 * MARGIN}" height="{BOX_HEIGHT}" rx="4" fill="#eee"/>',
        f'<text x="{WIDTH / 2:g}" y="{ground_y + 24}" text-anchor="middle">{", ".join(GROUND)}: for every room</text>',
        *_table(rooms, table_y),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(rooms: Rooms) -> dict[Arrow | str, list[float]]:
    """Return where rooms, and arrows on the floors that they cross, stand: x on each floor from the arrow's end up.

    The places on a floor are evenly spaced, in the order of the mean place of what they are joined to on the floor above.
    """
    level = {room: n for n, floor in enumerate(rooms.floors) for room in floor}
    places: dict[tuple[Arrow | str, int], float] = {}
    for n in reversed(range(len(rooms.floors))):
        here: list[Arrow | str] = [*rooms.floors[n]]
        here += [arrow for arrow in rooms.direct if level[arrow[1]] < n < level[arrow[0]]]

        def mean(item: Arrow | str, n: int = n) -> float:
            arrows = [item] if isinstance(item, tuple) else [arrow for arrow in rooms.direct if arrow[1] == item]
            above = [
                places[arrow[0] if level[arrow[0]] == n + 1 else arrow, n + 1]
                for arrow in arrows
                if isinstance(arrow, tuple)
            ]
            return sum(above) / len(above) if above else WIDTH / 2

        here.sort(key=lambda item: (mean(item), str(item)))
        weights = [BOX_WIDTH + 24 if isinstance(item, str) else 40 for item in here]
        x = (WIDTH - sum(weights)) / 2
        for item, weight in zip(here, weights, strict=True):
            places[item, n] = x + weight / 2
            x += weight
    columns: dict[Arrow | str, list[float]] = {room: [places[room, n]] for room, n in level.items()}
    for source, target in rooms.direct:
        between = [places[(source, target), n] for n in range(level[target] + 1, level[source])]
        columns[source, target] = [places[target, level[target]], *between, places[source, level[source]]]
    return columns


def _floor_y(rooms: Rooms, room: str) -> float:
    n = next(n for n, floor in enumerate(rooms.floors) if room in floor)
    return MARGIN + ROW * (len(rooms.floors) - 1 - n)


def _arrows(rooms: Rooms) -> list[str]:
    columns = _columns(rooms)
    found = []
    for source, target in rooms.direct:
        xs = columns[source, target][::-1]
        top = _floor_y(rooms, source) + BOX_HEIGHT
        points = [(xs[0], top)]
        for n, x in enumerate(xs[1:-1], 1):
            y = top + ROW * n - BOX_HEIGHT
            points += [(x, y), (x, y + BOX_HEIGHT)]
        points.append((xs[-1], _floor_y(rooms, target)))
        path = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
        for (x0, y0), (x1, y1) in pairwise(points):
            middle = (y0 + y1) / 2
            path += f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}" if x0 != x1 else f"V{y1:.0f}"
        n = rooms.imports[source, target]
        line = (
            f'stroke-width="{1 + min(n, 40) / 12:.1f}" stroke="#456" fill="none" opacity="0.7" marker-end="url(#tip)"'
        )
        found.append(f'<path d="{path}" {line}><title>{source} imports {target}: {n}</title></path>')
        (x0, y0), (x1, y1) = points[-2:]
        place = f'x="{x0 + 0.8 * (x1 - x0) + 5:.0f}" y="{y0 + 0.68 * (y1 - y0):.0f}"'  # beside the end of the curve
        found.append(f'<text {place} fill="#b30" font-size="11">{n}</text>')
    return found


def _boxes(rooms: Rooms) -> list[str]:
    columns = _columns(rooms)
    found = []
    for room, n in rooms.sizes.items():
        x, y = columns[room][0], _floor_y(rooms, room)
        found.append(
            f'<g data-room="{room}" data-modules="{n}"><title>{escape(_purpose(room))}</title>'
            f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4" fill="#e8f0f8"'
            f' stroke="#456"/><text x="{x:.0f}" y="{y + 17:.0f}" text-anchor="middle" font-weight="bold">{room}/</text>'
            f'<text x="{x:.0f}" y="{y + 32:.0f}" text-anchor="middle" font-size="10" fill="#555">{n} modules</text></g>'
        )
    return found


def _purpose(room: str) -> str:
    """Return the first line of a room's docstring."""
    text = (PICTURE.parents[2] / ROOT / room / "__init__.py").read_text(encoding="utf-8")
    return text.lstrip('"').partition("\n")[0].rstrip('"')


def _table(rooms: Rooms, top: float) -> list[str]:
    left, row = MARGIN + 100, CELL * 0.6
    names = [room for floor in reversed(rooms.floors) for room in floor]
    sources = [name for name in names if any(source == name for source, _ in rooms.imports)]
    targets = [name for name in names if any(target == name for _, target in rooms.imports)]
    found = [f'<text x="{MARGIN}" y="{top + HEAD - 10:.0f}" font-size="11" fill="#555">imports from →</text>']
    for n, name in enumerate(targets):
        place = f"translate({left + CELL * (n + 0.6):.0f} {top + HEAD - 8:.0f}) rotate(-60)"
        found.append(f'<text transform="{place}" font-size="11">{name}</text>')
    for n, name in enumerate(sources):
        found.append(
            f'<text x="{left - 8}" y="{top + HEAD + row * (n + 0.7):.0f}" text-anchor="end" font-size="11">{name}</text>'
        )
    for (source, target), n in rooms.imports.items():
        x, y = left + CELL * targets.index(target), top + HEAD + row * sources.index(source)
        found.append(
            f'<g data-from="{source}" data-to="{target}" data-imports="{n}"><title>{source} imports {target}: {n}</title>'
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{CELL - 2}" height="{row - 2:.0f}" fill="#456"'
            f' fill-opacity="{0.1 + min(n, 40) / 80:.2f}"/><text x="{x + CELL / 2 - 1:.0f}" y="{y + row * 0.7:.0f}"'
            f' text-anchor="middle" font-size="11">{n}</text></g>'
        )
    return found


def main(arguments: list[str]) -> int:
    """Write the picture, or with ``--check`` compare it."""
    rooms = count()
    if "--check" not in arguments:
        PICTURE.write_text(draw(rooms), encoding="utf-8")
        return 0
    found = differences(read(PICTURE.read_text(encoding="utf-8")), rooms)
    sys.stderr.writelines(f"{line}\n" for line in found)
    if found:
        sys.stderr.write("docs/contributing/architecture.svg is stale: run `make picture`\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
