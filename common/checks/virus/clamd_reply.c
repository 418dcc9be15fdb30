#include "checks/virus/clamd_reply.h"

#include <string.h>

#include "base/limits.h"

#define ID_MAX_DIGITS 10

void postern_clamd_reply_clear(PosternClamdReply *reply)
{
    g_clear_pointer(&reply->text, g_free);
}

/* "ID: " is taken off; an id of more digits than any is text. */
static const char *take_id(const char *text, guint64 *ret_id)
{
    gsize digits = strspn(text, "0123456789");
    *ret_id = 0;
    if (digits == 0 || digits > ID_MAX_DIGITS || !g_str_has_prefix(text + digits, ": "))
        return text;
    *ret_id = g_ascii_strtoull(text, NULL, 10);
    return text + digits + 2;
}

static PosternClamdResult result_of(const char *text, gsize *ret_end)
{
    static const struct {
        const char *end;
        PosternClamdResult result;
    } ends[] = {{": OK", POSTERN_CLAMD_OK}, {" FOUND", POSTERN_CLAMD_FOUND}, {" ERROR", POSTERN_CLAMD_ERROR}};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        *ret_end = strlen(text) - MIN(strlen(text), strlen(ends[i].end));
        if (g_str_equal(text + *ret_end, ends[i].end))
            return ends[i].result;
    }
    *ret_end = strlen(text);
    return POSTERN_CLAMD_OTHER;
}

int postern_clamd_reply_parse(const char *octets, gsize length, PosternClamdReply *reply, gsize *ret_taken)
{
    const char *end = memchr(octets, '\0', MIN(length, (gsize)POSTERN_CLAMD_REPLY_MAX_OCTETS));
    gsize text_end = 0;
    if (end == NULL)
        return length >= POSTERN_CLAMD_REPLY_MAX_OCTETS ? -1 : 0;
    if (end == octets)
        return -1;
    const char *text = take_id(octets, &reply->id);
    reply->result = result_of(text, &text_end);
    /* What was scanned is "stream" or "fd[N]", and tells nothing; no name of a signature has a colon. */
    const char *name =
        reply->result == POSTERN_CLAMD_FOUND ? g_strrstr_len(text, (gssize)text_end, ": ") : NULL;
    const char *start = name != NULL ? name + 2 : text;
    reply->text = g_strndup(start, text_end - (gsize)(start - text));
    for (char *octet = reply->text; *octet != '\0'; octet++)
        if (*octet < 0x20 || *octet > 0x7e)
            *octet = '?';
    *ret_taken = (gsize)(end - octets) + 1;
    return 1;
}
