"""Write software bills of materials (CycloneDX) of environments and of images.

Lists what Python has installed there, with versions, licences and what needs what. What an image's
base brings besides, such as Debian's packages, is for the tool that its maker recommends.

Usage: make sbom                                         of both environments here
       make sbom IMAGES='my-worker my-code-location'     of images that the Docker engine has
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IN_IMAGE = "/opt/venv"
"""Where docker/Dockerfile puts the environment of each image."""


def main() -> int:
    """Write a file for each environment or image, and say where."""
    options = parse_arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    for environment in options.environment:
        write_bill(environment.resolve(), options.folder / f"{environment.name}.json")
    for image in options.images:
        name = image.rpartition("/")[2].replace(":", "_")
        with tempfile.TemporaryDirectory() as scratch:
            write_bill(environment_of(image, Path(scratch)), options.folder / f"{name}.json")
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="name of an image")
    parser.add_argument("--environment", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--folder", type=Path, default=ROOT / ".build/sbom", help="for the files")
    return parser.parse_args()


def write_bill(environment: Path, file: Path) -> None:
    """Write what is installed in an environment."""
    command = [Path(sys.executable).with_name("cyclonedx-py"), "environment", environment]
    # The tool would take twenty seconds to see that it has kept to the schema.
    options = ["--output-reproducible", "--no-validate", "-o", file]
    subprocess.run([*command, *options], check=True)
    print(f"Wrote {file}")


def environment_of(image: str, scratch: Path) -> Path:
    """Return an environment of this interpreter that finds what an image's has installed.

    Nothing of the image is run: its own interpreter may be of another machine's kind.
    """
    container = docker("create", "--pull", "never", image, "-", about=image)
    try:
        docker("cp", f"{container}:{IN_IMAGE}", str(scratch / "copy"), about=image)
    finally:
        docker("rm", container, about=image)
    environment = scratch / "environment"
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    installed = [str(each) for each in (scratch / "copy").glob("lib/python*/site-packages")]
    (packages / "image.pth").write_text("\n".join(installed) + "\n")
    return environment


def docker(*arguments: str, about: str) -> str:
    """Return what a command of Docker says; end with the reason if it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"Cannot read image '{about}': {done.stderr.strip()}. Build or pull it first; those of "
            f"docker/Dockerfile have their environment in {IN_IMAGE}."
        )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
