"""A back-end that is polite up to a step, and then does what a script says: what a real one never does."""

import select
import socket
import threading
import time

EHLO = b"250-raw.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 XCLIENT NAME ADDR PORT PROTO HELO\r\n"
REPLIES = {"EHLO": EHLO, "XCLIENT": b"220 raw.example ESMTP\r\n", "MAIL": b"250 2.1.0 Ok\r\n",
           "RCPT": b"250 2.1.5 Ok\r\n", "DATA": b"354 Go on\r\n", "RSET": b"250 2.0.0 Ok\r\n",
           "QUIT": b"221 2.0.0 Bye\r\n"}
NOTICE_SECONDS = 0.1  # that a server may take to see the end of a connection


class RawBackend:
    """
    step is a command, "GREETING", or "DOT" (the message's end has come). When it is due, script(connection)
    is called in place of the reply; then the connection is closed. Without a script it stays polite.
    connections counts those that are open, maximum_connections the most.
    """

    def __init__(self, step=None, script=None, receive_buffer=None):
        self.step = step
        self.script = script
        self.replies = {}  # in place of REPLIES
        self.connections = 0
        self.maximum_connections = 0
        self.scripts_run = 0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with self._lock:
            self.connections += 1
            self.maximum_connections = max(self.maximum_connections, self.connections)
        try:
            connection.settimeout(60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(connection)
        except OSError:
            pass
        finally:
            with self._lock:
                self.connections -= 1
            connection.close()

    def _is_due(self, step, connection):
        if step != self.step or self.script is None:
            return False
        self.scripts_run += 1
        self.script(connection)
        return True

    def _talk(self, connection):
        if self._is_due("GREETING", connection):
            return
        connection.sendall(b"220 raw.example ESMTP\r\n")
        stream = connection.makefile("rb")
        while line := stream.readline():
            verb = line.split()[0].decode("ascii", "replace").upper()
            if self._is_due(verb, connection):
                return
            connection.sendall(self.replies.get(verb) or REPLIES.get(verb, b"502 5.5.2 No\r\n"))
            if verb == "DATA":
                while (text := stream.readline()) and text != b".\r\n":
                    pass
                if not text or self._is_due("DOT", connection):
                    return
                connection.sendall(b"250 2.0.0 Ok\r\n")
            if verb == "QUIT":
                return

    # Scripts, and what makes them.

    def silent(self, connection):
        """Says nothing more, reads and drops what comes, until the peer has closed."""
        while not self.ended.is_set():
            if select.select([connection], [], [], 0.05)[0] and not connection.recv(65536):
                time.sleep(NOTICE_SECONDS)
                return

    def deaf(self, connection):
        """Says and reads nothing more, until the system reports that the peer has closed or reset."""
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        while not self.ended.is_set():
            if poll.poll(50):
                return

    def after(self, octets, then):
        """A script that sends octets first."""
        def script(connection):
            connection.sendall(octets)
            then(connection)
        return script

    def trickle(self, octets, pause):
        """A script that sends octets one by one, each after a pause, until the peer has closed."""
        def script(connection):
            for octet in octets:
                connection.sendall(bytes([octet]))
                if self.ended.is_set():
                    return
                if select.select([connection], [], [], pause)[0] and not connection.recv(65536):
                    return
        return script

    def flood(self, octets, seconds=20.0):
        """A script that sends octets again and again, as fast as they are taken."""
        def script(connection):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not self.ended.is_set():
                connection.sendall(octets)
        return script
