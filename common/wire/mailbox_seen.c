#include "wire/mailbox_seen.h"

#include <string.h>

#include "wire/encoded_word.h"

void postern_mailbox_seen_init(PosternMailboxSeen *seen)
{
    *seen = (PosternMailboxSeen){.text = g_string_new(NULL)};
}

void postern_mailbox_seen_clear(PosternMailboxSeen *seen)
{
    if (seen->text != NULL)
        g_string_free(g_steal_pointer(&seen->text), TRUE);
}

void postern_mailbox_seen_add(PosternMailboxSeen *seen, const char *text, gsize length)
{
    gsize at = 0;

    while (at < length) {
        gsize encoded = postern_encoded_word_length(text + at, length - at);

        if (encoded > 0) {
            gsize begin = seen->text->len;

            seen->opaque |= !postern_encoded_word_decode(seen->text, text + at, encoded);
            seen->quotes |= memchr(seen->text->str + begin, '"', seen->text->len - begin) ||
                            memchr(seen->text->str + begin, '\\', seen->text->len - begin);
            seen->encoded = TRUE;
            at += encoded;
        } else {
            g_string_append_c(seen->text, text[at++]);
        }
    }
}

gboolean postern_mailbox_holds_angle_address(const char *text, gsize length)
{
    const char *angle = memchr(text, '<', length);

    return angle && memchr(angle, '@', length - (gsize)(angle - text));
}

static gboolean has_control(const GString *text)
{
    for (gsize i = 0; i < text->len; i++)
        if (((guchar)text->str[i] < 0x20 && text->str[i] != '\t') || text->str[i] == 0x7f)
            return TRUE;
    return FALSE;
}

const char *postern_mailbox_seen_doubt(const PosternMailboxSeen *seen)
{
    const GString *text = seen->text;

    if (!seen->encoded)
        return NULL;
    if (seen->opaque)
        return "an encoded word whose character set hides what it says";
    if (has_control(text))
        return "a control character within an encoded word";
    const char *at = memchr(text->str, '@', text->len);
    gsize rest = at ? text->len - (gsize)(at - text->str) : 0;

    if (postern_mailbox_holds_angle_address(text->str, text->len) ||
        (at && (memchr(at, ',', rest) || memchr(at, ';', rest))))
        return "an address within an encoded word";
    return NULL;
}

const char *postern_mailbox_local_part_doubt(const char *text, gsize length)
{
    if (g_strstr_len(text, (gssize)length, "=?"))
        return "an encoded word within an address";
    if (memchr(text, '@', length) || memchr(text, '<', length))
        return "a local part that looks like an address";
    return NULL;
}

static gboolean is_listed(const GPtrArray *domains, const char *domain, gsize length)
{
    for (guint i = 0; i < domains->len; i++) {
        const char *known = g_ptr_array_index(domains, i);

        if (strlen(known) == length && g_ascii_strncasecmp(known, domain, length) == 0)
            return TRUE;
    }
    return FALSE;
}

gboolean postern_mailbox_seen_names_other(const PosternMailboxSeen *seen, const GPtrArray *domains)
{
    const char *end = seen->text->str + seen->text->len;

    for (const char *angle = seen->text->str; (angle = memchr(angle, '<', (gsize)(end - angle))); angle++) {
        const char *close = memchr(angle, '>', (gsize)(end - angle));
        const char *stop = close ? close : end;
        const char *at = memrchr(angle, '@', (gsize)(stop - angle));

        if (at && !is_listed(domains, at + 1, (gsize)(stop - at - 1)))
            return TRUE;
    }
    return FALSE;
}

static gboolean is_domain_octet(char octet)
{
    return (guchar)octet >= 0x80 || g_ascii_isalnum(octet) || octet == '-' || octet == '_' || octet == '.';
}

gboolean postern_mailbox_mentions_other(const char *value, gsize length, const GPtrArray *domains)
{
    g_auto(PosternMailboxSeen) seen = {NULL};
    const char *at;

    postern_mailbox_seen_init(&seen);
    postern_mailbox_seen_add(&seen, value, length);
    at = seen.text->str;

    const char *end = at + seen.text->len;

    while ((at = memchr(at, '@', (gsize)(end - at)))) {
        const char *domain = ++at;

        while (domain < end && g_ascii_isspace(*domain))
            domain++;
        for (at = domain; at < end && is_domain_octet(*at);)
            at++;
        if (!is_listed(domains, domain, (gsize)(at - domain)))
            return TRUE;
    }
    return FALSE;
}
