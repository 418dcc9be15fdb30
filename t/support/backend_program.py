"""The recording back-end as a program of its own, so that it can be killed and started again on its port."""

import os
import pathlib
import sys

from support import ports, recorder
from support.process import Program, wait_until


class BackendProgram:
    """
    folder gets messages/, the journal and the output. arguments are those of support.recording_backend, such
    as "--pause=dot=0.2". To be started from the test's main thread.
    """

    def __init__(self, folder, *arguments):
        self.folder = pathlib.Path(folder)
        self.messages_folder = self.folder / "messages"
        self.messages_folder.mkdir(parents=True, exist_ok=True)
        self.arguments = list(arguments)
        self.port = ports.free_port()
        self.program = None

    def start(self, *more):
        """Starts it on its port, with more arguments for this time."""
        tests = str(pathlib.Path(__file__).resolve().parents[1])
        self.program = Program(
            sys.executable, "-B", "-m", "support.recording_backend", "--directory", self.messages_folder,
            "--port", self.port, *self.arguments, *more, folder=self.folder,
            environment={"PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])})
        self.program.wait_for_port(self.port)
        return self

    def kill(self):
        """SIGKILL."""
        self.program.kill()

    def stop(self):
        if self.program is not None:
            self.program.stop()

    def records(self):
        """All messages that were recorded whole."""
        return recorder.records(self.messages_folder)

    def count(self):
        """How many they are."""
        return sum(1 for name in os.listdir(self.messages_folder) if name.endswith(".json"))

    def wait_for_count(self, count, seconds=20.0):
        return wait_until(lambda: self.count() >= count, seconds, f"a record of {count} messages", 0.002)
