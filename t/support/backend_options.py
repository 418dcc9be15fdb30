"""What a recording back-end is told to do: options of its command line, and their defaults for tests."""

import argparse
import dataclasses

XCLIENT_MODES = ("keep", "once", "refuse", "absent")
FORMS = ("plain", "multiline", "split", "long", "overlong", "garbage", "newline", "code", "endless")
STEPS = ("greeting", "helo", "ehlo", "starttls", "xclient", "xforward", "mail", "rcpt", "data", "dot", "rset",
         "noop", "vrfy", "quit", "*")
DROPS = STEPS + ("body", "recorded", "half-reply")


@dataclasses.dataclass
class BackendOptions:
    """
    A test may change any of these while the back-end runs. A key of refuse, pause and form is a step, or
    STEP:ADDRESS for mail and rcpt, or * for all.
    """

    host: str = "127.0.0.1"
    port: int = 0
    hostname: str = "backend.example"
    keywords: list = dataclasses.field(
        default_factory=lambda: ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"])
    size: int = 100 * 1024 * 1024
    domains: list = dataclasses.field(default_factory=lambda: ["example.org"])
    xclient: str = "keep"  # keep announcing it after the first override; once; refuse it (550); absent
    xforward: bool = False
    refuse: dict = dataclasses.field(default_factory=dict)  # step -> "CODE text"
    drop: set = dataclasses.field(default_factory=set)      # steps at which the connection is cut, unanswered
    pause: dict = dataclasses.field(default_factory=dict)   # step -> seconds before the reply
    form: dict = dataclasses.field(default_factory=dict)    # step -> one of FORMS
    careless: bool = False   # LF.LF, CR.CR and all their mixtures end a message too
    tls: object = None       # the ssl.SSLContext that STARTTLS is offered with
    max_connections: int = 0  # more are told 421; 0: any number
    rule: object = None  # rule(session, step, argument): a reply without its line end, or None

    def at(self, table, step, address=None):
        """What a table says of a step, the most exact word first."""
        if address is not None and f"{step}:{address}" in table:
            return table[f"{step}:{address}"]
        return table.get(step, table.get("*"))

    def drops(self, step, address=None):
        return bool({step, "*", f"{step}:{address}"} & set(self.drop))


def _pair(allowed, convert):
    def parse(text):
        step, equals, value = text.partition("=")
        if not equals or step.split(":")[0] not in allowed:
            raise argparse.ArgumentTypeError(f"want STEP=VALUE with STEP one of {', '.join(allowed)}")
        return step, convert(value)
    return parse


def _step(text):
    if text.split(":")[0] not in DROPS:
        raise argparse.ArgumentTypeError(f"want one of {', '.join(DROPS)}")
    return text


def _form(text):
    if text not in FORMS:
        raise argparse.ArgumentTypeError(f"want one of {', '.join(FORMS)}")
    return text


def _parser():
    parser = argparse.ArgumentParser(
        prog="recording_backend", description="An SMTP server that records each message and then says 250.")
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0: any free one; the first line of output tells it")
    add("--hostname", default="backend.example")
    add("--directory", required=True, help="where messages go")
    add("--journal", help="a file that gets every command line with its time")
    add("--statistics", help="a file that gets the counts, as JSON, at the end")
    add("--keyword", action="append", dest="keywords", metavar="KEYWORD",
        help="EHLO keyword, several; in place of PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES")
    add("--size", type=int, default=100 * 1024 * 1024)
    add("--domains", default="example.org", help="recipient domains for all clients, apart by commas")
    add("--xclient", choices=XCLIENT_MODES, default="keep")
    add("--xforward", action="store_true")
    add("--refuse", action="append", default=[], type=_pair(STEPS, str), metavar="STEP=REPLY")
    add("--pause", action="append", default=[], type=_pair(STEPS, float), metavar="STEP=SECONDS")
    add("--form", action="append", default=[], type=_pair(STEPS, _form), metavar="STEP=FORM",
        help="a form of reply: " + ", ".join(FORMS))
    add("--drop", action="append", default=[], type=_step, metavar="STEP",
        help="cut the connection there: " + ", ".join(DROPS))
    add("--careless", action="store_true", help="take LF.LF, CR.CR and mixtures for the end of a message")
    add("--max-connections", type=int, default=0)
    return parser


def parse(arguments):
    """The options of a command line, and what argparse made of it (directory, journal, statistics)."""
    given = _parser().parse_args(arguments)
    options = BackendOptions(
        host=given.host, port=given.port, hostname=given.hostname, size=given.size,
        domains=[domain.strip().lower() for domain in given.domains.split(",") if domain.strip()],
        xclient=given.xclient, xforward=given.xforward, refuse=dict(given.refuse), drop=set(given.drop),
        pause=dict(given.pause), form=dict(given.form), careless=given.careless,
        max_connections=given.max_connections)
    if given.keywords:
        options.keywords = given.keywords
    return options, given
