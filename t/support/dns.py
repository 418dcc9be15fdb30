"""DNS packets (RFC 1035 4.1) and a name server that answers as the test tells it to."""

import socket
import struct
import threading

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def name_octets(name):
    """A name in wire form; its labels may be any text without a dot."""
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(name, kind, identifier=1):
    """The packet that asks for name, recursion desired."""
    header = struct.pack(">6H", identifier, 0x0100, 1, 0, 0, 0)
    return header + name_octets(name) + struct.pack(">2H", TYPES[kind], 1)


def record(owner, kind, octets, ttl=60):
    """One resource record; owner is a name, or octets in wire form."""
    owner = owner if isinstance(owner, bytes) else name_octets(owner)
    return owner + struct.pack(">2HIH", TYPES[kind], 1, ttl, len(octets)) + octets


class Query:
    """A question as it came: name (lower case), kind (or a number), and what an answer needs of it."""

    def __init__(self, packet):
        self.packet = packet
        self.identifier = packet[:2]
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        self.asked = packet[12:at + 5]
        self.name = ".".join(labels).lower()
        number = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.kind = next((kind for kind, value in TYPES.items() if value == number), number)

    def answer(self, *records, rcode=NOERROR, flags=0x8180, authority=(), identifier=None, asked=None):
        """A whole packet that answers it."""
        counts = struct.pack(">5H", flags | rcode, 1, len(records), len(authority), 0)
        return b"".join([identifier or self.identifier, counts, asked or self.asked, *records, *authority])


class Server:
    """
    A name server on 127.0.0.1, UDP and TCP on one port, in threads of the test. reply(query) gives the octets
    of an answer, a list of several, or None for silence. queries has all that was asked.
    """

    def __init__(self, reply):
        self.reply = reply
        self.queries = []
        self.udp, self.tcp = bind_pair()
        self.port = self.udp.getsockname()[1]
        self.address = f"127.0.0.1@{self.port}"
        self.tcp.listen()
        for work in self._serve_udp, self._serve_tcp:
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for listener in self.udp, self.tcp:
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            listener.close()

    def _answers(self, packet):
        query = Query(packet)
        self.queries.append(query)
        answers = self.reply(query)
        return [] if answers is None else answers if isinstance(answers, list) else [answers]

    def _serve_udp(self):
        try:
            while True:
                packet, peer = self.udp.recvfrom(65536)
                if len(packet) < 17:
                    continue
                for answer in self._answers(packet):
                    self.udp.sendto(answer, peer)
        except OSError:
            pass

    def _serve_tcp(self):
        try:
            while True:
                connection, _ = self.tcp.accept()
                threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def _serve_connection(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while len(size := stream.read(2)) == 2:
                    packet = stream.read(struct.unpack(">H", size)[0])
                    for answer in self._answers(packet):
                        connection.sendall(struct.pack(">H", len(answer)) + answer)
            except OSError:
                pass


def bind_pair(host="127.0.0.1", tries=100):
    """A UDP and a TCP socket that are bound to one free port."""
    for _ in range(tries):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            udp.bind((host, 0))
            tcp.bind(udp.getsockname())
            return udp, tcp
        except OSError:
            udp.close()
            tcp.close()
    raise OSError(f"no port of {host} is free for both UDP and TCP")


def ask(port, name, kind, host="127.0.0.1", seconds=1.0):
    """Asks over UDP; the answer's octets, or None after seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(seconds)
        client.connect((host, port))
        try:
            client.send(question(name, kind))
            return client.recv(65536)
        except OSError:
            return None
