"""Verifiers of DKIM that are not ours: dkimpy and Mail::DKIM, given key records in the place of the DNS."""

import re
import subprocess

MAIL_DKIM = r"""
use strict; use warnings;
use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS;
package Answers;
sub send {
    my ($self, $name, $type) = @_;
    my $packet = Net::DNS::Packet->new($name, $type);
    $packet->push(answer => Net::DNS::RR->new($self->{lc $name})) if exists $self->{lc $name};
    return $packet;
}
sub errorstring { return 'NOERROR' }
package main;
my %records;
open(my $file, '<', $ARGV[0]) or die;
while (<$file>) { chomp; $records{lc $1} = $_ if /^(\S+?)\.? / } close $file;
Mail::DKIM::DNS::resolver(bless \%records, 'Answers');
my $verifier = Mail::DKIM::Verifier->new;
binmode STDIN;
local $/; my $message = <STDIN>;
$verifier->PRINT($message);
$verifier->CLOSE;
for my $signature ($verifier->signatures) {
    my $detail = $signature->result_detail; $detail =~ s/\s+/ /g;
    print $signature->selector, ' ', $detail, "\n";
}
"""


def missing():
    """Why these verifiers cannot be used here, or None."""
    try:
        import dkim  # noqa: F401
        import nacl  # noqa: F401
    except ImportError as error:
        return f"package python3-dkim: {error}"
    done = subprocess.run(["perl", "-MMail::DKIM::Verifier", "-e", "1"], capture_output=True, text=True,
                          check=False)
    return None if done.returncode == 0 else "package libmail-dkim-perl is not installed"


def _records(zone):
    """Name to text, of lines NAME. IN TXT "..." "..."."""
    found = {}
    for line in zone.splitlines():
        name, rest = line.split(" ", 1)
        found[name.rstrip(".").lower()] = "".join(re.findall(r'"([^"]*)"', rest)).encode()
    return found


def dkimpy(message, zone):
    """For each signature of message, from the top, whether dkimpy finds it right."""
    import dkim
    records = _records(zone)

    def look_up(name, timeout=5):
        del timeout
        return records.get(name.decode().rstrip(".").lower())

    def is_right(index):
        try:
            return dkim.DKIM(message).verify(idx=index, dnsfunc=look_up)
        except dkim.DKIMException:
            return False

    count = len(re.findall(rb"^dkim-signature[ \t]*:", message.split(b"\r\n\r\n")[0], re.I | re.M))
    return [is_right(index) for index in range(count)]


def mail_dkim(message, zone, folder):
    """Selector to result in words, as Mail::DKIM finds the signatures of message."""
    path = folder / "zone"
    path.write_text(zone)
    done = subprocess.run(["perl", "-e", MAIL_DKIM, str(path)], input=message, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return dict(line.split(" ", 1) for line in done.stdout.decode().splitlines())
