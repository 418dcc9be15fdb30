"""Certificates of a test's own, made by openssl(1), each signed by itself."""

import pathlib
import ssl
import subprocess

KINDS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
         "rsa": ["-newkey", "rsa:2048"]}


class Certificate:
    """Of names, the first of which is its subject: certificate and key are files in folder, both has both."""

    def __init__(self, folder, *names, kind="ecdsa", days=30):
        self.names = names
        self.certificate, self.key, self.both = (pathlib.Path(folder) / f"{names[0]}-{kind}.{end}"
                                                 for end in ("crt", "key", "pem"))
        alternatives = ",".join(f"DNS:{name}" for name in names)
        subprocess.run(["openssl", "req", "-x509", *KINDS[kind], "-nodes", "-days", str(days), "-subj",
                        f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}", "-out",
                        str(self.certificate), "-keyout", str(self.key)], check=True, capture_output=True)
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        for path in (self.key, self.both):
            path.chmod(0o644)

    def context(self):
        """A client that trusts this certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


def anybody():
    """A client that trusts whomever it meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
