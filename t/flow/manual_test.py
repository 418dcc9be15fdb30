"""
The manual as it is built: mandoc finds no fault with it, its references lead somewhere, its tutorials show
the files that the other tests use, and its tables for those who come from other programs name what there is.
"""

import pathlib
import re
import subprocess
import tempfile
import unittest

from support import packages
from support.process import build_folder, source_folder
from support.proxy import run_program

CONTRIB = source_folder() / "contrib"
BUILT = build_folder() / "contrib"
CODE = [source_folder() / name for name in ("common", "proxy", "milter")]
TUTORIALS = ("postfix", "sendmail", "exim", "opensmtpd", "exchange")
COMMENT = re.compile(r"#|dnl")
REFERENCE = re.compile(r"\[([a-z]+(?: \w+)?)\] ([a-z_0-9]+)((?:, [a-z_0-9]+(?=[,;.):\n]| =))*)")
# Packages whose settings a section of postern-migrate(7) names.
PACKAGES = {"POSTSCREEN": "postfix-doc", "POSTGREY": "postgrey", "OPENDKIM": "opendkim",
            "OPENDMARC": "opendmarc", "CLAMAV-MILTER": "clamav-milter",
            "POLICYD-SPF": "postfix-policyd-spf-python", "AMAVIS": "amavisd-new", "RSPAMD": "rspamd"}
# Groups that a file may have several of, and the one that describes them.
NAMED = ("class", "list", "servers", "policy")


def pages():
    """The pages as they are installed, by name and section."""
    built = [*BUILT.glob("*.[1-8]"), *CONTRIB.glob("man/*.[1-8]")]
    return {page.name: page for page in reversed(built)}


def text_of(path):
    return "" if path.is_symlink() or not path.is_file() else path.read_bytes().decode("utf-8", "replace")


def uncompressed(path):
    done = subprocess.run(["zcat", path], capture_output=True, check=False)
    return done.stdout.decode("utf-8", "replace")


class ManualTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.options = {}
        dump = run_program("postern-proxy", "--config", "/dev/null", "--dump-config").stdout
        for line in dump.splitlines():
            if group := re.fullmatch(r"\[(.*)\]", line):
                options = cls.options.setdefault(group[1], set())
            elif option := re.match(r"(\w+) =", line):
                options.add(option[1])

    def mandoc(self, *arguments):
        try:
            folder = packages.unpack("mandoc")
        except packages.Unavailable as error:
            self.skipTest(str(error))
        done = subprocess.run([folder / "usr" / "bin" / "mandoc", *arguments], capture_output=True, text=True,
                              env=packages.environment(folder), check=False)
        return re.sub(r".\x08", "", done.stdout)

    def assert_option(self, group, option):
        kind, _, name = group.partition(" ")
        known = self.options.get(group) or (name and kind in NAMED and self.options.get(kind))
        self.assertTrue(known, f"[{group}] {option}")
        self.assertIn(option, known, f"[{group}]")

    def references(self, text):
        for group, option, more in REFERENCE.findall(text):
            for name in (option, *more.split(", ")[1:]):
                yield group, name

    def test_no_fault(self):
        self.assertGreater(len(pages()), 12)
        self.assertEqual(self.mandoc("-T", "lint", "-W", "warning", *pages().values()), "")

    def test_references(self):
        known = {(name[:-2], name[-1]) for name in pages()}
        for name, page in pages().items():
            for other in re.findall(r"^\.Xr (\S*postern\S*) (\d)", page.read_text(), re.MULTILINE):
                self.assertIn(other, known, name)

    def test_options_of_tutorials(self):
        for name in TUTORIALS:
            text = (CONTRIB / "man" / f"postern-{name}.7").read_text()
            for group, option in self.references(text):
                self.assert_option(group, option)

    def test_tutorials_show_the_files(self):
        for name in TUTORIALS:
            page = pages()[f"postern-{name}.7"]
            shown = {line.strip() for line in self.mandoc("-T", "utf8", "-O", "width=120", page).splitlines()}
            for path in sorted((CONTRIB / name).iterdir()):
                lines = path.read_text().splitlines()
                options = [line[len(COMMENT.match(line)[0]) + 3:] for line in lines
                           if re.match(r"(#|dnl) {3}", line)]
                for line in [line for line in lines if line and not COMMENT.match(line)] + options:
                    self.assertIn(line.strip(), shown, path)
                if options:
                    self.assert_read("\n".join(options))

    def test_files_of_developers(self):
        text = (CONTRIB / "man" / "postern-developer.7").read_text()
        places = set(re.findall(r"\b(?:common|contrib|proxy|milter|t)/[\w./-]*\w", text))
        self.assertGreater(len(places), 20)
        for place in places:
            if "NAME" not in place:
                self.assertTrue((source_folder() / place).exists(), place)
        listed = set(re.findall(r"(?m)^\.It Pa common/(\w+)$", text))
        folders = {path.name for path in (source_folder() / "common").iterdir() if path.is_dir()}
        self.assertEqual(listed, folders)
        for table in re.findall(r"\.Va (\w+)$", text, re.MULTILINE):
            found = subprocess.run(["grep", "-rqw", table.replace("NAME", "hops"), *CODE], check=False)
            self.assertEqual(found.returncode, 0, table)

    def assert_read(self, text):
        """The options are such that the programs take them."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(f"{text}\n")
            file.flush()
            done = run_program("postern-proxy", "--config", file.name, "--dump-changed")
        self.assertEqual(done.returncode, 0, done.stderr)

    def sections(self):
        """The tables of postern-migrate(7): for each section the rows (theirs, ours)."""
        found = {}
        for line in pages()["postern-migrate.7"].read_text().splitlines():
            if line.startswith(".Sh "):
                rows = found.setdefault(line[4:], [])
            elif row := re.match(r"\.It Cm (.*?) Ta (.*)", line):
                rows.append((row[1].split(" , "), row[2]))
        return {name: rows for name, rows in found.items() if rows}

    def test_our_side_of_migration(self):
        sections, count = self.sections(), 0
        self.assertEqual(sections.keys(), PACKAGES.keys())
        for rows in sections.values():
            for _, ours in rows:
                for group, option in self.references(f"{ours}\n"):
                    self.assert_option(group, option)
                    count += 1
        self.assertGreater(count, 100)

    def test_their_side_of_migration(self):
        for section, rows in self.sections().items():
            try:
                folder = packages.unpack(PACKAGES[section], alone=True)
            except packages.Unavailable as error:
                self.skipTest(str(error))
            files = [path for path in pathlib.Path(folder).rglob("*") if path.stat().st_size < 2_000_000]
            manual = "".join(text_of(path) for path in files if path.suffix in ("", ".conf", ".inc", ".pm",
                                                                               ".html", ".lua", ".sample"))
            manual += "".join(uncompressed(path) for path in files if path.suffix == ".gz")
            words = set(re.findall(r"[\w-]+", re.sub(r"\\f[BIR]|\\(?=-)", " ", manual).replace("- -", "--")))
            for names, _ in rows:
                for word in re.findall(r"[\w-]+", " ".join(names)):
                    self.assertIn(word, words, section)


if __name__ == "__main__":
    unittest.main()
