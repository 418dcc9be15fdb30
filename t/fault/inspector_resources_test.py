"""
A worker of postern-inspector that is short of something: for each resource in turn, taken away in steps, a
message with a virus is never found clean. That it is found infected, or could not be scanned, or that the
worker dies of it and the request fails, are all right.
"""

import itertools
import os
import pathlib
import pwd
import resource
import subprocess
import sys
import tempfile
import unittest

from support import outcome
from support.inspector import EICAR, Inspector, is_alive, message, with_attachment, zipped
from support.process import build_folder, wait_until

SANITIZED = any(line.startswith("POSTERN_SANITIZE:") and line.split("=", 1)[1]
                for line in (build_folder() / "CMakeCache.txt").read_text().splitlines())
_numbers = itertools.count()


def filler(octets):
    """Octets that no other message has: the library remembers what it has found clean."""
    return b"%d " % next(_numbers) + os.urandom(octets)


def virus_messages():
    """Messages with a virus, each of a kind that needs other resources; all unlike any before."""
    return {
        "zip": with_attachment(zipped(EICAR), f"{next(_numbers)}.zip"),
        "zip in zip": with_attachment(zipped(zipped(EICAR, f"{next(_numbers)}.com")), "a.zip"),
        "behind a large part": large_then_virus(),
        "zip with a large file": with_attachment(zipped_two(filler(200_000))),
    }


def large_then_virus():
    """A message whose virus stands behind a large part."""
    from email.message import EmailMessage
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "a@example.org", "two parts"
    mail.set_content("text")
    mail.add_attachment(filler(300_000), maintype="application", subtype="octet-stream", filename="first.bin")
    mail.add_attachment(zipped(EICAR), maintype="application", subtype="zip", filename="second.zip")
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zipped_two(data):
    """A zip of data and, after it, the virus."""
    import io
    import zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.bin", data)
        archive.writestr("second.com", EICAR)
    return out.getvalue()


def limit(worker, which, value):
    """Sets a limit of a running worker, as the user that it is: not every root may do it to others."""
    owner = os.stat(f"/proc/{worker}").st_uid or pwd.getpwnam("nobody").pw_uid
    program = f"import resource; resource.prlimit({worker}, {which}, ({value}, {value}))"
    other = {}
    if os.geteuid() == 0:
        other = {"user": owner, "group": pwd.getpwuid(owner).pw_gid, "extra_groups": []}
    subprocess.run([sys.executable, "-c", program], check=True, **other)


