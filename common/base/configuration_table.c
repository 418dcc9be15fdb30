#include "base/configuration.h"

#include "base/configuration_check.h"
#include "base/limits.h"

#define AT(member) G_STRUCT_OFFSET(PosternConfiguration, member)
#define BOOLEAN(member) POSTERN_OPTION_BOOLEAN, AT(member), 0, 0, NULL
#define NUMBER(member, minimum, maximum) POSTERN_OPTION_NUMBER, AT(member), minimum, maximum, NULL
#define OCTETS(member, minimum, maximum) POSTERN_OPTION_OCTETS, AT(member), minimum, maximum, NULL
#define DURATION(member, minimum)                                                                            \
    POSTERN_OPTION_DURATION, AT(member), minimum, POSTERN_CONFIGURATION_DURATION_MAX_MS, NULL
#define STRING(member, minimum, maximum) POSTERN_OPTION_STRING, AT(member), minimum, maximum, NULL
#define LIST(member, minimum, maximum) POSTERN_OPTION_LIST, AT(member), minimum, maximum, NULL
#define CHOICE(member, choices) POSTERN_OPTION_CHOICE, AT(member), 0, 0, choices

#define TEXT POSTERN_CONFIGURATION_TEXT_MAX_OCTETS
#define NAME POSTERN_CONFIGURATION_NAME_MAX_OCTETS
#define ITEMS POSTERN_LIST_ITEMS_MAX
#define KIBIBYTE G_GUINT64_CONSTANT(1024)
#define MEBIBYTE (1024 * KIBIBYTE)
#define GIBIBYTE (1024 * MEBIBYTE)
#define TEBIBYTE (1024 * GIBIBYTE)

/* Each in the order of the enumeration that the option is read as. */
static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const client_addresses[] = {"xclient", "xforward", "none", NULL};
static const char *const modes[] = {"enforce", "observe", NULL};
static const char *const bare_newlines[] = {"reject", "repair", NULL};
static const char *const actions[] = {"accept", "mark", "quarantine", "discard", "tempfail", "reject", NULL};

