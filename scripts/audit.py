"""Compare the installed versions with the public database of weaknesses (pip-audit), and report when that did not run.

    python scripts/audit.py

The exit code is 1 if a package has a known weakness, and 0 if none has, or if the audit could not run: without the program or
without network. The last line always reports which.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

TIMEOUT_S = 300


def main() -> int:
    """Run the audit."""
    if importlib.util.find_spec("pip_audit") is None:
        return did_not_run("pip-audit is not installed (pip install pip-audit)")
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off", "--skip-editable"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return did_not_run(f"pip-audit did not end in {TIMEOUT_S} s")
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return did_not_run(f"pip-audit failed, as without network: {reason}")
    return report(packages)


def report(packages: list[dict[str, object]]) -> int:
    """Print the weaknesses of packages, as pip-audit reports them; return the exit code."""
    n_weak, n_skipped = 0, 0
    for package in packages:
        n_skipped += "skip_reason" in package
        vulnerabilities = package.get("vulns")
        for each in vulnerabilities if isinstance(vulnerabilities, list) else []:
            n_weak += 1
            mended = ", ".join(each.get("fix_versions", [])) or "no release"
            print(f"{package['name']} {package['version']}: {each['id']}, mended in {mended}")
    if n_skipped == len(packages):
        reasons = sorted({str(package.get("skip_reason", "")) for package in packages})
        return did_not_run(
            f"pip-audit compared none of {len(packages)} packages: {(reasons or ['no reason given'])[0]}"
        )
    print(f"audit: {len(packages) - n_skipped} packages compared, {n_skipped} skipped, {n_weak} weaknesses")
    return 1 if n_weak else 0


def did_not_run(reason: str) -> int:
    """Print that there was no audit, and why."""
    print(f"audit: DID NOT RUN: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
