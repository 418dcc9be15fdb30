"""clamd of Debian's package, unpacked into the build folder, with a few signatures, for tests."""

import pathlib
import signal

from support import packages, ports
from support.process import Program, wait_until

CONFIGURATION = """\
LocalSocket {folder}/clamd.sock
LocalSocketMode 666
DatabaseDirectory {database}
TemporaryDirectory {folder}
Foreground true
User root
MaxThreads 4
SelfCheck 0
{more}
"""


class Clamd:
    """It runs from start() to stop(), in folder, with the signatures of database."""

    def __init__(self, folder, database, **options):
        self.folder = pathlib.Path(folder)
        self.database = database
        self.options = options
        self.package = packages.unpack("clamav-daemon")
        self.socket = self.folder / "clamd.sock"
        self.program = None

    def start(self, seconds=60):
        more = "\n".join(f"{name} {value}" for name, value in self.options.items())
        path = self.folder / "clamd.conf"
        path.write_text(CONFIGURATION.format(folder=self.folder, database=self.database, more=more))
        self.socket.unlink(missing_ok=True)
        self.program = Program(str(self.package / "usr" / "sbin" / "clamd"), "-c", path, folder=self.folder,
                               environment=packages.environment(self.package))

        def ready():
            if not self.program.is_running():
                raise RuntimeError(f"clamd ended with {self.program.status}:\n{self.program.log()}")
            return self.socket.exists()
        wait_until(ready, seconds, "the socket of clamd", 0.05)
        return self

    def listen_on_a_port(self):
        """Before start(): on 127.0.0.1 too; what [virus] clamd is then."""
        port = ports.free_port()
        self.options.update({"TCPSocket": port, "TCPAddr": "127.0.0.1"})
        return f"127.0.0.1:{port}"

    def signal(self, number):
        self.program.popen.send_signal(number)

    def stop(self):
        if self.program is not None:
            if self.program.is_running():
                self.signal(signal.SIGCONT)
            self.program.stop()
