"""Lay out the project's data folder as ``logos bench tasks`` reads it: ``python -m scripts.bench_data -o data/``.

Only what ``logos-nano`` was not trained on becomes a case: the test reactions of USPTO-50K, antibodies of held-out
groups, the CrossDocked test pairs, and the PoseBusters complexes, which are in no part of its corpus. The frameworks
are the library of its training.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from logos_cli.errors import LogosError
from logos_cli.objects.material import material_from_blocks
from scripts.nano_records import ROOT, is_closed, json_of, lines_of, split_of

_ASSAYS: Final = {"gfp": ("avgfp", "avgfp"), "aav": ("aav", "aav2_window_561_588")}


def reactions(data: Path, output: Path) -> int:
    rows = [r for r in csv.DictReader(lines_of(data / "reactions" / "uspto50k.csv.xz")) if r["split"] == "test"]
    return write_csv(output / "uspto50k" / "test.csv", ("product", "reactants"), rows)


def antibodies(data: Path, output: Path) -> int:
    rows = []
    for record in json_of(data / "antibodies" / "antibodies.train.jsonl.xz"):
        closed = is_closed(record["source"]) or record["source"] == "harvey_vhh"
        if closed or not record["heavy"] or not record.get("cdrh3"):
            continue
        if split_of(record["cdrh3"], 0.02) == "valid":
            rows.append({"id": record["id"], "heavy": record["heavy"], "light": record["light"]})
    return write_jsonl(output / "antibodies" / "test.jsonl", rows)


def fitness(data: Path, output: Path) -> int:
    sequences = wild_types(data / "fitness" / "wildtypes.fasta")
    count = 0
    for name, (file, wild_type) in _ASSAYS.items():
        rows = csv.DictReader(lines_of(data / "fitness" / f"{file}.csv.xz"))
        kept = ({"sequence": row["sequence"], "fitness": row["score"]} for row in rows if row["score"])
        count += write_csv(output / "fitness" / f"{name}.csv", ("sequence", "fitness"), kept)
        (output / "fitness" / f"{name}.fasta").write_text(f">{name}\n{sequences[wild_type]}\n", encoding="utf-8")
    return count


def wild_types(path: Path) -> dict[str, str]:
    blocks = path.read_text(encoding="utf-8").split(">")[1:]
    return {block.split()[0]: "".join(block.split("\n")[1:]) for block in blocks}


def frameworks(data: Path, output: Path) -> int:
    rows = []
    for record in json_of(data / "mofs" / "mofid.train.jsonl.xz"):
        # some strings of the source are quoted twice
        nodes, linkers = ([text.replace('"', "") for text in record[key]] for key in ("nodes", "linkers"))
        try:
            material = material_from_blocks(nodes, linkers)
        except LogosError:
            continue  # a node or linker that RDKit does not read
        if record["linkers_clean"] and split_of(".".join(material.linkers), 0.03) == "train":
            rows.append({"nodes": nodes, "linkers": linkers})
    return write_jsonl(output / "mofs" / "train.jsonl", rows)


def crossdocked(data: Path, output: Path) -> int:
    count = 0
    for pair in sorted((data / "complexes" / "crossdocked_test").iterdir()):
        for ligand in sorted(pair.glob("*.sdf.gz")):
            receptor = next(path for path in pair.glob("*_rec.pdb.gz") if ligand.name.startswith(path.name[:-7]))
            for place in (output / "crossdocked", output / "sites" / "crossdocked"):
                place.mkdir(parents=True, exist_ok=True)
                name = f"{pair.name}.{ligand.name[:-7]}"
                shutil.copyfile(receptor, place / f"{name}.pdb.gz")
                shutil.copyfile(ligand, place / f"{name}.sdf.gz")
            count += 1
    return count


def posebusters(data: Path, output: Path) -> int:
    place = output / "sites" / "posebusters"
    place.mkdir(parents=True, exist_ok=True)
    paths = sorted((data / "complexes" / "posebusters").glob("*.pdb.gz"))
    for path in paths:
        shutil.copyfile(path, place / path.name)
    return len(paths)


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


PARTS: Final = (reactions, antibodies, fitness, frameworks, crossdocked, posebusters)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "bench-data")
    args = parser.parse_args(arguments)
    for part in PARTS:
        print(f"{part.__name__:12} {part(args.data, args.output):,}")


if __name__ == "__main__":
    main()
