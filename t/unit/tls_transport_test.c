#include "proxy/connection/tls_transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "proxy/connection/stream.h"
#include "support/certificate.h"

#define RUNS 60
#define RECORD_OCTETS 16384

/* What lies below TLS: gives and takes as little at a time as the run says. */
typedef struct {
    PosternTransport transport;
    GString *inbound;
    gsize read; /* octets of it that are gone */
    GString *outbound;
    gsize room;    /* octets that are taken before EAGAIN */
    gsize portion; /* octets that a read gives at most */
    gsize given;   /* octets that were read since the loop has called */
    guint wanted;
    gboolean ended, closed;
} Wire;

static gsize unread(const Wire *wire)
{
    return wire->inbound->len - wire->read;
}

static gssize wire_read(PosternTransport *transport, void *octets, gsize maximum)
{
    Wire *wire = (Wire *)transport;
    gsize length = MIN(MIN(maximum, wire->portion), unread(wire));
    errno = EAGAIN;
    if (length == 0)
        return wire->ended && unread(wire) == 0 ? 0 : -1;
    memcpy(octets, wire->inbound->str + wire->read, length);
    wire->read += length;
    wire->given += length;
    return (gssize)length;
}

static gssize wire_write(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more)
{
    Wire *wire = (Wire *)transport;
    gsize length = MIN(pieces[0].iov_len, wire->room);
    errno = EAGAIN;
    if (length == 0)
        return -1;
    g_string_append_len(wire->outbound, pieces[0].iov_base, (gssize)length);
    wire->room -= length;
    return (gssize)length;
}

static void wire_want(PosternTransport *transport, guint events)
{
    ((Wire *)transport)->wanted = events;
}

static gboolean wire_has_input(PosternTransport *transport)
{
    return unread((Wire *)transport) > 0;
}

static void wire_close(PosternTransport *transport, gboolean reset)
{
    ((Wire *)transport)->closed = TRUE;
}

static const PosternTransportFunctions wire_functions = {
    .read = wire_read,
    .write = wire_write,
    .want = wire_want,
    .has_input = wire_has_input,
    .close = wire_close,
};

/* Nothing here has a deadline. */
static PosternTimer *no_timer_new(PosternWorld *world, PosternWorldCallback callback, gpointer user_data)
{
    return NULL;
}

static void no_timer_free(PosternTimer *timer)
{
}

static const PosternWorldFunctions world_functions = {.timer_new = no_timer_new, .timer_free = no_timer_free};
static const PosternWorld the_world = {.functions = &world_functions};

/* ---- the two ends */

typedef struct {
    GRand *random;
    Wire wire;
    PosternTransport *transport;
    PosternStream *stream;
    GString *got;  /* by the proxy */
    GString *said; /* by the proxy */
    guint closed, failed;
    gboolean update_requested;
    gboolean leaves; /* the stream is freed in INPUT */
    SSL *client;
    GString *heard; /* by the client */
    GString *told;  /* by the client */
} Run;

static guint below(Run *run, guint end)
{
    return (guint)g_rand_int_range(run->random, 0, (gint32)end);
}

/* Not what can be told from its neighbours by chance. */
static void add_octets(GString *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        g_string_append_c(text, (char)('!' + (text->len * 7 + text->len / 93) % 93));
}

static void on_stream(PosternStream *stream, PosternStreamEvent event, gpointer user_data)
{
    Run *run = user_data;
    run->closed += event == POSTERN_STREAM_CLOSED;
    run->failed += event == POSTERN_STREAM_FAILED;
    if (event != POSTERN_STREAM_INPUT)
        return;
    gsize length = 0;
    const char *octets = postern_stream_input(stream, &length);
    gsize taken = below(run, 4) == 0 ? below(run, (guint)length + 1) : length;
    g_string_append_len(run->got, octets, (gssize)taken);
    postern_stream_consume(stream, taken);
    if (run->leaves)
        g_clear_pointer(&run->stream, postern_stream_free);
}

static PosternTlsContext *the_context;
static SSL_CTX *client_context;

