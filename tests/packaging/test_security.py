"""The bill of materials, the audit, the locked versions, and the tests that the documentation names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import audit


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


def test_locked_versions_are_those_that_the_project_permits(checkout: Path) -> None:
    lines = (checkout / ".ci" / "constraints.txt").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert len(locked) > 50
    assert all(re.fullmatch(r"[0-9][\w.!-]*", version) for version in locked.values()), (
        "no local versions, no addresses"
    )
    assert locked["torch"] == "2.13.0"  # what .ci/run installs first
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    required = [Requirement(each) for each in (*project["dependencies"], *project["optional-dependencies"]["test"])]
    for requirement in required:
        if requirement.name.lower() in locked and not (requirement.marker and not requirement.marker.evaluate()):
            assert requirement.specifier.contains(locked[requirement.name.lower()]), requirement
    missing = {each.name.lower() for each in required if not each.marker} - locked.keys() - {"logos-cli"}
    assert not missing


def test_the_tests_that_the_page_of_reproducibility_names_exist(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "reproducibility.md").read_text()
    named = re.findall(r"^\| (\d+) \| `(\w+)` \| `([\w/.]+)` \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in named] == list(range(1, len(named) + 1))
    for _, name, path in named:
        assert f"def {name}(" in (checkout / path).read_text(), path
    used = {int(each) for each in re.findall(r"\[(\d+)\](?!\()", page)}
    assert used == set(range(1, len(named) + 1))
