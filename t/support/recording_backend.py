"""
A small real SMTP server that records what it accepts. In a test:

    with RecordingBackend(folder, domains=["example.org"]) as backend:
        backend.options.refuse["mail"] = "451 4.3.0 Not now"

As a program: python3 -m support.recording_backend --directory FOLDER [--port N] … (--help tells the rest).
"""

import asyncio
import json
import signal
import socket
import sys
import threading
import time

from support import backend_options, recorder
from support.backend_session import BackendSession
from support.process import wait_until

BACKLOG = 1024


class RecordingBackend:
    """
    The server, on a thread of its own after start(). maximum_connections is the most that were open at once;
    journal a list of (seconds, connection, kind, octets), kind one of connect, command, reply, close.
    """

    def __init__(self, folder, options=None, journal_path=None, **changes):
        self.options = options or backend_options.BackendOptions(**changes)
        self.recorder = recorder.Recorder(folder)
        self.folder = self.recorder.folder
        self.journal = []
        self.connections = 0
        self.maximum_connections = 0
        self.total_connections = 0
        self.messages_recorded = 0
        self._journal_file = open(journal_path, "a", buffering=1) if journal_path else None
        self._tasks = set()
        self._listener = None
        self._loop = None
        self._thread = None
        self.port = self.options.port

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Listens on the port of the options, or on any, and serves; port tells which."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.options.host, self.port))
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise TimeoutError("the back-end does not start")
        return self

    def stop(self):
        """Cuts all connections and ends; start() may be called again, on the same port."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)
            self._thread = None

    def _run(self, ready):
        asyncio.run(self._serve(ready))

    async def _serve(self, ready):
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        server = await asyncio.start_server(self._session, sock=self._listener)
        ready.set()
        await self._ended.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _session(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.total_connections += 1
        self.connections += 1
        self.maximum_connections = max(self.maximum_connections, self.connections)
        connection = self.total_connections
        self.note(connection, "connect", str(writer.get_extra_info("peername")).encode())
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await BackendSession(self, connection, reader, writer).run()
        except asyncio.CancelledError:
            pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            self.note(connection, "close", b"")
            writer.close()

    def note(self, connection, kind, octets):
        self.journal.append((time.monotonic(), connection, kind, octets))
        if self._journal_file:
            entry = {"time": time.time(), "connection": connection, "kind": kind,
                     "line": octets.decode("utf-8", "surrogateescape")}
            self._journal_file.write(json.dumps(entry) + "\n")

    async def record(self, session, message, early):
        """Writes a message where a kill cannot lose it, and returns its name."""
        name = self.recorder.next_name()
        envelope = {
            "connection": session.connection, "transaction": session.transactions,
            "peer": list(session.peer[:2]), "helo": session.helo, "extended": session.extended,
            "tls": session.tls and session.tls.version(),
            "resumed": bool(session.tls and session.tls.session_reused),
            "xclient": dict(session.client), "xforward": dict(session.forward),
            "sender": session.sender, "sender_parameters": session.sender_parameters,
            "recipients": list(session.recipients),
            "recipient_parameters": list(session.recipient_parameters), "octets_before_354": early}
        await asyncio.to_thread(self.recorder.record, name, message, envelope)
        self.messages_recorded += 1
        return name

    def messages(self):
        """All that is recorded, the oldest first; each has octets and what the envelope has."""
        return recorder.records(self.folder)

    def wait_for_messages(self, count, seconds=10.0):
        """Waits until at least count messages are recorded and returns them."""
        return wait_until(lambda: len(self.messages()) >= count and self.messages(), seconds,
                          f"a record of {count} messages")

    def commands(self, connection=None):
        """The command lines that came, of one connection or of all."""
        return [octets.decode("utf-8", "surrogateescape") for _, number, kind, octets in list(self.journal)
                if kind == "command" and connection in (None, number)]

    def statistics(self):
        return {"connections": self.total_connections, "maximum_connections": self.maximum_connections,
                "messages": self.messages_recorded,
                "commands": sum(1 for entry in self.journal if entry[2] == "command")}


def main(arguments=None):
    """The program: serves until SIGTERM or SIGINT; its first line of output is "port NUMBER"."""
    options, given = backend_options.parse(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with RecordingBackend(given.directory, options, given.journal) as backend:
        print(f"port {backend.port}", flush=True)
        ended.wait()
    if given.statistics:
        with open(given.statistics, "w") as stream:
            json.dump(backend.statistics(), stream)
    return 0


if __name__ == "__main__":
    sys.exit(main())