static const PosternOption options[] = {
    {"log", "destination", STRING(log.destination, 1, TEXT), "stderr",
     "Where log lines go: stderr, syslog (facility mail), or a file, by its absolute path.",
     postern_configuration_check_log},
    {"log", "level", CHOICE(log.level, levels), "info",
     "The least important lines that are written; info has one line a message and one a session."},

    {"proxy", "listen", LIST(proxy.listen, 1, POSTERN_LISTENERS_MAX), "127.0.0.1:2525",
     "Where clients are awaited: ADDRESS:PORT, or [ADDRESS]:PORT for IPv6.",
     postern_configuration_check_endpoint},
    {"proxy", "hostname", STRING(proxy.hostname, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The name in the greeting and in Authentication-Results; empty: the name of the machine.",
     postern_configuration_check_domain},
    {"proxy", "backend", STRING(proxy.backend, 1, TEXT), "127.0.0.1:10025",
     "The mail server that takes what is accepted: ADDRESS:PORT, or [ADDRESS]:PORT for IPv6.",
     postern_configuration_check_backend},
    {"proxy", "client_address", CHOICE(proxy.client_address, client_addresses), "xclient",
     "How the back-end is told who the client is; xforward and none need recipient_domains."},
    {"proxy", "recipient_domains", LIST(proxy.recipient_domains, 0, ITEMS), "",
     "Domains that mail is taken for; empty: the back-end decides, by the address of the client.",
     postern_configuration_check_domain, TRUE},
    {"proxy", "inspect", BOOLEAN(proxy.inspect), "yes",
     "Whether messages are inspected here; no: something behind the proxy does it."},
    {"proxy", "mode", CHOICE(proxy.mode, modes), "enforce",
     "observe: all mail passes unchanged, and the log says what would have been refused."},
    {"proxy", "user", STRING(proxy.user, 1, NAME), "postern",
     "Who the proxy becomes where it is started as root; ignored else.", postern_configuration_check_user},
    {"proxy", "threads", NUMBER(proxy.threads, 0, POSTERN_THREADS_MAX), "0",
     "Event loops, one a thread; 0: one for each core."},
    {"proxy", "max_connections", NUMBER(proxy.max_connections, 1, POSTERN_CONNECTIONS_MAX), "10000",
     "Clients at the same time; one more is sent away with 421."},
    {"proxy", "max_connections_per_client",
     NUMBER(proxy.max_connections_per_client, 1, POSTERN_CONNECTIONS_MAX), "50",
     "Connections at the same time of one address (IPv6: of one /64)."},
    {"proxy", "backend_connections", NUMBER(proxy.backend_connections, 1, POSTERN_CONNECTIONS_MAX), "50",
     "The most connections that the back-end ever sees from the proxy."},
    {"proxy", "backend_wait", DURATION(proxy.backend_wait_ms, 0), "30s",
     "How long a client waits for a free connection to the back-end before it gets 451."},
    {"proxy", "backend_connect_timeout", DURATION(proxy.backend_connect_timeout_ms, 1), "10s",
     "Until a connection to the back-end has to be there."},
    {"proxy", "backend_timeout", DURATION(proxy.backend_timeout_ms, 1), "5m",
     "Until the back-end has to answer a command (RFC 5321 4.5.3.2)."},
    {"proxy", "backend_idle", DURATION(proxy.backend_idle_ms, 0), "30s",
     "How long an unused connection to the back-end is kept."},
    {"proxy", "backend_data_end_timeout", DURATION(proxy.backend_data_end_timeout_ms, 1), "10m",
     "Until the back-end has to answer the end of a message (RFC 5321 4.5.3.2.6)."},
    {"proxy", "client_timeout", DURATION(proxy.client_timeout_ms, 1), "5m",
     "Until a client has to send its next command (RFC 5321 4.5.3.2.7)."},
    {"proxy", "client_data_timeout", DURATION(proxy.client_data_timeout_ms, 1), "3m",
     "Until a client has to send more of its message."},
    {"proxy", "inspection_timeout", DURATION(proxy.inspection_timeout_ms, 1), "1m",
     "Until the verdict on a message has to be there; later it counts as unscannable."},
    {"proxy", "drain_timeout", DURATION(proxy.drain_timeout_ms, 0), "30s",
     "How long sessions under way may go on when the proxy stops."},
    {"proxy", "message_size", OCTETS(proxy.message_size, KIBIBYTE, POSTERN_MESSAGE_MAX_OCTETS), "50M",
     "The largest message that is taken; announced as SIZE."},
    {"proxy", "message_memory", OCTETS(proxy.message_memory, KIBIBYTE, TEBIBYTE), "1G",
     "Memory for all messages at the same time; when it is used up, DATA gets 452."},
    {"proxy", "max_recipients", NUMBER(proxy.max_recipients, 1, POSTERN_RECIPIENTS_MAX), "1000",
     "Recipients of one message; RFC 5321 4.5.3.1.8 asks for at least 100."},
    {"proxy", "relay_probe", BOOLEAN(proxy.relay_probe), "yes",
     "Whether the back-end is tried at the start, and not used while it relays for strangers."},
    {"proxy", "bare_newline", CHOICE(proxy.bare_newline, bare_newlines), "reject",
     "A CR or LF that stands alone: the message is refused, or CRLF is put in its place."},

    {"milter", "socket", STRING(milter.socket, 1, TEXT), "inet:8891@127.0.0.1",
     "Where the mail server finds the milter: inet:PORT@ADDRESS, inet6:PORT@ADDRESS or unix:PATH.",
     postern_configuration_check_milter_socket},
    {"milter", "socket_mode", STRING(milter.socket_mode, 3, 4), "0660",
     "The rights of a unix socket, in octal; the mail server must be able to write to it.",
     postern_configuration_check_file_mode},
    {"milter", "socket_group", STRING(milter.socket_group, 0, NAME), "",
     "The group that a unix socket is given to; empty: that of [milter] user.",
     postern_configuration_check_user},
    {"milter", "hostname", STRING(milter.hostname, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The name in Authentication-Results; empty: [proxy] hostname, or the name of the machine.",
     postern_configuration_check_domain},
    {"milter", "mode", CHOICE(milter.mode, modes), "enforce",
     "observe: all mail passes unchanged, and the log says what would have been refused."},
    {"milter", "user", STRING(milter.user, 1, NAME), "postern",
     "Who the milter becomes where it is started as root; ignored else.", postern_configuration_check_user},
    {"milter", "max_waiting", NUMBER(milter.max_waiting, 1, POSTERN_MILTER_WAITING_MAX), "100",
     "Messages that may wait for their verdict at the same time, each in a thread; more get 451 at MAIL."},
    {"milter", "timeout", DURATION(milter.timeout_ms, 1000), "2h",
     "How long a connection of the mail server may be idle; longer than its clients may."},
    {"milter", "inspection_timeout", DURATION(milter.inspection_timeout_ms, 1), "1m",
     "Until the verdict on a message has to be there; later it counts as unscannable."},
    {"milter", "drain_timeout", DURATION(milter.drain_timeout_ms, 0), "30s",
     "How long messages under way may go on when the milter stops."},
    {"milter", "message_size", OCTETS(milter.message_size, KIBIBYTE, POSTERN_MESSAGE_MAX_OCTETS), "50M",
     "The most of a message that is looked at; a larger one counts as unscannable."},
    {"milter", "message_memory", OCTETS(milter.message_memory, KIBIBYTE, TEBIBYTE), "1G",
     "Memory for all messages at the same time; when it is used up, messages get 452."},

    {"dns", "servers", LIST(dns.servers, 0, ITEMS), "",
     "Resolvers that are asked: ADDRESS or ADDRESS@PORT; empty: the domains' own name servers.",
     postern_configuration_check_dns_server},
    {"dns", "answers", STRING(dns.answers, 0, TEXT), "",
     "A file of records, by its absolute path, that takes the place of the network; for tests.",
     postern_configuration_check_path},
    {"dns", "timeout", DURATION(dns.timeout_ms, 1), "10s",
     "Until a question has to be answered; later it counts as a temporary error."},
    {"dns", "cache", OCTETS(dns.cache_octets, 64 * KIBIBYTE, GIBIBYTE), "32M",
     "Memory for answers, shared out to the threads, and twice that for their records."},

    {"inspector", "socket", STRING(inspector.socket, 0, POSTERN_SOCKET_PATH_MAX_OCTETS), "",
     "The socket of a shared inspector, by its absolute path; empty: each program starts its own.",
     postern_configuration_check_path},
    {"inspector", "user", STRING(inspector.user, 1, NAME), "postern-inspector",
     "Who the inspector becomes where it is started as root; ignored else.",
     postern_configuration_check_user},
    {"inspector", "workers", NUMBER(inspector.workers, 0, POSTERN_INSPECTOR_WORKERS_MAX), "0",
     "Messages that are inspected at the same time, each in its own process; 0: one for each core."},
    {"inspector", "scan_timeout", DURATION(inspector.scan_timeout_ms, 1), "1m",
     "Until one message has to be scanned; later it counts as unscannable."},
    {"inspector", "worker_memory", OCTETS(inspector.worker_memory, 80 * MEBIBYTE, TEBIBYTE), "1G",
     "Memory that a worker may use beside the signatures."},
    {"inspector", "temporary_size", OCTETS(inspector.temporary_octets, MEBIBYTE, TEBIBYTE), "256M",
     "The largest temporary file that a worker may write."},
    {"inspector", "temporary_directory", STRING(inspector.temporary_directory, 1, TEXT), "/tmp",
     "Where workers keep temporary files, by its absolute path.", postern_configuration_check_path},

    {"virus", "scan", BOOLEAN(virus.scan), "yes", "Whether messages are scanned for viruses."},
    {"virus", "database", STRING(virus.database, 1, TEXT), "/var/lib/clamav",
     "The signatures of ClamAV: a directory or a file, by its absolute path.",
     postern_configuration_check_path},
    {"virus", "scan_size", OCTETS(virus.scan_octets, KIBIBYTE, POSTERN_MESSAGE_MAX_OCTETS), "50M",
     "The most that is scanned of one message, unpacked; what is larger counts as unscannable."},

    {"policy", "virus", CHOICE(policy.virus, actions), "reject",
     "What is done when a virus was found; discard, here and below, is for the milter alone."},
    {"policy", "unscannable", CHOICE(policy.unscannable, actions), "tempfail",
     "What is done when the scan could not see all of a message, or could not be done.",
     postern_configuration_check_unscannable_action},
    {"policy", "spf_fail", CHOICE(policy.spf_fail, actions), "mark", "What is done when SPF says fail."},
    {"policy", "spf_softfail", CHOICE(policy.spf_softfail, actions), "mark",
     "What is done when SPF says softfail."},
    {"policy", "spf_error", CHOICE(policy.spf_error, actions), "mark",
     "What is done when SPF could not be checked for now (temperror).",
     postern_configuration_check_error_action},
    {"policy", "dkim_fail", CHOICE(policy.dkim_fail, actions), "mark",
     "What is done when a message has DKIM signatures, and none of them is right."},
    {"policy", "dkim_error", CHOICE(policy.dkim_error, actions), "mark",
     "What is done when no DKIM signature is right, and one could not be checked for now (temperror).",
     postern_configuration_check_error_action},
    {"policy", "authentication_results", BOOLEAN(policy.authentication_results), "yes",
     "Whether Authentication-Results is added (RFC 8601), and forged ones of our name are removed."},
    {"policy", "allow_clients", LIST(policy.allow_clients, 0, ITEMS), "",
     "Clients, ADDRESS or ADDRESS/BITS, that nothing but a virus is refused for.",
     postern_configuration_check_network},
    {"policy", "exempt_recipients", LIST(policy.exempt_recipients, 0, ITEMS), "",
     "Local parts, such as postmaster and abuse, that nothing but a virus is refused for.",
     postern_configuration_check_local_part, TRUE},
};

const PosternOption *postern_configuration_options(gsize *ret_length)
{
    *ret_length = G_N_ELEMENTS(options);
    return options;
}
