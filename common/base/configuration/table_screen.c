#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/configuration/row.h"

static const char *const pauses[] = {[POSTERN_PAUSE_NOBODY] = "nobody",
                                     [POSTERN_PAUSE_SUSPECTS] = "suspects",
                                     [POSTERN_PAUSE_UNKNOWN] = "unknown",
                                     NULL};
static const char *const over_limits[] = {[POSTERN_OVER_LIMIT_SLOW] = "slow",
                                          [POSTERN_OVER_LIMIT_TEMPFAIL] = "tempfail",
                                          [POSTERN_OVER_LIMIT_CLOSE] = "close",
                                          NULL};

#define RATE(key, count, text)                                                                               \
    {                                                                                                        \
        "class", key, NUMBER(class.rates[count], 0, POSTERN_RATE_MAX), "0", text                             \
    }

static const PosternOption options[] = {
    {"screen", "pause", CHOICE(screen.pause, pauses), "suspects",
     "Who waits for the greeting: nobody, suspects, or all unknown clients too."},
    {"screen", "greeting_pause", DURATION(screen.greeting_pause_ms, 0), "6s",
     "How long they wait; who talks meanwhile is a suspect."},
    {"screen", "slow_from", NUMBER(screen.slow_from, 1, POSTERN_POINTS_MAX), "5",
     "Points of suspicion from which a client gets its replies slowly; see postern-proxy(8)."},
    {"screen", "refuse_from", NUMBER(screen.refuse_from, 0, POSTERN_POINTS_MAX), "0",
     "Points from which a client is let go with 421; 0: never."},
    {"screen", "points", LIST(screen.points, 0, ITEMS), "",
     "REASON=POINTS, other points than the default ones for a reason of suspicion; 0: it makes no suspect.",
     postern_configuration_check_points},
    {"screen", "trickle", DURATION(screen.trickle_ms, 0), "5s",
     "Time between two octets of a reply to a suspect (more at a time in long ones); 0: whole."},
    {"screen", "reply_time", DURATION(screen.reply_ms, 0), "1m",
     "Most time that one reply to a suspect takes; clients give up after 5 minutes (RFC 5321 4.5.3.2)."},
    {"screen", "data_rate", OCTETS(screen.data_rate, 0, GIBIBYTE), "4K",
     "Octets per second that are read of a suspect's message, fewer the more points it has; 0: any."},
    {"screen", "total_data_rate", OCTETS(screen.total_data_rate, 0, TEBIBYTE), "0",
     "Octets per second that are read of all clients' messages; 0: any."},
    {"screen", "receive_window", OCTETS(screen.receive_window, 0, GIBIBYTE), "4K",
     "Octets that a suspect may have under way to us (TCP_WINDOW_CLAMP); 0: as the system says."},
    {"screen", "forget", DURATION(screen.forget_ms, 1000), "1h",
     "The time in which half of a client's points are forgotten."},
    {"screen", "good_days", NUMBER(screen.good_days, 0, POSTERN_GOOD_DAYS_MAX), "30",
     "Days that accepted mail spares a client its pause and greylisting, until it does what ends that."},
    {"screen", "rate_window", DURATION(screen.rate_window_ms, 1000), "1m",
     "The time that the rates of [class] are counted in, by eighths of it.", .reload = THE_PROXY},
    {"screen", "max_clients", NUMBER(screen.max_clients, 1000, POSTERN_CLIENTS_REMEMBERED_MAX), "50000",
     "Most clients and networks remembered, beside those connected; 200 octets each, 600 after mail.",
     .reload = THE_PROXY},
    {"screen", "control", STRING(screen.control, 0, POSTERN_SOCKET_PATH_MAX_OCTETS), "",
     "Socket (absolute path) that postern-proxy --status and --explain-client ask; empty: none.",
     postern_configuration_check_path, .reload = THE_PROXY},
    {"screen", "ipv4_prefix", NUMBER(screen.ipv4_prefix, 8, 32), "32",
     "Bits of an IPv4 address that are one client.", .reload = THE_PROXY},
    {"screen", "ipv6_prefix", NUMBER(screen.ipv6_prefix, 16, 64), "64",
     "Bits of an IPv6 address that are one client.", .reload = THE_PROXY},
    {"screen", "ipv4_network", NUMBER(screen.ipv4_network, 8, 32), "24",
     "Bits of an IPv4 address that are one network, for [class] network_factor.", .reload = THE_PROXY},
    {"screen", "ipv6_network", NUMBER(screen.ipv6_network, 16, 64), "48",
     "Bits of an IPv6 address that are one network.", .reload = THE_PROXY},

    {"greylist", "file", STRING(greylist.file, 0, TEXT), "",
     "Where those are kept whom [policy] greylist knows (absolute path); empty: in memory alone.",
     postern_configuration_check_path, .reload = WHO_ASKS},
    {"greylist", "delay", DURATION(greylist.delay_ms, 1000), "5m",
     "How long a sender whom nobody knows has to wait before its mail is taken.", .reload = WHO_ASKS},
    {"greylist", "retry_hours", NUMBER(greylist.retry_hours, 1, 24 * 365), "48",
     "Hours in which it must come back; later it is new again.", .reload = WHO_ASKS},
    {"greylist", "lifetime_days", NUMBER(greylist.lifetime_days, 1, 3650), "35",
     "Days that a sender who has come back is known, from its last message on.", .reload = WHO_ASKS},
    {"greylist", "entries", NUMBER(greylist.entries, 100, 100000000), "200000",
     "Most domains and networks kept; if there are more, those go that have not come back.",
     .reload = WHO_ASKS},
    {"greylist", "octets", OCTETS(greylist.octets, MEBIBYTE, TEBIBYTE), "64M",
     "Largest size of the file; its log may have 4M more.", .reload = WHO_ASKS},
    {"greylist", "ipv4_prefix", NUMBER(greylist.ipv4_prefix, 8, 32), "24",
     "Bits of an IPv4 address that are one sender, if neither SPF nor DKIM passes.", .reload = WHO_ASKS},
    {"greylist", "ipv6_prefix", NUMBER(greylist.ipv6_prefix, 16, 128), "64",
     "Bits of an IPv6 address that are one sender.", .reload = WHO_ASKS},

    {"class", "networks", LIST(class.networks, 0, ITEMS), "",
     "Clients of [class NAME]: ADDRESS or ADDRESS/BITS; the longest of all classes counts.",
     postern_configuration_check_network, FALSE, "write in [class] what is for everybody"},
    {"class", "names", LIST(class.names, 0, ITEMS), "",
     "Clients of [class NAME]: domains that their verified names are in.", postern_configuration_check_domain,
     TRUE},
    {"class", "screen", BOOLEAN(class.screen), "yes",
     "Watch and slow suspects among these clients; no: only limits hold for them."},
    {"class", "over_limit", CHOICE(class.over_limit, over_limits), "tempfail",
     "What is over a limit: slow, as suspects are; tempfail: 450, connections 421; close: 421."},
    {"class", "max_connections", NUMBER(class.connections, 0, POSTERN_CONNECTIONS_MAX), "0",
     "Most connections at once of one client; 0: [proxy] max_connections_per_client."},
    RATE("connection_rate", POSTERN_COUNT_CONNECTIONS,
         "Most connections of one client in [screen] rate_window; 0: no limit, here and below."),
    RATE("message_rate", POSTERN_COUNT_MESSAGES, "Most messages (MAIL commands) in that time."),
    RATE("recipient_rate", POSTERN_COUNT_RECIPIENTS, "Most recipients (RCPT commands) in that time."),
    RATE("refused_recipient_rate", POSTERN_COUNT_REFUSED_RECIPIENTS,
         "Most recipients that the mail server or we refused for good in that time; then 421."),
    RATE("error_rate", POSTERN_COUNT_ERRORS, "Most mistakes in commands in that time; then 421."),
    RATE("auth_failure_rate", POSTERN_COUNT_AUTH_FAILURES, "Most failed AUTH in that time; then 421."),
    RATE("unscannable_rate", POSTERN_COUNT_UNSCANNABLE,
         "Most messages that could not be scanned in that time; then MAIL is refused."),
    RATE("timeout_rate", POSTERN_COUNT_TIMEOUTS,
         "Most messages that ended in a time-out, or came too slowly, in that time; then MAIL is refused."),
    {"class", "octet_rate", OCTETS(class.octet_rate, 0, POSTERN_RATE_MAX *KIBIBYTE), "0",
     "Most octets of messages in that time; then MAIL is refused."},
    {"class", "network_factor", NUMBER(class.network_factor, 0, POSTERN_RATE_MAX), "0",
     "All clients of a network may have this many times what one may; 0: networks are not limited."},
    {"class", "total_factor", NUMBER(class.total_factor, 0, POSTERN_RATE_MAX), "0",
     "All clients of the class may have this many times the rates of one (not of what goes wrong); 0: any."},
    {"class", "connection_data_rate", OCTETS(class.connection_data_rate, 0, TEBIBYTE), "0",
     "Octets per second that are read of one message; 0: any, here and below."},
    {"class", "client_data_rate", OCTETS(class.client_data_rate, 0, TEBIBYTE), "0",
     "Octets per second that are read of all messages of one client."},
    {"class", "class_data_rate", OCTETS(class.class_data_rate, 0, TEBIBYTE), "0",
     "Octets per second that are read of all messages of the class."},

    {"list", "zone", STRING(list.zone, 0, POSTERN_DOMAIN_NAME_MAX_OCTETS), "",
     "The domain of a DNS list (RFC 5782), such as zen.spamhaus.org; set [dns] servers to one of yours.",
     postern_configuration_check_domain},
    {"list", "codes", LIST(list.codes, 1, ITEMS), "127.0.0.0/8",
     "Answers that are a listing, ADDRESS or ADDRESS/BITS; 127.255.255.x never is.",
     postern_configuration_check_list_code},
    {"list", "weight", NUMBER(list.weight, 0, POSTERN_POINTS_MAX), "3",
     "Points of suspicion of a client that is on it."},
    {"list", "allow", BOOLEAN(list.allow), "no", "A client that is on it is never a suspect; no: it may be."},
    {"list", "tell_zone", BOOLEAN(list.tell_zone), "yes",
     "Replies name the zone; no: NAME of [list NAME], for zones that contain a key of yours."},
};

