"""postern-inspector and the small client t/fault/inspect_message.c, for the tests of faults."""

import base64
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

from support.process import Program, build_folder, program_path, wait_until

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
READY = "notice: ready: "
CLIENT = build_folder() / "t" / "fault" / "inspect_message"


def message(body=b"Hello.\r\n", subject="test"):
    """A plain message."""
    return b"From: a@example.org\r\nTo: b@example.org\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body


def with_attachment(data, name="a.bin", text="See the attachment."):
    """A message with data attached."""
    from email.message import EmailMessage
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.org", "b@example.org", name
    mail.set_content(text)
    mail.add_attachment(b"", maintype="application", subtype="octet-stream", filename=name)
    attachment, = mail.iter_attachments()
    attachment.set_payload(base64.encodebytes(data).decode())
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zipped(data, name="inner.bin"):
    """data in a zip."""
    import io
    import zipfile
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def children(pid):
    """The pids of the children of pid that are alive."""
    try:
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(child) for child in listed if is_alive(int(child))]


def is_alive(pid):
    """Whether pid is a process that has not ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def pools(pid):
    """The pids of the inspectors that a program has started, behind their keepers or not."""
    found = []
    for child in children(pid):
        words = pathlib.Path(f"/proc/{child}/cmdline").read_text().split("\0")
        found += children(child) if "--keep" in words else [child]
    return found


def role_of(pid):
    """What a template or worker of the inspector is for: "scan", "light", "sign"; "" for other processes."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return ""
    return next((word.split("=", 1)[1] for word in words if word.startswith("--role=")), "")


def slow_message(end=b"", count=5_000_000):
    """A message that takes a worker some seconds; its attachment, so many words, ends so."""
    generator = random.Random(5)
    words = [bytes(generator.choices(range(97, 123), k=6)) for _ in range(5000)]
    text = b" ".join(generator.choices(words, k=count // 20)) + b" "
    return with_attachment(text * 20 + end, "words.txt")


def slow_archive(end=None):
    """A message of 6 MB whose page takes a scanner seconds, and everybody else nearly nothing: what is slow
    is the scan alone, on each machine. A last file of its archive is end."""
    import io
    import zipfile
    generator, out = random.Random(5), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.html", b"".join(b'<a href="http://%x.example/">x</a><p><b>&#65;</b>'
                                               % generator.getrandbits(64) for _ in range(400_000)))
        if end:
            archive.writestr("end.com", end)
    return with_attachment(out.getvalue(), "page.zip")


def bomb_message():
    """A message of 3 kB that takes a worker some seconds; it ends as unscannable."""
    import io
    import zipfile
    page, out = (b'<a href="http://x.example/">x</a><p><b>&#65;</b>' * 1_000_000)[:45_000_000], io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.html", page)
    return with_attachment(zipped(out.getvalue(), "pages.zip"), "bomb.zip")


