"""What Prometheus reads: metrics of the daemons, those that rules and dashboard use, and hostile HTTP."""

import base64
import json
import pathlib
import re
import socket
import subprocess
import time
import unittest

from support import packages, ports
from support.demo_messages import infected
from support.milter import MilterTestCase
from support.process import source_folder, wait_until
from support.proxy import TOLD, ProxyTestCase, run_program
from support.smtp import Client, crlf

MESSAGE = crlf("From: a@sender.example\nSubject: metrics\n\nHello.\n")
MONITORING = source_folder() / "contrib" / "monitoring"
PASSWORD = "open sesame"


def promtool(*arguments, text=None):
    program = packages.unpack("prometheus") / "usr/bin/promtool"
    return subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, text=True,
                          timeout=60, check=False)


def ask(where, octets, seconds=30, half_closes=False):
    """What is answered to these octets, until the end. half_closes: we end our side, as nc -N does."""
    family = socket.AF_INET if isinstance(where, int) else socket.AF_UNIX
    with socket.socket(family) as one:
        one.settimeout(seconds)
        one.connect(("127.0.0.1", where) if isinstance(where, int) else str(where))
        one.sendall(octets)
        if half_closes:
            one.shutdown(socket.SHUT_WR)
        text = b""
        try:
            while octets := one.recv(65536):
                text += octets
        except ConnectionResetError:
            pass
        return text.decode()


def get(where, path="/metrics", host="127.0.0.1", **headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
    head, _, body = ask(where, request.encode()).partition("\r\n\r\n")
    return int(head.split(" ", 2)[1]), head, body


def samples(text):
    """{"name{labels}": value}"""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if not line.startswith("#")}


