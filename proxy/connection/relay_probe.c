#include <string.h>

#include "base/log.h"
#include "proxy/connection/thread_private.h"
#include "proxy/servers/relay_proof.h"

/* RFC 2606: names that nobody has. The second is a literal (RFC 5737): no look-up of its domain can refuse
 * it. */
#define PROBE_NAME "probe.example"
static const char *const foreign_recipients[] = {"relay-probe@example.com", "relay-probe@[192.0.2.2]"};
/* RFC 5321 4.5.1: everybody has one. */
#define POSTMASTER "postmaster"

#define RETRY_MS 1000           /* while it cannot be asked */
#define UNUSABLE_RETRY_MS 15000 /* after it proved unusable: the administrator mends it */
#define UNCLEAR_RETRY_MAX_MS 240000
#define REPEAT_MS 600000 /* what was true once may change */

/*
 * The clients that one probe is, until one of them is not refused itself (RFC 5737, RFC 3849: addresses that
 * no client has). Rules against whoever says our name, or an address, or nothing, in HELO or MAIL do not meet
 * all of them. NULL: our hostname, and its postmaster.
 */
static const struct {
    const char *address;
    const char *helo;
    const char *sender;
} clients[] = {
    {"192.0.2.1", "[192.0.2.1]", ""},
    {"198.51.100.1", NULL, ""},
    {"203.0.113.1", "[203.0.113.1]", NULL},
    {"2001:db8::1", PROBE_NAME, ""},
};

/* Of one server, on the thread of the pool that probes. */
struct PosternRelayProbe {
    PosternProxyThread *thread;
    PosternPool *pool;
    PosternServer *server;
    gboolean busy;  /* it waits for a connection, or speaks on one */
    gboolean again; /* it was wanted while busy */
    gboolean met;   /* it has taken one of the clients that the probe was */
    gboolean known; /* the server was found out under these settings: it does not relay */
    guint attempt;  /* of those that one probe makes, as another client each */
    guint unclear;  /* probes in a row that found out nothing */
    PosternReply *mail;
    GPtrArray *recipients; /* of PosternRelayRecipient *, of this attempt, or NULL */
    guint answered;        /* of recipients */
    char *reason;          /* what the first attempt heard, or NULL */
};

static gboolean probes_relay(const PosternProxyThread *thread, const PosternPool *pool)
{
    const PosternConfiguration *configuration = thread->settings->configuration;
    const PosternProxyGroup *group = postern_thread_group(thread, pool);
    /* Otherwise the back-end sees our own address, and recipient_domains stands in for its judgement (promise
     * 7); or, between two smtpd, the first of them has judged. */
    return group != NULL && configuration->proxy.relay_probe &&
           configuration->proxy.role == POSTERN_ROLE_EDGE &&
           postern_client_address_is_judged(group->client_address);
}

/* Whether the server takes a PROXY header at all is known only when it was told of somebody. */
static gboolean must_be_met(const PosternRelayProbe *probe)
{
    const PosternProxyGroup *group = postern_thread_group(probe->thread, probe->pool);
    return group != NULL && group->client_address >= POSTERN_CLIENT_ADDRESS_PROXY_V1;
}

void postern_relay_probe_hurry(PosternProxyThread *thread, PosternPool *pool, PosternServer *server)
{
    if (probes_relay(thread, pool))
        postern_pool_probe_soon(pool, server, postern_thread_now(thread));
}

static void free_recipient(gpointer recipient)
{
    postern_relay_recipient_free(recipient);
}

static void clear_attempt(PosternRelayProbe *probe)
{
    g_clear_pointer(&probe->mail, postern_reply_free);
    g_clear_pointer(&probe->recipients, g_ptr_array_unref);
    probe->answered = 0;
}

void postern_relay_probe_free(PosternRelayProbe *probe)
{
    clear_attempt(probe);
    g_free(probe->reason);
    postern_server_unref(probe->server);
    g_free(probe);
}

static PosternRelayProbe *probe_of(PosternProxyThread *thread, PosternPool *pool, PosternServer *server)
{
    PosternRelayProbe *probe = g_hash_table_lookup(thread->probes, server);
    if (probe == NULL) {
        probe = g_new0(PosternRelayProbe, 1);
        probe->thread = thread;
        probe->pool = pool;
        probe->server = postern_server_ref(server);
        g_hash_table_insert(thread->probes, server, probe);
    }
    return probe;
}

void postern_relay_probe_forget(PosternProxyThread *thread, const PosternPool *pool)
{
    GHashTableIter iterator;
    gpointer value;
    g_hash_table_iter_init(&iterator, thread->probes);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        PosternRelayProbe *probe = value;
        if (probe->pool != pool)
            continue;
        probe->known = FALSE;
        probe->unclear = 0;
        postern_server_warn(probe->server, NULL);
        postern_server_do_without_tls(probe->server, G_MININT64);
        if (!probe->busy)
            g_hash_table_iter_remove(&iterator);
    }
}

