"""
The real mail servers as the differential test runs them: as they come, but for their delays after mistakes,
with
TLS, AUTH for user@sasl.example (its password is secret), mail for example.org, and no relaying.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from support import sasl
from support.certificates import Certificate
from support.exim import Exim
from support.opensmtpd import OpenSMTPD
from support.postfix import Postfix
from support.proxy import Proxy
from support.sendmail import Sendmail
from support.transcripts import DOMAIN

REALM, PASSWORD = "sasl.example", "secret"
LOGIN = f"user@{REALM}"
MANY = 1000
EXIM_LINES = """\
domainlist own = {domains}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
begin acl
recipient:
  deny domains = +own
       local_parts = ^[.] : ^.*[@%!/|]
  accept local_parts = postmaster
         domains = : +own : exim.example
  accept domains = +own
  deny message = relay not permitted
content:
  discard
begin authenticators
PLAIN:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{login}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
LOGIN:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{login}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""
SENDMAIL_LINES = """\
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')dnl
define(`confAUTH_REALM', `{realm}')dnl
define(`confSERVER_KEY', `{key}')dnl
define(`confSERVER_CERT', `{certificate}')dnl
define(`confCACERT', `{certificate}')dnl
define(`confCACERT_PATH', `{folder}')dnl
define(`HELP_FILE', `{folder}/helpfile')dnl
define(`confMAX_DAEMON_CHILDREN', `1000')dnl
LOCAL_CONFIG
"""


def _postfix(folder, certificate, domains):
    environment = sasl.make_users(folder, "smtpd", REALM, user=PASSWORD)
    server = Postfix(domains, environment=environment, parameters={
        "mynetworks": "127.0.0.1/32", "smtpd_error_sleep_time": "0", "default_process_limit": 300,
        "virtual_transport": "discard:", "smtpd_tls_security_level": "may", "smtpd_sasl_auth_enable": "yes",
        "smtpd_tls_key_file": certificate.key, "smtpd_tls_cert_file": certificate.certificate,
        "smtpd_sasl_local_domain": REALM, "smtpd_relay_restrictions":
            "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"})
    shutil.copytree(folder, server.folder / "etc" / "sasl", ignore=shutil.ignore_patterns("*.pem", "tmp*"))
    return server


def _exim(_, certificate, domains):
    return Exim(EXIM_LINES.format(certificate=certificate.certificate, key=certificate.key, login=LOGIN,
                                  password=PASSWORD, domains=" : ".join(domains)), "recipient", "content")


def _sendmail(folder, certificate, domains):
    environment = sasl.make_users(folder, "Sendmail", REALM, user=PASSWORD)
    certificate.key.chmod(0o600)
    (folder / "helpfile").write_text("#vers\t2\nsmtp\tEHLO HELO MAIL RCPT DATA RSET NOOP QUIT\n")
    lines = SENDMAIL_LINES.format(realm=REALM, key=certificate.key, certificate=certificate.certificate,
                                  folder=folder)
    return Sendmail(lines + "".join(f"E{name}={value}\n" for name, value in environment.items()),
                    domains=domains)


def _opensmtpd(_, __, domains):
    return OpenSMTPD(domains, "smtp limit max-mails 1000")


# How each is made, and the options of the proxy before it: only Postfix is told who the client is. OpenSMTPD
# of Debian 12 fails in each handshake of TLS, and without TLS it has no AUTH.
ALONE = {"client_address": "none"}
SERVERS = {"Postfix": (_postfix, {}), "Exim": (_exim, ALONE), "Sendmail": (_sendmail, ALONE),
           "OpenSMTPD": (_opensmtpd, {**ALONE, "tls": "off"})}


@contextlib.contextmanager
def pair(name, folder, inspect=False, domains=(DOMAIN,)):
    """The ports of a server, and of a proxy before it with its files in folder, while both run."""
    make, options = SERVERS[name]
    with contextlib.ExitStack() as stack:
        # Sendmail takes no certificate from below a folder that everybody may write to.
        own = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postern-server-",
                                                                           dir="/var/cache")))
        os.chmod(own, 0o755)
        front = Certificate(own, "proxy.example")
        server = stack.enter_context(make(own, Certificate(own, "mx.example", kind="rsa"), domains))
        own_domains = "; ".join(domains) if options else ""
        proxy = Proxy(
            folder, server.port, log={"level": "warning"},
            tls={"certificates": front.certificate, "keys": front.key},
            proxy={"inspect": "yes" if inspect else "no", "tls": "may", "max_connections_per_client": MANY,
                   "backend_connections": 200, "auth": "always", "recipient_domains": own_domains,
                   **options})
        stack.callback(proxy.stop)
        folder.chmod(0o755)
        proxy.start(ready=False)
        proxy.program.wait_for_port(proxy.port)
        yield server.port, proxy.port
