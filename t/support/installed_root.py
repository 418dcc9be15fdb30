"""
A root directory of its own that the build is installed into, as on a machine: what is below it runs by
chroot, as the users that systemd-sysusers makes there. $POSTERN_ROOT names a root that is there already
(debootstrap); else it is this machine's with a layer above it (overlayfs) that takes all that is written.
Needs root.
"""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

from support.demo_messages import eicar_signature
from support.process import Program, build_folder
from support.proxy import configuration_text

INSIDE = "POSTERN_TEST_MOUNTS"
MNT_DETACH = 2
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/tmp"}
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(RuntimeError):
    """No root can be made here; the text says why."""


def enter_own_mounts(script):
    """Starts script anew where its mounts are nobody else's, and end with it; comes back only if it is so."""
    if os.environ.get(INSIDE):
        return
    if os.geteuid() == 0 and shutil.which("unshare"):
        command = ["unshare", "--mount", "--propagation", "private"]
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
            os.environ[INSIDE] = "yes"
            os.execvp(command[0], [*command, sys.executable, "-B", script, *sys.argv[1:]])


def install(root, prefix=None):
    """Installs the build below root; what cmake prints."""
    done = subprocess.run(["cmake", "--install", build_folder(), *(["--prefix", prefix] if prefix else [])],
                          env={**os.environ, "DESTDIR": str(root)}, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"cmake --install ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"mount {' '.join(map(str, arguments))}: {done.stderr.strip()}")


class InstalledRoot:
    """The root, with everything installed in it, its users made, and a signature that finds EICAR."""

    def __init__(self, folder):
        if not os.environ.get(INSIDE):
            raise Unavailable("this needs root, and unshare (util-linux)")
        self.folder = pathlib.Path(folder)
        self.path = pathlib.Path(os.environ.get("POSTERN_ROOT") or self._layer())
        for name in ("proc", "dev"):
            (self.path / name).mkdir(exist_ok=True)
            _mount("--rbind", f"/{name}", self.path / name)
        self.installed = install(self.path)
        self.run("systemd-sysusers")
        signatures = self.path / "var/lib/clamav"
        signatures.mkdir(parents=True, exist_ok=True)
        (signatures / "test.ndb").write_text(eicar_signature())

    def _layer(self):
        """The layer lies on a file system of its own: an overlay cannot lie on another."""
        place = self.folder / "layer"
        place.mkdir()
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        for name in ("above", "work", "root"):
            (place / name).mkdir()
        _mount("-t", "overlay", "overlay", "-o",
               f"lowerdir=/,upperdir={place / 'above'},workdir={place / 'work'}", place / "root")
        return place / "root"

    def close(self):
        """Lets go of the mounts; the files of a layer end with them."""
        for name in ("proc", "dev", ""):
            _libc.umount2(str(self.path / name).rstrip("/").encode(), MNT_DETACH)
        _libc.umount2(str(self.folder / "layer").encode(), MNT_DETACH)

    def user(self, name):
        """The (user id, group id) of a user of the root."""
        line = re.search(rf"^{name}:[^:]*:(\d+):(\d+):", (self.path / "etc/passwd").read_text(), re.MULTILINE)
        return int(line[1]), int(line[2])

    def configure(self, **groups):
        """Writes /etc/postern/postern.conf."""
        (self.path / "etc/postern/postern.conf").write_text(configuration_text(groups))

    def run(self, *command, user=None, stdin=b"", status=0):
        """Runs a command there to its end; its output, both streams."""
        change = ["chroot", *([f"--userspec={user}"] if user else []), str(self.path), *map(str, command)]
        done = subprocess.run(change, input=stdin, env={**os.environ, **ENVIRONMENT},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
        output = done.stdout.decode(errors="replace")
        if status is not None and done.returncode != status:
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{output}")
        return output

    def start(self, *command):
        """A program of the root that runs."""
        return Program("chroot", self.path, *command, folder=self.folder, environment=ENVIRONMENT)
