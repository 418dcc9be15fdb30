/*
 * Many clients, MTAs with a limit of connections each, and the threads of the proxy between them. All chance
 * comes from one seed, all time from one number, so that a run can be had again as it was. The proxy's code
 * is the real one, over wires (support/world.h) that the network does to what it likes.
 *
 *   sim.h         what there is, and the ledger of messages
 *   sim_mta.h     the MTA's end of a connection, with its faults
 *   sim_client.h  a client, with its faults
 *   sim_tls.h     its end of TLS
 *   sim_auth.h    logging in, both ends
 *   session_sim_test.c  the network, runs, and what must be true in each
 */
#pragma once

#include <string.h>

#include "base/limits.h"
#include "sim_tls.h"
#include "support/smtp_peer.h"
#include "support/world.h"

/* What is known of one message, from all sides. */
typedef struct {
    guint64 number;
    GString *octets; /* as the client means them */
    gboolean chunks; /* it is sent by BDAT */
    gboolean bare;   /* with a CR or LF that stands alone */
    gsize bare_at;   /* from here on the octets go out as they are */
    PosternVirusResult virus;
    char *client;      /* its address, as the MTA is to hear it */
    guint64 login;     /* the client's number, if it had logged in; else 0 */
    GString *accepted; /* recipients that the client had 2xx for: "1,3," */
    GString *told;     /* the same as an MTA had them with the message */
    gboolean had_354;  /* or the reply to a chunk */
    gboolean dot_said; /* the client has sent its dot */
    gint64 dot_at;     /* when */
    guint reply;       /* the code that the client heard after it, 0: none */
    gboolean streamed; /* an MTA got some of it before the client had sent the dot */
    guint dots;        /* MTAs that got it whole */
    gboolean early;    /* an MTA has said 250 before the dot had come to it */
    gboolean partial;  /* an LMTP server took it for some of its recipients */
    guint stored;      /* MTAs that took it, whether their 2xx arrived or not */
    guint logged;      /* closing lines */
    char *delivery;    /* what the closing line says */
} Message;

typedef struct {
    guint64 sessions, messages, acknowledged, refused, unanswered, unknown, left, let_go, errors, reloads;
    guint64 shorts, stalls, resets, vanished, connects, unconnected, exhausted;
    guint64 streamed, disturbed, cut; /* messages that came to an MTA before their client had sent the dot */
    guint64 switched, unswitched;     /* clients that have begun TLS, and those that could not */
    guint64 logins, failed_logins;    /* as clients heard it */
    guint64 message_lines, session_lines, accepted_lines; /* of the log */
    PosternCounters *counters;                            /* what the proxy counts meanwhile */
    SSL_CTX *tls;                                         /* of all clients */
    char *certificate;                                    /* of the proxy, by its path */
    char *routes;                                         /* likewise */
    guint64 routed, drains;                               /* recipients of the other group; reloads */
} Counts;

/* Every fifth recipient has a policy of its own ([policy strict]). */
#define STRICT_EACH 5
#define FILTER_TIMEOUT_MS 20000
#define LATENCY_MAX_MS 200
#define SERVERS_MAX 3
#define SERVER_PORT 10025 /* of the first */

static inline gboolean is_strict(guint recipient)
{
    return recipient % STRICT_EACH == 0;
}

/* The mailbox of another group, where there is one. */
static inline gboolean is_routed(guint recipient)
{
    return recipient % 3 == 0 && !is_strict(recipient);
}

/* What a client asks, and has an answer to. */
typedef enum {
    ASKED_GREETING,
    ASKED_HELLO,
    ASKED_XCLIENT,
    ASKED_XFORWARD,
    ASKED_STARTTLS,
    ASKED_AUTH, /* or the answer to a challenge */
    ASKED_MAIL,
    ASKED_RCPT,
    ASKED_DATA,
    ASKED_DOT,
    ASKED_NOOP,
    ASKED_VRFY,
    ASKED_BOGUS,
    ASKED_LONG,
    ASKED_BARE,
    ASKED_BDAT, /* that says nothing */
    ASKED_CHUNK,
    ASKED_RSET,
    ASKED_QUIT,
} Asked;

typedef struct {
    Asked what;
    guint recipient;
    Message *message; /* that it is about, or NULL */
} Question;

typedef struct Client Client;
typedef struct Mta Mta;

