"""Look at what this package stands on: licences, what is imported, advisories, a bill of materials.

    python scripts/audit.py                 everything, with a line for each kind
    python scripts/audit.py --sbom FILE     the bill of materials alone (CycloneDX 1.6)
    python scripts/audit.py --sbom FILE --wheel WHEEL    with the wheel, and what is compiled in it

Advisories come from pip-audit where it is installed and an index answers; without, a line says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FREE = re.compile(r"MIT|BSD|Apache|PSF|Python|MPL|ISC|Unlicense|0BSD|Zlib|HPND|CC0", re.IGNORECASE)
"""Licences that let everybody use a package beside this one."""

COMPILER = re.compile(rb"GCC: \([^)]*\) ([0-9][0-9.]*)")
"""Mark of the compiler in a library, whose own runtime is linked into it."""


def plain(name: str) -> str:
    """Return the name of a distribution as it is compared."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; (]", name.strip())[0]).lower()


def required() -> list[Distribution]:
    """Return all distributions that an installation without extras has, in order of their names."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    waiting = [plain(line) for line in lines if line.strip() and not line.startswith("#")]
    found: dict[str, Distribution] = {}
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # for another system or Python
            continue
        requirements = found[name].requires or []
        waiting += [plain(each) for each in requirements if "extra ==" not in each]
    return [found[name] for name in sorted(found)]


def licence_of(package: Distribution) -> str:
    """Return the licence that a distribution names."""
    metadata = package.metadata
    classifiers = metadata.get_all("Classifier") or []
    named = [each.rpartition("::")[2].strip() for each in classifiers if "License ::" in each]
    text = metadata.get("License-Expression") or ", ".join(named) or metadata.get("License") or ""
    return " ".join(text.split())[:80] or "unknown"


def bill_of_materials(wheel: Path | None = None) -> dict[str, object]:
    """Return the bill of materials of an installation, which has no date: equal ones are equal.

    Args:
        wheel: that is installed; its compiled libraries are in the bill too.
    """
    components: list[dict[str, object]] = [
        {
            "type": "library",
            "name": package.metadata["Name"],
            "version": package.version,
            "purl": f"pkg:pypi/{plain(package.metadata['Name'])}@{package.version}",
            "licenses": [{"license": {"name": licence_of(package)}}],
        }
        for package in required()
    ]
    project: dict[str, object] = {"type": "application", "name": "bigru-forecast"}
    if wheel is not None:
        project["version"] = wheel.name.split("-")[1]
        project["hashes"] = hashes_of(wheel.read_bytes())
        components += compiled_in(wheel)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": project},
        "components": components,
    }


def hashes_of(data: bytes) -> list[dict[str, str]]:
    """Return the hash of a file as a bill has it."""
    return [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]


def compiled_in(wheel: Path) -> list[dict[str, object]]:
    """Return the compiled libraries of a wheel, and the runtime that is linked into them."""
    parts: list[dict[str, object]] = []
    compilers: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".so"):
                continue
            data = archive.read(name)
            parts.append({"type": "file", "name": name, "hashes": hashes_of(data)})
            compilers.update(found.decode() for found in COMPILER.findall(data))
    runtime = {"license": {"name": "GPL-3.0-or-later WITH GCC-exception-3.1"}}
    for version in sorted(compilers):
        parts.append(
            {"type": "library", "name": "libstdc++", "version": version, "licenses": [runtime]}
        )
    return parts


def check_licences() -> int:
    """Print the number of packages and every licence to look at; return how many there are."""
    packages = required()
    others = [package for package in packages if not FREE.search(licence_of(package))]
    print(f"licences: {len(packages)} packages, {len(others)} to look at")
    for package in others:
        print(f"    {package.metadata['Name']} {package.version}: {licence_of(package)}")
    return len(others)


def check_imports() -> int:
    """Run the test that every imported package is declared; return 1 where one is not."""
    words = [sys.executable, "-m", "pytest", "-q", "tests/test_supply_chain.py", "-k", "declared"]
    code = subprocess.run(words, cwd=ROOT, capture_output=True, check=False).returncode
    print(f"imports: {'all declared' if code == 0 else 'some are declared nowhere'}")
    return int(code != 0)


def check_advisories() -> int:
    """Ask for advisories; return 1 where there are some."""
    tool = shutil.which("pip-audit")
    if tool is None:
        print("advisories: not asked for, pip-audit is not installed")
        return 0
    words = [tool, "--requirement", "constraints.txt", "--no-deps", "--disable-pip"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode and not done.stdout.strip():
        print(f"advisories: no index answers ({said[-1][:100] if said else 'no reason given'})")
        return 0
    print(f"advisories: {said[-1] if said else 'none'}")
    return int(done.returncode != 0)


def main() -> int:
    """Do what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sbom", type=Path, help="write the bill of materials alone")
    parser.add_argument("--wheel", type=Path, help="that the bill is of")
    options = parser.parse_args()
    if options.sbom is not None:
        bill = bill_of_materials(options.wheel)
        options.sbom.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
        return 0
    found = [check_imports(), check_advisories()]
    check_licences()  # for people to look at
    return int(any(found))


if __name__ == "__main__":
    sys.exit(main())