const PosternOption *postern_configuration_screen_options(gsize *ret_length)
{
    *ret_length = G_N_ELEMENTS(options);
    return options;
}

void postern_configuration_agree_screen(const PosternConfiguration *configuration,
                                        PosternDiagnostics *diagnostics)
{
    if (configuration->class.networks[0] != NULL)
        postern_diagnostics_add(diagnostics, "class", "networks",
                                "is of a [class NAME]: [class] holds for all clients");
    if (configuration->class.names[0] != NULL)
        postern_diagnostics_add(diagnostics, "class", "names",
                                "is of a [class NAME]: [class] holds for all clients");
    if (configuration->screen.ipv4_network > configuration->screen.ipv4_prefix)
        postern_diagnostics_add(diagnostics, "screen", "ipv4_network",
                                "is more than ipv4_prefix: a network would be smaller than a client");
    if (configuration->screen.ipv6_network > configuration->screen.ipv6_prefix)
        postern_diagnostics_add(diagnostics, "screen", "ipv6_network",
                                "is more than ipv6_prefix: a network would be smaller than a client");
    if (configuration->greylist.delay_ms / 1000 >= configuration->greylist.retry_hours * 3600)
        postern_diagnostics_add(diagnostics, "greylist", "delay",
                                "is not less than retry_hours: nobody would ever have come back in time");
    if (configuration->screen.data_rate > 0 &&
        configuration->screen.data_rate < 2 * configuration->proxy.min_data_rate)
        postern_diagnostics_add(
            diagnostics, "screen", "data_rate",
            "is less than two of [proxy] min_data_rate, below which a message is given up:"
            " suspects would be for what we do");
}