def processor_time(pid):
    """What a process has used, in ticks of the clock; 0: it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    except OSError:
        return 0


class Inspector:
    """A running inspector with a folder of its own for socket, temporary files and mail."""

    def __init__(self, temporary=None, more="", **options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-fault-"))
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            # As a service's runtime directory: who drops root must be able to remove his socket.
            os.chown(self.folder, pwd.getpwnam("nobody").pw_uid, -1)
        self.temporary = pathlib.Path(temporary or self.folder / "temporary")
        if temporary is None:
            self.temporary.mkdir(mode=0o777)
            os.chmod(self.temporary, 0o777)
        self.configuration = self.folder / "postern.conf"
        self.socket = self.folder / "socket"
        self.options = {"workers": 2, "user": "nobody", "temporary_directory": self.temporary, **options}
        self.more = more  # groups of the configuration
        self.database = self.folder / "database"
        self.database.mkdir(mode=0o755)
        (self.database / "own.ndb").write_text("Test.Own:0:*:6e6f206f6e652077726974657320746869732e\n")
        os.chmod(self.database / "own.ndb", 0o644)
        self.virus = {"database": self.database}
        self.environment = {}
        self.wrap = []  # a command that it is started by
        self.configure()
        self.program = None

    def configure(self, **options):
        """Writes the configuration anew."""
        self.options.update(options)
        lines = ["[log]", "level = debug", "[inspector]"]
        lines += [f"{key} = {value}" for key, value in self.options.items()]
        lines += ["[virus]"] + [f"{key} = {value}" for key, value in self.virus.items()]
        self.configuration.write_text("\n".join(lines) + "\n" + self.more)
        os.chmod(self.configuration, 0o644)

    def start(self, ready=True):
        """Starts it and waits until it serves."""
        before = 0 if self.program is None else self.log().count(READY)
        command = [*self.wrap, program_path("postern-inspector"), "--config", self.configuration, "--socket",
                   self.socket]
        self.program = Program(*command, folder=self.folder, environment=self.environment)
        if ready:
            wait_until(lambda: self.log().count(READY) > before or not self.program.is_running(), 60,
                       f"readiness of {self.folder}")
            self.program.wait_for_log(READY, 1)
        else:
            wait_until(self.socket.exists, 20, "the socket")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        """What it has logged."""
        return self.program.log()

    def wait_for_log(self, pattern, seconds=20.0):
        """Waits until pattern matches in the log."""
        return self.program.wait_for_log(pattern, seconds)

    def wait_for_request(self, worker):
        """Waits until a worker, by its pid, has a request that it was not known to have before."""
        return self.wait_for_log(f"worker {worker} has a request")

    def templates(self):
        """The pids of its templates that hold signatures."""
        return self._templates("scan")

    def wait_for_busy_worker(self):
        """The pid of a worker that has been scanning for a while."""
        def busy():
            before = {pid: processor_time(pid) for pid in self.workers()}
            time.sleep(0.2)
            return [pid for pid, ticks in before.items() if processor_time(pid) >= ticks + 4]
        return wait_until(busy, 30, "a worker that scans")[0]

    def _templates(self, role):
        return [pid for pid in children(self.program.pid) if role_of(pid) == role]

    def workers(self):
        """The pids of its workers that inspect."""
        return [worker for template in self.templates() for worker in children(template)]

    def key_templates(self):
        """The pids of its templates that hold keys."""
        return self._templates("sign")

    def light_workers(self):
        """The pids of its workers that read envelopes and headers."""
        return [worker for template in self._templates("light") for worker in children(template)]

    def signers(self):
        """The pids of its workers that sign."""
        return [worker for template in self.key_templates() for worker in children(template)]

    def worker_directories(self):
        """The directories of its workers."""
        return [entry for entry in self.temporary.glob("postern-inspector-*/template-*/*")
                if entry.is_dir() and entry.name.isdigit()]

    def save(self, data, name="message.eml"):
        """data as a file; its path."""
        path = self.folder / name
        path.write_bytes(data)
        return path

    def ask(self, *data, arguments=(), timeout=120):
        """Inspects messages; one Result each, in the order of the answers."""
        paths = [item if isinstance(item, pathlib.Path) else self.save(item, f"message-{index}.eml")
                 for index, item in enumerate(data)]
        return run_client("--socket", self.socket, *arguments, *paths, timeout=timeout)

    def ask_later(self, *paths, arguments=()):
        """The client, running."""
        command = [CLIENT, "--socket", self.socket, *arguments, *paths]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)


def _unescape(text):
    return re.sub(r"\\(x[0-9a-f]{2}|.)",
                  lambda match: chr(int(match[1][1:], 16)) if len(match[1]) == 3 else match[1], text)


class Result:
    """One line of the client."""

    def __init__(self, line):
        self.line = line
        self.file = line.split(" ", 1)[0]
        self.spf = re.search(r" spf=(\S*)", line).group(1)
        self.virus = re.search(r" virus=(\S*)", line).group(1)
        self.name = self._text("name")
        self.reason = self._text("reason") or ""
        self.rule, self.undecided = self._text("rule"), self._text("undecided")
        self.error = self._text("error")
        match = re.search(r" signed=(\S*)", line)
        self.signed = match.group(1) if match else None
        self.fields = [_unescape(text) for text in re.findall(r' field="((?:[^"\\]|\\.)*)"', line)]
        self.unsigned = self._text("unsigned")
        self.milliseconds = int(re.search(r" milliseconds=(\d+)", line).group(1))
        self.microseconds = int(re.search(r" microseconds=(\d+)", line).group(1))

    def _text(self, key):
        match = re.search(rf' {key}="((?:[^"\\]|\\.)*)"', self.line)
        return match.group(1) if match else None

    def __repr__(self):
        return self.line


def parse_results(text):
    """The results in the client's output."""
    return [Result(line) for line in text.splitlines() if " virus=" in line]


def run_client(*arguments, timeout=120):
    """Runs the client to its end."""
    done = subprocess.run(list(map(str, [CLIENT, *arguments])), stdout=subprocess.PIPE, text=True,
                          timeout=timeout, check=True)
    return parse_results(done.stdout)


def kill(pid, number=signal.SIGKILL):
    """Sends a signal to a process, which may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass

