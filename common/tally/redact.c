#include "tally/redact.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

#define DIGEST_OCTETS 32
#define SHOWN_OCTETS 12 /* of it: 16 letters of base64, all of which a local part may have */
#define VALUE_MAX_OCTETS 4096
#define WORD_MAX_OCTETS 900
#define LINE_OCTETS 78
#define ADDRESSES_MAX 20 /* of one field */

typedef enum { AS_IT_IS, TEXT_ONLY, TRACE, TAGS, ADDRESSES, FIRST_WORD, IN_BRACKETS } Kind;

static const struct {
    const char *name;
    Kind kind;
} fields[] = {
    {"Received", TRACE},
    {"Return-Path", TEXT_ONLY},
    {"Received-SPF", TEXT_ONLY},
    {"Authentication-Results", TEXT_ONLY},
    {"ARC-Authentication-Results", TEXT_ONLY},
    {"ARC-Message-Signature", TAGS},
    {"ARC-Seal", TAGS},
    {"DKIM-Signature", TAGS},
    {"From", ADDRESSES},
    {"Sender", ADDRESSES},
    {"Reply-To", ADDRESSES},
    {"To", ADDRESSES},
    {"Cc", ADDRESSES},
    {"Resent-From", ADDRESSES},
    {"Resent-Sender", ADDRESSES},
    {"List-Id", IN_BRACKETS},
    {"Date", AS_IT_IS},
    {"Message-ID", AS_IT_IS},
    {"MIME-Version", AS_IT_IS},
    {"Content-Transfer-Encoding", AS_IT_IS},
    {"Content-Type", FIRST_WORD},
};

/* Before an address in tags and results: no part of it, though a local part may have such octets. */
static const char *const properties[] = {
    "i=",           "smtp.mailfrom=", "smtp.helo=", "smtp.rcptto=", "smtp.auth=",
    "header.from=", "header.sender=", "header.i=",  "mailfrom=",    "envelope-from="};
/* What follows is somebody, also if there is no '@' in it. */
static const char *const before_names[] = {"for ", "smtp.auth="};

static void append_printable(GString *out, const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        g_string_append_c(out, text[i] >= ' ' && text[i] <= '~' ? text[i] : text[i] == '\t' ? ' ' : '?');
}

static void append_digest(GString *out, const char *text, gsize length, const guint8 *key)
{
    guint8 digest[DIGEST_OCTETS];
    gsize digest_length = sizeof digest;
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, key, POSTERN_REDACTION_KEY_OCTETS);
    g_hmac_update(hmac, (const guchar *)text, (gssize)length);
    g_hmac_get_digest(hmac, digest, &digest_length);
    g_hmac_unref(hmac);
    g_autofree char *letters = g_base64_encode(digest, SHOWN_OCTETS);
    g_string_append(out, letters);
}