static void start(Run *run, guint32 seed, int version)
{
    *run = (Run){.random = g_rand_new_with_seed(seed), .wire.transport.functions = &wire_functions};
    run->wire.inbound = g_string_new(NULL);
    run->wire.outbound = g_string_new(NULL);
    run->wire.room = run->wire.portion = G_MAXSIZE;
    run->got = g_string_new(NULL);
    run->said = g_string_new(NULL);
    run->heard = g_string_new(NULL);
    run->told = g_string_new(NULL);
    run->client = SSL_new(client_context);
    SSL_set_max_proto_version(run->client, version);
    SSL_set_bio(run->client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(run->client);
    run->transport = postern_tls_transport_accept(the_context, &run->wire.transport);
    g_assert_nonnull(run->transport);
    run->stream =
        postern_stream_new((PosternWorld *)(guintptr)&the_world, run->transport, FALSE, on_stream, run);
    postern_stream_set_bulk(run->stream, TRUE);
    postern_stream_set_reading(run->stream, TRUE);
}

static void finish(Run *run)
{
    g_clear_pointer(&run->stream, postern_stream_free);
    g_assert_true(run->wire.closed);
    SSL_free(run->client);
    GString *strings[] = {run->wire.inbound, run->wire.outbound, run->got, run->said, run->heard, run->told};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        g_string_free(strings[i], TRUE);
    g_rand_free(run->random);
}

/* One event as an event loop would tell it; FALSE: there is none. */
static gboolean tell(Run *run)
{
    Wire *wire = &run->wire;
    gboolean readable = (wire->wanted & POSTERN_TRANSPORT_READ) != 0 && (unread(wire) > 0 || wire->ended);
    gboolean writable = (wire->wanted & POSTERN_TRANSPORT_WRITE) != 0 && wire->room > 0;
    if (wire->closed || (!readable && !writable))
        return FALSE;
    wire->given = 0;
    wire->transport.ready(readable && (!writable || below(run, 2) == 0) ? POSTERN_TRANSPORT_READ
                                                                        : POSTERN_TRANSPORT_WRITE,
                          wire->transport.user_data);
    return TRUE;
}

/* All events that there are; more than there can be are a loop that never rests. */
static void settle(Run *run)
{
    for (guint events = 0; tell(run); events++)
        g_assert_cmpuint(events, <, 100000);
}

/* The client's octets come to the wire, and the wire's to the client, which reads. */
static void carry(Run *run)
{
    char octets[RECORD_OCTETS];
    int length;
    BIO *from = SSL_get_wbio(run->client);
    while ((length = BIO_read(from, octets, sizeof octets)) > 0)
        g_string_append_len(run->wire.inbound, octets, length);
    if (run->wire.outbound->len > 0)
        BIO_write(SSL_get_rbio(run->client), run->wire.outbound->str, (int)run->wire.outbound->len);
    g_string_truncate(run->wire.outbound, 0);
    while ((length = SSL_read(run->client, octets, sizeof octets)) > 0)
        g_string_append_len(run->heard, octets, length);
    ERR_clear_error();
    while ((length = BIO_read(from, octets, sizeof octets)) > 0)
        g_string_append_len(run->wire.inbound, octets, length);
}

static void shake_hands(Run *run)
{
    for (guint i = 0; i < 10; i++) {
        carry(run);
        settle(run);
    }
    g_assert_true(SSL_is_init_finished(run->client));
}

/* In one record, or several if it is longer. */
static void client_says(Run *run, gsize length)
{
    gsize from = run->told->len;
    add_octets(run->told, length);
    for (gsize at = from; at < run->told->len; at += RECORD_OCTETS)
        g_assert_cmpint(
            SSL_write(run->client, run->told->str + at, (int)MIN(RECORD_OCTETS, run->told->len - at)), >, 0);
}

static void proxy_says(Run *run, gsize length)
{
    gsize from = run->said->len;
    add_octets(run->said, length);
    postern_stream_send(run->stream, run->said->str + from, length);
}

/* What the callback has left in the stream. */
static void take_rest(Run *run)
{
    gsize length = 0;
    const char *octets;
    while (octets = postern_stream_input(run->stream, &length), length > 0) {
        g_string_append_len(run->got, octets, (gssize)length);
        postern_stream_consume(run->stream, length);
    }
}

static void assert_same(const GString *one, const GString *other)
{
    g_assert_cmpmem(one->str, one->len, other->str, other->len);
}

/* ---- tests */

static gsize some_octets(Run *run)
{
    static const guint ends[] = {2, 100, 3000, RECORD_OCTETS + 2000, 40000};
    return 1 + below(run, ends[below(run, G_N_ELEMENTS(ends))]);
}

/* None after one that asks for an update: OpenSSL 3.0 ends the connection if that has not been answered, for
 * a record waits to be written. */
static void update_key(Run *run)
{
    if (run->update_requested)
        return;
    run->update_requested = below(run, 5) == 0;
    SSL_key_update(run->client,
                   run->update_requested ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
}

static void one_act(Run *run)
{
    switch (below(run, 8)) {
    case 0:
    case 1:
        if (SSL_is_init_finished(run->client))
            client_says(run, some_octets(run));
        break;
    case 2:
    case 3:
        if (postern_stream_unsent(run->stream) < 20000)
            proxy_says(run, some_octets(run));
        break;
    case 4:
        if (SSL_is_init_finished(run->client) && SSL_version(run->client) == TLS1_3_VERSION)
            update_key(run);
        break;
    case 5:
        postern_stream_set_reading(run->stream, below(run, 3) > 0);
        break;
    case 6:
        postern_stream_set_bulk(run->stream, below(run, 2) > 0);
        break;
    default:
        carry(run);
        break;
    }
    run->wire.room = below(run, 3) == 0 ? 1 : below(run, 3000);
    run->wire.portion = below(run, 3) == 0 ? 1 : 1 + below(run, 3000);
    for (guint i = below(run, 20); i > 0 && tell(run); i--)
        ;
}

/* Whatever is said in whatever pieces arrives as it was said, and then nothing moves. */
static void test_pieces(void)
{
    for (guint32 seed = 1; seed <= RUNS; seed++) {
        Run run;
        start(&run, seed, seed % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
        for (guint i = 0; i < 300; i++)
            one_act(&run);
        run.wire.room = run.wire.portion = G_MAXSIZE;
        postern_stream_set_reading(run.stream, TRUE);
        shake_hands(&run);
        take_rest(&run);
        g_assert_cmpuint(run.failed + run.closed, ==, 0);
        assert_same(run.got, run.told);
        assert_same(run.heard, run.said);
        g_assert_false(postern_stream_has_more(run.stream));
        g_assert_cmpuint(run.wire.wanted, ==, POSTERN_TRANSPORT_READ);
        finish(&run);
    }
}

/* One octet at a time, both ways, from the first of the handshake on. */
static void test_octets_one_by_one(void)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (guint i = 0; i < G_N_ELEMENTS(versions); i++) {
        Run run;
        PosternTlsFacts facts;
        start(&run, 1, versions[i]);
        run.wire.portion = 1;
        g_assert_false(postern_tls_transport_facts(run.transport, &facts));
        proxy_says(&run, 50000); /* before there are keys */
        for (guint turn = 0; run.heard->len < 50000 || run.got->len < run.told->len || turn < 9000; turn++) {
            g_assert_cmpuint(turn, <, 200000);
            run.wire.room = 1;
            tell(&run);
            if (turn % 200 == 0)
                carry(&run);
            if (turn % 3000 == 0 && SSL_is_init_finished(run.client))
                client_says(&run, 1 + turn / 10);
        }
        take_rest(&run);
        assert_same(run.got, run.told);
        assert_same(run.heard, run.said);
        g_assert_true(postern_tls_transport_facts(run.transport, &facts));
        g_assert_cmpstr(facts.version, ==, i == 0 ? "TLSv1.2" : "TLSv1.3");
        finish(&run);
    }
}

/* What has come before the end is told, then the end, though no event tells of it: of close_notify, and of a
 * connection that ends without. The proxy may still speak. */
static void test_end(void)
{
    static const gsize lengths[] = {0, 1, 3000, RECORD_OCTETS, 3 * RECORD_OCTETS};
    for (guint i = 0; i < 2 * G_N_ELEMENTS(lengths); i++) {
        Run run;
        start(&run, i, TLS1_3_VERSION);
        shake_hands(&run);
        client_says(&run, 10000); /* much is read at a time from now on */
        carry(&run);
        settle(&run);
        if (lengths[i / 2] > 0)
            client_says(&run, lengths[i / 2]);
        run.wire.ended = i % 2 == 0;
        if (!run.wire.ended)
            SSL_shutdown(run.client);
        carry(&run);
        settle(&run);
        take_rest(&run);
        assert_same(run.got, run.told);
        g_assert_cmpuint(run.closed, ==, 1);
        g_assert_cmpuint(run.failed, ==, 0);
        g_assert_null(postern_tls_transport_problem(run.transport));
        proxy_says(&run, 5000);
        carry(&run);
        settle(&run);
        if (run.wire.ended)
            assert_same(run.heard, run.said);
        finish(&run);
    }
}

/* A record that was changed on the way fails at once, though what came before it is read first. */
static void test_changed_record(void)
{
    static const gsize lengths[] = {0, 3000, 2 * RECORD_OCTETS};
    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        Run run;
        start(&run, i, TLS1_3_VERSION);
        shake_hands(&run);
        client_says(&run, 10000);
        carry(&run);
        settle(&run);
        if (lengths[i] > 0)
            client_says(&run, lengths[i]);
        g_autoptr(GString) told = g_string_new(run.told->str);
        client_says(&run, 100);
        carry(&run);
        run.wire.inbound->str[run.wire.inbound->len - 1] ^= 1;
        settle(&run);
        take_rest(&run);
        assert_same(run.got, told);
        g_assert_cmpuint(run.failed, ==, 1);
        g_assert_nonnull(postern_tls_transport_problem(run.transport));
        g_assert_cmpuint(ERR_peek_error(), ==, 0);
        finish(&run);
    }
}

/* A handshake that ends in its middle, at each octet, is a failure or an end, and leaves nothing behind. */
static void test_cut_handshake(void)
{
    for (gsize cut = 0; cut < 400; cut++) {
        Run run;
        start(&run, (guint32)cut, cut % 2 ? TLS1_3_VERSION : TLS1_2_VERSION);
        carry(&run);
        g_string_truncate(run.wire.inbound, MIN(cut, run.wire.inbound->len));
        if (cut % 3 == 0 && run.wire.inbound->len > 0)
            run.wire.inbound->str[run.wire.inbound->len - 1] ^= (char)0x55;
        run.wire.ended = TRUE;
        settle(&run);
        g_assert_cmpuint(run.failed + run.closed, ==, 1);
        g_assert_cmpuint(run.got->len, ==, 0);
        g_assert_cmpuint(run.wire.wanted, ==, 0);
        finish(&run);
    }
}

/* It is closed while it tells that there is something to read, and to write. */
static void test_closed_in_ready(void)
{
    Run run;
    start(&run, 1, TLS1_3_VERSION);
    shake_hands(&run);
    run.wire.room = 10;
    proxy_says(&run, 30000);
    client_says(&run, RECORD_OCTETS);
    run.leaves = TRUE;
    carry(&run);
    run.wire.room = G_MAXSIZE;
    while (tell(&run))
        ;
    g_assert_true(run.wire.closed);
    finish(&run);
}

/* Who says nothing in many records does not keep the loop from others. */
static void test_flood_of_key_updates(void)
{
    Run run;
    start(&run, 1, TLS1_3_VERSION);
    shake_hands(&run);
    for (guint i = 0; i < 4000; i++) {
        SSL_key_update(run.client, SSL_KEY_UPDATE_NOT_REQUESTED);
        SSL_do_handshake(run.client);
    }
    client_says(&run, 5);
    carry(&run);
    for (guint events = 0; tell(&run); events++) {
        g_assert_cmpuint(run.wire.given, <=, 5 * RECORD_OCTETS);
        g_assert_cmpuint(events, <, 1000);
    }
    take_rest(&run);
    assert_same(run.got, run.told);
    finish(&run);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *path = make_certificate();
    the_context = context_of(path);
    client_context = SSL_CTX_new(TLS_client_method());
    g_test_add_func("/tls-transport/pieces", test_pieces);
    g_test_add_func("/tls-transport/octets-one-by-one", test_octets_one_by_one);
    g_test_add_func("/tls-transport/end", test_end);
    g_test_add_func("/tls-transport/changed-record", test_changed_record);
    g_test_add_func("/tls-transport/cut-handshake", test_cut_handshake);
    g_test_add_func("/tls-transport/closed-in-ready", test_closed_in_ready);
    g_test_add_func("/tls-transport/flood-of-key-updates", test_flood_of_key_updates);
    int result = g_test_run();
    SSL_CTX_free(client_context);
    postern_tls_context_unref(the_context);
    (void)remove(path);
    return result;
}
