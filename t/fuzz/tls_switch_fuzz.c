#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "split.h"
#include "support/certificate.h"
#include "support/world.h"

/*
 * A client and a server, hostile or not, about the moment where TLS begins, on both sides of the proxy. The
 * input is a list of events. After each: behind its 220 to STARTTLS, and behind the server's, the proxy sends
 * records of TLS alone; what is said in the clear behind STARTTLS is never taken; no mail goes to a server,
 * or is taken of a client, in the clear where it must not.
 */
#define OFFER "250-mta\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 XCLIENT ADDR NAME\r\n"

typedef enum {
    SERVER_WELL,
    SERVER_LATER,    /* 454 to STARTTLS */
    SERVER_NO_OFFER, /* in the clear */
    SERVER_AHEAD,    /* speaks behind its 220 */
    SERVER_DEAF,     /* starts no TLS after it */
    SERVER_SILENT,
    SERVER_WAYS
} ServerWay;

typedef struct Fuzz Fuzz;

typedef struct {
    Fuzz *fuzz;
    Wire *wire; /* or NULL */
    SSL *ssl;   /* NULL: in the clear */
    GString *heard;
    gboolean is_server;
    gboolean switched; /* the proxy must say nothing in the clear any more */
    guint skip;        /* octets until the next record of the proxy begins */
    guint head_length;
    guint8 head[5];
} End;

struct Fuzz {
    const uint8_t *data;
    size_t size;
    World world;
    End client;
    GPtrArray *servers; /* of End * */
    ServerWay way;
    gsize piece;
    gboolean clients_encrypt, servers_encrypt;
    gboolean clear_only; /* the client has never finished a handshake */
    gboolean says_evil;  /* the client has, where it may */
};

static SSL_CTX *server_context, *client_context;
static char *certificate;

