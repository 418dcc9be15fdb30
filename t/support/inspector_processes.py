"""The processes of a private inspector, by what they are: pool, template, workers."""

import signal

from support.inspector import children, kill, pools, role_of
from support.process import wait_until

ROLES = ("pool", "template", "worker")


class InspectorProcesses:
    """Those that a running program has at the moment of asking."""

    def __init__(self, program):
        self.program = program

    def of(self, role):
        """The pids of a role; each is the child of the role before. Templates, workers: those that scan."""
        pids = pools(self.program.pid)
        for _ in range(ROLES.index(role)):
            pids = [child for pid in pids for child in children(pid)]
        return pids if role == "pool" else [pid for pid in pids if role_of(pid) == "scan"]

    def wait_for(self, role, count=1, seconds=20.0):
        """Waits until there are at least count of a role, and returns them."""
        return wait_until(lambda: len(pids := self.of(role)) >= count and pids, seconds,
                          f"{count} of role {role}")

    def signal(self, role, number=signal.SIGKILL):
        """Sends a signal to all of a role; how many there were."""
        pids = self.of(role)
        for pid in pids:
            kill(pid, number)
        return len(pids)
