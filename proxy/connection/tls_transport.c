#include "proxy/connection/tls_transport.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#define RECORD_MAX_OCTETS 16384         /* of plain text; RFC 8446 5.1 */
#define RECORD_EXPANSION_MAX_OCTETS 512 /* head, padding and tag of a record, and more; RFC 5246 6.2.3 */
#define READ_MAX_OCTETS (3 * RECORD_MAX_OCTETS) /* and so few records that hold nothing */

typedef struct {
    PosternTransport transport;
    PosternTransport *inner;
    SSL *ssl;
    PosternTlsContext *context;
    guint wanted;       /* mask of PosternTransportEvent: what the user waits for */
    guint read_waits;   /* what of the inner transport reading waits for: READ, but in a handshake */
    guint write_waits;  /* and writing: WRITE, but in a handshake */
    guint inner_wanted; /* what it is told that we wait for */
    gsize allowance;    /* octets that may be read of the inner transport before others have their turn */
    gboolean inner_ended;
    gboolean untold; /* reading has met an end or an error behind what it gave */
    gboolean *freed; /* during ready: told if it is closed */
    char *problem;
} TlsTransport;

static const PosternTransportFunctions functions;

static TlsTransport *of(PosternTransport *transport)
{
    return (TlsTransport *)transport;
}

