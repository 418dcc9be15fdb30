#include "base/configuration.h"

#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/configuration/row.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"

/* Each in the order of the enumeration that the option is read as. */
static const char *const log_formats[] = {
    [POSTERN_LOG_FORMAT_TEXT] = "text", [POSTERN_LOG_FORMAT_JSON] = "json", NULL};
static const char *const levels[] = {
    [POSTERN_LOG_ERROR] = "error", [POSTERN_LOG_WARNING] = "warning", [POSTERN_LOG_NOTICE] = "notice",
    [POSTERN_LOG_INFO] = "info",   [POSTERN_LOG_DEBUG] = "debug",     NULL};
static const char *const modes[] = {
    [POSTERN_MODE_ENFORCE] = "enforce", [POSTERN_MODE_OBSERVE] = "observe", NULL};
static const char *const tls_levels[] = {
    [POSTERN_TLS_OFF] = "off", [POSTERN_TLS_MAY] = "may", [POSTERN_TLS_ENCRYPT] = "encrypt", NULL};
static const char *const tls_server_levels[] = {[POSTERN_TLS_OFF] = "off",
                                                [POSTERN_TLS_MAY] = "may",
                                                [POSTERN_TLS_ENCRYPT] = "encrypt",
                                                [POSTERN_TLS_VERIFY] = "verify",
                                                [POSTERN_TLS_DANE] = "dane",
                                                [POSTERN_TLS_DANE_ONLY] = "dane-only",
                                                NULL};
static const char *const auth_levels[] = {[POSTERN_AUTH_OFF] = "off",
                                          [POSTERN_AUTH_PROTECTED] = "protected",
                                          [POSTERN_AUTH_ALWAYS] = "always",
                                          NULL};
static const char *const tls_submission_levels[] = {"same", "off", "may", "encrypt", NULL};
static const char *const tls_versions[] = {
    [POSTERN_TLS_1_2] = "TLSv1.2", [POSTERN_TLS_1_3] = "TLSv1.3", NULL};
static const char *const bare_newlines[] = {
    [POSTERN_BARE_NEWLINE_REJECT] = "reject", [POSTERN_BARE_NEWLINE_REPAIR] = "repair", NULL};

static const char *const roles[] = {
    [POSTERN_ROLE_EDGE] = "edge", [POSTERN_ROLE_BEFORE_QUEUE_FILTER] = "before_queue_filter", NULL};
static const char *const spf_engines[] = {
    [POSTERN_SPF_ENGINE_POSTERN] = "postern", [POSTERN_SPF_ENGINE_LIBSPF2] = "libspf2", NULL};
static const char *const virus_status_choices[] = {[POSTERN_VIRUS_STATUS_NO] = "no",
                                                   [POSTERN_VIRUS_STATUS_YES] = "yes",
                                                   [POSTERN_VIRUS_STATUS_ALL] = "all",
                                                   NULL};
static const char *const signature_reloads[] = {[POSTERN_SIGNATURES_BESIDE] = "beside",
                                                [POSTERN_SIGNATURES_IF_MEMORY_ALLOWS] = "if_memory_allows",
                                                [POSTERN_SIGNATURES_STOP_FIRST] = "stop_first",
                                                NULL};
static const char *const capsule_choices[] = {
    [POSTERN_CAPSULE_REFUSED] = "refused", [POSTERN_CAPSULE_ALL] = "all", NULL};

const char *const postern_actions[] = {[POSTERN_ACTION_ACCEPT] = "accept",
                                       [POSTERN_ACTION_MARK] = "mark",
                                       [POSTERN_ACTION_QUARANTINE] = "quarantine",
                                       [POSTERN_ACTION_DISCARD] = "discard",
                                       [POSTERN_ACTION_TEMPFAIL] = "tempfail",
                                       [POSTERN_ACTION_REJECT] = "reject",
                                       NULL};

/* [policy] begins with checks; what the checks add stands between these tables. */
static const char *const refuse_ats[] = {
    [POSTERN_REFUSE_AT_CONNECT] = "connect", [POSTERN_REFUSE_AT_HELO] = "helo",
    [POSTERN_REFUSE_AT_MAIL] = "mail",       [POSTERN_REFUSE_AT_RCPT] = "rcpt",
    [POSTERN_REFUSE_AT_END] = "end",         NULL};

