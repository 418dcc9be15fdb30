"""Free TCP ports of the loopback interface, and waiting for somebody to listen on one."""

import random
import socket
import time

from support.process import PATIENCE

# Below those that the kernel gives to clients, which could take a port before its server does.
FIRST, LAST = 10000, 32000


def _reserve(port):
    """Whether port is this process's until it ends: no other test is given it, nor this one again."""
    reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reservation.bind(f"\0postern-test-port-{port}")
    except OSError:
        reservation.close()
        return False
    reservation.detach()  # the kernel closes it when this process ends
    return True


def _is_free(port, host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host="127.0.0.1"):
    """One port that nobody listens on, given to nobody else while this process runs."""
    for port in random.sample(range(FIRST, LAST), LAST - FIRST):
        if _reserve(port) and _is_free(port, host):
            return port
    raise OSError(f"no free port from {FIRST} to {LAST}")


def free_ports(count, host="127.0.0.1"):
    """That many different ones."""
    return [free_port(host) for _ in range(count)]


def first_free_port(wanted, host="127.0.0.1", tries=100):
    """wanted where it is free, else the next that is."""
    for port in range(wanted, wanted + tries):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {wanted} to {wanted + tries - 1}")


def is_listening(port, host="127.0.0.1"):
    """Whether a connection to port is taken now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_for_port(port, host="127.0.0.1", seconds=10.0, alive=None):
    """Waits until port is listened on; alive() tells whether it is still worth waiting."""
    deadline = time.monotonic() + PATIENCE * seconds
    while not is_listening(port, host):
        if alive is not None and not alive():
            raise RuntimeError(f"the program ended before it listened on {host}:{port}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {host}:{port} after {PATIENCE} * {seconds} seconds")
        time.sleep(0.02)
