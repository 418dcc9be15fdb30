"""postern-milter as miltertest(8) of Debian sees it: the protocol from another hand than ours."""

import os
import subprocess
import sys
import unittest

from support import milter_messages as mail, packages
from support.demo_messages import eicar
from support.milter import MilterTestCase
from support.milter_messages import CLIENT, EXTERNAL
from support.process import source_folder


class MiltertestTest(MilterTestCase):
    def test_script(self):
        milter = self.milter(answers=mail.ANSWERS)
        folder = packages.unpack("miltertest")
        literal = "".join(f"\\{octet}" for octet in eicar())
        script = self.subfolder("script") / "test.lua"
        script.write_text(f'PLACE = "{milter.socket}"\nCLIENT = "{CLIENT}"\nEXTERNAL = "{EXTERNAL}"\n'
                          f'EICAR = "{literal}"\n'
                          + (source_folder() / "t" / "support" / "miltertest.lua").read_text())
        result = subprocess.run([folder / "usr" / "bin" / "miltertest", "-s", script], capture_output=True,
                                text=True, timeout=100, check=False,
                                env={**os.environ, **packages.environment(folder)})
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr + milter.log())
        self.assertIn("all as it should be", result.stdout)
        lines = milter.wait_for_closing_lines("message", 11)
        self.assertEqual([line["action"] for line in lines],
                         ["accept", "reject", "accept", "reject", *["accept"] * 7])
        self.assertEqual(lines[-1]["recipients"], "10000")
        self.assertTrue(lines[1]["reply"].startswith("550 5.7.1 "), lines[1])
        self.assertTrue(lines[3]["reply"].startswith("550 5.7.23 "), lines[3])


if __name__ == "__main__":
    try:
        packages.unpack("miltertest")
    except packages.Unavailable as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main()
