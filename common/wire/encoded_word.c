#include "wire/encoded_word.h"

#include <string.h>

/* Where the parts of `=?charset?encoding?text?=` begin and end, in octets from its start. */
typedef struct {
    char encoding; /* 'b' or 'q' */
    gsize text;
    gsize text_end;
    gsize length;
} Parts;

static gboolean may_stand_inside(char octet)
{
    return g_ascii_isgraph(octet) && strchr("()<>,;:\\\"", octet) == NULL;
}

/* The end of a part that '?' ends, or length: there is none. */
static gsize part_end(const char *text, gsize length, gsize at, gboolean careless)
{
    while (at < length && text[at] != '?' && (careless || may_stand_inside(text[at])))
        at++;
    return at < length && text[at] == '?' ? at : length;
}

/* careless: in the text anything may stand. */
static gboolean find_parts(const char *text, gsize length, gboolean careless, Parts *ret_parts)
{
    if (length < 2 || text[0] != '=' || text[1] != '?')
        return FALSE;
    gsize charset_end = part_end(text, length, 2, FALSE);
    if (charset_end == 2 || length - charset_end < 3)
        return FALSE;
    char encoding = g_ascii_tolower(text[charset_end + 1]);
    if ((encoding != 'b' && encoding != 'q') || text[charset_end + 2] != '?')
        return FALSE;
    gsize begin = charset_end + 3;
    gsize end = part_end(text, length, begin, careless);
    if (length - end < 2 || text[end + 1] != '=')
        return FALSE;
    *ret_parts = (Parts){.encoding = encoding, .text = begin, .text_end = end, .length = end + 2};
    return TRUE;
}

gsize postern_encoded_word_length(const char *text, gsize length)
{
    Parts parts;

    return find_parts(text, length, FALSE, &parts) ? parts.length : 0;
}

gsize postern_encoded_word_careless_length(const char *text, gsize length)
{
    Parts parts;

    return find_parts(text, length, TRUE, &parts) ? parts.length : 0;
}

static void decode_q(GString *out, const char *text, gsize length)
{
    for (gsize at = 0; at < length; at++) {
        if (text[at] == '=' && length - at >= 3 && g_ascii_isxdigit(text[at + 1]) &&
            g_ascii_isxdigit(text[at + 2])) {
            int octet = g_ascii_xdigit_value(text[at + 1]) * 16 + g_ascii_xdigit_value(text[at + 2]);
            g_string_append_c(out, (char)octet);
            at += 2;
        } else {
            g_string_append_c(out, text[at] == '_' ? ' ' : text[at]);
        }
    }
}

static void decode_b(GString *out, const char *text, gsize length)
{
    gint state = 0;
    guint saved = 0;
    g_autofree guchar *octets = g_malloc(length / 4 * 3 + 3);
    gsize decoded = g_base64_decode_step(text, length, octets, &state, &saved);

    g_string_append_len(out, (const char *)octets, (gssize)decoded);
}

/* TRUE: name is the begin of the word's character set. */
static gboolean has_charset(const char *text, gsize length, const char *name)
{
    return length > 2 + strlen(name) && g_ascii_strncasecmp(text + 2, name, strlen(name)) == 0;
}

static gboolean is_opaque(const char *text, gsize length)
{
    static const char *const names[] = {"utf-7",     "utf7",  "unicode-", "csutf7", "utf-16", "utf16",
                                        "utf-32",    "utf32", "ucs-",     "ucs2",   "ucs4",   "iso-10646",
                                        "x-imap",    "imap",  "hz",       "ebcdic", "ibm03",  "cp03",
                                        "csunicode", "scsu",  "bocu",     "ibm10",  "ibm11",  "cp10"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        if (has_charset(text, length, names[i]))
            return TRUE;
    return FALSE;
}

/* Octets of an escape sequence behind its ESC (ECMA-35 13.1); *wide as it is from there. */
static gsize take_escape(const char *text, gsize length, gboolean *wide)
{
    gsize at = 0;
    while (at < length && text[at] >= 0x20 && text[at] <= 0x2f)
        at++;
    if (at == length)
        return length;
    if (text[0] == '(')
        *wide = text[at] != 'B' && text[at] != 'J';
    else if (text[0] == '$')
        *wide = at == 1 || text[1] == '(';
    return at + 1;
}

/* Leaves the octets of octets from begin that stand for ASCII. */
static void keep_ascii(GString *octets, gsize begin)
{
    static const char shift_out = 0x0e;
    static const char shift_in = 0x0f;
    static const char escape = 0x1b;
    gboolean wide = FALSE;
    gsize kept = begin;
    for (gsize at = begin; at < octets->len; at++) {
        char octet = octets->str[at];
        if (octet == escape)
            at += take_escape(octets->str + at + 1, octets->len - at - 1, &wide);
        else if (octet == shift_out || octet == shift_in)
            wide = octet == shift_out;
        else if (!wide)
            octets->str[kept++] = octet;
    }
    g_string_truncate(octets, kept);
}

gboolean postern_encoded_word_decode(GString *out, const char *text, gsize length)
{
    Parts parts;
    gsize begin = out->len;

    if (!find_parts(text, length, TRUE, &parts))
        return TRUE;
    if (parts.encoding == 'q')
        decode_q(out, text + parts.text, parts.text_end - parts.text);
    else
        decode_b(out, text + parts.text, parts.text_end - parts.text);
    if (has_charset(text, length, "iso-2022-"))
        keep_ascii(out, begin);
    return !is_opaque(text, length);
}
