"""
What a real mail server needs so that clients can log in: a Cyrus SASL database with users, and a certificate
of its own. The plug-ins and the tool that makes the database are unpacked into the build folder.
"""

import os
import pathlib
import shutil
import subprocess

from support import packages

PLUGINS = "usr/lib/*/sasl2/lib*.so*"
CONFIGURATION = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {database}
mech_list: PLAIN LOGIN CRAM-MD5
"""


class Unavailable(RuntimeError):
    """No such database can be made here; the text says why."""


def make_users(folder, service, realm, **passwords):
    """
    Users of realm for service ("smtpd", "Sendmail") in folder, which then has SERVICE.conf; returns the
    environment in which a server finds the plug-ins and that file.
    """
    folder = pathlib.Path(folder)
    try:
        tools = packages.unpack("sasl2-bin")
        sources = [packages.unpack("libsasl2-modules"), packages.unpack("libsasl2-modules-db")]
    except packages.Unavailable as error:
        raise Unavailable(str(error)) from None
    plugins = folder / "plugins"
    plugins.mkdir()
    for source in sources:
        for plugin in source.glob(PLUGINS):
            shutil.copyfile(plugin, plugins / plugin.name)
    database = folder / "users.db"
    for user, password in passwords.items():
        tool = tools / "usr" / "sbin" / "saslpasswd2"
        subprocess.run([tool, "-p", "-c", "-f", database, "-u", realm, user],
                       input=f"{password}\n", text=True, check=True, capture_output=True,
                       env={**os.environ, **packages.environment(tools), "SASL_PATH": str(plugins)})
    database.chmod(0o644)
    (folder / f"{service}.conf").write_text(CONFIGURATION.format(database=database))
    return {"SASL_PATH": str(plugins), "SASL_CONF_PATH": str(folder)}


def make_certificate(folder, name):
    """A self-signed certificate for name: the paths of its key and of itself."""
    folder = pathlib.Path(folder)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
    return key, certificate
