"""
A machine of its own that runs systemd: the root directory that $POSTERN_ROOT names (debootstrap, with systemd
and dbus), with a layer above it that takes all that is written, in namespaces of its own. Needs root, and a
control group of version 2.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from support.process import Program, wait_until

INSIDE = "POSTERN_TEST_NETWORK"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
BOOT = r"""
set -e
echo $$ >"$GROUP/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup --propagation private sh -ec '
    mount -t tmpfs tmpfs "$LAYER"
    mkdir "$LAYER/above" "$LAYER/work" "$LAYER/root"
    mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$LAYER/above,workdir=$LAYER/work" "$LAYER/root"
    mkdir "$LAYER/root/packages"
    mount --bind "$PACKAGES" "$LAYER/root/packages"
    cd "$LAYER/root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    mount -t tmpfs tmpfs dev
    for name in null zero full random urandom tty; do
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    mkdir dev/shm dev/pts
    mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    touch dev/console
    mount --bind "$CONSOLE" dev/console
    hostname mx.example
    mkdir run/before
    pivot_root . run/before
    umount --lazy run/before
    exec env -i container=postern PATH="$WAY" /lib/systemd/systemd --log-target=journal
'
"""


class Unavailable(RuntimeError):
    """No machine can be booted here; the text says why."""


def enter_own_network(script):
    """Starts script anew in a network of its own, where all ports are free; comes back only if it is so."""
    if os.environ.get(INSIDE) or os.geteuid() != 0:
        return
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode == 0:
        os.environ[INSIDE] = "yes"
        command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        os.execvp(command[0], [*command, sys.executable, "-B", script, *sys.argv[1:]])


def _control_group():
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if (pathlib.Path(place) / "cgroup.procs").exists():
            try:
                return pathlib.Path(tempfile.mkdtemp(prefix="postern-machine-", dir=place))
            except OSError as error:
                raise Unavailable(f"a control group of its own: {error}") from None
    raise Unavailable("this needs control groups of version 2")


class BootedRoot:
    """The machine, booted; packages is a folder that it sees as /packages."""

    def __init__(self, folder, packages):
        root = os.environ.get("POSTERN_ROOT")
        if not root or not os.environ.get(INSIDE):
            raise Unavailable("this needs root, and a root directory with systemd (contrib/test-install)")
        self.folder = pathlib.Path(folder)
        self.group = _control_group()
        layer, console = self.folder / "layer", self.folder / "console"
        layer.mkdir()
        console.touch()
        self.program = Program("sh", "-c", BOOT, folder=self.folder, environment={
            "GROUP": str(self.group), "LAYER": str(layer), "LOWER": root, "CONSOLE": str(console),
            "PACKAGES": str(packages), "WAY": PATH})
        try:
            self.pid = wait_until(self._find, 20, "systemd to start")
            wait_until(lambda: self._state() in ("running", "degraded"), 30, "systemd to be up")
        except TimeoutError as error:
            log = self.program.log()
            self.close()
            raise Unavailable(f"{error}: {log}") from None

    def _find(self):
        """The process that is systemd, once it is that."""
        if not self.program.is_running():
            raise Unavailable(f"it cannot be booted: {self.program.log()}")
        children = pathlib.Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children")
        for pid in children.read_text().split():
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd":
                return pid
        return None

    def _state(self):
        return self.run("systemctl", "is-system-running", status=None).strip()

    def run(self, *command, status=0):
        """Runs a command there to its end; its output, both streams. status: what it must end with."""
        enter = ["nsenter", "--target", self.pid, *NAMESPACES, "--root", "--wd", "env", "-i", f"PATH={PATH}",
                 "DEBIAN_FRONTEND=noninteractive"]
        done = subprocess.run([*enter, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, check=False)
        output = done.stdout.decode(errors="replace")
        if status is not None and done.returncode != status:
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{output}")
        return output

    def path(self, name):
        """A file of the machine, for us to read and write."""
        return pathlib.Path(f"/proc/{self.pid}/root") / name.lstrip("/")

    def close(self):
        self.program.stop()
        for folder, _, _ in os.walk(self.group, topdown=False):
            wait_until(lambda: _remove(folder), 10, f"{folder} to be empty")


def _remove(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