static const PosternOption before_checks[] = {
    {"log", "destination", STRING(log.destination, 1, TEXT), "stderr",
     "Where log lines go: stderr, syslog (facility mail), or a file, by its absolute path.",
     postern_configuration_check_log, .reload = EVERY_PROGRAM},
    {"log", "level", CHOICE(log.level, levels), "info",
     "The least severe lines that are logged; info has one line per message and one per session."},
    {"log", "format", CHOICE(log.format, log_formats), "text",
     "text, or json: each line is an object, a closing line with its fields as members.",
     .reload = EVERY_PROGRAM},
    {"log", "subject", BOOLEAN(log.subject), "no", "Log the subject of each message, which is private, too."},
    {"log", "recipients", BOOLEAN(log.recipients), "no",
     "Log a line for each recipient that is accepted, too, with the mail server's reply to it."},

    {"proxy", "listen", LIST(proxy.listen, 1, POSTERN_LISTENERS_MAX), "127.0.0.1:2525",
     "Where to listen for clients: ADDRESS:PORT, or [ADDRESS]:PORT for IPv6.",
     postern_configuration_check_endpoint, .reload = THE_PROXY},
    {"proxy", "hostname", STRING(proxy.hostname, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The name in the greeting and in Authentication-Results; empty: the name of the machine.",
     postern_configuration_check_domain, .reload = BACKEND},
    {"proxy", "backend", LIST(proxy.backend, 1, POSTERN_SERVERS_MAX), "127.0.0.1:10025",
     "The mail servers: ADDRESS:PORT, NAME:PORT, srv:NAME, unix:/PATH, lmtp: before it, weight=N and more.",
     postern_configuration_check_server},
    {"proxy", "drain_file", STRING(proxy.drain_file, 0, TEXT), "",
     "A file with servers, one a line, that get nobody new; looked at each second; empty: none.",
     postern_configuration_check_path},
    {"proxy", "routes", STRING(proxy.routes, 0, TEXT), "",
     "File with lines DOMAIN GROUP, .DOMAIN GROUP, USER@DOMAIN GROUP or * GROUP (absolute path).",
     postern_configuration_check_path, .reload = POSTERN_RELOAD_ENDS_SESSIONS},
    {"proxy", "client_address", CHOICE(proxy.client_address, postern_client_addresses + 1), "xclient",
     "How the back-end learns who the client is; xforward and none need recipient_domains.",
     .reload = RELAYING},
    {"proxy", "recipient_domains", LIST(proxy.recipient_domains, 0, ITEMS), "",
     "Domains that mail is accepted for; empty: the back-end decides, by the client's address.",
     postern_configuration_check_domain, TRUE, .reload = RELAYING},
    {"proxy", "inspect", BOOLEAN(proxy.inspect), "yes",
     "Inspect messages here; no: leave it to a filter behind the proxy."},
    {"proxy", "mode", CHOICE(proxy.mode, modes), "enforce",
     "observe: all mail passes unchanged, and the log says what would have been refused."},
    {"proxy", "user", STRING(proxy.user, 1, NAME), "postern",
     "The user that the proxy becomes if it is started as root; ignored otherwise.",
     postern_configuration_check_user, .reload = THE_PROXY},
    {"proxy", "threads", NUMBER(proxy.threads, 0, POSTERN_THREADS_MAX), "0",
     "Number of threads, each with its own event loop; 0: one per core.", .reload = THE_PROXY},
    {"proxy", "gather_clients", BOOLEAN(proxy.gather_clients), "yes",
     "New clients go to as few threads as have time for them, which costs less; no: to all alike.",
     .reload = THE_PROXY},
    {"proxy", "max_connections", NUMBER(proxy.max_connections, 1, POSTERN_CONNECTIONS_MAX), "10000",
     "Most clients at once; one more replaces a client that is idle, or is turned away with 421."},
    {"proxy", "max_connections_per_client",
     NUMBER(proxy.max_connections_per_client, 1, POSTERN_CONNECTIONS_MAX), "50",
     "Most connections at once from one address (IPv6: from one /64)."},
    {"proxy", "backend_connections", NUMBER(proxy.backend_connections, 1, POSTERN_CONNECTIONS_MAX), "50",
     "Most connections that each back-end ever sees from the proxy.", .reload = THE_PROXY},
    {"proxy", "backend_wait", DURATION(proxy.backend_wait_ms, 0), "30s",
     "How long a client may wait for a free back-end connection before it gets 451."},
    {"proxy", "backend_connect_timeout", DURATION(proxy.backend_connect_timeout_ms, 1), "10s",
     "Time limit for connecting to the back-end."},
    {"proxy", "backend_timeout", DURATION(proxy.backend_timeout_ms, 1), "5m",
     "Time limit for the back-end's reply to a command (RFC 5321 4.5.3.2)."},
    {"proxy", "backend_lost_timeout", DURATION(proxy.backend_lost_timeout_ms, 0), "5m",
     "How long a lost connection still counts, if the back-end may not know that it is lost."},
    {"proxy", "backend_idle", DURATION(proxy.backend_idle_ms, 0), "30s",
     "How long an idle back-end connection is kept open."},
    {"proxy", "backend_data_end_timeout", DURATION(proxy.backend_data_end_timeout_ms, 1), "10m",
     "Time limit for the back-end's reply to the end of a message (RFC 5321 4.5.3.2.6)."},
    {"proxy", "client_timeout", DURATION(proxy.client_timeout_ms, 1), "5m",
     "Time limit for a client's next command (RFC 5321 4.5.3.2.7)."},
    {"proxy", "client_data_timeout", DURATION(proxy.client_data_timeout_ms, 1), "3m",
     "Time limit for a client to send more of its message."},
    {"proxy", "inspection_timeout", DURATION(proxy.inspection_timeout_ms, 1), "1m",
     "Time limit for the verdict on a message; after that it counts as unscannable."},
    {"proxy", "drain_timeout", DURATION(proxy.drain_timeout_ms, 0), "30s",
     "How long sessions in progress may continue when the proxy stops."},
    {"proxy", "message_size", OCTETS(proxy.message_size, KIBIBYTE, TEBIBYTE), "50M",
     "Largest message that is accepted; announced as SIZE."},
    {"proxy", "message_memory", OCTETS(proxy.message_memory, KIBIBYTE, TEBIBYTE), "1G",
     "Memory for all messages together; when it is used up, DATA gets 452.", .reload = THE_PROXY},
    {"proxy", "message_memory_per_client", OCTETS(proxy.message_memory_per_client, 0, TEBIBYTE), "0",
     "One address's share of message_memory (IPv6: one /64's), at least message_size; 0: a quarter."},
    {"proxy", "burst_size", OCTETS(proxy.burst_size, KIBIBYTE, GIBIBYTE), "256K",
     "With inspect = no, a larger message is passed on while it arrives, if its client is fast."},
    {"proxy", "min_data_rate", OCTETS(proxy.min_data_rate, 0, MEBIBYTE), "512",
     "Least octets per second of a message, averaged over a minute; a slower client gets 421; 0: no limit."},
    {"proxy", "max_recipients", NUMBER(proxy.max_recipients, 1, POSTERN_RECIPIENTS_MAX), "1000",
     "Most recipients of one message; RFC 5321 4.5.3.1.8 asks for at least 100."},
    {"proxy", "lmtp_recipients", NUMBER(proxy.lmtp_recipients, 1, POSTERN_RECIPIENTS_MAX), "1",
     "Most recipients of one message to an LMTP server, which may refuse it to some of them alone.",
     .reload = BACKEND},
    {"proxy", "max_refused_recipients",
     NUMBER(proxy.max_refused_recipients, 0, POSTERN_REFUSED_RECIPIENTS_MAX), "20",
     "Most recipients that we or the back-end refuse for good before a message passes; 0: no limit."},
    {"proxy", "relay_probe", BOOLEAN(proxy.relay_probe), "yes",
     "Test whether the back-end relays for external clients, and do not use it if it does.",
     .reload = BACKEND},
    {"proxy", "relay_probe_client", STRING(proxy.relay_probe_client, 0, NAME), "",
     "The client address that the relay probe uses; empty: several that no client has (RFC 5737).",
     postern_configuration_check_address, .reload = BACKEND},
    {"proxy", "relay_probe_recipient", STRING(proxy.relay_probe_recipient, 0, TEXT), "",
     "A mailbox at the back-end that the relay probe compares with; empty: postmaster.",
     postern_configuration_check_mailbox, .reload = BACKEND},
    {"proxy", "bare_newline", CHOICE(proxy.bare_newline, bare_newlines), "reject",
     "What to do about a bare CR or LF: reject the message, or repair it to CRLF."},
    {"proxy", "strict_envelopes", BOOLEAN(proxy.strict_envelopes), "no",
     "Accept only the address syntax of RFC 5321; no: also the forms that mail servers accept."},
    {"proxy", "discard_ehlo_keywords", LIST(proxy.discard_ehlo_keywords, 0, ITEMS), "",
     "SMTP extensions and commands, as EHLO names them, that clients are not offered."},
    {"proxy", "tls", CHOICE(proxy.tls, tls_levels), "off",
     "STARTTLS for clients: off; may: offered; encrypt: no mail without it. Needs [tls] certificates."},
    {"proxy", "auth", CHOICE(proxy.auth, auth_levels), "protected",
     "AUTH, which the back-end answers: off; protected: with TLS, submission_listen, own networks; always."},
    {"proxy", "max_failed_logins", NUMBER(proxy.max_failed_logins, 0, POSTERN_FAILED_LOGINS_MAX), "5",
     "Failed logins of one session after which the client is let go with 421; 0: no limit."},
    {"proxy", "refuse_nul", BOOLEAN(proxy.refuse_nul), "no",
     "Refuse a message that contains a NUL octet; no: it passes, and the log says so."},
    {"proxy", "refuse_long_lines", BOOLEAN(proxy.refuse_long_lines), "no",
     "Refuse a message with lines over 998 octets; no: it passes, and they are counted."},
    {"proxy", "role", CHOICE(proxy.role, roles), "edge",
     "edge: in front of the mail server; before_queue_filter: a smtpd_proxy_filter between two smtpd.",
     .reload = THE_PROXY | RELAYING, .former = "border"},
    {"proxy", "trusted_clients", LIST(proxy.trusted_clients, 0, ITEMS), "",
     "Mail servers, ADDRESS or ADDRESS/BITS, that may name their client (XFORWARD, XCLIENT).",
     postern_configuration_check_network, FALSE, "everybody could say that he is one of yours", TRUE,
     .reload = RELAYING},
    {"proxy", "proxy_protocol", LIST(proxy.proxy_protocol, 0, ITEMS), "",
     "Balancers, ADDRESS or ADDRESS/BITS, whose connections begin with a PROXY header (version 1 or 2).",
     postern_configuration_check_network, FALSE, "everybody could say that he is one of yours", TRUE},
    {"proxy", "proxy_protocol_late", LIST(proxy.proxy_protocol_late, 0, ITEMS), "",
     "Balancers that send the PROXY header only when the client speaks: it is greeted before.",
     postern_configuration_check_network, FALSE, "everybody could say that he is one of yours", TRUE},
    {"proxy", "submission_listen", LIST(proxy.submission_listen, 0, POSTERN_LISTENERS_MAX), "",
     "As listen, for users: who must log in, or for a before_queue_filter have logged in before.",
     postern_configuration_check_endpoint, .reload = THE_PROXY},
    {"proxy", "tls_listen", LIST(proxy.tls_listen, 0, POSTERN_LISTENERS_MAX), "",
     "As listen, with TLS from the first octet on. Needs [tls] certificates.",
     postern_configuration_check_endpoint, .reload = THE_PROXY},
    {"proxy", "submission_tls_listen", LIST(proxy.submission_tls_listen, 0, POSTERN_LISTENERS_MAX), "",
     "As submission_listen, with TLS from the first octet on (port 465). Needs [tls] certificates.",
     postern_configuration_check_endpoint, .reload = THE_PROXY},
    {"proxy", "filter_timeout", DURATION(proxy.filter_timeout_ms, 1000), "90s",
     "As before_queue_filter: time limit for the reply to a message; Postfix gives up after 100 s."},

    {"tls", "certificates", LIST(tls.certificates, 0, POSTERN_TLS_CERTIFICATES_MAX), "",
     "PEM files, each a certificate with its chain; the client's server name (SNI) chooses among them.",
     postern_configuration_check_path},
    {"tls", "keys", LIST(tls.keys, 0, POSTERN_TLS_CERTIFICATES_MAX), "",
     "PEM files with their private keys, in the same order; empty: they are in the same files.",
     postern_configuration_check_path},
    {"tls", "min_version", CHOICE(tls.min_version, tls_versions), "TLSv1.2",
     "Oldest TLS version that is accepted (RFC 9325).", .reload = BACKEND},
    {"tls", "ciphers", STRING(tls.ciphers, 1, TEXT), "ECDHE+AESGCM:ECDHE+CHACHA20",
     "Ciphers of TLSv1.2, in the form of openssl-ciphers(1); those of TLSv1.3 are always offered.",
     .reload = BACKEND},
    {"tls", "required_networks", LIST(tls.required_networks, 0, ITEMS), "",
     "Clients, ADDRESS or ADDRESS/BITS, from which no mail is taken without TLS.",
     postern_configuration_check_network, FALSE, "that is [proxy] tls = encrypt"},
    {"tls", "excluded_networks", LIST(tls.excluded_networks, 0, ITEMS), "",
     "Clients, ADDRESS or ADDRESS/BITS, to which STARTTLS is not offered.",
     postern_configuration_check_network, FALSE, "that is [proxy] tls = off"},
    {"tls", "submission", CHOICE(tls.submission, tls_submission_levels), "same",
     "As [proxy] tls, for clients of [proxy] submission_listen; same: as [proxy] tls is."},
    {"tls", "client_authorities", STRING(tls.client_authorities, 0, TEXT), "",
     "PEM file; clients are asked for a certificate from these authorities, which the log names.",
     postern_configuration_check_path},
    {"tls", "servers", CHOICE(tls.servers, tls_server_levels), "off",
     "STARTTLS to the back-end: off, may, encrypt, verify, or by its TLSA records: dane, dane-only.",
     .reload = RELAYING},
    {"tls", "server_name", STRING(tls.server_name, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The name that the back-end's certificate must have; empty: as [proxy] backend calls it.",
     postern_configuration_check_domain, .reload = RELAYING},
    {"tls", "server_authorities", STRING(tls.server_authorities, 0, TEXT), "",
     "PEM file of the authorities that may have signed it; empty: those that the system trusts.",
     postern_configuration_check_path, .reload = RELAYING},
    {"tls", "server_pins", LIST(tls.server_pins, 0, POSTERN_TLS_PINS_MAX), "",
     "SHA-256 of public keys, in hexadecimal; the back-end must have one, whoever signed its certificate.",
     postern_configuration_check_key_hash, .reload = RELAYING},
    {"tls", "server_certificate", STRING(tls.server_certificate, 0, TEXT), "",
     "PEM file, a certificate with its chain, for back-ends that ask for one; empty: none is shown.",
     postern_configuration_check_path, .reload = RELAYING},
    {"tls", "server_key", STRING(tls.server_key, 0, TEXT), "",
     "PEM file with its private key; empty: it is in the same file.", postern_configuration_check_path,
     .reload = RELAYING},

    {"milter", "socket", STRING(milter.socket, 1, TEXT), "inet:8891@127.0.0.1",
     "Where the milter listens: inet:PORT@ADDRESS, inet6:PORT@ADDRESS or unix:PATH.",
     postern_configuration_check_milter_socket, .reload = THE_MILTER},
    {"milter", "socket_mode", STRING(milter.socket_mode, 3, 4), "0660",
     "Mode of a unix socket, in octal; the mail server must be able to write to it.",
     postern_configuration_check_file_mode, .reload = THE_MILTER},
    {"milter", "socket_group", STRING(milter.socket_group, 0, NAME), "",
     "Group of a unix socket; empty: that of [milter] user.", postern_configuration_check_user,
     .reload = THE_MILTER},
    {"milter", "hostname", STRING(milter.hostname, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The name in Authentication-Results; empty: [proxy] hostname, else what the mail server calls itself.",
     postern_configuration_check_domain},
    {"milter", "mode", CHOICE(milter.mode, modes), "enforce",
     "observe: all mail passes unchanged, and the log says what would have been refused."},
    {"milter", "user", STRING(milter.user, 1, NAME), "postern",
     "The user that the milter becomes if it is started as root; ignored otherwise.",
     postern_configuration_check_user, .reload = THE_MILTER},
    {"milter", "max_waiting", NUMBER(milter.max_waiting, 1, POSTERN_MILTER_WAITING_MAX), "100",
     "Most messages that wait for a verdict, each in a thread; more get 451; a quarter is for own users."},
    {"milter", "timeout", DURATION(milter.timeout_ms, 1000), "2h",
     "How long a connection from the mail server may be idle; longer than its clients may be.",
     .reload = THE_MILTER},
    {"milter", "inspection_timeout", DURATION(milter.inspection_timeout_ms, 1), "1m",
     "Time limit for the verdict on a message; after that it counts as unscannable."},
    {"milter", "drain_timeout", DURATION(milter.drain_timeout_ms, 0), "30s",
     "How long messages in progress may continue when the milter stops."},
    {"milter", "message_size", OCTETS(milter.message_size, KIBIBYTE, POSTERN_MESSAGE_MAX_OCTETS), "50M",
     "Most octets of a message that are inspected; a larger one counts as unscannable."},
    {"milter", "message_memory", OCTETS(milter.message_memory, KIBIBYTE, TEBIBYTE), "1G",
     "Memory for all messages together; when it is used up, messages get 452.", .reload = THE_MILTER},
    {"milter", "refuse_at_mail", BOOLEAN(milter.refuse_at_mail), "no",
     "Refuse what SPF refuses already at MAIL; the reply to MAIL then waits for the DNS."},

    {"dns", "servers", LIST(dns.servers, 0, ITEMS), "",
     "Resolvers: ADDRESS, fe80::1%eth0, ADDRESS@PORT; empty: resolve from the root servers.",
     postern_configuration_check_dns_server, .reload = WHO_ASKS},
    {"dns", "answers", STRING(dns.answers, 0, TEXT), "",
     "A file of records (absolute path) to use instead of the network; for tests.",
     postern_configuration_check_path, .reload = WHO_ASKS},
    {"dns", "timeout", DURATION(dns.timeout_ms, 1), "10s",
     "Time limit for a DNS query; after that it counts as a temporary error.", .reload = WHO_ASKS},
    {"dns", "cache", OCTETS(dns.cache_octets, 64 * KIBIBYTE, GIBIBYTE), "32M",
     "Memory for cached answers, divided among the threads, and twice that for their records.",
     .reload = WHO_ASKS},
    {"dns", "trust_anchor_file", STRING(dns.trust_anchor_file, 0, TEXT), "",
     "File with the DNSSEC trust anchors (absolute path); empty: answers are not validated here.",
     postern_configuration_check_path, .reload = WHO_ASKS},

    {"inspector", "socket", STRING(inspector.socket, 0, POSTERN_SOCKET_PATH_MAX_OCTETS), "",
     "Socket of a shared inspector (absolute path); empty: that of --inspector, else a private one.",
     postern_configuration_check_path, .reload = EVERY_PROGRAM},
    {"inspector", "socket_group", STRING(inspector.socket_group, 0, NAME), "",
     "Group that may use a shared inspector that is started as root; empty: that of [proxy] user.",
     .reload = THE_INSPECTOR},
    {"inspector", "user", STRING(inspector.user, 1, NAME), "postern-inspector",
     "The user that the inspector becomes if it is started as root; ignored otherwise.",
     postern_configuration_check_user, .reload = THE_INSPECTOR},
    {"inspector", "workers", NUMBER(inspector.workers, 0, POSTERN_INSPECTOR_WORKERS_MAX), "0",
     "Messages that are scanned at once, each in its own process; 0: one per core."},
    {"inspector", "scan_timeout", DURATION(inspector.scan_timeout_ms, 1), "1m",
     "Time limit for scanning a message; after that it counts as unscannable."},
    {"inspector", "worker_memory", OCTETS(inspector.worker_memory, 80 * MEBIBYTE, TEBIBYTE), "1G",
     "Most memory that a worker may use in addition to the signatures."},
    {"inspector", "temporary_size", OCTETS(inspector.temporary_octets, MEBIBYTE, TEBIBYTE), "256M",
     "Largest temporary file that a worker may write."},
    {"inspector", "temporary_directory", STRING(inspector.temporary_directory, 0, TEXT), "",
     "Workers' temporary files (absolute path); empty: /dev/shm if memory has room for them, else /tmp.",
     postern_configuration_check_path, .reload = THE_INSPECTOR},
    {"inspector", "spf_engine", CHOICE(inspector.spf_engine, spf_engines), "postern",
     "SPF implementation: postern, or libspf2 for those who need its exact behaviour."},
    {"inspector", "dkim_partial_body", BOOLEAN(inspector.dkim_partial_body), "no",
     "Let a DKIM signature of only part of the body (l=) pass; no: it counts for nothing."},

    {"virus", "scan", BOOLEAN(virus.scan), "yes", "Scan messages for viruses."},
    {"virus", "database", STRING(virus.database, 0, TEXT), "",
     "ClamAV's signatures: a directory or a file (absolute path); empty: /var/lib/clamav.",
     postern_configuration_check_path},
    {"virus", "clamd", STRING(virus.clamd, 0, TEXT), "",
     "Scan with this clamd (absolute path of its socket, or ADDRESS:PORT); empty: with database.",
     postern_configuration_check_clamd},
    {"virus", "self_check", DURATION(virus.self_check_ms, 0), "10m",
     "How often to check for new signatures even if the kernel reports none; 0: new ones are not noticed."},
    {"virus", "warn_days", NUMBER(virus.warn_days, 0, 3650), "7",
     "Warn if the newest signatures are older than this many days; 0: never."},
    {"virus", "reminder", DURATION(virus.reminder_ms, 1), "1h",
     "How often to log again what is wrong with signatures, and to try again to load them."},
    {"virus", "reload", CHOICE(virus.reload, signature_reloads), "beside",
     "Load new signatures beside those in use (twice the memory), so if_memory_allows, or stop_first."},
    {"virus", "scan_size", OCTETS(virus.scan_octets, KIBIBYTE, POSTERN_MESSAGE_MAX_OCTETS), "50M",
     "Most octets that are scanned of one message, unpacked; a larger one counts as unscannable."},
    {"virus", "phishing", BOOLEAN(virus.phishing), "no",
     "Let ClamAV parse mail once more by itself, which its phishing heuristics need."},

    {"content", "rules", STRING(content.rules, 0, TEXT), "",
     "File of your own content rules (absolute path), see postern-rules(5); empty: none.",
     postern_configuration_check_path},
    {"content", "default_rules", BOOLEAN(content.default_rules), "yes",
     "Apply the default content rules too: they reject files that Windows runs when they are opened."},

    {"clients", "own_networks", LIST(clients.own_networks, 0, ITEMS), "",
     "Networks of your own, ADDRESS or ADDRESS/BITS, whose mail goes by own_networks_policy.",
     postern_configuration_check_network, FALSE,
     "everybody's mail would be your own, and could get your signature"},
    {"clients", "trusted_relays", LIST(clients.trusted_relays, 0, ITEMS), "",
     "Relays, ADDRESS or ADDRESS/BITS, whose Received fields name the client that is checked.",
     postern_configuration_check_network, FALSE, "everybody could name a client that passes for him"},
    {"clients", "authenticated_policy", STRING(clients.authenticated_policy, 0, NAME), "submission",
     "The group [policy NAME] for authenticated users; empty: [policy]."},
    {"clients", "own_networks_policy", STRING(clients.own_networks_policy, 0, NAME), "submission",
     "The group [policy NAME] for own_networks; empty: [policy]."},
    {"clients", "recipients", STRING(clients.recipients, 0, TEXT), "",
     "File with lines ADDRESS NAME or DOMAIN NAME: whose mail goes by [policy NAME] (absolute path).",
     postern_configuration_check_path},
    {"clients", "networks", STRING(clients.networks, 0, TEXT), "",
     "File with lines NETWORK ACTION TEXT: what is done about clients by address (absolute path).",
     postern_configuration_check_path},
    {"clients", "refuse_at", CHOICE(clients.refuse_at, refuse_ats), "rcpt",
     "When what is known of a client refuses: at connect, helo, mail, rcpt or the end of a message."},

    {"policy", "checks", LIST(policy.checks, 0, ITEMS), "spf; dkim; dmarc; arc; virus; rules",
     "Which of spf, dkim, dmarc, arc, virus and rules to check; virus only if [virus] scan = yes.",
     postern_configuration_check_check, TRUE},
};

static const PosternOption after_checks[] = {
    {"policy", "header_ambiguous", CHOICE(policy.header_ambiguous, postern_actions), "quarantine",
     "Action if the header has lines that mail servers and mail readers interpret differently.",
     postern_configuration_check_permanent_action},
    {"policy", "authentication_results", BOOLEAN(policy.authentication_results), "yes",
     "Add Authentication-Results (RFC 8601), and remove forged ones that bear our name."},
    {"policy", "received_spf", BOOLEAN(policy.received_spf), "no", "Add Received-SPF too (RFC 7208 9.1)."},
    {"policy", "virus_status", CHOICE(policy.virus_status, virus_status_choices), "yes",
     "Add X-Virus-Status to messages not found clean (yes), or to all; a sender's own is removed."},
    {"policy", "subject_tag", STRING(policy.subject_tag, 0, NAME), "",
     "Text to put before the Subject of messages that are marked or quarantined; empty: none.",
     postern_configuration_check_subject_tag},
    {"policy", "allow_clients", LIST(policy.allow_clients, 0, ITEMS), "",
     "Clients, ADDRESS or ADDRESS/BITS, from whom only viruses are refused.",
     postern_configuration_check_network, FALSE,
     "nothing would be refused: if that is meant, set the actions to accept or mark, or mode = observe"},
    {"policy", "allow_senders", LIST(policy.allow_senders, 0, ITEMS), "",
     "Domains from which only viruses are refused, if SPF (MAIL FROM) or DKIM passes for them.",
     postern_configuration_check_domain, TRUE},
    {"policy", "exempt_recipients", LIST(policy.exempt_recipients, 0, ITEMS), "",
     "Local parts, such as postmaster and abuse, for which only viruses are refused.",
     postern_configuration_check_local_part, TRUE},

    {"sign", "table", STRING(sign.table, 0, TEXT), "",
     "The keys to sign with: a file with lines DOMAIN SELECTOR KEYFILE (absolute path).",
     postern_configuration_check_path},

    {"capsule", "directory", STRING(capsule.directory, 0, TEXT), "",
     "Directory that keeps messages with all that led to their verdict (absolute path); empty: none.",
     postern_configuration_check_path, .reload = WHO_ASKS},
    {"capsule", "which", CHOICE(capsule.which, capsule_choices), "refused",
     "Which messages are kept: those that were not simply accepted, or all."},
    {"capsule", "size", OCTETS(capsule.octets, MEBIBYTE, TEBIBYTE), "1G",
     "Most octets that are kept in all; the oldest goes first."},
    {"capsule", "age", DURATION(capsule.age_ms, 1000), "24h", "How long a message is kept."},

    {"http", "listen", STRING(http.listen, 0, TEXT), "",
     "Where postern-proxy serves /metrics and a status page: ADDRESS:PORT or unix:PATH; empty: nowhere.",
     postern_configuration_check_http, .reload = THE_PROXY},
    {"http", "milter_listen", STRING(http.milter_listen, 0, TEXT), "", "The same for postern-milter.",
     postern_configuration_check_http, .reload = THE_MILTER},
    {"http", "inspector_listen", STRING(http.inspector_listen, 0, TEXT), "",
     "The same for postern-inspector, also for one that a program has for itself.",
     postern_configuration_check_http, .reload = THE_INSPECTOR},
    {"http", "password_file", STRING(http.password_file, 0, TEXT), "",
     "Who may read it: a file of USER:HASH (htpasswd -B); needed where others than loopback can connect.",
     postern_configuration_check_path, .reload = EVERY_PROGRAM},
};

static gpointer join(gpointer unused)
{
    GArray *options = g_array_new(FALSE, FALSE, sizeof(PosternOption));
    g_array_append_vals(options, before_checks, G_N_ELEMENTS(before_checks));
    for (guint i = 0; postern_check_options(i) != NULL; i++)
        for (const PosternOption *row = postern_check_options(i); row->key != NULL; row++)
            g_array_append_vals(options, row, 1);
    g_array_append_vals(options, after_checks, G_N_ELEMENTS(after_checks));
    gsize length;
    const PosternOption *screen = postern_configuration_screen_options(&length);
    g_array_append_vals(options, screen, length);
    const PosternOption *report = postern_configuration_report_options(&length);
    g_array_append_vals(options, report, length);
    const PosternOption *servers = postern_configuration_servers_options(&length);
    g_array_append_vals(options, servers, length);
    return options;
}

const PosternOption *postern_configuration_options(gsize *ret_length)
{
    static GOnce once = G_ONCE_INIT;
    const GArray *options = g_once(&once, join, NULL);
    *ret_length = options->len;
    return &g_array_index(options, PosternOption, 0);
}

#define RESTARTS                                                                                             \
    (POSTERN_RELOAD_RESTARTS_PROXY | POSTERN_RELOAD_RESTARTS_MILTER | POSTERN_RELOAD_RESTARTS_INSPECTOR)

static gboolean is_same(const PosternConfiguration *a, const PosternConfiguration *b,
                        const PosternOption *option)
{
    gconstpointer place = postern_configuration_place(a, NULL, option);
    gconstpointer other_place = postern_configuration_place(b, NULL, option);
    g_autofree char *one = postern_configuration_value_text(place, option);
    g_autofree char *other = postern_configuration_value_text(other_place, option);
    return g_str_equal(one, other);
}

/* "[group] key" of each option that is of reload and differs; free with g_ptr_array_unref. */
static GPtrArray *differences(const PosternConfiguration *a, const PosternConfiguration *b, guint reload)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++)
        if ((options[i].reload & reload) != 0 && !is_same(a, b, &options[i]))
            g_ptr_array_add(names, g_strdup_printf("[%s] %s", options[i].group, options[i].key));
    return names;
}

gboolean postern_configuration_differs(const PosternConfiguration *a, const PosternConfiguration *b,
                                       guint reload)
{
    g_autoptr(GPtrArray) names = differences(a, b, reload);
    return names->len > 0;
}

gboolean postern_configuration_can_reload(const PosternConfiguration *running,
                                          const PosternConfiguration *wanted, guint programs, GError **error)
{
    g_autoptr(GPtrArray) names = differences(running, wanted, programs & RESTARTS);
    if (names->len == 0)
        return TRUE;
    const char *verb = names->len == 1 ? "needs" : "need";
    g_ptr_array_add(names, NULL);
    g_autofree char *text = g_strjoinv(", ", (char **)names->pdata);
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "a new %s %s a restart", text, verb);
}

const char *postern_option_reload_text(const PosternOption *option)
{
    if ((option->reload & RESTARTS) != 0)
        return "needs a restart";
    return (option->reload & POSTERN_RELOAD_ENDS_SESSIONS) != 0 ? "a reload takes it, and lets clients go"
                                                                : "a reload takes it";
}
