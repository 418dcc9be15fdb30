"""
Full recursion, from the root down: `[dns] servers` is empty. In a network namespace of its own, where name
servers have the addresses of the root servers.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import packages
from support.nsd import Nsd
from support.process import Program, build_folder

INSIDE = "POSTERN_TEST_NAMESPACE"
# Those of the IANA root hints, each under its own name.
ROOT = ["198.41.0.4", "170.247.170.2", "199.9.14.201", "192.33.4.12", "199.7.91.13", "192.203.230.10",
        "192.5.5.241", "192.112.36.4", "198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129",
        "199.7.83.42", "202.12.27.33"]
TOP, OWNER, LAME = "192.0.2.1", "192.0.2.2", "192.0.2.3"

ROOT_ZONE = "\n".join(["com NS ns.com.", f"ns.com A {TOP}", ""])
TOP_ZONE = "\n".join(["example NS ns.example.com.", f"ns.example A {OWNER}",
                      "lame NS ns.lame.com.", f"ns.lame A {LAME}",
                      "dead NS ns.dead.com.", "ns.dead A 192.0.2.99", ""])
OWNER_ZONE = "\n".join(["@ A 198.51.100.1", '@ TXT "v=spf1 mx -all"', "@ MX 10 mx", "mx A 198.51.100.2",
                        "alias CNAME mx", "far CNAME www.lame.com.", ""])


def can_have_namespace():
    """The command that runs another in a network namespace of its own, or None."""
    command = ["unshare", "--net"] + (["--map-root-user"] if os.geteuid() != 0 else [])
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return None
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else None


def ask(*questions, timeout=5000):
    """The lines that resolver_ask prints for (name, type) questions, without any server."""
    words = [word for question in questions for word in question]
    with tempfile.TemporaryDirectory() as folder:
        program = Program(build_folder() / "t/flow/resolver_ask", f"--timeout={timeout}", "--", *words,
                          folder=folder)
        with program:
            status = program.wait(60)
        if status != 0:
            raise AssertionError(f"resolver_ask ended with {status}:\n{program.log()}")
        return [line for line in program.log().splitlines() if not line.startswith("milliseconds ")]


class Recursion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for address in [*ROOT, TOP, OWNER, LAME]:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "route", "add", "unreachable", "default"], check=True)
        cls.servers = []
        for zones, addresses in (({".": ROOT_ZONE}, ROOT), ({"com": TOP_ZONE}, [TOP]),
                                 ({"example.com": OWNER_ZONE}, [OWNER]), ({"other.com": ""}, [LAME])):
            cls.servers.append(Nsd(zones, addresses))

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.stop()

    def test_found(self):
        self.assertEqual(ask(("example.com", "A"), ("example.com", "MX"), ("alias.example.com", "A")),
                         ["example.com A records c6336401",
                          "example.com MX records 000a" + b"mx.example.com".hex(),
                          "alias.example.com A records c6336402"])
        self.assertEqual(ask(("example.com", "TXT")), ["example.com TXT records " + b"v=spf1 mx -all".hex()])

    def test_absent(self):
        """Each level says for itself that there is nothing."""
        self.assertEqual(ask(("none.example.com", "A"), ("mx.example.com", "TXT"), ("none.com", "A"),
                             ("example.none", "A")),
                         ["none.example.com A nxdomain", "mx.example.com TXT nodata", "none.com A nxdomain",
                          "example.none A nxdomain"])

    def test_no_answer_is_no_absence(self):
        """A server that does not know its zone, one that is not there, and an alias that leads to such."""
        for line in ask(("www.lame.com", "A"), ("www.dead.com", "A"), ("far.example.com", "A")):
            self.assertRegex(line, r" (servfail|timeout)$")

    def test_others_go_on(self):
        """What is dead does not hold up what is not."""
        lines = ask(("www.dead.com", "A"), ("mx.example.com", "A"), timeout=3000)
        self.assertEqual(lines[1], "mx.example.com A records c6336402")


if __name__ == "__main__":
    if INSIDE in os.environ:
        unittest.main()
    namespace = can_have_namespace()
    if namespace is None:
        print("skipped: no network namespace can be made here (as root, or with user namespaces)")
        sys.exit(77)
    packages.unpack("nsd")  # inside there is no network to fetch it from
    sys.exit(subprocess.run([*namespace, sys.executable, "-B", *sys.argv], check=False,
                            env={**os.environ, INSIDE: "1"}).returncode)
