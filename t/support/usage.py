"""What a process uses, as /proc tells it."""

import os
import pathlib
import re
import time


def resident_octets(pid):
    """Its memory that is in RAM."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", text, re.MULTILINE)[1]) * 1024


def processor_seconds(pid):
    """The processor time of all its threads so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processor_share(pid, seconds):
    """The part of one processor that it takes during the next seconds."""
    before, began = processor_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(pid) - before) / (time.monotonic() - began)


def descriptors(pid):
    """How many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def is_sanitized(pid):
    """Whether AddressSanitizer is in it, which keeps freed memory for a while."""
    return "libasan" in pathlib.Path(f"/proc/{pid}/maps").read_text()