typedef struct {
    World world;
    guint32 seed;
    GRand *random;
    gboolean trace;
    const char *table; /* of recipients, by its path */
    char *configuration;
    gboolean tls;              /* the proxy offers STARTTLS */
    gboolean auth;             /* MTAs announce AUTH, and the proxy passes it on */
    gboolean filters, trusts;  /* the clients are servers in front; may say XCLIENT */
    guint servers;             /* MTAs behind the proxy, on ports of their own */
    guint limits[SERVERS_MAX]; /* of connections to each */
    gboolean routed;           /* the last of them is a group of its own, for o.test */
    gboolean outages;          /* they go down for a while */
    gint64 down_until[SERVERS_MAX];
    guint64 drained_after;   /* the first was drained when this was the newest MTA; 0: it was not */
    gint64 drained_at;       /* and that was when */
    gint64 drained_connects; /* to it since then */
    guint descriptors;       /* that all wires may have */
    guint fault_percent;     /* of the MTA's answers */
    guint leave_permille;    /* of a client's turns */
    guint network_permille;  /* of what is sent, either way: something happens to its wire */
    gboolean pipelining, keeps_xclient;
    gboolean lmtp;        /* the servers speak LMTP */
    gboolean streams;     /* nothing is inspected, and messages are long */
    gboolean crowded;     /* many clients at once, of few addresses */
    GHashTable *clients;  /* a set of Client */
    GHashTable *mtas;     /* a set of Mta */
    GHashTable *messages; /* number -> Message */
    guint64 next_client, next_message, next_mta;
    guint arrivals_left;
    PosternTimer arrival, drain, reload;
    gboolean draining;
    Counts *counts;
} Sim;

static inline guint any_of(Sim *sim, guint count)
{
    return (guint)g_rand_int_range(sim->random, 0, (gint32)count);
}

static inline gboolean percent(Sim *sim, guint chance)
{
    return any_of(sim, 100) < chance;
}

static inline gboolean is_of_other_group(const Sim *sim, guint server)
{
    return sim->routed && server == sim->servers - 1;
}

/* Who is drained gets nobody new: a connection that was opened since then serves no client. */
static inline gboolean is_drained(const Sim *sim, guint server, guint64 mta)
{
    return server == 0 && sim->drained_after > 0 && mta > sim->drained_after;
}

/* A bare newline does not refuse its message. */
static inline gboolean repairs(const Sim *sim)
{
    const PosternConfiguration *configuration = sim->world.settings->configuration;
    return configuration->proxy.bare_newline == POSTERN_BARE_NEWLINE_REPAIR ||
           configuration->proxy.mode == POSTERN_MODE_OBSERVE;
}

static inline gboolean permille(Sim *sim, guint chance)
{
    return any_of(sim, 1000) < chance;
}

/* Octets that may be on their way at once. */
static inline gsize wire_capacity(Sim *sim)
{
    return percent(sim, 20) ? 500 + any_of(sim, 3000) : 1 << 17;
}

/* What may happen to a wire while it is used; TRUE: a reset, for both ends. */
static inline gboolean network_strikes(Sim *sim, Wire *wire)
{
    if (!permille(sim, sim->network_permille))
        return FALSE;
    switch (any_of(sim, 8)) {
    case 0:
        sim->counts->vanished++;
        wire_vanish(wire);
        return FALSE;
    case 1 ... 4:
        sim->counts->stalls++;
        wire_stall(wire, percent(sim, 5) ? NEVER : sim->world.now + any_of(sim, 20000));
        return FALSE;
    default:
        sim->counts->resets++;
        return TRUE;
    }
}

static inline gpointer key_of(guint64 number)
{
    return GSIZE_TO_POINTER(number);
}