static gboolean is_of_local_part(char octet)
{
    return (guchar)octet >= 0x80 || g_ascii_isalnum(octet) ||
           (octet != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", octet) != NULL);
}

/* The place of the last octet of that kind in [from, end); from if there is none: then it is unbalanced, and
 * all of it is hidden. */
static gsize find_last(const char *text, gsize from, gsize end, char octet)
{
    while (end > from) {
        end--;
        if (text[end] == octet && (end == from || text[end - 1] != '\\'))
            return end;
    }
    return from;
}

/* Where the local part before at begins: a dot-atom or a quoted string, comments and blanks behind it. */
static gsize find_local_part(const char *text, gsize from, gsize at)
{
    gsize start = at;
    while (start > from && (postern_is_blank(text[start - 1]) || text[start - 1] == ')'))
        start = text[start - 1] == ')' ? find_last(text, from, start - 1, '(') : start - 1;
    if (start > from && text[start - 1] == '"')
        return find_last(text, from, start - 1, '"');
    while (start > from && is_of_local_part(text[start - 1]))
        start--;
    for (gsize i = 0; i < G_N_ELEMENTS(properties); i++) {
        gsize length = strlen(properties[i]);
        if (at - start >= length && g_ascii_strncasecmp(text + start, properties[i], length) == 0)
            return start + length;
    }
    return start;
}

static gsize at_sign(const char *text, gsize left)
{
    return text[0] == '@' ? 1 : left >= 3 && memcmp(text, "%40", 3) == 0 ? 3 : 0;
}

void postern_redact_text(GString *out, const char *text, gsize length,
                         const guint8 key[POSTERN_REDACTION_KEY_OCTETS])
{
    gsize told = 0;
    for (gsize at = 0; at < length; at++) {
        gsize sign = at_sign(text + at, length - at);
        if (sign == 0)
            continue;
        gsize start = find_local_part(text, told, at);
        append_printable(out, text + told, start - told);
        if (start < at)
            append_digest(out, text + start, at - start, key);
        g_string_append_len(out, text + at, (gssize)sign);
        told = at + sign;
    }
    append_printable(out, text + told, length - told);
}

static gboolean begins_word(const char *text, const char *at)
{
    return at == text || !(g_ascii_isalnum(at[-1]) || at[-1] == '.' || at[-1] == '-');
}

/* Names behind words that tell of one, redacted if they are no address. */
static char *redact_names(const char *text, const guint8 *key)
{
    GString *out = g_string_new(NULL);
    for (const char *at = text; *at != '\0';) {
        gsize skipped = 1;
        for (gsize i = 0; i < G_N_ELEMENTS(before_names) && skipped == 1; i++)
            if (begins_word(text, at) &&
                g_ascii_strncasecmp(at, before_names[i], strlen(before_names[i])) == 0)
                skipped = strlen(before_names[i]);
        g_string_append_len(out, at, (gssize)skipped);
        at += skipped;
        gsize length = skipped > 1 ? strcspn(at, " \t;,") : 0;
        if (length > 0 && memchr(at, '@', length) == NULL)
            append_digest(out, at, length, key);
        else
            g_string_append_len(out, at, (gssize)length);
        at += length;
    }
    return g_string_free(out, FALSE);
}

/* Without comments that tell who has logged in. */
static char *without_logins(const char *text)
{
    GString *out = g_string_new(NULL);
    while (*text != '\0') {
        gsize length = text[0] == '(' ? strcspn(text, ")") : strcspn(text, "(");
        g_autofree char *part = g_ascii_strdown(text, (gssize)length);
        if (text[0] != '(' || strstr(part, "auth") == NULL)
            g_string_append_len(out, text, (gssize)length);
        text += length;
    }
    return g_string_free(out, FALSE);
}

/* z= is a copy of the signed fields (RFC 6376 3.5). */
static char *without_copies(const char *text)
{
    g_auto(GStrv) tags = g_strsplit(text, ";", -1);
    GString *out = g_string_new(NULL);
    for (guint i = 0; tags[i] != NULL; i++) {
        const char *name = tags[i] + strspn(tags[i], " \t");
        if (name[0] != 'z' || (name[1] != '=' && !postern_is_blank(name[1])))
            g_string_append_printf(out, "%s%s", out->len > 0 ? ";" : "", tags[i]);
    }
    return g_string_free(out, FALSE);
}

/* "<LETTERS@domain>" each, and nothing else. */
static void append_addresses(GString *out, const char *text, const guint8 *key)
{
    gsize told = 0, length = strlen(text);
    guint count = 0;
    for (gsize at = 0; at < length && count < ADDRESSES_MAX; at++) {
        if (text[at] != '@')
            continue;
        gsize start = find_local_part(text, told, at), end = at + 1;
        while (end < length && (postern_is_blank(text[end]) || text[end] == '('))
            end += text[end] == '(' ? strcspn(text + end, ")") : 1;
        gsize domain =
            strspn(text + end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.[]:");
        g_string_append(out, count++ > 0 ? ", <" : "<");
        append_digest(out, text + start, at - start, key);
        g_string_append_c(out, '@');
        append_printable(out, text + end, domain);
        g_string_append_c(out, '>');
        told = at + 1;
    }
}

static void redact_value(GString *out, Kind kind, const char *value, const guint8 *key)
{
    const char *bracket = kind == IN_BRACKETS ? strrchr(value, '<') : NULL;
    g_autofree char *names = NULL, *rest = NULL;
    switch (kind) {
    case AS_IT_IS:
        append_printable(out, value, strlen(value));
        break;
    case FIRST_WORD:
        append_printable(out, value, strcspn(value, "; \t"));
        break;
    case ADDRESSES:
        append_addresses(out, value, key);
        break;
    case IN_BRACKETS:
        postern_redact_text(out, bracket != NULL ? bracket : "", bracket != NULL ? strlen(bracket) : 0, key);
        break;
    case TRACE:
        rest = without_logins(value);
        break;
    case TAGS:
        rest = without_copies(value);
        break;
    case TEXT_ONLY:
    default:
        rest = g_strdup(value);
        break;
    }
    if (rest == NULL)
        return;
    names = redact_names(rest, key);
    postern_redact_text(out, names, strlen(names), key);
}

void postern_redact_append_field(GString *out, const char *name, const char *value)
{
    gsize column = strlen(name) + 1;
    g_string_append_printf(out, "%s:", name);
    for (const char *word = value + strspn(value, " \t"); *word != '\0';) {
        gsize length = strcspn(word, " \t");
        gboolean folds = column + length >= LINE_OCTETS;
        g_string_append(out, folds ? "\r\n " : " ");
        append_printable(out, word, MIN(length, WORD_MAX_OCTETS));
        column = (folds ? 1 : column + 1) + MIN(length, WORD_MAX_OCTETS);
        word += length;
        word += strspn(word, " \t");
    }
    g_string_append(out, "\r\n");
}

GString *postern_redact_header(const PosternHeader *header, const guint8 key[POSTERN_REDACTION_KEY_OCTETS])
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        gsize known = 0, before = out->len;
        while (known < G_N_ELEMENTS(fields) && !postern_header_field_is(field, fields[known].name))
            known++;
        if (known == G_N_ELEMENTS(fields))
            continue;
        g_autofree char *value = postern_header_field_unfold(field);
        g_autoptr(GString) redacted = g_string_new(NULL);
        redact_value(redacted, fields[known].kind, value, key);
        g_string_truncate(redacted, MIN(redacted->len, VALUE_MAX_OCTETS));
        postern_redact_append_field(out, fields[known].name, redacted->str);
        if (out->len > POSTERN_FAILURE_HEADER_MAX_OCTETS) {
            g_string_truncate(out, before);
            break;
        }
    }
    return out;
}