class ResourcesTest(unittest.TestCase):
    def start(self, **options):
        inspector = Inspector(workers=1, **options)
        self.addCleanup(inspector.__exit__)
        return inspector.start()

    def worker(self, inspector):
        """Its worker, once that has answered."""
        result, = inspector.ask(message(filler(10).hex().encode()), arguments=["--content-only"])
        self.assertEqual(result.virus, "clean", result)
        return wait_until(inspector.workers, 10)[0]

    def assert_never_clean(self, inspector, what, infected=None):
        """Inspects one message of each kind; those that are found infected are counted."""
        found = 0
        for kind, data in virus_messages().items():
            with self.subTest(what, kind=kind):
                result, = inspector.ask(data, arguments=["--content-only", "--deadline", 20000])
                self.assertIn(result.virus, ("infected", "unscannable", "error"), result)
                found += result.virus == "infected"
        if infected is not None:
            self.assertEqual(found, infected)
        return found

    def test_all_there(self):
        inspector = self.start()
        self.worker(inspector)
        self.assert_never_clean(inspector, "nothing taken", infected=4)

    def limit_in_steps(self, which, values):
        """Each value as a limit of a fresh worker."""
        short = 0
        for value in values:
            inspector = self.start()
            worker = self.worker(inspector)
            limit(worker, which, value)
            short += self.assert_never_clean(inspector, f"limit {which} of {value}") < 4
            inspector.program.stop()
        self.assertGreater(short, 0, "no step was short of anything: the test tests nothing")

    def test_descriptors(self):
        self.limit_in_steps(resource.RLIMIT_NOFILE, (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 32))

    def test_file_size(self):
        self.limit_in_steps(resource.RLIMIT_FSIZE, (0, 1, 60, 100, 1000, 10_000, 100_000, 250_000, 400_000))

    @unittest.skipIf(SANITIZED, "a sanitizer needs terabytes of address space")
    def test_memory(self):
        inspector = self.start()
        pages = int(pathlib.Path(f"/proc/{self.worker(inspector)}/statm").read_text().split()[0])
        present = pages * resource.getpagesize()
        inspector.program.stop()
        steps = (-(10 << 20), -1, 0, 4096, 65_536, 300_000, 1 << 20, 4 << 20)
        self.limit_in_steps(resource.RLIMIT_AS, [max(1, present + step) for step in steps])

    def test_processor_time(self):
        inspector = self.start()
        limit(self.worker(inspector), resource.RLIMIT_CPU, 0)
        self.assert_never_clean(inspector, "no processor time")

    def test_directory_removed(self):
        inspector = self.start()
        self.worker(inspector)
        inspector.worker_directories()[0].rmdir()
        self.assert_never_clean(inspector, "its directory removed")
        # Not for ever: another worker, with a directory, takes its place.
        result, = inspector.ask(with_attachment(zipped(EICAR)), arguments=["--content-only"])
        self.assertEqual(result.virus, "infected", result)

    def test_directory_closed(self):
        for mode in (0o000, 0o100, 0o400, 0o500, 0o600):
            inspector = self.start()
            self.worker(inspector)
            os.chmod(inspector.worker_directories()[0], mode)
            self.assert_never_clean(inspector, f"its directory of mode {mode:o}")
            inspector.program.stop()

    def test_temporary_directory_gone(self):
        inspector = self.start()
        worker = self.worker(inspector)
        for entry in inspector.temporary.glob("postern-inspector-*"):
            os.rename(entry, inspector.folder / "elsewhere")
        self.assert_never_clean(inspector, "the temporary directory moved away")
        wait_until(lambda: not is_alive(worker), 20, "the end of a worker without its directory")
        result, = inspector.ask(with_attachment(zipped(EICAR)),
                                arguments=["--content-only", "--deadline", 8000])
        self.assertEqual(result.virus, "error", result)
        self.assertIn("directory", result.reason)

    def test_small_configured_sizes(self):
        inspector = self.start(temporary_size="2M", worker_memory="80M")
        self.worker(inspector)
        big = with_attachment(zipped_two(filler(3_000_000)))
        result, = inspector.ask(big, arguments=["--content-only"])
        self.assertIn(result.virus, ("infected", "unscannable", "error"), result)

    def test_sizes_too_small_to_scan_at_all(self):
        with Inspector(workers=1, temporary_size="1M") as inspector:
            inspector.start(ready=False)
            result, = inspector.ask(with_attachment(EICAR), arguments=["--content-only"])
            self.assertEqual(result.virus, "error", result)
            self.assertIn("not room for a scan", result.reason)
            inspector.wait_for_log("error: no worker could be started: .*not room for a scan")

    def test_message_over_the_scan_size(self):
        inspector = self.start()
        result, = inspector.ask(with_attachment(EICAR), arguments=["--content-only", "--scan-octets", 100])
        self.assertEqual(result.virus, "unscannable", result)


@unittest.skipUnless(os.geteuid() == 0, "only root can mount a small file system")
class DiskTest(unittest.TestCase):
    def mount(self, options):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-disk-"))
        os.chmod(folder, 0o755)
        self.addCleanup(folder.rmdir)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0777,{options}", "none", str(folder)],
                              check=False)
        if done.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", str(folder)], check=True)
        return folder

    def fill_in_steps(self, disk, steps, fill):
        """fill(step) takes all but that much; nothing may be clean."""
        short = 0
        for step in steps:
            with Inspector(temporary=disk, workers=1) as inspector:
                inspector.start()
                fill(step)
                for kind, data in virus_messages().items():
                    with self.subTest(step=step, kind=kind):
                        result, = inspector.ask(data, arguments=["--content-only", "--deadline", 20000])
                        self.assertIn(result.virus, ("infected", "unscannable", "error"), result)
                        short += result.virus != "infected"
            (disk / "ballast").unlink(missing_ok=True)
            for entry in disk.glob("ballast-*"):
                entry.unlink()
        self.assertGreater(short, 0, "no step was short of anything: the test tests nothing")

    def test_disk_full(self):
        disk = self.mount("size=8m")

        def fill(left):
            octets = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            (disk / "ballast").write_bytes(bytes(max(0, octets - left)))

        self.fill_in_steps(disk, (0, 4096, 8192, 65_536, 200_000, 400_000, 600_000, 1_000_000), fill)

    def test_no_more_inodes(self):
        disk = self.mount("size=64m,nr_inodes=100")

        def fill(left):
            for number in range(max(0, os.statvfs(disk).f_favail - left)):
                (disk / f"ballast-{number}").touch()

        self.fill_in_steps(disk, (0, 1, 2, 3, 4, 6, 8, 12), fill)


if __name__ == "__main__":
    outcome.main()