G_GNUC_PRINTF(2, 3) static inline void trace(const Sim *sim, const char *format, ...)
{
    if (!sim->trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *safe = g_strescape(text, NULL);
    g_printerr("%" G_GINT64_FORMAT " %.300s\n", sim->world.now, safe);
}

static inline void append_body_line(Sim *sim, GString *body)
{
    static const char *const lines[] = {
        "x",    ".",    "..",           ".x",     "", "From x", "MAIL FROM:<m1@c.test>", "RCPT TO:<a@y.test>",
        "DATA", "QUIT", "\xe4\xf6\xfc", " folded"};
    if (percent(sim, 3)) {
        g_autofree char *word = g_strnfill(1 + any_of(sim, 9000), 'l');
        g_string_append(body, word);
    } else {
        g_string_append(body, lines[any_of(sim, G_N_ELEMENTS(lines))]);
    }
    g_string_append(body, "\r\n");
}

static inline void message_free(gpointer data)
{
    Message *message = data;
    g_string_free(message->octets, TRUE);
    g_string_free(message->accepted, TRUE);
    g_string_free(message->told, TRUE);
    g_free(message->client);
    g_free(message->delivery);
    g_free(message);
}

/* The message of a sender such as "m17@c.test"; every message has its own. */
static inline Message *message_of_sender(const Sim *sim, const char *sender)
{
    g_assert_cmpint(sender[0], ==, 'm');
    Message *message = g_hash_table_lookup(sim->messages, key_of(g_ascii_strtoull(sender + 1, NULL, 10)));
    g_assert_nonnull(message);
    return message;
}

/* The value of key= in a closing line, or NULL; a new string. */
static inline char *log_value(const char *line, const char *key)
{
    g_autofree char *pattern = g_strdup_printf(" %s=", key);
    const char *at = strstr(line, pattern);
    if (at == NULL)
        return NULL;
    at += strlen(pattern);
    return at[0] == '"' ? g_strndup(at + 1, strcspn(at + 1, "\"")) : g_strndup(at, strcspn(at, " "));
}

static inline void note_log(Sim *sim, const char *line)
{
    trace(sim, "log %s", line);
    sim->counts->session_lines += g_str_has_prefix(line, "session ");
    if (!g_str_has_prefix(line, "message "))
        return;
    g_autofree char *from = log_value(line, "from");
    g_assert_nonnull(from);
    Message *message = message_of_sender(sim, from + 1);
    g_assert_cmpuint(message->logged, ==, 0);
    message->logged++;
    message->delivery = log_value(line, "delivery");
    g_assert_nonnull(message->delivery);
    sim->counts->message_lines++;
    sim->counts->accepted_lines += g_str_equal(message->delivery, "accepted");
}

/* Takes the field that the proxy has inserted out of the message, with its folds. */
static inline void remove_inserted_field(GString *got, const char *begin)
{
    const char *start = strstr(got->str, begin);
    g_assert_nonnull(start);
    const char *end = start;
    do {
        end = strstr(end, "\r\n");
        g_assert_nonnull(end);
        end += 2;
    } while (*end == ' ' || *end == '\t');
    g_string_erase(got, start - got->str, end - start);
}

/* The octets are the client's, the fields that policy and the trace want aside. */
static inline void check_octets(const Sim *sim, const Message *message, GString *got)
{
    const PosternConfiguration *configuration = sim->world.settings->configuration;
    /* [policy authenticated] is for who has logged in. */
    if (configuration->policy.authentication_results && configuration->proxy.inspect &&
        configuration->proxy.mode == POSTERN_MODE_ENFORCE && message->login == 0)
        remove_inserted_field(got, "Authentication-Results: mx.test;");
    if (configuration->proxy.role == POSTERN_ROLE_EDGE &&
        configuration->proxy.client_address != POSTERN_CLIENT_ADDRESS_XCLIENT)
        remove_inserted_field(got, "Received: from ");
    g_autoptr(GString) meant = g_string_new_len(message->octets->str, (gssize)message->octets->len);
    if (meant->len > 0 && !g_str_has_suffix(meant->str, "\r\n"))
        g_string_append(meant, "\r\n");
    g_assert_cmpmem(got->str, got->len, meant->str, meant->len);
}

/* At the end of a world: what each message came to, seen from all sides. */
static inline void check_message(const Sim *sim, const Message *message)
{
    Counts *counts = sim->counts;
    counts->messages += message->had_354;
    if (message->had_354)
        g_assert_cmpuint(message->logged, ==, 1);
    g_assert_cmpuint(message->dots, <=, 1);
    g_assert_cmpuint(message->stored, <=, message->dots);
    gboolean acknowledged = message->reply / 100 == 2;
    /* The MTA said that it had the message before its dot had come, and the network lost the rest. */
    gboolean was_a_lie = message->early && message->dots == 0;
    if (acknowledged) {
        g_assert_false(message->partial);
        g_assert_true(message->stored == 1 || was_a_lie);
        g_assert_cmpstr(message->delivery, ==, "accepted");
    }
    if (message->stored > 0)
        g_assert_true(g_str_equal(message->delivery, "accepted") ||
                      g_str_equal(message->delivery, "unknown") ||
                      (message->partial && g_str_equal(message->delivery, "partial")));
    if (message->logged > 0 && g_str_equal(message->delivery, "accepted"))
        g_assert_true(message->stored == 1 || was_a_lie);
    counts->streamed += message->streamed;
    counts->cut += message->streamed && message->dots == 0;
    if (message->streamed && !message->dot_said && message->logged > 0)
        g_assert_cmpstr(message->delivery, ==, "failed");
    counts->acknowledged += acknowledged;
    counts->refused += message->reply >= 400;
    counts->unanswered += message->had_354 && message->reply == 0;
    counts->unknown += message->logged > 0 && g_str_equal(message->delivery, "unknown");
}
