"""Keys to sign with, made by openssl as an administrator makes them, and their table."""

import grp
import os
import pwd
import shutil
import subprocess

OPENSSL = shutil.which("openssl")


class SignKeys:
    """A folder with keys and the table of [sign] table, readable by the inspector's user."""

    def __init__(self, folder, user="nobody"):
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        os.chmod(self.folder, 0o755)
        self.user = user
        self.table = self.folder / "keys"
        self.lines = []

    def configuration(self):
        """The group of the configuration."""
        return f"[sign]\ntable = {self.table}\n"

    def make(self, selector, algorithm="rsa", bits=2048, traditional=False):
        """A private key; its file."""
        path = self.folder / f"{selector}.pem"
        if traditional:
            command = [OPENSSL, "genrsa", "-traditional", "-out", path, str(bits)]
        elif algorithm == "rsa":
            command = [OPENSSL, "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}",
                       "-out", path]
        else:
            command = [OPENSSL, "genpkey", "-algorithm", algorithm, "-out", path]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        self.protect(path)
        return path

    def protect(self, path, mode=0o640):
        """Gives a file to root and the inspector's group, as the manual says, where we are root."""
        if os.geteuid() == 0:
            os.chown(path, 0, grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_gid)
        os.chmod(path, mode)

    def add(self, domain, selector, path):
        """A line of the table."""
        self.lines.append(f"{domain} {selector} {path}")
        self.write()

    def add_key(self, domain, selector, **options):
        """A new key and its line."""
        path = self.make(selector, **options)
        self.add(domain, selector, path)
        return path

    def write(self):
        """The table as it is now."""
        self.table.write_text("# DOMAIN SELECTOR FILE\n" + "".join(line + "\n" for line in self.lines))
        self.protect(self.table)
