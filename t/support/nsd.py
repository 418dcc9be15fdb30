"""A real authoritative name server, NSD, from its Debian package, with zones of the test's own."""

import pathlib
import signal
import subprocess
import tempfile

from support import dns, packages
from support.process import Program, wait_until

CONFIGURATION = """\
server:
    server-count: 1
{addresses}
    port: {port}
    do-ip6: no
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    verbosity: 1
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
"""

ZONE = """\
$ORIGIN {zone}.
$TTL 60
@ SOA ns hostmaster {serial} 3600 600 86400 60
@ NS ns
ns A {address}
"""


class Nsd:
    """
    Serves zones, a dict of a zone's name to the lines of its file behind SOA and NS; None: the file is not
    there, so the zone is known but SERVFAIL. address is what `[dns] servers` takes. Runs from construction to
    stop(). addresses: to serve on, port 53, in a network namespace of the test's own; else a free port of
    127.0.0.1. signed: those of the zones that are, by keys that the file anchors has (RFC 4035).
    """

    def __init__(self, zones, addresses=None, signed=()):
        self.temporary = tempfile.TemporaryDirectory(prefix="postern-nsd-")
        self.folder = pathlib.Path(self.temporary.name)
        self.folder.chmod(0o755)  # others read the anchors
        self.addresses = addresses or ["127.0.0.1"]
        udp, tcp = (None, None) if addresses else dns.bind_pair()
        self.port = 53 if addresses else udp.getsockname()[1]
        self.address = f"{self.addresses[0]}@{self.port}"
        self.anchors = self.folder / "anchors"
        self.zones = zones
        self.serial = 0
        self._write(zones, signed)
        package = packages.unpack("nsd")
        for held in filter(None, (udp, tcp)):
            held.close()
        self.program = Program(package / "usr/sbin/nsd", "-d", "-c", self.folder / "nsd.conf",
                               folder=self.folder, environment=packages.environment(package))
        try:
            wait_until(self._is_ready, 20, "an answer of NSD", 0.05)
        except (RuntimeError, TimeoutError) as error:
            log = self.program.log()
            self.stop()
            raise RuntimeError(f"{error}:\n{log}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def update(self, zone, lines):
        """Serves other lines of a zone (not signed), once it has read them; caches have theirs still."""
        self._write_zone(list(self.zones).index(zone), zone, lines)
        self.program.send_signal(signal.SIGHUP)

    def stop(self):
        self.program.stop()
        self.temporary.cleanup()

    def _write(self, zones, signed):
        addresses = "\n".join(f"    ip-address: {address}@{self.port}" for address in self.addresses)
        configuration = [CONFIGURATION.format(port=self.port, folder=self.folder, addresses=addresses)]
        for number, (zone, lines) in enumerate(zones.items()):
            configuration.append(f'zone:\n    name: "{zone}"\n    zonefile: "{number}.zone"\n')
            if lines is not None:
                self._write_zone(number, zone, lines)
            if zone in signed:
                self._sign(zone, self.folder / f"{number}.zone")
        (self.folder / "nsd.conf").write_text("".join(configuration), encoding="utf-8")

    def _write_zone(self, number, zone, lines):
        self.serial += 1
        head = ZONE.format(zone=zone.rstrip("."), address=self.addresses[0], serial=self.serial)
        path = self.folder / f"{number}.new"
        path.write_text(head + lines, encoding="utf-8")
        path.rename(self.folder / f"{number}.zone")

    def _sign(self, zone, path):
        tools = packages.unpack("ldnsutils")
        run = {"check": True, "cwd": self.folder, "capture_output": True, "text": True,
               "env": packages.environment(tools)}
        key = subprocess.run([tools / "usr/bin/ldns-keygen", "-k", "-a", "ECDSAP256SHA256", zone],
                             **run).stdout.strip()
        subprocess.run([tools / "usr/bin/ldns-signzone", "-f", path, path, key], **run)
        with self.anchors.open("a", encoding="utf-8") as anchors:
            anchors.write((self.folder / f"{key}.ds").read_text(encoding="utf-8"))

    def _is_ready(self):
        if not self.program.is_running():
            raise RuntimeError(f"NSD ended with {self.program.status}")
        return dns.ask(self.port, "ready.test", "A", self.addresses[0]) is not None
