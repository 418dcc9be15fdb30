"""
The demo: a real postern-proxy before a real back-end, and four messages sent to it over SMTP.
contrib/demo builds and starts it: python3 -m support.demo [--once]
"""

import argparse
import os
import pathlib
import pwd
import signal
import sys
import tempfile
import time

from support import ports
from support.demo_messages import DATA, RECIPIENT, demo_messages, eicar_signature
from support.process import Program
from support.recording_backend import RecordingBackend
from support.smtp import Client, Closed

WANTED_PORT = 2525
UNPRIVILEGED_USER = "nobody"
CLIENT = "192.0.2.7"  # a loopback address would tell nothing of a sender
READY_SECONDS = 60
SHOWN_LINES_MAX = 60

CONFIGURATION = """\
[log]
level = info
[proxy]
listen = 127.0.0.1:{port}
hostname = postern.example.org
backend = 127.0.0.1:{backend_port}
client_address = xclient
trusted_clients = 127.0.0.1
recipient_domains = example.org
user = {user}
[dns]
answers = {folder}/answers
[inspector]
user = {user}
workers = 1
[virus]
database = {folder}/signatures
[policy]
virus = reject
spf_fail = reject
dkim_fail = reject
"""


class Style:
    """Bold and colour on a terminal, plain text elsewhere."""

    def __init__(self, stream):
        self.is_on = stream.isatty() and "NO_COLOR" not in os.environ

    def _in(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.is_on else text

    def title(self, text):
        return self._in("1", text)

    def verdict(self, text, good):
        return self._in("1;30;42" if good else "1;37;41", text)

    def faint(self, text):
        return self._in("2", text)


class Conversation:
    """Prints an SMTP conversation line by line as it happens; the reply to the final dot stands out."""

    def __init__(self, style):
        self.style = style
        self.in_message = False
        self.is_over = False

    def watch(self, side, octets):
        lines = octets.decode("utf-8", "replace").removesuffix("\r\n").split("\r\n")
        if self.in_message and side == "C" and len(lines) > SHOWN_LINES_MAX:
            lines = lines[:SHOWN_LINES_MAX] + ["[…]"]
        code = lines[-1][:3]
        is_verdict = side == "S" and not self.is_over and (self.in_message or code[0] in "45")
        for line in lines:
            print(self.render(side, line, code, is_verdict), flush=True)
        self.is_over = self.is_over or is_verdict
        if side == "S":
            self.in_message = code == "354"

    def render(self, side, line, code, is_verdict):
        if is_verdict:
            return f"  >>> S: {self.style.verdict(line, code[0] == '2')}"
        text = f"      {side}: {line}"
        return self.style.faint(text) if self.in_message and side == "C" else text


class Demo:
    """All that runs, in one private folder."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postern-demo-"))
        self.folder.chmod(0o755)
        self.style = Style(sys.stdout)
        self.backend = RecordingBackend(self.folder / "messages", domains=["example.org"],
                                        journal_path=self.folder / "backend.journal")
        self.port = ports.first_free_port(WANTED_PORT)
        self.proxy = None

    def __enter__(self):
        self.backend.start()
        self._configure()
        try:
            self._start_proxy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.proxy is not None:
            self.proxy.stop()
        self.backend.stop()

    def _configure(self):
        user = UNPRIVILEGED_USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        signatures = self.folder / "signatures"
        signatures.mkdir()
        (signatures / "demo.ndb").write_text(eicar_signature())
        (self.folder / "answers").write_text((DATA / "answers").read_text())
        (self.folder / "postern.conf").write_text(CONFIGURATION.format(
            port=self.port, backend_port=self.backend.port, folder=self.folder, user=user))

    def _start_proxy(self):
        self.proxy = Program("postern-proxy", "--config", self.folder / "postern.conf", folder=self.folder)
        self.proxy.wait_for_port(self.port, seconds=READY_SECONDS)

    def introduce(self):
        if self.port != WANTED_PORT:
            print(f"Port {WANTED_PORT} is taken; the next free one takes its place.")
        print(f"postern-proxy listens on 127.0.0.1:{self.port}, before a mail server on"
              f" 127.0.0.1:{self.backend.port}.")
        print(f"Its configuration: {self.folder}/postern.conf\n")

    def send(self, number, message):
        """One message in a session of its own; the reply that decided, and whether the back-end has it."""
        print(self.style.title(f"--- Message {number}: {message.title}"))
        before = len(self.backend.messages())
        watch = Conversation(self.style).watch
        with Client(self.port, timeout=READY_SECONDS, watch=watch, told=CLIENT) as client:
            client.ehlo()
            reply = client.deliver(message.sender, [RECIPIENT], message.octets)
            try:
                client.quit()
            except Closed:
                pass
        print()
        return reply, len(self.backend.messages()) > before

    def run(self):
        """Sends all messages, prints the table, and tells whether all went as they should."""
        rows, all_good = [], True
        for number, message in enumerate(demo_messages(), 1):
            reply, delivered = self.send(number, message)
            good = (delivered == message.is_delivered and reply.is_positive == delivered
                    and (delivered or reply.enhanced == message.enhanced))
            all_good = all_good and good
            rows.append((f"{number} {message.title}", delivered, reply, good))
        self.print_table(rows)
        return all_good

    def print_table(self, rows):
        width = max(len(title) for title, *_ in rows)
        print(self.style.title(f"{'MESSAGE':{width}}  REACHED THE BACK-END  REPLY"))
        for title, delivered, reply, good in rows:
            answer = self.style.verdict(f"{reply.code} {reply.lines[-1]}", reply.is_positive)
            note = "" if good else "  (UNEXPECTED)"
            print(f"{title:{width}}  {'yes' if delivered else 'no':20}  {answer}{note}")
        print()
        print(f"The proxy's log:      {self.proxy.log_path}")
        print(f"What the server got:  {self.backend.folder} (.eml the octets, .json the envelope)")
        print(f"What it was told:     {self.folder / 'backend.journal'}", flush=True)


def stay(demo):
    """Leaves everything running until Ctrl-C or SIGTERM, or until the proxy ends."""
    print(f"\nThe proxy stays up: try it, for example with\n"
          f"  swaks --server 127.0.0.1:{demo.port} --from you@partner.example --to {RECIPIENT}\n"
          f"Ctrl-C ends it.", flush=True)
    while demo.proxy.is_running():
        time.sleep(0.2)
    raise RuntimeError(f"the proxy ended with {demo.proxy.status}:\n{demo.proxy.log()}")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--once", action="store_true", help="end after the four messages; 0 if all went well")
    once = parser.parse_args(arguments).once
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Demo() as demo:
            demo.introduce()
            good = demo.run()
            if not once:
                stay(demo)
    except KeyboardInterrupt:
        print("\nThe demo has ended; nothing of it runs any more.")
        return 0
    except (Closed, OSError, RuntimeError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print("All four went as they should." if good else "NOT all four went as they should.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
