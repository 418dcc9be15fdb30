"""
A real Postfix around postern-proxy, with the lines for master.cf, main.cf and postern.conf that
administrators get: smtpd, the proxy as its smtpd_proxy_filter, and smtpd again.
"""

import pathlib
import re
import shutil
import tempfile

from support import ports, sasl
from support.milter import administrator_lines
from support.postfix import Postfix

MASTER, MAIN = "master.cf.before-queue", "main.cf.before-queue"
PORTS = {"10023": "submission filter", "10024": "filter", "10025": "behind"}


class Place:
    """The ports that stand for those of the lines: smtp, submission, filter, submission filter, behind."""

    def __init__(self):
        self.ports = {name: ports.free_port() for name in ("smtp", "submission", *PORTS.values())}

    def put(self, text):
        """text with these ports."""
        for number, name in PORTS.items():
            text = text.replace(f":{number}", f":{self.ports[name]}")
        for service in ("smtp", "submission"):
            text = re.sub(rf"(?m)^{service}(?= +inet )", f"127.0.0.1:{self.ports[service]}", text)
        return text

    def services(self):
        """The lines for master.cf."""
        return self.put(administrator_lines("postfix", MASTER))

    def services_in_front(self):
        """The same without the smtpd behind the filter."""
        return self.services().partition(f"127.0.0.1:{self.ports['behind']} inet")[0]

    def parameters(self):
        """The lines for main.cf as a table."""
        lines = administrator_lines("postfix", MAIN).splitlines()
        return dict(re.fullmatch(r"(\w+) =\s*(.*)", line).groups()
                    for line in lines if line and not line.startswith("#"))

    def proxy_options(self):
        """The lines for [proxy] as a table."""
        lines = self.put(administrator_lines("postfix", MASTER)).splitlines()
        start = lines.index("#   [proxy]") + 1
        options = {}
        for line in lines[start:]:
            match = re.fullmatch(r"#   (\w+) = (.*)", line)
            if not match:
                break
            options[match[1]] = match[2]
        return options

    def postfix(self, services=None, **parameters):
        """Postfix with these lines; services in place of those for master.cf."""
        return Postfix(parameters={**self.parameters(), "mynetworks": "127.0.0.1/32",
                                   "smtputf8_enable": "yes", **parameters},
                       services=services if services is not None else self.services())

    def postfix_with_users(self, **passwords):
        """The same, where users may log in at the service submission."""
        permit = "permit_sasl_authenticated,reject\n"
        services = self.services().replace(permit, f"{permit}  -o smtpd_sasl_auth_enable=yes\n")
        with tempfile.TemporaryDirectory(prefix="postern-sasl-") as name:
            environment = sasl.make_users(name, "smtpd", "postfix.example", **passwords)
            postfix = self.postfix(services, smtpd_sasl_local_domain="postfix.example")
            shutil.copytree(name, postfix.folder / "etc" / "sasl")
            (pathlib.Path(postfix.folder) / "etc" / "sasl").chmod(0o755)
            environment = {key: value.replace(name, f"{postfix.folder}/etc/sasl")
                           for key, value in environment.items()}
            configuration = postfix.folder / "etc" / "sasl" / "smtpd.conf"
            configuration.write_text(configuration.read_text().replace(name, f"{postfix.folder}/etc/sasl"))
        postfix.own_environment = environment
        return postfix
