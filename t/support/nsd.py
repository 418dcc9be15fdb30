"""A real authoritative name server, NSD, from its Debian package, with zones of the test's own."""

import pathlib
import tempfile

from support import dns, packages
from support.process import Program, wait_until

CONFIGURATION = """\
server:
    server-count: 1
    ip-address: 127.0.0.1@{port}
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
@ SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 60
@ NS ns.{zone}.
ns A 127.0.0.1
"""


class Nsd:
    """
    Serves zones, a dict of a zone's name to the lines of its file behind SOA and NS; None: the file is not
    there, so the zone is known but SERVFAIL. address is what `[dns] servers` takes. Runs from construction to
    stop().
    """

    def __init__(self, zones):
        self.temporary = tempfile.TemporaryDirectory(prefix="postern-nsd-")
        self.folder = pathlib.Path(self.temporary.name)
        udp, tcp = dns.bind_pair()
        self.port = udp.getsockname()[1]
        self.address = f"127.0.0.1@{self.port}"
        self._write(zones)
        package = packages.unpack("nsd")
        udp.close()
        tcp.close()
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
        configuration = [CONFIGURATION.format(port=self.port, folder=self.folder)]
        for number, (zone, lines) in enumerate(zones.items()):
            configuration.append(f'zone:\n    name: "{zone}"\n    zonefile: "{number}.zone"\n')
            if lines is not None:
                path = self.folder / f"{number}.zone"
                path.write_text(ZONE.format(zone=zone) + lines, encoding="utf-8")
        (self.folder / "nsd.conf").write_text("".join(configuration), encoding="utf-8")

    def _is_ready(self):
        if not self.program.is_running():
            raise RuntimeError(f"NSD ended with {self.program.status}")
        return dns.ask(self.port, "ready.test", "A") is not None