static gboolean is_of_pool(gpointer server, gpointer probe, gpointer pool)
{
    return ((const PosternRelayProbe *)probe)->pool == pool;
}

static gboolean is_of_none(gpointer server, gpointer data, gpointer pool)
{
    const PosternRelayProbe *probe = data;
    return probe->pool == pool && !probe->busy && !postern_pool_has(pool, server);
}

void postern_relay_probe_tidy(PosternProxyThread *thread, PosternPool *pool)
{
    g_hash_table_foreach_remove(thread->probes, is_of_none, pool);
}

void postern_relay_probe_remove(PosternProxyThread *thread, const PosternPool *pool)
{
    g_hash_table_foreach_remove(thread->probes, is_of_pool, (gpointer)(guintptr)pool);
}

static void request(PosternRelayProbe *probe)
{
    clear_attempt(probe);
    probe->busy = TRUE;
    postern_pool_request_probe(probe->pool, probe->server, postern_thread_now(probe->thread));
}

void postern_relay_probe_start(PosternProxyThread *thread, PosternPool *pool, PosternServer *server)
{
    PosternRelayProbe *probe = probe_of(thread, pool, server);
    if (thread->draining && postern_pool_is_up(pool, server))
        return; /* else somebody may wait for it */
    if (probe->busy) {
        probe->again = TRUE;
        return;
    }
    probe->attempt = 0;
    probe->met = FALSE;
    g_clear_pointer(&probe->reason, g_free);
    request(probe);
}

/* The probe is over; the next one is in the milliseconds that this returns, or at once if it was wanted
 * meanwhile. */
static guint end(PosternRelayProbe *probe, guint wait_ms)
{
    guint again_ms = probe->again ? 1 : wait_ms;
    probe->busy = FALSE;
    probe->again = FALSE;
    return again_ms;
}

static void put_in_service(PosternRelayProbe *probe, guint again_ms)
{
    PosternProxyThread *thread = probe->thread;
    postern_thread_note_problem(thread, probe->server, NULL);
    postern_pool_mark_up(probe->pool, probe->server, end(probe, again_ms), postern_thread_now(thread));
}

static void mark_up(PosternRelayProbe *probe)
{
    probe->known = TRUE;
    probe->unclear = 0;
    postern_server_warn(probe->server, NULL);
    put_in_service(probe, REPEAT_MS);
}

/* text is for the log, reason, shorter, for that of each message. */
static void mark_down(PosternRelayProbe *probe, const char *text, const char *reason, guint retry_ms)
{
    PosternProxyThread *thread = probe->thread;
    postern_thread_note_problem(thread, probe->server, text);
    postern_pool_mark_down(probe->pool, probe->server, reason, end(probe, retry_ms),
                           postern_thread_now(thread));
}

/* It could not be asked: what was known before stays. */
static void retry_later(PosternRelayProbe *probe, const char *reason)
{
    PosternProxyThread *thread = probe->thread;
    postern_thread_note_problem(thread, probe->server, reason);
    postern_pool_retry_later(probe->pool, probe->server, end(probe, RETRY_MS), postern_thread_now(thread));
}

/* The server is asked as it is now; one that is no longer of the group never is. */
static void begin_anew(PosternRelayProbe *probe)
{
    PosternProxyThread *thread = probe->thread;
    postern_pool_retry_later(probe->pool, probe->server, end(probe, 1), postern_thread_now(thread));
}

void postern_relay_probe_refused(PosternProxyThread *thread, PosternPool *pool, PosternServer *server,
                                 const char *reason)
{
    PosternRelayProbe *probe = probe_of(thread, pool, server);
    if (reason != NULL)
        retry_later(probe, reason);
    else
        begin_anew(probe);
}

static void mark_open_relay(PosternRelayProbe *probe, const char *answers)
{
    probe->known = FALSE;
    probe->unclear = 0;
    g_autofree char *reason = g_strdup_printf(
        "it is an open relay: it accepts remote recipients from a client that it cannot know (%s); "
        "mend its relay restrictions (in Postfix smtpd_relay_restrictions and mynetworks), or set [proxy] "
        "relay_probe = no",
        answers);
    mark_down(probe, reason, "the back-end is an open relay", UNUSABLE_RETRY_MS);
}

/*
 * None of the clients that we were was refused for relaying, and none was taken. The administrator knows
 * more. Until he says it, mail is taken only if recipient_domains bounds it, or if the back-end did not relay
 * before.
 */
