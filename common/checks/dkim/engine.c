#include "checks/dkim/engine.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

struct PosternDkimEngine {
    DKIM_LIB *library;
    gboolean partial_body;
};

/* One message in the library's hands. */
typedef struct {
    DKIM *dkim;
    GPtrArray *fed; /* of PosternDkimSignature *, borrowed: those that the library has, in its order */
} Verification;

/* What an error of the library means for a signature. Not listed: it was met by our own checks or is a
 * mismatch. */
static const struct {
    DKIM_SIGERROR error;
    PosternDkimResult result;
} error_results[] = {
    {DKIM_SIGERROR_UNKNOWN, POSTERN_DKIM_TEMPERROR}, {DKIM_SIGERROR_BADSIG, POSTERN_DKIM_FAIL},
    {DKIM_SIGERROR_KEYFAIL, POSTERN_DKIM_TEMPERROR}, {DKIM_SIGERROR_KEYTOOSMALL, POSTERN_DKIM_POLICY},
    {DKIM_SIGERROR_EXPIRED, POSTERN_DKIM_FAIL},      {DKIM_SIGERROR_FUTURE, POSTERN_DKIM_FAIL},
};

static PosternDkimSignature *signature_of(Verification *verification, DKIM_SIGINFO *info)
{
    DKIM_SIGINFO **list = NULL;
    int count = 0;
    if (dkim_getsiglist(verification->dkim, &list, &count) != DKIM_STAT_OK ||
        (guint)count != verification->fed->len)
        return NULL;
    for (int i = 0; i < count; i++)
        if (list[i] == info)
            return g_ptr_array_index(verification->fed, (guint)i);
    return NULL;
}

static DKIM_CBSTAT give_key(DKIM *dkim, DKIM_SIGINFO *info, u_char *buffer, size_t size)
{
    PosternDkimSignature *signature = signature_of(dkim_get_user_context(dkim), info);
    if (signature == NULL || signature->decided || signature->key == NULL || signature->key->record == NULL)
        return DKIM_CBSTAT_NOTFOUND;
    return g_strlcpy((char *)buffer, signature->key->record, size) < size ? DKIM_CBSTAT_CONTINUE
                                                                          : DKIM_CBSTAT_NOTFOUND;
}

PosternDkimEngine *postern_dkim_engine_new(GError **error)
{
    g_autoptr(PosternDkimEngine) engine = g_new0(PosternDkimEngine, 1);
    unsigned int flags = DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES;
    unsigned int bits = POSTERN_DKIM_RSA_MIN_BITS;
    engine->library = dkim_init(NULL, NULL);
    if (engine->library == NULL || !dkim_libfeature(engine->library, DKIM_FEATURE_SHA256) ||
        !dkim_libfeature(engine->library, DKIM_FEATURE_ED25519) ||
        dkim_options(engine->library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags) !=
            DKIM_STAT_OK ||
        dkim_options(engine->library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits) !=
            DKIM_STAT_OK ||
        dkim_set_key_lookup(engine->library, give_key) != DKIM_STAT_OK) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "libopendkim cannot be set up");
        return NULL;
    }
    return g_steal_pointer(&engine);
}

void postern_dkim_engine_accept_partial_body(PosternDkimEngine *engine)
{
    engine->partial_body = TRUE;
}

gboolean postern_dkim_engine_accepts_partial_body(const PosternDkimEngine *engine)
{
    return engine->partial_body;
}

void postern_dkim_engine_free(PosternDkimEngine *engine)
{
    if (engine == NULL)
        return;
    if (engine->library != NULL)
        dkim_close(engine->library);
    g_free(engine);
}

/*
 * The library judges x= and t= by the real clock, we have judged them by the message's; its tolerance can be
 * set, but one of more seconds than a t= has makes that signature one of the future (unsigned arithmetic).
 * So: the largest that none of them wraps.
 */
static void widen_tolerance(PosternDkimEngine *engine, GPtrArray *signatures)
{
    uint64_t tolerance = G_MAXINT64 / 2;
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (!signature->decided && signature->signed_at >= 0)
            tolerance = MIN(tolerance, (uint64_t)signature->signed_at);
    }
    dkim_options(engine->library, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &tolerance, sizeof tolerance);
}

static void decide_rest(GPtrArray *signatures, PosternDkimResult result, const char *reason)
{
    for (guint i = 0; i < signatures->len; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(signatures, i);
        if (!signature->decided)
            postern_dkim_signature_decide(signature, result, reason);
    }
}

/* FALSE: the library could not take a field for want of memory. */
static gboolean feed_field(Verification *verification, const PosternHeaderField *field,
                           PosternDkimSignature *signature)
{
    DKIM_STAT status = postern_dkim_feed_field(verification->dkim, field);
    if (status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INTERNAL)
        return FALSE;
    if (signature == NULL)
        return TRUE;
    g_ptr_array_add(verification->fed, signature);
    if (status != DKIM_STAT_OK && !signature->decided)
        postern_dkim_signature_decide(signature, POSTERN_DKIM_PERMERROR, "the field is malformed");
    return TRUE;
}

static gboolean is_signature(const PosternHeaderField *field)
{
    return field->name_length == strlen(DKIM_SIGNHEADER) &&
           g_ascii_strncasecmp(field->name, DKIM_SIGNHEADER, field->name_length) == 0;
}

