"""contrib/fail2ban by Debian's fail2ban-regex: the line of a suspect is matched, and no other line."""

import re
import subprocess
import sys
import unittest

from support import packages
from support.process import source_folder
from support.proxy import ProxyTestCase
from support.smtp import Client

STAMP = "2026-12-01T03:44:01.123+00:00"
SUSPECT = "suspect session=wFHu0000000gnE3s client={} suspicion=6 reasons=error,no_name"
MATCHED = (f"{STAMP} postern-proxy[9]: info: {SUSPECT.format('192.0.2.7')}",
           f"{STAMP} mx postern-proxy[9]: {SUSPECT.format('2001:db8::7')}",
           f"Dec  1 03:44:01 mx postern-proxy[9]: {SUSPECT.format('192.0.2.8')}")
OTHERS = (f"{STAMP} postern-proxy[9]: info: {SUSPECT.format('192.0.2.9')} would=slow",
          f'{STAMP} postern-proxy[9]: info: session client=192.0.2.1 helo="{SUSPECT.format("192.0.2.9")}"',
          f'{STAMP} postern-proxy[9]: info: session helo="postern-proxy: {SUSPECT.format("192.0.2.9")}"',
          f"{STAMP} mx other[9]: {SUSPECT.format('192.0.2.9')}")


class Fail2banTest(ProxyTestCase):
    def matched(self, lines):
        """The addresses that would be banned."""
        package = packages.unpack("fail2ban")
        path = self.subfolder("log") / "mail.log"
        path.write_text("".join(f"{line}\n" for line in lines))
        result = subprocess.run(
            [sys.executable, "-B", package / "usr" / "bin" / "fail2ban-regex", "-c",
             package / "etc" / "fail2ban",
             path, source_folder() / "contrib" / "fail2ban" / "postern.conf", "-o", "<ip>"],
            env={"PYTHONPATH": str(package / "usr" / "lib" / "python3" / "dist-packages")},
            capture_output=True, text=True, check=True)
        return result.stdout.split()

    def test_filter(self):
        server = self.proxy(self.backend(), proxy={"threads": 1}, screen={"trickle": 0, "pause": "nobody"},
                            **{"class here": {"networks": "127.0.0.0/8"}})
        with Client(server.port, source="127.0.0.9") as client:
            client.command("EHLO proxy.example")  # our name
        server.wait_for_closing_lines("suspect", 1)
        own = [re.sub(r"^(?!\d{4}-)", f"{STAMP} ", line) for line in server.log_now().splitlines()]
        self.assertEqual(self.matched([*MATCHED, *OTHERS, *own]),
                         ["192.0.2.7", "2001:db8::7", "192.0.2.8", "127.0.0.9"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + ["-v"])
