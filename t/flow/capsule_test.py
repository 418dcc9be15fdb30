"""
[capsule]: what the daemons keep of messages, and that a replay of it gives the verdict that the log tells.
"""

import json
import os
import pwd
import re
import unittest

from flow import verdict_test as doors
from support.milter import MilterTestCase
from support.process import wait_until
from support.proxy import TOLD, run_program, unprivileged_user
from support.smtp import Client

CLIENT = doors.CLIENT
NAME = re.compile(r"([0-9A-Za-z]{16})-\d{8}T\d{6}\.\d{6}Z\.capsule")


class CapsuleTest(MilterTestCase):
    def setUp(self):
        super().setUp()
        self.capsules = self.folder / "capsules"

    def start_proxy(self, **groups):
        self.recorder = self.backend()
        options = {"proxy": {**TOLD, "threads": 2}, "virus": {"database": self.signatures()},
                   "policy": dict(doors.POLICY), "capsule": {"directory": self.capsules}}
        for group, values in groups.items():
            options.setdefault(group, {}).update(values)
        return self.proxy(self.recorder, answers=doors.ANSWERS, **options)

    def start_milter(self, **groups):
        options = {"policy": dict(doors.POLICY), "capsule": {"directory": self.capsules}}
        for group, values in groups.items():
            options.setdefault(group, {}).update(values)
        return self.milter(answers=doors.ANSWERS, **options)

    def send(self, server, octets, sender, recipient=doors.RECIPIENT):
        """The reply to a message that is sent through the proxy."""
        with Client(server.port, timeout=60, told=CLIENT) as client:
            client.ehlo()
            client.envelope(sender, recipient)
            return client.message(octets)

    def deliver(self, milter, octets, sender):
        """What a milter does about a message."""
        with milter.client(timeout=60) as client:
            client.connect(address=CLIENT)
            client.helo("client.example")
            return client.deliver(sender, [doors.RECIPIENT], octets)

    def kept(self, count):
        """The capsules, once there are so many."""
        def look():
            names = sorted(os.listdir(self.capsules)) if self.capsules.is_dir() else []
            return [self.capsules / name for name in names] if len(names) >= count else None
        paths = wait_until(look, 10, f"{count} capsules") if count else look()
        self.assertEqual(len(paths), count)
        return paths

    def replay(self, path):
        result = run_program("postern-scan", "--json", "--replay", path, seconds=120)
        self.assertIn(result.returncode, (0, 1, 2, 3), result.stderr)
        self.assertEqual(result.stderr, "")
        return json.loads(result.stdout)

    def assert_replayed_as_logged(self, lines):
        """Each closing line has its capsule, whose replay says the same."""
        by_message = {line["message"]: line for line in lines}
        paths = self.kept(len(lines))
        for path in paths:
            message = NAME.fullmatch(path.name)[1]
            line, said = by_message.pop(message), self.replay(path)
            self.assertEqual(said["file"], message)
            self.assertEqual((said["action"], said.get("check")), (line["action"], line.get("check")))
            self.assertEqual((said.get("would"), said.get("would_reply")),
                             (line.get("would"), line.get("would_reply")))
            self.assertEqual((said["spf"]["result"], said["virus"]["result"]),
                             (line["spf"], line["virus"].partition(":")[0]))
            if said["action"] in ("reject", "tempfail"):
                self.assertEqual(said["reply"], re.sub(r" \[\w+\]\Z", "", line["reply"]))
        self.assertEqual(by_message, {})

    def assert_private(self):
        """Nobody but the daemon's user can read what is kept."""
        uid = pwd.getpwnam(unprivileged_user()).pw_uid
        status = self.capsules.stat()
        self.assertEqual((status.st_mode & 0o7777, status.st_uid), (0o700, uid))
        for path in self.capsules.iterdir():
            status = path.stat()
            self.assertEqual((status.st_mode & 0o7777, status.st_uid), (0o600, uid))

    def messages(self):
        return doors.own_messages()

    def test_proxy_keeps_what_it_refuses(self):
        server = self.start_proxy()
        for sender in doors.SENDERS:
            for octets in self.messages().values():
                self.send(server, octets, sender)
        count = len(doors.SENDERS) * len(self.messages())
        lines = server.wait_for_closing_lines("message", count)
        refused = [line for line in lines if line["action"] != "accept"]
        self.assertGreater(len(refused), 10)
        self.assertLess(len(refused), count)
        self.assert_replayed_as_logged(refused)
        self.assert_private()
        print(f"proxy: {len(refused)} of {count} messages kept, each replayed as logged", flush=True)

    def test_milter_keeps_all(self):
        milter = self.start_milter(capsule={"which": "all"})
        for sender in doors.SENDERS[::2]:
            for octets in self.messages().values():
                self.deliver(milter, octets, sender)
        count = len(doors.SENDERS[::2]) * len(self.messages())
        lines = milter.wait_for_closing_lines("message", count)
        self.assert_replayed_as_logged(lines)
        self.assert_private()
        print(f"milter: {count} messages kept, each replayed as logged", flush=True)

    def test_milter_keeps_what_is_too_big(self):
        milter = self.start_milter(milter={"message_size": "2K"}, policy={"too_large": "reject"})
        octets = doors.own_messages()["own/signed"] + b"x\r\n" * 2000
        self.deliver(milter, octets, "a@pass.example")
        lines = milter.wait_for_closing_lines("message", 1)
        self.assertEqual((lines[0]["action"], lines[0]["check"]), ("reject", "too_large"))
        self.assert_replayed_as_logged(lines)

    def test_observing_keeps_what_would_be_refused(self):
        server = self.start_proxy(proxy={"mode": "observe"})
        self.assertEqual(self.send(server, self.messages()["own/clean"], "a@fail.example").code, 250)
        self.assertEqual(self.send(server, self.messages()["own/clean"], "a@pass.example").code, 250)
        lines = server.wait_for_closing_lines("message", 2)
        self.assert_replayed_as_logged([line for line in lines if line.get("would")])

    def test_off_by_default(self):
        server = self.start_proxy(capsule={"directory": None})
        self.assertEqual(self.send(server, self.messages()["own/clean"], "a@fail.example").code, 550)
        self.assertFalse(self.capsules.exists())

    def test_reload(self):
        server = self.start_proxy()
        self.send(server, self.messages()["own/clean"], "a@pass.example")
        server.configure(capsule={"which": "all"})
        self.reload(server)
        self.send(server, self.messages()["own/clean"], "a@pass.example")
        self.kept(1)
        server.configure(capsule={"directory": self.folder / "elsewhere"})
        server.program.send_signal(1)
        server.program.wait_for_log(r"nothing was changed by the reload: a new \[capsule\] directory needs")

    def test_reload_of_milter(self):
        milter = self.start_milter()
        self.deliver(milter, self.messages()["own/clean"], "a@pass.example")
        milter.configure(capsule={"which": "all"})
        self.reload(milter)
        self.deliver(milter, self.messages()["own/clean"], "a@pass.example")
        self.kept(1)
        milter.configure(capsule={"directory": self.folder / "elsewhere"})
        milter.program.send_signal(1)
        milter.program.wait_for_log(r"nothing was changed by the reload: a new \[capsule\] directory needs")

    def reload(self, server):
        server.program.send_signal(1)
        server.program.wait_for_log("the configuration was read again")

    def test_trouble_does_not_touch_the_mail(self):
        server = self.start_proxy()
        self.send(server, self.messages()["own/clean"], "a@fail.example")
        for path in self.kept(1):
            path.unlink()
        self.capsules.rmdir()
        for _ in range(5):
            self.assertEqual(self.send(server, self.messages()["own/clean"], "a@fail.example").code, 550)
            self.assertEqual(self.send(server, self.messages()["own/clean"], "a@pass.example").code, 250)
        server.program.wait_for_log(r"warning: \[capsule\]: \d+ messages were not kept: ")
        self.assertEqual(server.log().count("[capsule]"), 1)

    def test_room_is_bounded(self):
        server = self.start_proxy(capsule={"which": "all", "size": "1M"})
        large = self.messages()["own/clean"] + b"x" * 70 + b"\r\n" + b"y\r\n" * 40000
        for _ in range(20):
            self.assertEqual(self.send(server, large, "a@pass.example").code, 250)
        server.wait_for_closing_lines("message", 20)
        server.program.stop()
        octets = [path.stat().st_size for path in self.capsules.iterdir()]
        self.assertLessEqual(sum(octets), 1024 * 1024)
        self.assertGreater(len(octets), 3)

    def test_directory_of_others_is_refused(self):
        self.capsules.mkdir(mode=0o755)
        os.chown(self.capsules, pwd.getpwnam(unprivileged_user()).pw_uid, -1)
        for start in (self.start_proxy, self.start_milter):
            with self.assertRaisesRegex(RuntimeError, r"\[capsule\] directory: \S+ is open to others"):
                start()


if __name__ == "__main__":
    unittest.main()
