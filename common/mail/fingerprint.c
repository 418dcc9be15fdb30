#include "mail/fingerprint.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/limits.h"

static const char *const trace_names[] = {"Received",    "Received-SPF",    "Authentication-Results",
                                          "X-Greylist",  "X-Original-To",   "Delivered-To",
                                          "DKIM-Filter", "X-Virus-Scanned", "X-Virus-Status"};

gboolean postern_fingerprint_is_trace(const char *name, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(trace_names); i++)
        if (strlen(trace_names[i]) == length && g_ascii_strncasecmp(trace_names[i], name, length) == 0)
            return TRUE;
    return FALSE;
}

/* Octets of the line at the front, with its CRLF; 0: no such line of printable ASCII. */
static gsize line_octets(const char *octets, gsize length)
{
    gsize i = 0;
    while (i < length && (octets[i] == '\t' || (octets[i] >= 0x20 && octets[i] <= 0x7e)))
        i++;
    return i + 2 <= length && octets[i] == '\r' && octets[i + 1] == '\n' ? i + 2 : 0;
}

/* Octets of the field of trace at the front, with all its lines; 0: none. */
static gsize field_octets(const char *octets, gsize length)
{
    const char *colon = memchr(octets, ':', length);
    if (colon == NULL || !postern_fingerprint_is_trace(octets, (gsize)(colon - octets)))
        return 0;
    gsize end = line_octets(octets, length);
    for (gsize more = end; more > 0 && end < length && (octets[end] == ' ' || octets[end] == '\t');
         end += more) {
        more = line_octets(octets + end, length - end);
        if (more == 0)
            return 0;
    }
    return end;
}

gsize postern_fingerprint_trace(const char *octets, gsize length)
{
    gsize end = 0;
    for (guint i = 0; i <= POSTERN_TRACE_FIELDS_MAX && end <= POSTERN_TRACE_MAX_OCTETS; i++) {
        gsize field = field_octets(octets + end, length - end);
        if (field == 0)
            return end;
        end += field;
    }
    return 0;
}

gboolean postern_fingerprint(PosternMessage *message, guint64 question,
                             guint8 ret_fingerprint[POSTERN_FINGERPRINT_OCTETS])
{
    guint8 body[POSTERN_FINGERPRINT_OCTETS];
    gsize length = 0;
    guint64 header = 0;
    const char *octets = NULL;
    if (!postern_message_body_digest(message, &header, body))
        return FALSE;
    octets = postern_message_octets(message, &length, NULL);
    if (octets == NULL || header > length)
        return FALSE;
    gsize trace = postern_fingerprint_trace(octets, header);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    gboolean done = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                    EVP_DigestUpdate(digest, &question, sizeof question) == 1 &&
                    EVP_DigestUpdate(digest, body, sizeof body) == 1 &&
                    EVP_DigestUpdate(digest, octets + trace, header - trace) == 1 &&
                    EVP_DigestFinal_ex(digest, ret_fingerprint, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}
