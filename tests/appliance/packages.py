"""Packages made from a package: the same that is called newer, and one whose daemon falls over. And one of nothing.

Touches copies in folders of its own. Nothing of the code is another, so a difference between two of them is the package's own doing.
"""

from __future__ import annotations

import subprocess
from pathlib import Path


def version(package: Path) -> str:
    """What the package manager calls it."""
    return package.name.split("_")[1]


def own_version(package: Path) -> str:
    """What the program calls itself."""
    return version(package).split("~", maxsplit=1)[0]


def newer(package: Path, folder: Path) -> Path:
    """The same, called one version newer."""
    tree = folder / "newer"
    folder.mkdir(exist_ok=True)
    _unpack(package, tree)
    old, own = version(package), own_version(package)
    new = old.replace(own, f"{own}.1")
    versions = tree / "usr/lib/callout-agent/versions"
    (versions / old).rename(versions / new)
    for each in (*(tree / "DEBIAN").iterdir(), *(versions / new / "bin").iterdir()):
        _replace(each, old, new)
    _replace(versions / new / "site/agent/__init__.py", f'"{own}"', f'"{own}.1"')
    return _pack(tree, folder / package.name.replace(old, new))


def broken(package: Path, folder: Path) -> Path:
    """The same, and its daemon falls over whenever it is started."""
    tree = folder / "broken"
    _unpack(package, tree)
    (code,) = tree.glob("usr/lib/callout-agent/versions/*/site/agent/daemon.py")
    code.write_text("raise SystemExit('this version does not work')\n")
    made = folder / "broken-package"
    made.mkdir()
    return _pack(tree, made / package.name)


def nothing(folder: Path) -> Path:
    """A package without contents."""
    tree = folder / "nothing"
    (tree / "DEBIAN").mkdir(parents=True)
    words = "Package: nothing\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: nothing\n"
    (tree / "DEBIAN/control").write_text(words)
    return _pack(tree, folder / "nothing_1_all.deb")


def _replace(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def _unpack(package: Path, tree: Path) -> None:
    subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)


def _pack(tree: Path, package: Path) -> Path:
    """Uncompressed: it is installed once."""
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(tree), str(package)], check=True, stdout=subprocess.DEVNULL)
    return package
