"""
What `cmake --install` makes below an empty root: whole, able to start, and nothing of the administrator's
lost. Neither rights nor users are needed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import outcome
from support.demo_messages import eicar_signature, infected
from support.installed_root import install
from support.process import build_folder
from support.proxy import unprivileged_user
from support.scan import plain

PROGRAMS = {"usr/sbin/postern-proxy", "usr/sbin/postern-milter", "usr/bin/postern-scan",
            "usr/bin/postern-log", "usr/sbin/postern-report", "usr/libexec/postern/postern-inspector"}
UNITS = ("postern-proxy.service", "postern-milter.service", "postern-inspector.service",
         "postern-inspector.socket", "postern-report.service")


class DestdirTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="postern-install-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def libraries(self, program):
        done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        return done.stdout

    def test_each_program_finds_what_belongs_to_it(self):
        for prefix in ("/usr", "/usr/local", "/opt/postern"):
            with self.subTest(prefix):
                install(self.root, prefix)
                for name in PROGRAMS:
                    program = self.root / prefix[1:] / name.removeprefix("usr/")
                    found = re.search(r"libpostern\S* => (\S+)", self.libraries(program))
                    self.assertIsNotNone(found, program)
                    self.assertTrue(os.path.realpath(found[1]).startswith(str(self.root.resolve())), found[1])
                    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
                    self.assertRegex(done.stdout, r"\Apostern-\w+ \d")
                link = self.root / prefix[1:] / "sbin/postern-inspector"
                self.assertEqual(link.resolve(), (self.root / prefix[1:] /
                                                  "libexec/postern/postern-inspector").resolve())
                for unit in UNITS:
                    text = (self.root / prefix[1:] / "lib/systemd/system" / unit).read_text()
                    programs = re.findall(r"^ExecStart(?:Pre)?=.*?(/\S*/postern-\w+)", text, re.MULTILINE)
                    self.assertEqual(programs != [], unit.endswith(".service"), unit)
                    for program in programs:
                        self.assertTrue(os.access(self.root / program[1:], os.X_OK), (unit, program))

    def test_program_of_another_uses_the_library(self):
        """Built as postern.h says, against what was installed; it finds the library and the inspector."""
        install(self.root)
        packages = next((self.root / "usr").rglob("pkgconfig"))
        environment = {**os.environ, "PKG_CONFIG_PATH": str(packages),
                       "PKG_CONFIG_SYSROOT_DIR": str(self.root)}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "postern"], env=environment,
                               capture_output=True, text=True, check=True).stdout.split()
        example, library = self.root / "usr/libexec/postern/judge", packages.parent / "postern"
        source = self.root / "usr/share/doc/postern/embed/judge.c"
        subprocess.run(["cc", "-Wall", "-Werror", source, "-o", example, *flags], check=True, timeout=60)
        shown = subprocess.run(["nm", "-D", library / "libpostern.so"], capture_output=True, text=True,
                               check=True)
        public = sorted(re.findall(r" T (\w+)@@POSTERN_1$", shown.stdout, re.MULTILINE))
        self.assertEqual(public, ["postern_judge_free", "postern_judge_message", "postern_judge_new",
                                  "postern_judgement_clear"])
        configuration, message = self.root / "judge.conf", self.root / "message.eml"
        configuration.write_text(f"[dns]\nanswers = {self.root}/answers\n[virus]\ndatabase = {self.root}\n"
                                 f"[inspector]\nuser = {unprivileged_user()}\n")
        (self.root / "answers").write_text('example.com TXT "v=spf1 -all"\n')
        (self.root / "test.ndb").write_text(eicar_signature())
        self.root.chmod(0o755)
        for octets, first in ((plain(), "250 2.0.0 Ok"), (infected(), "550 5.7.1 Message refused: virus")):
            message.write_bytes(octets)
            done = subprocess.run([example, configuration, message], timeout=60, capture_output=True,
                                  text=True, env={**os.environ, "LD_LIBRARY_PATH": str(library)},
                                  check=False)
            self.assertTrue(done.stdout.startswith(first), done)
            self.assertIn("SPF: fail", done.stdout)

    def test_shells_complete_options(self):
        install(self.root)
        for name in ("postern-proxy", "postern-milter", "postern-inspector", "postern-scan"):
            script = self.root / "usr/share/bash-completion/completions" / name
            completed = (f"source {script}; COMP_WORDS=({name} --dump-ch) COMP_CWORD=1; "
                         f"_{name.replace('-', '_')}; echo ${{COMPREPLY[*]}}")
            words = subprocess.run(["bash", "-c", completed], capture_output=True, text=True, timeout=30,
                                   check=True).stdout.split()
            self.assertEqual(words, ["--dump-changed"])
            for other in (f"zsh/vendor-completions/_{name}", f"fish/vendor_completions.d/{name}.fish"):
                self.assertIn("dump-changed", (self.root / "usr/share" / other).read_text())

    def test_configuration_of_the_administrator_stays(self):
        install(self.root)
        own = self.root / "etc/postern/postern.conf"
        self.assertTrue(own.parent.is_dir())
        self.assertFalse(own.exists())
        own.write_text("[proxy]\nhostname = mine.example\n")
        install(self.root)
        self.assertEqual(own.read_text(), "[proxy]\nhostname = mine.example\n")
        example = self.root / "usr/share/doc/postern/postern.conf"
        checked = subprocess.run([self.root / "usr/sbin/postern-proxy", "--config", example, "--dump-config"],
                                 capture_output=True, text=True, check=True)
        self.assertEqual(checked.stdout, example.read_text())

    def test_nothing_is_installed_where_a_program_is_not_built(self):
        build = self.root / "build"
        build.mkdir()
        for name in ("cmake_install.cmake", "CMakeCache.txt"):
            text = (build_folder() / name).read_text()
            (build / name).write_text(text.replace(str(build_folder().resolve()), str(build)))
        done = subprocess.run(["cmake", "--install", build], capture_output=True, text=True, check=False,
                              env={**os.environ, "DESTDIR": str(self.root / "to")})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nothing was installed", done.stderr.replace("\n", " "))
        self.assertFalse((self.root / "to").exists())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze (package systemd)")
    def test_units_are_right(self):
        install(self.root)
        place = self.root / "usr/lib/systemd/system"
        for name in ("usr/lib/systemd/system", "lib/systemd/system"):
            source = pathlib.Path("/") / name
            target = self.root / name
            target.mkdir(parents=True, exist_ok=True)
            for unit in source.glob("*.target"):
                if not (target / unit.name).exists():
                    shutil.copy(unit, target / unit.name)
        done = subprocess.run(["systemd-analyze", "verify", f"--root={self.root}", "--man=no",
                               *(place / unit for unit in UNITS)], capture_output=True, text=True,
                              check=False)
        ours = [line for line in (done.stdout + done.stderr).splitlines() if "postern" in line
                and "is not executable" not in line]
        self.assertEqual(ours, [])


if __name__ == "__main__":
    outcome.main()
