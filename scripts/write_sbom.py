"""Write a Software Bill of Materials of the installed environment, as CycloneDX JSON.

    python scripts/write_sbom.py build/sbom.cdx.json

It lists logos with the packages that it needs, directly or through others, by their installed versions and licences, and which
needs which. Packages of extras that are not installed are absent. The same environment gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = "logos-cli"
_EXTRA = re.compile(r"extra\s*==")


def components() -> dict[str, tuple[Distribution, list[str]]]:
    """Return the packages by normalised name, each with the names of those that it needs."""
    found: dict[str, tuple[Distribution, list[str]]] = {}
    waiting = [ROOT]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        # extras of logos are part of it where they are installed; those of others are not its concern
        needed = [each for each in package.requires or [] if name == ROOT or not _EXTRA.search(each)]
        names = sorted({_normalised(re.split(r"[\s;<>=!~\[(]", each, maxsplit=1)[0]) for each in needed} - {name})
        found[name] = package, names
        waiting += names
    return found


def bill() -> dict[str, object]:
    """Return the document."""
    packages = components()
    if ROOT not in packages:
        sys.exit(f"{ROOT} is not installed: pip install -e .")
    references = {name: _reference(name, package) for name, (package, _) in packages.items()}
    listed = [_component(name, packages[name][0]) for name in sorted(packages) if name != ROOT]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(sorted(references.values())))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {"component": _component(ROOT, packages[ROOT][0]) | {"type": "application"}},
        "components": listed,
        "dependencies": [
            {"ref": references[name], "dependsOn": [references[each] for each in needed if each in references]}
            for name, (_, needed) in sorted(packages.items())
        ],
    }


def _component(name: str, package: Distribution) -> dict[str, object]:
    reference = _reference(name, package)
    found: dict[str, object] = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": package.version,
        "purl": reference,
    }
    expression = (package.metadata.get_all("License-Expression") or [""])[0]
    names = [
        each.rpartition(" :: ")[2] for each in package.metadata.get_all("Classifier") or [] if "License ::" in each
    ]
    if expression:
        found["licenses"] = [{"expression": expression}]
    elif names:
        found["licenses"] = [{"license": {"name": each}} for each in names]
    elif (
        len(stated := (package.metadata.get_all("License") or [""])[0].split("\n")) == 1 and stated[0]
    ):  # else a whole text
        found["licenses"] = [{"license": {"name": stated[0]}}]
    return found


def _reference(name: str, package: Distribution) -> str:
    return f"pkg:pypi/{name}@{package.version}"


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(bill(), indent=2) + "\n", encoding="utf-8")
    print(f"{target}: {len(components())} packages")
