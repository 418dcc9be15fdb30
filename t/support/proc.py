"""What /proc tells about the processes that a test has started: those of a session, or with a mark."""

import os
import pathlib
import signal
import time

MARK = "POSTERN_TEST_PROCESS"  # the environment variable that carries the mark


def processes(session, mark):
    """The pids of all processes, zombies apart, that are of a session or have the mark."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if _session(pid) == session or _has_mark(pid, mark)]


def kill_all(session, mark, seconds=10):
    """SIGKILL to all of them, until none is left."""
    deadline = time.monotonic() + seconds
    while left := processes(session, mark):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes that do not end: {left}")
        time.sleep(0.01)


def _session(pid):
    """The session of a process that is not a zombie, else None."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[3]) if fields[0] not in "ZX" else None


def _has_mark(pid, mark):
    try:
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")