static int read_inner(BIO *bio, char *octets, int maximum)
{
    TlsTransport *self = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    gsize allowed = MIN((gsize)maximum, self->allowance);
    errno = EAGAIN;
    gssize length = allowed > 0 ? self->inner->functions->read(self->inner, octets, allowed) : -1;
    if (length < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    if (length > 0)
        self->allowance -= (gsize)length;
    self->inner_ended = length == 0;
    return (int)length;
}

static int write_inner(BIO *bio, const char *octets, int length)
{
    PosternTransport *inner = ((const TlsTransport *)BIO_get_data(bio))->inner;
    const struct iovec piece = postern_transport_piece(octets, (gsize)length);
    BIO_clear_retry_flags(bio);
    gssize written = inner->functions->write(inner, &piece, 1, FALSE);
    if (written < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)written;
}

static long control_inner(BIO *bio, int command, long number, void *data)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(void)
{
    static gsize made = 0;
    if (g_once_init_enter(&made)) {
        BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");
        BIO_meth_set_read(method, read_inner);
        BIO_meth_set_write(method, write_inner);
        BIO_meth_set_ctrl(method, control_inner);
        g_once_init_leave(&made, GPOINTER_TO_SIZE(method));
    }
    return GSIZE_TO_POINTER(made);
}

static void fail(TlsTransport *self)
{
    g_autofree char *problem = postern_tls_problem();
    long verified = SSL_get_verify_result(self->ssl);
    if (self->problem != NULL)
        return;
    if (verified != X509_V_OK && (SSL_get_verify_mode(self->ssl) & SSL_VERIFY_PEER) != 0)
        self->problem = g_strdup_printf("%s: %s", problem, X509_verify_cert_error_string(verified));
    else
        self->problem = g_steal_pointer(&problem);
}

/* What a call that gave result came to: 0: the peer has ended; -1 and errno, with *waits if it is EAGAIN. */
static gssize conclude(TlsTransport *self, int result, guint *waits)
{
    int number = errno;
    switch (SSL_get_error(self->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *waits = POSTERN_TRANSPORT_READ;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        *waits = POSTERN_TRANSPORT_WRITE;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        if (self->inner_ended && SSL_is_init_finished(self->ssl))
            return 0;
        errno = number != 0 && !self->inner_ended ? number : ECONNRESET;
        return -1;
    default:
        fail(self);
        errno = EPROTO;
        return -1;
    }
}

/* Reading has more to give, of which the inner transport cannot tell. */
static gboolean has_more(const TlsTransport *self)
{
    return SSL_pending(self->ssl) > 0 || self->untold;
}

/* What the inner transport must tell of, for all that is waited for. What we have more makes no event: then
 * one comes with the next chance to write, which is soon. */
static void want_of_inner(TlsTransport *self)
{
    guint events = 0;
    if ((self->wanted & POSTERN_TRANSPORT_READ) != 0)
        events |= self->read_waits | (has_more(self) ? POSTERN_TRANSPORT_WRITE : 0);
    if ((self->wanted & POSTERN_TRANSPORT_WRITE) != 0)
        events |= self->write_waits;
    if (events == self->inner_wanted)
        return;
    self->inner_wanted = events;
    self->inner->functions->want(self->inner, events);
}

/* A whole record is read at a time, so that nothing is left in OpenSSL if maximum is not less. */
static gssize read_tls(PosternTransport *transport, void *octets, gsize maximum)
{
    TlsTransport *self = of(transport);
    gsize length = 0;
    int result;
    ERR_clear_error();
    self->read_waits = POSTERN_TRANSPORT_READ;
    maximum = MIN(maximum, READ_MAX_OCTETS);
    self->allowance = maximum + RECORD_MAX_OCTETS + RECORD_EXPANSION_MAX_OCTETS;
    do {
        errno = 0;
        result = SSL_read(self->ssl, (char *)octets + length, (int)MIN(maximum - length, G_MAXINT));
        length += result > 0 ? (gsize)result : 0;
    } while (result > 0 && maximum - length >= RECORD_MAX_OCTETS);
    gssize other = result > 0 ? (gssize)length : conclude(self, result, &self->read_waits);
    int number = errno;
    self->untold = length > 0 && (other == 0 || (other < 0 && number != EAGAIN));
    want_of_inner(self);
    errno = number;
    return length > 0 ? (gssize)length : other;
}

/* One record: what is refused in its middle must be said again as it was (SSL_write(3)), and is, for whoever
 * writes keeps what was not taken. */
static gssize write_tls(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more)
{
    TlsTransport *self = of(transport);
    char gathered[RECORD_MAX_OCTETS];
    gsize length = 0;
    for (int i = 0; i < count && length < sizeof gathered; i++) {
        gsize part = MIN(pieces[i].iov_len, sizeof gathered - length);
        memcpy(gathered + length, pieces[i].iov_base, part);
        length += part;
    }
    ERR_clear_error();
    errno = 0;
    self->allowance = RECORD_MAX_OCTETS + RECORD_EXPANSION_MAX_OCTETS;
    int result = SSL_write(self->ssl, gathered, (int)length);
    self->write_waits = POSTERN_TRANSPORT_WRITE;
    if (result > 0)
        return result;
    gssize other = conclude(self, result, &self->write_waits);
    if (other == 0) {
        errno = EPIPE;
        return -1;
    }
    return other;
}

static void want_of_tls(PosternTransport *transport, guint events)
{
    of(transport)->wanted = events;
    want_of_inner(of(transport));
}

static void on_inner(PosternTransportEvent event, gpointer user_data)
{
    TlsTransport *self = user_data;
    gboolean freed = FALSE;
    gboolean reads =
        (self->wanted & POSTERN_TRANSPORT_READ) != 0 && (event == self->read_waits || has_more(self));
    gboolean writes = (self->wanted & POSTERN_TRANSPORT_WRITE) != 0 && event == self->write_waits;
    if (reads) {
        self->freed = &freed;
        self->transport.ready(POSTERN_TRANSPORT_READ, self->transport.user_data);
        if (freed)
            return;
        self->freed = NULL;
    }
    if (writes && (self->wanted & POSTERN_TRANSPORT_WRITE) != 0)
        self->transport.ready(POSTERN_TRANSPORT_WRITE, self->transport.user_data);
}

static int finish_connect_of_tls(PosternTransport *transport)
{
    return of(transport)->inner->functions->finish_connect(of(transport)->inner);
}

/* The peer hears that nothing more comes, if it is there still (RFC 8446 6.1). */
static void say_end(TlsTransport *self)
{
    ERR_clear_error();
    if (SSL_is_init_finished(self->ssl) && self->problem == NULL)
        (void)SSL_shutdown(self->ssl);
    ERR_clear_error();
}

static void shutdown_tls(PosternTransport *transport)
{
    TlsTransport *self = of(transport);
    say_end(self);
    self->inner->functions->shutdown(self->inner);
}

static gboolean tls_has_input(PosternTransport *transport)
{
    TlsTransport *self = of(transport);
    /* Octets of a handshake say nothing. */
    return SSL_pending(self->ssl) > 0 ||
           (SSL_is_init_finished(self->ssl) && self->inner->functions->has_input(self->inner));
}

static gboolean tls_is_stuck(PosternTransport *transport, gint64 milliseconds)
{
    PosternTransport *inner = of(transport)->inner;
    return inner->functions->is_stuck(inner, milliseconds);
}

static gpointer lend_of_tls(PosternTransport *transport, gsize length)
{
    PosternTransport *inner = of(transport)->inner;
    return inner->functions->lend != NULL ? inner->functions->lend(inner, length) : NULL;
}

static void narrow_tls(PosternTransport *transport, guint octets)
{
    PosternTransport *inner = of(transport)->inner;
    if (inner->functions->narrow != NULL)
        inner->functions->narrow(inner, octets);
}

static void close_tls(PosternTransport *transport, gboolean reset)
{
    if (!reset)
        say_end(of(transport));
    PosternTransport *inner = postern_tls_transport_unwrap(transport);
    inner->functions->close(inner, reset);
}

static const PosternTransportFunctions functions = {
    .read = read_tls,
    .write = write_tls,
    .want = want_of_tls,
    .finish_connect = finish_connect_of_tls,
    .shutdown = shutdown_tls,
    .has_input = tls_has_input,
    .is_stuck = tls_is_stuck,
    .lend = lend_of_tls,
    .narrow = narrow_tls,
    .close = close_tls,
};

PosternTransport *postern_tls_transport_unwrap(PosternTransport *transport)
{
    TlsTransport *self = of(transport);
    if (transport->functions != &functions)
        return transport;
    PosternTransport *inner = self->inner;
    if (self->freed != NULL)
        *self->freed = TRUE;
    SSL_free(self->ssl);
    postern_tls_context_unref(self->context);
    g_free(self->problem);
    g_free(self);
    return inner;
}

/* ssl may be NULL: no memory; else it is taken over. */
static PosternTransport *transport_new(PosternTlsContext *context, SSL *ssl, PosternTransport *inner)
{
    BIO *bio = ssl != NULL ? BIO_new(bio_method()) : NULL;
    if (bio == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    TlsTransport *self = g_new0(TlsTransport, 1);
    self->transport.functions = &functions;
    self->context = postern_tls_context_ref(context);
    self->inner = inner;
    self->ssl = ssl;
    self->read_waits = POSTERN_TRANSPORT_READ;
    self->write_waits = POSTERN_TRANSPORT_WRITE;
    BIO_set_data(bio, self);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    inner->ready = on_inner;
    inner->user_data = self;
    return &self->transport;
}

PosternTransport *postern_tls_transport_accept(PosternTlsContext *context, PosternTransport *inner)
{
    return transport_new(context, postern_tls_context_accept(context), inner);
}

PosternTransport *postern_tls_transport_connect(PosternTlsContext *context, const PosternAddress *address,
                                                const char *name, const GPtrArray *records,
                                                PosternTransport *inner)
{
    return transport_new(context, postern_tls_context_connect(context, address, name, records), inner);
}

/* The last, and so the most exact, common name (RFC 6125 1.8) of the peer's certificate. */
static void copy_name(const SSL *ssl, PosternTlsFacts *facts)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    facts->verified = certificate != NULL && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
                      SSL_get_verify_result(ssl) == X509_V_OK;
    const X509_NAME *subject = facts->verified ? X509_get_subject_name(certificate) : NULL;
    int place = -1;
    for (int next = -1;
         subject != NULL && (next = X509_NAME_get_index_by_NID(subject, NID_commonName, next)) >= 0;)
        place = next;
    guchar *text = NULL;
    if (place >= 0 &&
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place))) >= 0)
        g_strlcpy(facts->peer, (const char *)text, sizeof facts->peer);
    OPENSSL_free(text);
}

gboolean postern_tls_transport_facts(PosternTransport *transport, PosternTlsFacts *ret_facts)
{
    if (transport->functions != &functions || !SSL_is_init_finished(of(transport)->ssl))
        return FALSE;
    const SSL *ssl = of(transport)->ssl;
    *ret_facts = (PosternTlsFacts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
        .resumed = SSL_session_reused(ssl) != 0,
    };
    copy_name(ssl, ret_facts);
    return TRUE;
}

gboolean postern_tls_transport_shakes_hands(PosternTransport *transport)
{
    return transport->functions == &functions && !SSL_is_init_finished(of(transport)->ssl);
}

const char *postern_tls_transport_problem(PosternTransport *transport)
{
    return transport->functions == &functions ? of(transport)->problem : NULL;
}
