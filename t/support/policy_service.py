"""A policy service of Postfix (SMTPD_POLICY_README): records what it is told, answers as a test says."""

import socketserver
import threading


class PolicyService:
    """
    On port. answer(attributes) gives the action, dunno where it is None. requests is a list of the
    attributes, a table each, in the order in which they came.
    """

    def __init__(self, answer=None):
        self.requests = []
        self.answer = answer
        service = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while attributes := service.read(self.rfile):
                    service.requests.append(attributes)
                    action = service.answer(attributes) if service.answer else None
                    self.wfile.write(f"action={action or 'dunno'}\n\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def restriction(self):
        return f"check_policy_service inet:127.0.0.1:{self.port}"

    @staticmethod
    def read(stream):
        """The attributes of one request; none at the end."""
        attributes = {}
        for line in stream:
            text = line.decode("utf-8", "surrogateescape").rstrip("\n")
            if not text:
                break
            name, _, value = text.partition("=")
            attributes[name] = value
        return attributes

    def close(self):
        self._server.shutdown()
        self._server.server_close()
