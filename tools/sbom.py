"""Write software bills of materials (CycloneDX) of environments and of images.

Lists what Python has installed there, with versions, licences and what needs what; of an image also its
Python, and the packages of Debian or what comes of it, with versions only.

Usage: make sbom                                         of both environments here
       make sbom IMAGES='my-worker my-code-location'     of images that the Docker engine has
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
IN_IMAGE = "/opt/venv"
"""Where docker/Dockerfile puts the environment of each image."""
PACKAGES, SYSTEM = "/var/lib/dpkg/status", "/usr/lib/os-release"
Component = dict[str, Any]


def main() -> int:
    """Write a file for each environment or image, and say where."""
    options = parse_arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    for environment in options.environment:
        write_bill(environment.resolve(), options.folder / f"{environment.name}.json")
    for image in options.images:
        name = image.rpartition("/")[2].replace(":", "_")
        with tempfile.TemporaryDirectory() as scratch:
            copied = Path(scratch)
            copy_from(image, copied)
            besides = [*python_of(copied), *system_packages(copied)]
            write_bill(environment_of(copied), options.folder / f"{name}.json", besides)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="name of an image")
    parser.add_argument("--environment", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build/sbom", help="for the files")
    return parser.parse_args()


def write_bill(environment: Path, file: Path, besides: list[Component] | None = None) -> None:
    """Write what is installed in an environment, and what is besides."""
    command = [Path(sys.executable).with_name("cyclonedx-py"), "environment", environment]
    # The tool would take twenty seconds to see that it has kept to the schema.
    options = ["--output-reproducible", "--no-validate", "-o", file]
    subprocess.run([*command, *options], check=True)
    if besides:
        bill = json.loads(file.read_text())
        bill["components"] += besides
        file.write_text(json.dumps(bill, indent=2))
    print(f"Wrote {file}")


def copy_from(image: str, folder: Path) -> None:
    """Copy what says what is in an image.

    Nothing of the image is run: its programs may be for another kind of machine.
    """
    container = docker("create", "--pull", "never", image, "-", about=image)
    try:
        for what in (IN_IMAGE, PACKAGES, SYSTEM):
            docker("cp", f"{container}:{what}", str(folder), about=image)
    finally:
        docker("rm", container, about=image)


def environment_of(copied: Path) -> Path:
    """Return an environment of this interpreter that finds what an image's has installed."""
    environment = copied / "environment"
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    installed = [str(each) for each in copied.glob("venv/lib/python*/site-packages")]
    (packages / "image.pth").write_text("\n".join(installed) + "\n")
    return environment


def python_of(copied: Path) -> Iterator[Component]:
    """Yield the Python of an image's environment."""
    version = fields((copied / "venv/pyvenv.cfg").read_text(), " = ")["version"]
    purl = f"pkg:generic/python@{version}"
    yield {
        "type": "application",
        "bom-ref": purl,
        "name": "python",
        "version": version,
        "purl": purl,
    }


def system_packages(copied: Path) -> Iterator[Component]:
    """Yield the packages of an image's system."""
    system = fields((copied / "os-release").read_text(), "=")["ID"].strip('"')
    for paragraph in (copied / "status").read_text().strip().split("\n\n"):
        package = fields(paragraph, ": ")
        if package["Status"].endswith(" installed"):
            name, version = package["Package"], package["Version"]
            purl = f"pkg:deb/{system}/{name}@{quote(version)}?arch={package['Architecture']}"
            yield {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
            }


def fields(text: str, separator: str) -> dict[str, str]:
    """Return the values that stand after names, one a line."""
    lines = (line.partition(separator) for line in text.splitlines())
    return {name: value for name, found, value in lines if found}


def docker(*arguments: str, about: str) -> str:
    """Return what a command of Docker says; end with the reason if it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"Cannot read image '{about}': {done.stderr.strip()}. Build or pull it first; it has to be "
            f"one of docker/Dockerfile, with its environment in {IN_IMAGE}, on a base of Debian."
        )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
