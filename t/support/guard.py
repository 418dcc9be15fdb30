"""
Ends what a test started when the test itself is killed and can end nothing any more: a program that changes
its user loses the signal that the death of its parent would send. Reads "+PID MARK" and "-PID MARK" lines of
standard input until its end, which comes when the test is gone.
"""

import os
import subprocess
import sys

from support import proc


def start():
    """Starts a guard, which tell() speaks to."""
    return subprocess.Popen(
        [sys.executable, "-B", "-m", "support.guard"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True, text=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__)))})


def tell(guard, sign, pid, mark):
    try:
        guard.stdin.write(f"{sign}{pid} {mark}\n")
        guard.stdin.flush()
    except OSError:
        pass


def main():
    watched = set()
    for line in sys.stdin:
        pid, mark = line[1:].split()
        (watched.add if line[0] == "+" else watched.discard)((int(pid), mark))
    for pid, mark in watched:
        proc.kill_all(pid, mark)


if __name__ == "__main__":
    main()