static void remain_unclear(PosternRelayProbe *probe)
{
    guint wait_ms = MIN(UNUSABLE_RETRY_MS << MIN(probe->unclear, 4), UNCLEAR_RETRY_MAX_MS);
    gboolean bounded = g_hash_table_size(probe->thread->settings->recipient_domains) > 0;
    g_autofree char *reason = g_strdup_printf(
        "whether it is an open relay cannot be found out: it refuses the probe itself (%s)%s; set "
        "[proxy] "
        "recipient_domains to its domains, or relay_probe_client and relay_probe_recipient to a client and a "
        "mailbox that it does not refuse, or relay_probe = no if you know that it does not",
        probe->reason,
        bounded        ? ": recipient_domains alone are taken"
        : probe->known ? ": it did not before, and is used"
                       : ": it is not used");
    probe->unclear++;
    if ((!bounded || (must_be_met(probe) && !probe->met)) && !probe->known) {
        mark_down(probe, reason, "whether the back-end is an open relay could not be found out", wait_ms);
        return;
    }
    postern_server_warn(probe->server, reason);
    put_in_service(probe, wait_ms);
}

static guint attempts(const PosternProxyThread *thread)
{
    /* A client of the administrator's choice comes with each HELO and sender too. */
    return thread->settings->configuration->proxy.relay_probe_client[0] != '\0' ? 3 : G_N_ELEMENTS(clients);
}

/* As this client nothing was found out: as another one, perhaps. */
static void try_next_client(PosternRelayProbe *probe, const char *answers)
{
    if (probe->reason == NULL)
        probe->reason = g_strdup(answers);
    if (++probe->attempt < attempts(probe->thread))
        request(probe);
    else
        remain_unclear(probe);
}

/* Who we are this time: free with g_autoptr. */
static PosternEnvelope *make_client(const PosternRelayProbe *probe)
{
    const PosternConfiguration *configuration = probe->thread->settings->configuration;
    guint attempt = probe->attempt;
    const char *address = configuration->proxy.relay_probe_client;
    PosternEnvelope *envelope = postern_envelope_new();
    const char *helo = clients[attempt].helo;
    g_autofree char *literal = NULL;
    if (address[0] == '\0') {
        address = clients[attempt].address;
    } else if (helo != NULL) {
        literal = g_strdup_printf("[%s%s]", strchr(address, ':') != NULL ? "IPv6:" : "", address);
        helo = literal;
    }
    postern_address_parse(&envelope->client, address);
    envelope->client_name = g_strdup(PROBE_NAME);
    envelope->helo = g_strdup(helo != NULL ? helo : configuration->proxy.hostname);
    envelope->esmtp = TRUE;
    return envelope;
}

void postern_relay_probe_assigned(PosternProxyThread *thread, PosternBackendConnection *connection)
{
    PosternRelayProbe *probe = probe_of(thread, postern_backend_connection_pool(connection),
                                        postern_backend_connection_server(connection));
    gint64 now = postern_thread_now(thread);
    if (!postern_backend_connection_is_current(connection)) {
        postern_pool_returned(probe->pool, postern_backend_connection_number(connection), FALSE, now);
        begin_anew(probe);
        return;
    }
    postern_backend_connection_set_probe(connection);
    if (!probes_relay(thread, probe->pool) && !must_be_met(probe)) {
        mark_up(probe);
        postern_backend_connection_return(connection);
        return;
    }
    g_autoptr(PosternEnvelope) envelope = make_client(probe);
    const PosternBackendClient client = {
        .envelope = envelope, .reverse_name = PROBE_NAME, .server.family = AF_UNSPEC};
    postern_backend_identify(postern_backend_connection_backend(connection), &client, now);
}

static void add_recipient(PosternRelayProbe *probe, const char *path, PosternRelayRole role)
{
    g_ptr_array_add(probe->recipients, postern_relay_recipient_new(path, role));
}

static void add_own(PosternRelayProbe *probe)
{
    const PosternProxyGroup *group = postern_thread_group(probe->thread, probe->pool);
    const char *own = group != NULL ? group->probe_recipient : "";
    if (own[0] != '\0')
        add_recipient(probe, own, POSTERN_RELAY_MAILBOX);
    else
        add_recipient(probe, POSTMASTER, POSTERN_RELAY_POSTMASTER);
}

/* In turn its own recipient is the last or the first: some servers leave after a refusal, some take only one.
 */
