"""
What the benchmarks compare with: a sink for mail, a load; HAProxy and a bare relay, which know no SMTP;
nginx's mail proxy.
"""

import pathlib
import re
import subprocess

from support import packages, ports
from support.process import Program, build_folder

HAPROXY = """\
global
    nbthread {threads}
    maxconn 9900
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen relay
    bind 127.0.0.1:{port} backlog 4096
    server sink 127.0.0.1:{backend}
"""

NGINX = """\
load_module {modules}/ngx_mail_module.so;
worker_processes 2;
daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 19000; }}
mail {{
    server_name nginx.example;
    smtp_auth none; xclient off;
    server {{ listen 127.0.0.1:{port} backlog=4096; protocol smtp; auth_http 127.0.0.1:{judge}/; }}
}}
"""
# It asks another web server where each recipient's mail goes.
NGINX_JUDGE = """\
worker_processes 1;
daemon off;
user root;
pid {folder}/judge.pid;
error_log {folder}/judge.log error;
events {{ worker_connections 19000; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{judge};
        add_header Auth-Status OK; add_header Auth-Server 127.0.0.1; add_header Auth-Port {backend};
        location / {{ return 204; }}
    }}
}}
"""


def benchmark_program(name):
    """A program of t/bench; contrib/bench builds it."""
    path = build_folder() / "t" / "bench" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: contrib/bench builds it")
    return str(path)


class Sink:
    """The back-end: takes mail for dest.example and keeps none."""

    def __init__(self):
        self.process = subprocess.Popen([benchmark_program("mail_sink")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def stop(self):
        """Ends it; how many connections it has had, and how many at once."""
        if self.process.stdin.closed:
            return None
        self.process.stdin.close()
        told = re.findall(r"\d+", self.process.stdout.read())
        self.process.stdout.close()
        self.process.wait(10)
        return tuple(map(int, told))


class HAProxy:
    """A relay of octets before a port, from Debian's package."""

    def __init__(self, folder, backend, threads=2):
        package = packages.unpack("haproxy")
        self.port = ports.free_port()
        configuration = pathlib.Path(folder) / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(threads=threads, port=self.port, backend=backend))
        self.program = Program(str(package / "usr" / "sbin" / "haproxy"), "-db", "-f", configuration,
                               folder=folder, environment=packages.environment(package))
        self.program.wait_for_port(self.port)
        self.pid = self.program.pid

    def pids(self):
        return [self.pid]

    def stop(self):
        self.program.stop()


class Nginx:
    """A proxy that speaks SMTP with its clients up to RCPT, and passes on octets from there."""

    def __init__(self, folder, backend):
        package, module = (packages.unpack(name) for name in ("nginx", "libnginx-mod-mail"))
        self.port, judge = ports.free_port(), ports.free_port()
        self.programs = []
        for name, text, port in (("judge", NGINX_JUDGE, judge), ("nginx", NGINX, self.port)):
            path = pathlib.Path(folder) / f"{name}.conf"
            path.write_text(text.format(modules=module / "usr" / "lib" / "nginx" / "modules", folder=folder,
                                        port=self.port, judge=judge, backend=backend))
            program = Program(str(package / "usr" / "sbin" / "nginx"), "-c", path, "-e",
                              pathlib.Path(folder) / f"{name}.log", folder=folder,
                              environment=packages.environment(package, module))
            self.programs.insert(0, program)
            program.wait_for_port(port)

    def pids(self):
        """Of the proxy, without whom it asks."""
        pid = self.programs[0].pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def stop(self):
        for program in self.programs:
            program.stop()


class BareRelay:
    """What passes octets on with as little as that takes."""

    def __init__(self, folder, backend):
        self.port = ports.free_port()
        self.program = Program(benchmark_program("bare_relay"), self.port, backend, folder=folder)
        self.program.wait_for_port(self.port)
        self.pid = self.program.pid
        self.stop = self.program.stop


def load(port, connections, messages, a_connection, octets, *files, client=None, senders=False,
         addresses=None, seconds=120):
    """
    Sends mail, from client if one is given (XCLIENT), and from the senders that files are named by; the
    figures that mail_load prints, as numbers.
    """
    options = [*([f"--client={client}"] if client else []), *(["--senders"] if senders else []),
               *([f"--addresses={addresses}"] if addresses else [])]
    command = [benchmark_program("mail_load"), *options, port, connections, messages, a_connection, octets,
               *files]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds,
                            check=True)
    return {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", result.stdout)}


def cpu_seconds(*pids):
    """The processor time of all threads of these processes, to the nanosecond."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
