"""The bill of materials, the audit, the locked versions, and the tests that the documentation names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import audit, lock


def test_the_bill_of_materials_lists_what_is_installed(checkout: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("one.json", "two.json"):
        command = [sys.executable, "scripts/write_sbom.py", str(tmp_path / name)]
        subprocess.run(command, cwd=checkout, check=True, capture_output=True)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    bill = json.loads(texts[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    names = {each["name"]: each for each in bill["components"]}
    assert {"torch", "rdkit", "gemmi", "typer", "safetensors"} <= names.keys()
    assert names["gemmi"]["purl"] == f"pkg:pypi/gemmi@{names['gemmi']['version']}"
    assert "licenses" in names["safetensors"]
    references = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    for each in bill["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= references


def test_the_bill_of_materials_follows_the_schema(checkout: Path, tmp_path: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    target = tmp_path / "bill.json"
    subprocess.run(
        [sys.executable, "scripts/write_sbom.py", str(target)], cwd=checkout, check=True, capture_output=True
    )
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(target.read_text()) is None
    broken = json.loads(target.read_text())
    broken["components"][0]["type"] = "parcel"
    assert validator.validate_str(json.dumps(broken)) is not None


def test_an_audit_reports_weaknesses_and_that_it_did_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    weak = {"name": "x", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    assert audit.report([weak, {"name": "y", "version": "1", "vulns": []}]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "x 1: CVE-1, mended in 2"
    assert audit.report([{"name": "y", "version": "1", "vulns": []}, {"name": "z", "skip_reason": "none"}]) == 0
    assert "1 packages compared, 1 skipped, 0 weaknesses" in capsys.readouterr().out
    assert audit.report([{"name": "z", "version": "1", "skip_reason": "not in the index"}]) == 0
    assert "DID NOT RUN: pip-audit compared none of 1 packages: not in the index" in capsys.readouterr().out
    assert audit.did_not_run("no network") == 0
    assert "DID NOT RUN: no network" in capsys.readouterr().out


def test_every_package_that_the_tests_need_is_locked_with_hashes(checkout: Path) -> None:
    text = (checkout / ".ci" / "lock.txt").read_text()
    packages = lock.blocks(text)
    versions = {}
    for name, block in packages.items():
        match = re.match(
            r"\S+==([0-9][\w.!]*)( ; [^\\]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+(    #.*\n)+$", block
        )
        assert match, block  # no local version, no address
        versions[name] = match[1]
    assert "://" not in text
    assert not [name for name in packages if name.startswith(("torch", "nvidia", "cuda", "triton"))]
    versions["torch"] = re.findall(
        r"^pip install .*torch==(\S+)$", (checkout / ".ci" / "run").read_text(), re.MULTILINE
    )[0]
    waiting, seen = [Requirement("logos-cli[test]")], set[str]()
    while waiting:
        requirement = waiting.pop()
        name = lock.name_of(requirement.name)
        if name == "logos-cli":
            required = _required(checkout, requirement.extras)
        else:
            assert name in versions, requirement
            assert requirement.specifier.contains(versions[name], prereleases=True), (requirement, versions[name])
            required = requires(requirement.name) or [] if _is_installed(requirement.name) and name != "torch" else []
        extras = ("", *requirement.extras)
        for each in map(Requirement, required):
            if str(each) not in seen and (
                each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
            ):
                seen.add(str(each))
                waiting.append(each)
    assert len(seen) > 150


def _required(checkout: Path, extras: set[str]) -> list[str]:
    """Return what the project requires, with extras."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def test_the_base_of_the_lock_is_what_an_installation_without_extras_needs(checkout: Path) -> None:
    whole = (checkout / ".ci" / "lock.txt").read_text()
    base = lock.blocks(lock.base(whole))
    assert {"rdkit", "typer", "sympy", "hatchling", "pathspec"} <= base.keys()
    assert not {"vina", "meeko", "jax", "pytest", "peft", "llama-cpp-python", "scikit-learn"} & base.keys()
    assert base.items() <= lock.blocks(whole).items()


def test_the_tests_that_the_page_of_reproducibility_names_exist(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "reproducibility.md").read_text()
    named = re.findall(r"^\| (\d+) \| `(\w+)` \| `([\w/.]+)` \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in named] == list(range(1, len(named) + 1))
    for _, name, path in named:
        assert f"def {name}(" in (checkout / path).read_text(), path
    used = {int(each) for each in re.findall(r"\[(\d+)\](?!\()", page)}
    assert used == set(range(1, len(named) + 1))