/* Of signature fields only those are fed that are to be evaluated: the library hashes the body for every one
 * that it sees, and reads beyond its buffer in some. */
static gboolean feed_header(Verification *verification, const PosternHeader *header, GPtrArray *signatures)
{
    guint next = 0;
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        PosternDkimSignature *signature = NULL;
        if (next < signatures->len && ((PosternDkimSignature *)signatures->pdata[next])->field == field)
            signature = g_ptr_array_index(signatures, next++);
        if (signature != NULL ? signature->decided : is_signature(field))
            continue;
        if (!feed_field(verification, field, signature))
            return FALSE;
    }
    return TRUE;
}

static void note_hashes(PosternDkimSignature *signature, DKIM_SIGINFO *info)
{
    unsigned int flags = dkim_sig_getflags(info);
    int body = dkim_sig_getbh(info);
    if (body == DKIM_SIGBH_MATCH || body == DKIM_SIGBH_MISMATCH)
        signature->body_hash =
            body == DKIM_SIGBH_MATCH ? POSTERN_DKIM_HASH_MATCHES : POSTERN_DKIM_HASH_DIFFERS;
    if ((flags & DKIM_SIGFLAG_PROCESSED) != 0)
        signature->header_hash =
            (flags & DKIM_SIGFLAG_PASSED) != 0 ? POSTERN_DKIM_HASH_MATCHES : POSTERN_DKIM_HASH_DIFFERS;
}

static void conclude(PosternDkimSignature *signature, DKIM_SIGINFO *info)
{
    DKIM_SIGERROR error = dkim_sig_geterror(info);
    gboolean key_matches = (dkim_sig_getflags(info) & DKIM_SIGFLAG_PASSED) != 0;
    gboolean body_matches = dkim_sig_getbh(info) == DKIM_SIGBH_MATCH;
    note_hashes(signature, info);
    if (error == DKIM_SIGERROR_OK && key_matches && body_matches) {
        postern_dkim_signature_decide(signature, POSTERN_DKIM_PASS, NULL);
        return;
    }
    if (key_matches && dkim_sig_getbh(info) == DKIM_SIGBH_MISMATCH) {
        postern_dkim_signature_decide(signature, POSTERN_DKIM_FAIL,
                                      "the body is not the one that was signed");
        return;
    }
    PosternDkimResult result = POSTERN_DKIM_PERMERROR;
    for (gsize i = 0; i < G_N_ELEMENTS(error_results); i++)
        if (error_results[i].error == error)
            result = error_results[i].result;
    const char *reason = dkim_sig_geterrorstr(error);
    postern_dkim_signature_decide(signature, result,
                                  reason != NULL ? reason : "the signature could not be evaluated");
}

static void conclude_all(Verification *verification)
{
    DKIM_SIGINFO **list = NULL;
    int count = 0;
    if (dkim_getsiglist(verification->dkim, &list, &count) != DKIM_STAT_OK ||
        (guint)count != verification->fed->len)
        return;
    for (int i = 0; i < count; i++) {
        PosternDkimSignature *signature = g_ptr_array_index(verification->fed, (guint)i);
        if (!signature->decided)
            conclude(signature, list[i]);
    }
}

void postern_dkim_engine_verify(PosternDkimEngine *engine, const char *octets, gsize length,
                                const PosternHeader *header, GPtrArray *signatures)
{
    DKIM_STAT status = DKIM_STAT_OK;
    Verification verification = {NULL, g_ptr_array_new()};
    widen_tolerance(engine, signatures);
    verification.dkim = dkim_verify(engine->library, (const unsigned char *)"postern", NULL, &status);
    if (verification.dkim != NULL) {
        dkim_set_user_context(verification.dkim, &verification);
        if (feed_header(&verification, header, signatures))
            status = dkim_eoh(verification.dkim);
        else
            status = DKIM_STAT_NORESOURCE;
        if (status == DKIM_STAT_OK)
            status = postern_dkim_feed_body(verification.dkim, octets + header->body_offset,
                                            length - header->body_offset);
        if (status == DKIM_STAT_OK) {
            dkim_eom(verification.dkim, NULL);
            conclude_all(&verification);
        }
        dkim_free(verification.dkim);
    }
    g_ptr_array_unref(verification.fed);
    decide_rest(signatures, status == DKIM_STAT_SYNTAX ? POSTERN_DKIM_PERMERROR : POSTERN_DKIM_TEMPERROR,
                "the message could not be evaluated by libopendkim");
}

/* The library takes what it only reads as u_char *. */
static u_char *readable(const char *octets)
{
    return (u_char *)(guintptr)octets;
}

DKIM_STAT postern_dkim_feed_field(DKIM *dkim, const PosternHeaderField *field)
{
    gsize length = (gsize)(field->value - field->name) + field->value_length;
    return dkim_header(dkim, readable(field->name), length);
}

DKIM_STAT postern_dkim_feed_body(DKIM *dkim, const char *body, gsize length)
{
    DKIM_STAT status = DKIM_STAT_OK;
    const char *end = "\r\n";
    if (length == 0)
        return status;
    status = dkim_body(dkim, readable(body), length);
    if (status != DKIM_STAT_OK || body[length - 1] == '\n')
        return status;
    if (body[length - 1] == '\r')
        end++;
    return dkim_body(dkim, readable(end), strlen(end));
}
