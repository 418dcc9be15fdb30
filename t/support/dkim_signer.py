"""Signs messages with DKIM (RFC 6376 3.4; the body simple), by a small RSA key made here."""

import base64
import hashlib
import random
import re

BITS = 1024
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # SHA-256, RFC 8017 9.2
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")
EXPONENT = 65537


class Signer:
    """A key for domain; seed makes it, so that it is the same each time."""

    def __init__(self, domain, selector="test", seed=6376, bits=BITS):
        chance = random.Random(seed)
        first, second = _prime(bits // 2, chance), _prime(bits // 2, chance)
        self.bits = bits
        self.domain = domain
        self.selector = selector
        self.modulus = first * second
        self.secret = pow(EXPONENT, -1, (first - 1) * (second - 1))

    def record(self):
        """A line of a [dns] answers file: the key record."""
        key = _der(0x30, _integer(self.modulus) + _integer(EXPONENT))
        public = _der(0x30, RSA_ENCRYPTION + _der(0x03, b"\0" + key))
        text = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
        parts = " ".join(f'"{text[start:start + 200]}"' for start in range(0, len(text), 200))
        return f"{self.selector}._domainkey.{self.domain} TXT {parts}\n"

    def sign(self, message, names=("From", "To", "Subject"), length=None, tags="", name="b", relaxed=False):
        """
        message with a DKIM-Signature before it: of length octets of the body (l=), with more tags, with b=
        written as name, its header relaxed. A name of names that is there more often than its field says
        that there are no more of it.
        """
        header, _, body = message.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", header)
        form = "relaxed" if relaxed else "simple"
        signed = (body.rstrip(b"\r\n") + b"\r\n")[:length]
        body_hash = base64.b64encode(hashlib.sha256(signed).digest()).decode()
        tags += f" l={length};" if length is not None else ""
        empty = (f"DKIM-Signature: v=1; a=rsa-sha256; c={form}/simple; d={self.domain};\r\n"
                 f"\ts={self.selector}; h={':'.join(names)}; bh={body_hash};{tags}\r\n\t{name}=").encode()
        chosen, left = [], fields[::-1]
        for wanted in names:
            found = [field for field in left if field.lower().startswith(wanted.lower().encode() + b":")]
            if found:
                left.remove(found[0])
                chosen.append(found[0])
        canonical = _relaxed if relaxed else bytes
        header = b"".join(canonical(field) + b"\r\n" for field in chosen)
        signature = self._signature(header + canonical(empty))
        return empty + base64.b64encode(signature) + b"\r\n" + message

    def _signature(self, octets):
        length = self.bits // 8
        digest = DIGEST_INFO + hashlib.sha256(octets).digest()
        padded = b"\0\1" + b"\xff" * (length - len(digest) - 3) + b"\0" + digest
        return pow(int.from_bytes(padded, "big"), self.secret, self.modulus).to_bytes(length, "big")


def _relaxed(field):
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + b" ".join(value.split())


def _prime(bits, chance):
    while True:
        number = chance.getrandbits(bits) | 3 << (bits - 2) | 1
        promising = (number - 1) % EXPONENT and all(number % small for small in (3, 5, 7, 11, 13))
        if promising and _is_prime(number, chance):
            return number


def _is_prime(number, chance, rounds=20):
    """Miller and Rabin."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(rounds):
        power = pow(chance.randrange(2, number - 1), odd, number)
        if power in (1, number - 1):
            continue
        if not any((power := power * power % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


def _der(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _integer(number):
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))
