"""
The differences that are meant, in the words of postern-proxy(8),
"DIFFERENCES FROM THE MAIL SERVER": each row is the
beginning of its item there, and a pattern of what support.differential calls the kinds of it.
"""

import re

NEWLINES = r"end of data|bare newline.*|newline of.*|odd octet"
PIPELINED = rf"message before 354|all at once|pipelined|behind QUIT|half a line|{NEWLINES}"
NAMED = tuple((name, re.compile(pattern)) for name, pattern in (
    ("Long lines", r"(?:long line|message(?: of 8BITMIME)?): \S+: .* direct, .* through"),
    ("Bare CR, LF and NUL", rf"(?:{NEWLINES}): \S+: .* direct, (?:.*[45].*|end) through"),
    ("Bare CR, LF and NUL", r"verb after.*: (?:\(odd\)|NOOP): [25] direct, [25] through"),
    ("VRFY, EXPN, ETRN and HELP", r"(?!pipelined).*: (?:VRFY|EXPN|ETRN|HELP|VERB): .* direct, .* through"),
    ("What is no SMTP",
     r"verb after.*: \S+: .* direct, (?:[25]|end) through"),
    ("When MAIL is judged", r"(?:MAIL|SMTPUTF8|order|STARTTLS|AUTH|hello).*: MAIL: [45] direct, 2 through"),
    ("When MAIL is judged", r"(?:order|STARTTLS|AUTH|hello).*: (?:RCPT|DATA): 5 direct, 2 through"),
    ("Parameters", r"(?:MAIL|RCPT) parameter.*: \S+: [245] direct, [25] through"),
    ("Addresses", r"(?:MAIL|RCPT|SMTPUTF8) (?:path|spelling|address).*: \S+: [25] direct, [25] through"),
    ("Names in EHLO", r"hello.*: \S+: .* direct, .* through"),
    ("Names in EHLO", r"(?:newline of a command|odd octet): \S+: .* direct, 2.* through"),
    ("AUTH", r"AUTH: (?:AUTH|MAIL): .* direct, [25] through"),
    ("BDAT", r"BDAT.*: \S+: .* direct, .* through"),
    ("STARTTLS", r".*STARTTLS.*: .* direct, .* through"),
    ("What comes before 354", rf"(?:{PIPELINED}): .* direct, .* through"),
    ("Limits", r"(?:many \S+|order|verb .*): \S+: (?:[245]|end|4 end) direct, (?:[245]|end|4 end) through"),
))


def name_of(difference):
    """The name of its row, or None."""
    return next((name for name, pattern in NAMED if pattern.fullmatch(difference.kind)), None)