static void choose_recipients(PosternRelayProbe *probe)
{
    const PosternAddress *server = postern_server_address(probe->server);
    /* RFC 5321 4.1.3: the back-end's own address is its own domain, if it takes literals at all. */
    g_autofree char *address = postern_address_to_string(server);
    g_autofree char *guess =
        g_strdup_printf("relay-probe@[%s%s]", server->family == AF_INET6 ? "IPv6:" : "", address);
    gboolean own_first = probe->attempt % 2 == 1;
    probe->recipients = g_ptr_array_new_with_free_func(free_recipient);
    if (own_first)
        add_own(probe);
    for (gsize i = 0; i < G_N_ELEMENTS(foreign_recipients); i++)
        add_recipient(probe, foreign_recipients[i], POSTERN_RELAY_FOREIGN);
    if (!own_first)
        add_own(probe);
    if (server->family != AF_UNIX)
        add_recipient(probe, guess, POSTERN_RELAY_GUESS);
}

static void ask(PosternRelayProbe *probe, PosternBackend *backend, gint64 now)
{
    const char *sender = clients[probe->attempt].sender;
    g_autofree char *postmaster =
        g_strdup_printf(POSTMASTER "@%s", probe->thread->settings->configuration->proxy.hostname);
    choose_recipients(probe);
    postern_backend_mail(backend, sender != NULL ? sender : postmaster, "", now);
    for (guint i = 0; i < probe->recipients->len; i++) {
        const PosternRelayRecipient *recipient = g_ptr_array_index(probe->recipients, i);
        postern_backend_recipient(backend, recipient->path, "", now);
    }
}

static void judge(PosternRelayProbe *probe)
{
    g_autofree char *answers = NULL;
    switch (postern_relay_proof_judge(probe->mail, probe->recipients,
                                      postern_server_speaks_lmtp(probe->server), &answers)) {
    case POSTERN_RELAY_SAFE:
        mark_up(probe);
        break;
    case POSTERN_RELAY_OPEN:
        mark_open_relay(probe, answers);
        break;
    case POSTERN_RELAY_UNCLEAR:
        try_next_client(probe, answers);
        break;
    }
}

/* TRUE: that was the last answer. */
static gboolean take_answer(PosternRelayProbe *probe, const PosternReply *reply)
{
    if (probe->recipients == NULL || probe->answered >= probe->recipients->len)
        return FALSE;
    PosternRelayRecipient *recipient = g_ptr_array_index(probe->recipients, probe->answered++);
    recipient->reply = postern_reply_copy(reply, reply->code);
    return probe->answered == probe->recipients->len;
}

static void take_failure(PosternRelayProbe *probe, const PosternBackendEvent *event)
{
    switch (event->fault) {
    case POSTERN_BACKEND_FAULT_SETUP:
    case POSTERN_BACKEND_FAULT_DEMAND:
        mark_down(probe, event->text, event->text, UNUSABLE_RETRY_MS);
        break;
    case POSTERN_BACKEND_FAULT_CLIENT:
        if (probes_relay(probe->thread, probe->pool))
            try_next_client(probe, event->text);
        else
            mark_down(probe, event->text, event->text, UNUSABLE_RETRY_MS);
        break;
    case POSTERN_BACKEND_FAULT_TLS:
    case POSTERN_BACKEND_FAULT_LOST:
        if (probe->mail != NULL) /* it left in the middle, and may do so each time */
            judge(probe);
        else
            retry_later(probe, event->text);
        break;
    }
}

void postern_relay_probe_event(PosternProxyThread *thread, PosternBackendConnection *connection,
                               const PosternBackendEvent *event)
{
    PosternRelayProbe *probe = probe_of(thread, postern_backend_connection_pool(connection),
                                        postern_backend_connection_server(connection));
    PosternBackend *backend = postern_backend_connection_backend(connection);
    gint64 now = postern_thread_now(thread);
    if (!postern_backend_connection_is_current(connection)) {
        if (event->kind != POSTERN_BACKEND_FAILED)
            postern_backend_connection_abandon(connection);
        begin_anew(probe);
        return;
    }
    switch (event->kind) {
    case POSTERN_BACKEND_IDENTIFIED:
        probe->met = TRUE;
        if (probes_relay(thread, probe->pool)) {
            ask(probe, backend, now);
        } else {
            postern_backend_connection_return(connection);
            mark_up(probe);
        }
        break;
    case POSTERN_BACKEND_MAIL_REPLY:
        g_clear_pointer(&probe->mail, postern_reply_free);
        probe->mail = postern_reply_copy(event->reply, event->reply->code);
        break;
    case POSTERN_BACKEND_RCPT_REPLY:
        if (!take_answer(probe, event->reply))
            break;
        postern_backend_reset(backend, now);
        postern_backend_connection_return(connection);
        judge(probe);
        break;
    case POSTERN_BACKEND_FAILED:
        take_failure(probe, event);
        break;
    default:
        break;
    }
}
