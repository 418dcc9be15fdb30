"""
The filters that mail servers run today, as the benchmarks compare with them: opendkim, opendmarc,
policyd-spf, clamav-milter with clamd, rspamd, and a resolver. All are Debian packages unpacked into the build
folder. Their programs expect to be installed: enter() makes it look so to this process and those it starts,
and to no other.
"""

import os
import pathlib
import shutil
import sys

from support import packages
from support.process import Program, wait_until

ADDRESS = "10.53.0.1"  # the resolver's; some libraries ask no server on a loopback address
PACKAGES = ("unbound", "opendkim", "opendmarc", "clamav-daemon", "clamav-milter", "rspamd",
            "postfix-policyd-spf-python", "python3-spf-engine", "python3-spf", "python3-dns",
            "python3-authres", "python3-pkg-resources", "postfix")
ENTERED = "POSTERN_FILTERS_ENTERED"

UNBOUND = """\
server:
 interface: {address}
 access-control: 0.0.0.0/0 allow
 do-daemonize: no
 use-syslog: no
 username: ""
 chroot: ""
 directory: "{folder}"
 pidfile: ""
 num-threads: 1
 local-zone: "." static
 module-config: "iterator"
{records}
remote-control:
 control-enable: no
"""
OPENDKIM = """\
Mode v
Socket local:{folder}/opendkim.sock
UMask 000
Nameservers {address}
UserID root
Syslog no
AlwaysAddARHeader yes
AuthservID mx.bench.example
On-BadSignature accept
On-Default accept
Background no
PidFile {folder}/opendkim.pid
"""
OPENDMARC = """\
Socket local:{folder}/opendmarc.sock
UMask 000
AuthservID mx.bench.example
TrustedAuthservIDs mx.bench.example
RejectFailures false
Syslog false
Background false
IgnoreHosts {folder}/nobody
PidFile {folder}/opendmarc.pid
"""
CLAMD = """\
LocalSocket {folder}/clamd.sock
LocalSocketMode 666
DatabaseDirectory {database}
Foreground true
User root
MaxThreads 12
StreamMaxLength 100M
MaxScanSize 100M
MaxFileSize 100M
SelfCheck 0
ConcurrentDatabaseReload {concurrent}
"""
CLAMAV_MILTER = """\
MilterSocket unix:{folder}/clamav-milter.sock
MilterSocketMode 666
ClamdSocket unix:{folder}/clamd.sock
User root
OnClean Accept
OnInfected Reject
OnFail Defer
AddHeader Add
Foreground yes
MaxFileSize 100M
"""
POLICYD_SPF = """\
debugLevel = 0
TestOnly = 0
HELO_reject = False
Mail_From_reject = Fail
PermError_reject = False
TempError_Defer = False
Header_Type = AR
Authserv_Id = mx.bench.example
skip_addresses = 127.0.0.0/8
"""
RSPAMD_MODULES = ("antivirus", "dkim", "dmarc", "spf", "milter_headers")
RSPAMD = {
    "options.inc": 'filters = "dkim";\n'
                   'dns {{ nameserver = ["{address}:53"]; timeout = 1s; retransmits = 2; }}\n',
    "worker-proxy.inc": 'bind_socket = "{folder}/rspamd.sock mode=0666";\nmilter = yes;\ncount = 2;\n'
                        'upstream "local" {{ default = yes; self_scan = yes; }}\n',
    "worker-normal.inc": "enabled = false; count = 0;\n",
    "worker-controller.inc": "enabled = false; count = 0;\n",
    "worker-fuzzy.inc": "enabled = false; count = 0;\n",
    "logging.inc": 'level = "warning"; type = "console";\n',
    "antivirus.conf": 'enabled = true;\nclamav {{ type = "clamav"; servers = "{folder}/clamd.sock"; '
                      'action = "reject"; scan_mime_parts = false; log_clean = false; symbol = "CLAM_VIRUS"; '
                      'max_size = 100000000; }}\n',
    "milter_headers.conf": 'use = ["authentication-results"];\n',
}


