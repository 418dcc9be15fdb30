"""The inspector's socket as a hostile client may use it: packets of any octets, with any descriptors."""

import array
import os
import re
import socket
import struct

from support.process import source_folder

HEAD = struct.Struct("=IIQIIQIIII32s400s")
REQUEST, RESPONSE, FAILURE, READY, FORK, FORKED, LOG, CHANGED, FILE, ENDED, RECALL = range(1, 12)
SCAN, LIGHT, SIGN = range(3)
SEALS = 0x2 | 0x4 | 0x8  # F_SEAL_SHRINK, GROW, WRITE
F_ADD_SEALS = 1033


def magic():
    """What each packet of this version begins with."""
    text = (source_folder() / "common" / "inspector_client" / "packet.c").read_text()
    return int(re.search(r"#define PACKET_MAGIC (0x[0-9a-f]+)u", text)[1], 16)


def packet(kind=REQUEST, octets=b"", **fields):
    """A packet's octets; content_octets is the length of octets if it is not given."""
    values = {"magic": magic(), "kind": kind, "id": 1, "failure": 0, "deadline_ms": 0, "value": 1,
              "role": SCAN, "content_octets": len(octets), "has_message": 0, "scanner": 0,
              "fingerprint": b"", "text": b"", **fields}
    return HEAD.pack(*values.values()) + octets


def memfd(octets=b"", seals=SEALS, size=None):
    """A memfd that holds octets, or size of nothing."""
    import fcntl
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(descriptor, octets)
    if size is not None:
        os.ftruncate(descriptor, size)
    if seals:
        fcntl.fcntl(descriptor, F_ADD_SEALS, seals)
    return descriptor


class HostileClient:
    """A connection of a user who may connect."""

    def __init__(self, path, timeout=100):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))
        self.socket.settimeout(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, octets, *descriptors):
        """Sends them in one packet."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        self.socket.sendmsg([octets], [rights] if descriptors else [])

    def receive(self):
        """The next packet as (kind, id, failure, text), descriptors closed; None: the inspector hung up."""
        try:
            octets, control, _, _ = self.socket.recvmsg(300_000, socket.CMSG_SPACE(64))
        except ConnectionResetError:
            return None
        for _, _, data in control:
            for descriptor in array.array("i", data[:len(data) - len(data) % 4]):
                os.close(descriptor)
        if not octets:
            return None
        fields = HEAD.unpack(octets[:HEAD.size])
        return fields[1], fields[2], fields[3], fields[-1].rstrip(b"\0").decode()
