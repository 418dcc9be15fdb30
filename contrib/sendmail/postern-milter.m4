dnl postern-milter behind Sendmail: these lines go into /etc/mail/sendmail.mc, before any MAILER line.
dnl
dnl The address is that of [milter] socket in postern.conf; for a unix socket: S=unix:/run/postern/milter.sock
dnl F=T: a milter that is away delays mail; it never lets it through unseen. With mode = observe in
dnl postern.conf, leave F=T out. While a message is scanned the milter tells of it every five seconds; with
dnl refuse_at_mail the answer to MAIL may take 20 s: not less than 30 s for R.
dnl
dnl Mail that is submitted on this machine comes from 127.0.0.1 (submit.cf), or on a pipe (sendmail -bs): the
dnl first belongs to [clients] own_networks in postern.conf. Users who log in need nothing here: the milter is
dnl told of them.
dnl
dnl Sendmail breaks lines of 990 octets and more, and our signature with them, where RFC 5322 allows 998:
define(`SMTP_MAILER_LL', `1000')dnl
INPUT_MAIL_FILTER(`postern', `S=inet:8891@127.0.0.1, F=T, T=C:30s;S:30s;R:30s;E:5m')dnl