def enter():
    """
    Starts this program anew, in a network and a mount namespace of its own, where the packages' files lie
    over those of the system and ADDRESS is the only name server. Needs root.
    """
    if ENTERED in os.environ:
        return
    folders = [packages.unpack(name) for name in PACKAGES]
    layers = ":".join(f"{folder}/usr" for folder in folders) + ":/usr"
    script = (f"mount --make-rprivate / && ip link set lo up && ip address add {ADDRESS}/32 dev lo && "
              f"mount -t overlay overlay -o lowerdir={layers} /usr && mount -t tmpfs tmpfs /run && "
              f"echo nameserver {ADDRESS} >/run/resolv.conf && "
              'mount --bind /run/resolv.conf /etc/resolv.conf && exec "$@"')
    os.environ[ENTERED] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", "/bin/sh", "-c", script, "sh", sys.executable, "-B",
                          *sys.argv])


class Filters:
    """They run from start() to stop(), with their sockets in folder. records: lines "NAME TYPE TEXT"."""

    def __init__(self, folder, database, records, concurrent=True):
        self.folder = pathlib.Path(folder)
        self.values = {"folder": self.folder, "address": ADDRESS, "database": database,
                       "concurrent": "yes" if concurrent else "no",
                       "records": "\n".join(_local_data(record) for record in records)}
        self.programs = {}

    def _write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**self.values))
        return path

    def socket(self, name):
        return self.folder / f"{name}.sock"

    def _run(self, name, *command, socket=None, seconds=300):
        self.programs[name] = program = Program(*command, folder=self.folder)
        if socket is not None:
            def ready():
                if not program.is_running():
                    raise RuntimeError(f"{name} ended with {program.status}:\n{program.log()}")
                return self.socket(socket).exists()
            wait_until(ready, seconds, f"the socket of {name}", 0.1)

    def start(self, *wanted):
        """unbound first, for the others ask it; clamd, opendkim, opendmarc, clamav-milter, rspamd."""
        for name in wanted:
            getattr(self, "_start_" + name.replace("-", "_"))()
        return self

    def stop(self):
        for program in reversed(self.programs.values()):
            program.stop()

    def _start_unbound(self):
        self._run("unbound", "/usr/sbin/unbound", "-d", "-c", self._write("unbound.conf", UNBOUND))
        self.programs["unbound"].wait_for_log("start of service")

    def _start_opendkim(self):
        self._run("opendkim", "/usr/sbin/opendkim", "-f", "-x", self._write("opendkim.conf", OPENDKIM),
                  socket="opendkim")

    def _start_opendmarc(self):
        self._write("nobody", "203.0.113.255\n")
        self._run("opendmarc", "/usr/sbin/opendmarc", "-f", "-c", self._write("opendmarc.conf", OPENDMARC),
                  socket="opendmarc")

    def _start_clamd(self):
        self._run("clamd", "/usr/sbin/clamd", "-c", self._write("clamd.conf", CLAMD), socket="clamd")

    def _start_clamav_milter(self):
        self._run("clamav-milter", "/usr/sbin/clamav-milter", "-c",
                  self._write("clamav-milter.conf", CLAMAV_MILTER), socket="clamav-milter")

    def _start_rspamd(self):
        source, folder = packages.unpack("rspamd") / "etc" / "rspamd", self.folder / "rspamd"
        shutil.copytree(source, folder)
        for path in (folder / "modules.d").iterdir():
            if path.stem not in RSPAMD_MODULES:
                self._write(f"rspamd/override.d/{path.name}", "enabled = false;\n")
        for name, text in RSPAMD.items():
            self._write(f"rspamd/override.d/{name}", text)
        variables = [f"--var={name}={folder}"
                     for name in ("CONFDIR", "LOCAL_CONFDIR", "DBDIR", "RUNDIR", "LOGDIR")]
        self._run("rspamd", "/usr/bin/rspamd", "-f", "-i", "-c", folder / "rspamd.conf", *variables,
                  socket="rspamd")

    def policyd_spf(self):
        """The lines of master.cf, and the restriction, that have Postfix run policyd-spf."""
        configuration = self._write("policyd-spf.conf", POLICYD_SPF)
        return ("policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/python3 /usr/bin/policyd-spf "
                f"{configuration}\n", "check_policy_service unix:private/policyd-spf")


def _local_data(record):
    name, kind, text = record.split(None, 2)
    return f" local-data: '{name} IN {kind} {text}'"


def cpu_seconds(pid):
    """The processor time of a process and of all that it has started, also of what has ended since."""
    tick = os.sysconf("SC_CLK_TCK")
    total, found = 0, [pid]
    while found:
        pid = found.pop()
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
            for path in pathlib.Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (path / "children").read_text().split())
        except OSError:
            continue
        total += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return total / tick
