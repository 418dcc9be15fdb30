"""Free TCP ports of the loopback interface, and waiting for somebody to listen on one."""

import socket
import time


def free_ports(count, host="127.0.0.1"):
    """That many different ports that nobody listens on now."""
    sockets = []
    try:
        for _ in range(count):
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            sockets.append(listener)
            listener.bind((host, 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def free_port(host="127.0.0.1"):
    """One port that nobody listens on now."""
    return free_ports(1, host)[0]


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
    deadline = time.monotonic() + seconds
    while not is_listening(port, host):
        if alive is not None and not alive():
            raise RuntimeError(f"the program ended before it listened on {host}:{port}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {host}:{port} after {seconds} seconds")
        time.sleep(0.02)