def names_of(text):
    """Names of samples that the text of metrics may have."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


class ProxyMetricsTest(ProxyTestCase):
    def serve(self):
        self.port, self.inspector_port = ports.free_port(), ports.free_port()
        listen = {"listen": f"127.0.0.1:{self.port}", "inspector_listen": f"127.0.0.1:{self.inspector_port}"}
        return self.proxy(self.backend(), proxy=TOLD, virus={"database": self.signatures()}, http=listen)

    def test_what_is_counted(self):
        server = self.serve()
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], MESSAGE).code, 250)
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], infected()).code, 550)
            during = samples(get(self.port)[2])
            client.quit()
        server.wait_for_closing_lines("session", 1)
        status, _, text = get(self.port)
        counted = samples(text)
        self.assertEqual(status, 200)
        for name, value in {
                'postern_actions_total{action="accept"}': 1, 'postern_actions_total{action="reject"}': 1,
                'postern_checks_total{check="virus"}': 1, "postern_messages_total": 2,
                'postern_verdicts_total{check="virus",result="infected"}': 1,
                "postern_server_seconds_count": 1,
                'postern_deliveries_total{delivery="accepted"}': 1, "postern_verdict_seconds_count": 2,
                "postern_message_seconds_count": 2, "postern_first_reply_seconds_count": 1,
                "postern_connections": 0, 'postern_session_states{state="command"}': 0}.items():
            self.assertEqual(counted[name], value, name)
        self.assertEqual(during["postern_connections"], 1)
        self.assertEqual(sum(during[name] for name in during if name.startswith("postern_session_states")), 1)
        self.assertGreaterEqual(counted["postern_connect_seconds_count"], 1)
        self.assertEqual([value for name, value in counted.items() if "server_up" in name], [1])
        inspector = get(self.inspector_port)[2]
        self.assertGreaterEqual(samples(inspector)['postern_inspections_total{result="answered"}'], 2)
        self.assertEqual(samples(inspector)["postern_signatures"], 2)
        self.assertEqual(samples(inspector)["postern_ready"], 1)
        for program in (text, inspector):
            checked = promtool("check", "metrics", text=program)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)
        self.check_monitoring(names_of(text) | names_of(inspector))
        self.check_page()
        self.attack(server)

    @staticmethod
    def without_tls():
        return [{"exp_labels": {"severity": "warning", "instance": "a"}, "exp_annotations": {
            "summary": "a: half as many clients as a day ago use TLS; see the certificates"}}]

    def check_monitoring(self, known):
        """Rules and dashboard name no metric that there is not."""
        rules = MONITORING / "postern.rules.yml"
        checked = promtool("check", "rules", rules)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        used = set(re.findall(r"postern_\w+", " ".join(expressions) + " ".join(
            re.findall(r"expr:((?:.|\n)*?)(?:for|labels):", rules.read_text()))))
        self.assertGreater(len(used), 30)
        self.assertEqual(used - known, set())
        plain = self.folder / "dashboard.yml"  # promtool's parser reads the dashboard's expressions, too
        plain.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{i}", "expr": expression.replace("$instance", ".*")}
            for i, expression in enumerate(expressions)]}]}))
        checked = promtool("check", "rules", plain)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        cases = self.folder / "cases.yml"
        cases.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [
            {"interval": "1m",
             "input_series": [{"series": one, "values": values} for one, values in series.items()],
             "alert_rule_test": [{"eval_time": time, "alertname": alert, "exp_alerts": expected}]}
            for alert, series, time, expected in (
                ("PosternNoServer", {'postern_server_up{instance="a",group="",server="s"}': "0x20"}, "20m",
                 [{"exp_labels": {"severity": "critical", "instance": "a"},
                   "exp_annotations": {"summary": "a can use no mail server: all mail is deferred"}}]),
                ("PosternNoServer", {'postern_server_up{instance="a",group="",server="s"}': "1x20"}, "20m",
                 []),
                *(("PosternClientsWithoutTls", {
                    'postern_client_tls_total{instance="a",version="TLSv1.3"}': f"0+8x1499 {tls}",
                    'postern_client_tls_total{instance="a",version="none"}': f"0+2x1499 {none}"}, "29h",
                   expected)
                  for tls, none, expected in (("11992x299", "2998+10x299", self.without_tls()),
                                              ("11992+6x299", "2998+4x299", []))),
                ("PosternWorkersCrash", {'postern_crashes_total{instance="a",role="scan"}': "0+1x20"}, "20m",
                 [{"exp_labels": {"severity": "warning", "instance": "a", "role": "scan"},
                  "exp_annotations": {
                     "summary": "a: workers (scan) crash again and again"}}]))]}))
        checked = promtool("test", "rules", cases)
        self.assertEqual(checked.returncode, 0, checked.stderr + checked.stdout)

    def check_page(self):
        _, head, page = get(self.port, "/")
        self.assertIn("Content-Security-Policy: default-src 'none'", head)
        self.assertIn('<span class="badge bad">refused</span>', page)
        self.assertIn("virus found", page)
        self.assertNotIn("http://", page)
        self.assertIn("virus signatures", get(self.inspector_port, "/")[2])
        request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for half_closes in (False, True):
            whole = ask(self.port, request, half_closes=half_closes)
            self.assertGreater(len(whole), 16384)
            self.assertTrue(whole.endswith("</html>\n"), whole[-200:])

    def attack(self, server):
        """None of them costs anything for long, and mail goes on."""
        local = b" HTTP/1.1\r\nHost: localhost\r\n"
        for request, status in ((b"POST /" + local + b"Content-Length: 5\r\n\r\nhello", "(413|501)"),
                                (b"DELETE /" + local + b"\r\n", "501"),
                                (b"GET /../etc/passwd" + local + b"\r\n", "404"),
                                (b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", "421"),
                                (b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n", "4.."),
                                (b"GET /" + b"a" * 100000, "4.."),
                                (b"\0\xff\r\n\r\n", "400")):
            answer = ask(self.port, request)
            self.assertRegex(answer, rf"\A(HTTP/1\.[01] {status} |\Z)", request[:40])
        self.assertTrue(ask(self.port, b"HEAD /" + local + b"\r\n").endswith("\r\n\r\n"))
        crowd = []
        for i in range(60):
            one = socket.create_connection(("127.0.0.1", self.port), 30)
            self.addCleanup(one.close)
            one.sendall(b"GET / HT" if i % 2 else b"")
            crowd.append(one)
        with Client(server.port) as client:
            client.ehlo()
            self.assertEqual(client.deliver("a@sender.example", ["b@example.org"], MESSAGE).code, 250)
        descriptors = len(list(pathlib.Path(f"/proc/{server.program.pid}/fd").iterdir()))
        self.assertLess(descriptors, 80)  # most of the crowd stands in the kernel's queue
        for one in crowd:
            one.close()
        self.assertEqual(wait_until(lambda: get(self.port)[0], 30), 200)

    def test_who_may_read(self):
        path = self.subfolder("http")
        path.chmod(0o777)
        password_file = path / "passwords"
        hashed = subprocess.check_output(["openssl", "passwd", "-6", PASSWORD], text=True).strip()
        password_file.write_text(f"# readers\nreader:{hashed}\n")
        server = self.proxy(self.backend(), http={"listen": f"unix:{path / 'socket'}"})
        self.assertEqual(get(path / "socket", host="any.example")[0], 200)
        self.assertEqual(ask(path / "socket", b"nonsense\r\n\r\n").count("HTTP/1"), 1)
        port = ports.free_port()
        server.configure(http={"listen": f"0.0.0.0:{port}"})
        self.assertIn("needs a password_file", run_program("postern-proxy", "--config", server.path).stderr +
                      run_program("postern-proxy", "--config", server.path, "--check-config").stderr)
        _ = self.proxy(self.backend(), http={"listen": f"0.0.0.0:{port}", "password_file": password_file})
        right = "Basic " + base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
        self.assertRegex(get(port)[1], "(?s)401 .*WWW-Authenticate: Basic")
        self.assertEqual(get(port, host="any.example", Authorization=right)[0], 200)
        began = time.monotonic()
        wrong = [get(port, Authorization="Basic " + base64.b64encode(f"{user}:x{i}".encode()).decode())[0]
                 for user in ("reader", "nobody") for i in range(5)]
        self.assertLessEqual(set(wrong), {401, 429})
        if time.monotonic() - began < 2:
            self.assertIn(429, wrong)
        self.assertEqual(get(port, Authorization=right)[0], 200)  # it is known
        self.assertEqual(get(port, Authorization="Basic !!!")[0] in (401, 429), True)


class MilterMetricsTest(MilterTestCase):
    def test_milter(self):
        port = ports.free_port()
        milter = self.milter(http={"milter_listen": f"127.0.0.1:{port}"})
        with milter.client() as client:
            client.connect()
            client.helo()
            client.deliver("a@sender.example", ["b@example.org"], MESSAGE)
        wait_until(lambda: samples(get(port)[2])["postern_messages_total"] == 1, 10, "the message counted")
        text = get(port)[2]
        self.assertEqual(samples(text)["postern_verdict_seconds_count"], 1)
        checked = promtool("check", "metrics", text=text)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)


if __name__ == "__main__":
    unittest.main()
