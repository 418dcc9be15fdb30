dnl postern-proxy in front of Sendmail: these lines go into /etc/mail/sendmail.mc, in place of the
dnl DAEMON_OPTIONS of port 25 that are there. In postern.conf:
dnl
dnl   [proxy]
dnl   listen = 0.0.0.0:25; [::]:25
dnl   backend = 127.0.0.1:10025
dnl   client_address = none
dnl   recipient_domains = example.org
dnl   tls = may
dnl
dnl Sendmail cannot be told a client's address, and relays for 127.0.0.1: recipient_domains, those for which
dnl this server takes mail, are what the proxy lets through. What it decides by the client's address (access
dnl database, DNS lists) is the proxy's to decide now. Users log in at another port, as before.
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Port=10025, Addr=127.0.0.1, Name=proxied')dnl
