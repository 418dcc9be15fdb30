"""Debian packages unpacked into the build folder, never installed: the tests' name server, MTAs, clamd."""

import pathlib
import subprocess

from support.process import build_folder, source_folder


class Unavailable(RuntimeError):
    """A package could not be had; the text says why."""


def unpack(name, *more, alone=False):
    """
    The folder that package name is unpacked in, with the shared libraries that it needs and the system lacks.
    more packages are unpacked at the same time, each into a folder of its own beside it. alone: without
    libraries, to be read.
    """
    script = source_folder() / "contrib" / "unpack-package"
    options = ["--alone"] if alone else []
    result = subprocess.run([script, *options, build_folder(), name, *more], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Unavailable(result.stderr.strip())
    return pathlib.Path(result.stdout.splitlines()[0])


def environment(*folders):
    """What a program from those folders needs in its environment to find its libraries."""
    libraries = sorted({str(library.parent) for folder in folders
                        for library in pathlib.Path(folder).glob("**/lib*.so.*")})
    return {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
