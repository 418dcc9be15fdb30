#!/usr/bin/perl
# Runs the cases that peers.py converts (one JSON object a line on standard input) by Mail::DKIM, for
# contrib/conformance: peer_mail_dkim.pl dkim|arc. Prints {"cases": N, "passed": N, "wrong": [NAME, ...]}.
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS;

my $kind = shift // 'dkim';
my $records = {};

# Takes the place of the network.
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($domain, $type) = @_;
        $domain = lc $domain;
        $domain =~ s/\.$//;
        die "DNS error: SERVFAIL\n" if exists $records->{$domain} && !defined $records->{$domain};
        my @found = @{ $records->{$domain} // [] };
        if (!@found) {
            $@ = exists $records->{$domain} ? 'NOERROR' : 'NXDOMAIN';
            return;
        }
        return map { Net::DNS::RR->new(name => $domain, type => 'TXT', txtdata => [unpack '(a255)*', $_]) } @found;
    };
}

# Strict: as RFC 8301 asks for. DomainKeys, the older form, which it verifies too, are not counted.
sub judge {
    my ($message) = @_;
    my $verifier = $kind eq 'arc' ? Mail::DKIM::ARC::Verifier->new(Strict => 1) : Mail::DKIM::Verifier->new(Strict => 1);
    my $result = eval {
        $verifier->PRINT($message);
        $verifier->CLOSE;
        return lc $verifier->result if $kind eq 'arc';
        my @signatures = grep { !$_->isa('Mail::DKIM::DkSignature') } $verifier->signatures;
        return 'none' unless @signatures;
        return (grep { $_->result eq 'pass' } @signatures) ? 'pass' : 'fail';
    };
    return $result // 'error';
}

sub as_expected {
    my ($expected, $result) = @_;
    return $expected eq $result if $kind eq 'arc';
    return $result eq 'none' if $expected =~ /^none/;
    return $expected eq 'pass' ? $result eq 'pass' : $result !~ /^(?:pass|none)$/;
}

my ($cases, @wrong) = (0);
while (my $line = <STDIN>) {
    my $case = decode_json($line);
    $records = $case->{records};
    $cases++;
    utf8::downgrade(my $message = $case->{message});
    push @wrong, $case->{name} unless as_expected($case->{expected}, judge($message));
}
print encode_json({ cases => $cases, passed => $cases - @wrong, wrong => \@wrong }), "\n";
