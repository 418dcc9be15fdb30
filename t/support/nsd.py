"""A real authoritative name server, NSD, from its Debian package, with zones of the test's own."""

import pathlib
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
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A {address}
"""


class Nsd:
    """
    Serves zones, a dict of a zone's name to the lines of its file behind SOA and NS; None: the file is not
    there, so the zone is known but SERVFAIL. address is what `[dns] servers` takes. Runs from construction to
    stop(). addresses: to serve on, port 53, in a network namespace of the test's own; else a free port of
    127.0.0.1.
    """

    def __init__(self, zones, addresses=None):
        self.temporary = tempfile.TemporaryDirectory(prefix="postern-nsd-")
        self.folder = pathlib.Path(self.temporary.name)
        self.addresses = addresses or ["127.0.0.1"]
        udp, tcp = (None, None) if addresses else dns.bind_pair()
        self.port = 53 if addresses else udp.getsockname()[1]
        self.address = f"{self.addresses[0]}@{self.port}"
        self._write(zones)
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

    def stop(self):
        self.program.stop()
        self.temporary.cleanup()

    def _write(self, zones):
        addresses = "\n".join(f"    ip-address: {address}@{self.port}" for address in self.addresses)
        configuration = [CONFIGURATION.format(port=self.port, folder=self.folder, addresses=addresses)]
        for number, (zone, lines) in enumerate(zones.items()):
            configuration.append(f'zone:\n    name: "{zone}"\n    zonefile: "{number}.zone"\n')
            if lines is not None:
                path = self.folder / f"{number}.zone"
                head = ZONE.format(zone=zone.rstrip("."), address=self.addresses[0])
                path.write_text(head + lines, encoding="utf-8")
        (self.folder / "nsd.conf").write_text("".join(configuration), encoding="utf-8")

    def _is_ready(self):
        if not self.program.is_running():
            raise RuntimeError(f"NSD ended with {self.program.status}")
        return dns.ask(self.port, "ready.test", "A", self.addresses[0]) is not None
