"""Certificates of a test's own, made by openssl(1), each signed by itself."""

import hashlib
import pathlib
import ssl
import subprocess

KINDS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
         "rsa": ["-newkey", "rsa:2048"]}


class Certificate:
    """
    Of names, the first of which is its subject: certificate and key are files in folder, both has both.
    authority: another one that has signed it, and stands behind it in certificate.
    """

    def __init__(self, folder, *names, kind="ecdsa", days=30, authority=None):
        self.names = names
        self.certificate, self.key, self.both = (pathlib.Path(folder) / f"{names[0]}-{kind}.{end}"
                                                 for end in ("crt", "key", "pem"))
        alternatives = ",".join(f"DNS:{name}" for name in names)
        signer = ["-CA", authority.certificate, "-CAkey", authority.key] if authority else []
        subprocess.run(["openssl", "req", "-x509", *signer, *KINDS[kind], "-nodes", "-days", str(days),
                        "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={alternatives}",
                        "-out", str(self.certificate), "-keyout", str(self.key)],
                       check=True, capture_output=True)
        if authority:
            with self.certificate.open("ab") as chain:
                chain.write(authority.certificate.read_bytes())
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
        for path in (self.key, self.both):
            path.chmod(0o644)

    def server(self):
        """A server that has this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def key_hash(self):
        """The SHA-256 of its public key, in hexadecimal (RFC 7469 2.4)."""
        key = subprocess.run(["openssl", "x509", "-in", self.certificate, "-noout", "-pubkey"], check=True,
                             capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True,
                             capture_output=True).stdout
        return hashlib.sha256(der).hexdigest()

    def context(self):
        """A client that trusts this certificate alone."""
        return ssl.create_default_context(cafile=str(self.certificate))


def anybody():
    """A client that trusts whomever it meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
