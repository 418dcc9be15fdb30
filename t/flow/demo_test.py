"""The demo, as a newcomer runs it: all four messages go as they should, and nothing of it is left."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest


class DemoTest(unittest.TestCase):
    def test_once(self):
        with tempfile.TemporaryDirectory(prefix="postern-demo-test-") as folder:
            os.chmod(folder, 0o1777)
            done = subprocess.run([sys.executable, "-B", "-m", "support.demo", "--once"], capture_output=True,
                                  text=True, timeout=120, env={**os.environ, "TMPDIR": folder})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            rows = re.findall(r"^(\d) .*?  (yes|no) +(\d{3}) (\S+)", done.stdout, re.MULTILINE)
            self.assertEqual(rows, [("1", "yes", "250", "2.0.0"), ("2", "no", "550", "5.7.1"),
                                    ("3", "no", "550", "5.7.23"), ("4", "no", "550", "5.7.20")])
            self.assertEqual(len(re.findall(r"^  >>> S: ", done.stdout, re.MULTILINE)), 4)
            recorded = list(pathlib.Path(folder).glob("postern-demo-*/messages/*.eml"))
            self.assertEqual(len(recorded), 1)
            self.assertIn(b"\r\nplease pay 100 EUR", recorded[0].read_bytes())
            self.assert_no_process(folder)

    def assert_no_process(self, folder):
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.assertNotIn(folder.encode(), path.read_bytes(), path)
            except (FileNotFoundError, ProcessLookupError):
                continue


if __name__ == "__main__":
    unittest.main()