static guint take(Fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static End *end_new(Fuzz *fuzz, gboolean is_server)
{
    End *end = g_new0(End, 1);
    end->fuzz = fuzz;
    end->is_server = is_server;
    end->heard = g_string_new(NULL);
    return end;
}

static void end_free(gpointer data)
{
    End *end = data;
    if (end->wire != NULL)
        wire_leave(end->wire, FALSE);
    SSL_free(end->ssl);
    g_string_free(end->heard, TRUE);
    g_free(end);
}

/* RFC 8446 5.1. */
static void check_records(End *end, const char *octets, gsize length)
{
    while (length > 0) {
        gsize part = MIN(length, end->skip);
        end->skip -= (guint)part;
        octets += part;
        length -= part;
        if (length == 0)
            return;
        end->head[end->head_length++] = (guint8)*octets++;
        length--;
        g_assert_cmpuint(end->head[0], >=, 20);
        g_assert_cmpuint(end->head[0], <=, 23);
        g_assert_true(end->head_length < 2 || end->head[1] == 3);
        if (end->head_length == sizeof end->head) {
            end->skip = (guint)end->head[3] << 8 | end->head[4];
            end->head_length = 0;
        }
    }
}

static void send_records(End *end)
{
    char octets[4096];
    int length;
    while (end->wire != NULL && (length = BIO_read(SSL_get_wbio(end->ssl), octets, sizeof octets)) > 0)
        wire_say(end->wire, octets, (gsize)length);
}

static gboolean is_protected(const End *end)
{
    return end->ssl != NULL && SSL_is_init_finished(end->ssl);
}

static void say(End *end, const char *octets, gsize length)
{
    if (end->wire == NULL || length == 0)
        return;
    if (end->ssl == NULL) {
        wire_say(end->wire, octets, length);
        return;
    }
    if (SSL_is_init_finished(end->ssl))
        (void)SSL_write(end->ssl, octets, (int)length);
    ERR_clear_error();
    send_records(end);
}

static void start_tls(End *end)
{
    if (end->ssl != NULL || end->wire == NULL)
        return;
    end->ssl = SSL_new(end->is_server ? server_context : client_context);
    SSL_set_bio(end->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (end->is_server)
        SSL_set_accept_state(end->ssl);
    else
        SSL_set_connect_state(end->ssl);
    (void)SSL_do_handshake(end->ssl);
    ERR_clear_error();
    send_records(end);
}

static void leave(End *end)
{
    if (end->wire != NULL)
        wire_leave(g_steal_pointer(&end->wire), FALSE);
}

static void answer_starttls(End *end)
{
    Fuzz *fuzz = end->fuzz;
    if (fuzz->way == SERVER_LATER) {
        say(end, "454 later\r\n", 11);
        return;
    }
    end->switched = TRUE;
    say(end, "220 go\r\n250 evil\r\n", fuzz->way == SERVER_AHEAD ? 18 : 8);
    if (fuzz->way == SERVER_WELL)
        start_tls(end);
}

/* A line of the proxy, without its end. */
static void serve(End *end, const char *line)
{
    Fuzz *fuzz = end->fuzz;
    gboolean mail = g_str_has_prefix(line, "MAIL") || g_str_has_prefix(line, "RCPT");
    g_assert_true(!mail || !fuzz->servers_encrypt || is_protected(end));
    g_assert_true(!mail || !fuzz->clients_encrypt || !fuzz->clear_only);
    g_assert_true(fuzz->says_evil || strstr(line, "evil") == NULL);
    if (fuzz->way == SERVER_SILENT)
        return;
    if (g_str_has_prefix(line, "STARTTLS"))
        answer_starttls(end);
    else if (g_str_has_prefix(line, "EHLO") && (fuzz->way == SERVER_NO_OFFER || end->ssl != NULL))
        say(end, "250-mta\r\n250 XCLIENT ADDR NAME\r\n", 32);
    else if (g_str_has_prefix(line, "EHLO"))
        say(end, OFFER, strlen(OFFER));
    else if (g_str_has_prefix(line, "XCLIENT"))
        say(end, "220 mta\r\n", 9);
    else if (g_str_equal(line, "DATA"))
        say(end, "451 not now\r\n", 13);
    else
        say(end, "250 ok\r\n", 8);
}

static void hear(End *end, const char *octets, gsize length)
{
    g_string_append_len(end->heard, octets, (gssize)length);
    if (!end->is_server) {
        const char *reply = strstr(end->heard->str, "220 2.0.0 Ready to start TLS\r\n");
        end->switched = end->switched || (end->ssl == NULL && reply != NULL);
        g_assert_true(end->ssl != NULL || reply == NULL || strlen(reply) == 30);
        return;
    }
    const char *line_end;
    while ((line_end = strstr(end->heard->str, "\r\n")) != NULL) {
        g_autofree char *line = g_strndup(end->heard->str, (gsize)(line_end - end->heard->str));
        g_string_erase(end->heard, 0, line_end + 2 - end->heard->str);
        serve(end, line);
    }
}

static void on_received(Wire *wire, const char *octets, gsize length)
{
    End *end = wire->user_data;
    char text[4096];
    int got;
    if (end->switched)
        check_records(end, octets, length);
    if (end->ssl == NULL) {
        if (!end->switched)
            hear(end, octets, length);
        return;
    }
    BIO_write(SSL_get_rbio(end->ssl), octets, (int)length);
    while ((got = SSL_read(end->ssl, text, sizeof text)) > 0)
        hear(end, text, (gsize)got);
    ERR_clear_error();
    if (!end->is_server && SSL_is_init_finished(end->ssl))
        end->fuzz->clear_only = FALSE;
    send_records(end);
}

static void on_shut(Wire *wire)
{
}

static void on_closed(Wire *wire, gboolean reset)
{
    End *end = wire->user_data;
    leave(end);
}

static const WirePeer peer = {.received = on_received, .shut = on_shut, .closed = on_closed};

static gboolean server_connect(World *world, Wire *wire, const PosternAddress *address)
{
    Fuzz *fuzz = world->user_data;
    End *end = end_new(fuzz, TRUE);
    end->wire = wire;
    wire->peer = &peer;
    wire->user_data = end;
    g_ptr_array_add(fuzz->servers, end);
    wire_answer_connect(wire, 0);
    if (fuzz->way != SERVER_SILENT)
        wire_say(wire, "220 mta\r\n", 9);
    return TRUE;
}

static gsize portion(World *world, gsize length)
{
    const Fuzz *fuzz = world->user_data;
    return MIN(length, fuzz->piece);
}

static void no_log(World *world, const char *line)
{
}

static const WorldHooks hooks = {.portion = portion, .connect = server_connect, .log = no_log};

/* ---- events */

static void say_octets(Fuzz *fuzz, End *end, gboolean raw)
{
    gsize wanted = take(fuzz);
    gsize length = MIN(wanted, fuzz->size);
    fuzz->says_evil = fuzz->says_evil || memmem(fuzz->data, length, "evil", 4) != NULL;
    if (end != NULL && end->wire != NULL && length > 0) {
        if (raw)
            wire_say(end->wire, (const char *)fuzz->data, length);
        else
            say(end, (const char *)fuzz->data, length);
    }
    fuzz->data += length;
    fuzz->size -= length;
}

static void say_usual(Fuzz *fuzz)
{
    static const char *const usual[] = {
        "EHLO c.test\r\n",
        "STARTTLS\r\n",
        "MAIL FROM:<a@x.test>\r\n",
        "RCPT TO:<b@y.test>\r\n",
        "DATA\r\n",
        "Subject: x\r\n\r\nx\r\n.\r\n",
        "STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n",
        "STARTTLS\r\nRSET\r\n",
        "RSET\r\n",
        "QUIT\r\n",
    };
    const char *text = usual[take(fuzz) % G_N_ELEMENTS(usual)];
    fuzz->says_evil = fuzz->says_evil || (is_protected(&fuzz->client) && strstr(text, "evil") != NULL);
    say(&fuzz->client, text, strlen(text));
}

static void step(Fuzz *fuzz)
{
    static const gsize pieces[] = {G_MAXSIZE, 1, 7, 100};
    End *server = fuzz->servers->len > 0 ? g_ptr_array_index(fuzz->servers, fuzz->servers->len - 1) : NULL;
    switch (take(fuzz) % 10) {
    case 0:
        say_octets(fuzz, &fuzz->client, TRUE);
        break;
    case 1:
    case 2:
        say_usual(fuzz);
        break;
    case 3:
        start_tls(&fuzz->client);
        break;
    case 4:
        say_octets(fuzz, server, take(fuzz) % 2 == 0);
        break;
    case 5:
        fuzz->way = (ServerWay)(take(fuzz) % SERVER_WAYS);
        break;
    case 6:
        fuzz->piece = pieces[take(fuzz) % G_N_ELEMENTS(pieces)];
        break;
    case 7:
        world_run(&fuzz->world, fuzz->world.now + take(fuzz) * 100);
        break;
    case 8:
        say_octets(fuzz, &fuzz->client, FALSE);
        break;
    default:
        if (take(fuzz) % 2 == 0 && server != NULL)
            leave(server);
        else if (fuzz->client.wire != NULL)
            wire_end(fuzz->client.wire);
        break;
    }
    world_run(&fuzz->world, fuzz->world.now);
}

static PosternProxySettings *settings_for(guint flags)
{
    static const char *const client_levels[] = {"may", "encrypt"};
    static const char *const server_levels[] = {"off", "may", "encrypt", "verify"};
    static PosternProxySettings *all[8];
    PosternProxySettings **settings = &all[flags % G_N_ELEMENTS(all)];
    if (*settings != NULL)
        return postern_proxy_settings_ref(*settings);
    g_autofree char *text = g_strdup_printf(
        "[proxy]\nhostname = mx.test\nrelay_probe = no\nbackend_timeout = 10s\nclient_timeout = 20s\n"
        "inspect = no\ntls = %s\n[tls]\ncertificates = %s\nservers = %s\nserver_name = mx.example.org\n"
        "server_authorities = %s\n",
        client_levels[flags & 1], certificate, server_levels[flags >> 1 & 3], certificate);
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "fuzz", NULL);
    g_assert_nonnull(configuration);
    *settings = postern_proxy_settings_new(configuration, NULL, NULL);
    g_assert_nonnull(*settings);
    return postern_proxy_settings_ref(*settings);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    certificate = make_certificate();
    server_context = SSL_CTX_new(TLS_server_method());
    client_context = SSL_CTX_new(TLS_client_method());
    g_assert_cmpint(SSL_CTX_use_certificate_file(server_context, certificate, SSL_FILETYPE_PEM), ==, 1);
    g_assert_cmpint(SSL_CTX_use_PrivateKey_file(server_context, certificate, SSL_FILETYPE_PEM), ==, 1);
    for (guint flags = 0; flags < 8; flags++)
        postern_proxy_settings_unref(settings_for(flags));
    g_unlink(certificate);
    return postern_log_open("fuzz", "/dev/null", POSTERN_LOG_ERROR, NULL) ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz fuzz = {.data = data, .size = size, .piece = G_MAXSIZE, .clear_only = TRUE};
    PosternAddress address;
    guint flags = take(&fuzz);
    g_assert_true(postern_address_parse(&address, "192.0.2.7"));
    fuzz.client = (End){.fuzz = &fuzz, .heard = g_string_new(NULL)};
    fuzz.servers = g_ptr_array_new_with_free_func(end_free);
    fuzz.clients_encrypt = (flags & 1) != 0;
    fuzz.servers_encrypt = (flags >> 1 & 3) >= 2;
    world_start(&fuzz.world, &hooks, &fuzz, settings_for(flags), 1);
    fuzz.client.wire = wire_new(&fuzz.world, &peer, &fuzz.client);
    world_accept(&fuzz.world, 0, fuzz.client.wire, &address, FALSE);
    world_run(&fuzz.world, fuzz.world.now);
    while (fuzz.size > 0)
        step(&fuzz);
    leave(&fuzz.client);
    world_drain(&fuzz.world, 0);
    gint64 end = fuzz.world.now + 3600000;
    while (!world_is_drained(&fuzz.world))
        g_assert_true(world_step(&fuzz.world, end));
    g_ptr_array_unref(fuzz.servers);
    world_stop(&fuzz.world);
    SSL_free(fuzz.client.ssl);
    g_string_free(fuzz.client.heard, TRUE);
    return 0;
}
