#include "wire/path.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"
#include "wire/path_liberal.h"

typedef struct {
    const char *text;
    gsize length;
    gsize at;
    gboolean utf8;
} Cursor;

static int peek(const Cursor *cursor)
{
    return cursor->at < cursor->length ? (guchar)cursor->text[cursor->at] : -1;
}

static gboolean skip(Cursor *cursor, char octet)
{
    if (peek(cursor) != (guchar)octet)
        return FALSE;
    cursor->at++;
    return TRUE;
}

static gboolean is_wide(const Cursor *cursor, int octet)
{
    return cursor->utf8 && octet > 0x7f;
}

static gboolean is_letter_or_digit(const Cursor *cursor, int octet)
{
    return octet >= 0 && (g_ascii_isalnum((char)octet) || octet == '_' || is_wide(cursor, octet));
}

gboolean postern_path_is_atom(guchar octet)
{
    return octet > 0 && octet <= 0x7f &&
           (g_ascii_isalnum((char)octet) || strchr("!#$%&'*+-/=?^_`{|}~", octet) != NULL);
}

static gboolean is_atom(const Cursor *cursor, int octet)
{
    return octet >= 0 && (postern_path_is_atom((guchar)octet) || is_wide(cursor, octet));
}

static gboolean take_dot_string(Cursor *cursor)
{
    do {
        gsize start = cursor->at;

        while (is_atom(cursor, peek(cursor)))
            cursor->at++;
        if (cursor->at == start)
            return FALSE;
    } while (skip(cursor, '.'));
    return TRUE;
}

static gboolean take_quoted_string(Cursor *cursor)
{
    if (!skip(cursor, '"'))
        return FALSE;
    while (!skip(cursor, '"')) {
        gboolean escaped = skip(cursor, '\\');
        int octet = peek(cursor);

        if (octet < 0x20 || octet == 0x7f || (octet > 0x7f && (escaped || !cursor->utf8)))
            return FALSE;
        cursor->at++;
    }
    return TRUE;
}

/* A label's octets are counted if it is ASCII; that of a U-label counts in its A-label form (RFC
 * 5890 2.3.2.1). */
static gboolean take_label(Cursor *cursor)
{
    gsize start = cursor->at;
    gboolean wide = FALSE;

    if (!is_letter_or_digit(cursor, peek(cursor)))
        return FALSE;
    while (is_letter_or_digit(cursor, peek(cursor)) || peek(cursor) == '-') {
        wide = wide || peek(cursor) > 0x7f;
        cursor->at++;
    }
    if (cursor->text[cursor->at - 1] == '-')
        return FALSE;
    return wide || cursor->at - start <= POSTERN_DOMAIN_LABEL_MAX_OCTETS;
}

static gboolean take_domain(Cursor *cursor)
{
    gsize start = cursor->at;

    do {
        if (!take_label(cursor))
            return FALSE;
    } while (skip(cursor, '.'));
    return cursor->utf8 || cursor->at - start <= POSTERN_DOMAIN_NAME_MAX_OCTETS;
}

static gboolean take_address_literal(Cursor *cursor)
{
    static const char ipv6_tag[] = "IPv6:";
    const char *start = cursor->text + cursor->at + 1;
    const char *end = memchr(start, ']', cursor->length - cursor->at - 1);
    char literal[sizeof(ipv6_tag) + INET6_ADDRSTRLEN];
    struct in6_addr address;
    gsize length;

    if (end == NULL)
        return FALSE;
    length = (gsize)(end - start);
    if (length >= sizeof(literal) || memchr(start, '\0', length) != NULL)
        return FALSE;
    memcpy(literal, start, length);
    literal[length] = '\0';
    cursor->at += length + 2;
    if (g_ascii_strncasecmp(literal, ipv6_tag, strlen(ipv6_tag)) == 0)
        return inet_pton(AF_INET6, literal + strlen(ipv6_tag), &address) == 1;
    return inet_pton(AF_INET, literal, &address) == 1;
}

static gboolean take_source_route(Cursor *cursor)
{
    do {
        if (!skip(cursor, '@') || !take_domain(cursor))
            return FALSE;
    } while (skip(cursor, ','));
    return skip(cursor, ':');
}

static const char *take_mailbox(Cursor *cursor)
{
    static const char postmaster[] = "postmaster";
    gsize start = cursor->at;
    gboolean is_local = peek(cursor) == '"' ? take_quoted_string(cursor) : take_dot_string(cursor);

    if (!is_local)
        return "Bad local part in address";
    if (start == 1 && peek(cursor) == '>' && cursor->at - start == strlen(postmaster) &&
        g_ascii_strncasecmp(cursor->text + start, postmaster, strlen(postmaster)) == 0)
        return NULL;
    if (!skip(cursor, '@'))
        return "Domain missing in address";
    if (peek(cursor) == '[')
        return take_address_literal(cursor) ? NULL : "Bad address literal";
    return take_domain(cursor) ? NULL : "Bad domain in address";
}

gboolean postern_path_is_domain(const char *text, gsize length, gboolean utf8)
{
    Cursor cursor = {.text = text, .length = length, .utf8 = utf8};
    gboolean is = peek(&cursor) == '[' ? take_address_literal(&cursor) : take_domain(&cursor);

    return is && cursor.at == length && (!utf8 || g_utf8_validate_len(text, length, NULL));
}

gsize postern_path_source_route(const char *text, gsize length)
{
    Cursor cursor = {.text = text, .length = length};

    return take_source_route(&cursor) ? cursor.at : 0;
}

/* What is glued to a bracket belongs to the address, for who reads more than RFC 5321. */
static gboolean is_ended(const char *text, gsize length, gsize at)
{
    return at == length || text[at] == ' ' || text[at] == '\t';
}

static const char *parse_strictly(const char *text, gsize length, gboolean utf8, gsize *ret_consumed,
                                  char **ret_path)
{
    Cursor cursor = {.text = text, .length = MIN(length, POSTERN_PATH_MAX_OCTETS), .utf8 = utf8};
    const char *problem = NULL;
    gsize start;

    if (!skip(&cursor, '<'))
        return "Address must be in angle brackets";
    if (peek(&cursor) == '@' && !take_source_route(&cursor))
        return "Bad source route in address";
    start = cursor.at;
    if (start > 1 || peek(&cursor) != '>')
        problem = take_mailbox(&cursor);
    if (length > POSTERN_PATH_MAX_OCTETS && cursor.at >= POSTERN_PATH_MAX_OCTETS)
        problem = "Address too long";
    if (problem == NULL && !skip(&cursor, '>'))
        problem = "Bad address";
    if (problem == NULL && utf8 && !g_utf8_validate_len(text, cursor.at, NULL))
        problem = "Address is not UTF-8";
    if (problem != NULL)
        return problem;
    *ret_path = g_strndup(text + start, cursor.at - 1 - start);
    *ret_consumed = cursor.at;
    return NULL;
}

const char *postern_path_parse(const char *text, gsize length, guint syntax, gsize *ret_consumed,
                               char **ret_path)
{
    const char *problem;
    gsize consumed = 0;

    *ret_path = NULL;
    *ret_consumed = 0;
    problem = parse_strictly(text, length, (syntax & POSTERN_PATH_UTF8) != 0, &consumed, ret_path);
    if (problem == NULL && is_ended(text, length, consumed)) {
        *ret_consumed = consumed;
        return NULL;
    }
    if ((syntax & (POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN)) == 0) {
        *ret_consumed = problem == NULL ? consumed : 0;
        return problem;
    }
    g_clear_pointer(ret_path, g_free);
    return postern_path_parse_liberally(text, length, syntax, ret_consumed, ret_path);
}

static gboolean is_plain(const char *text, gsize length)
{
    if (length < 2 || text[0] != '<' || text[length - 1] != '>' || text[length - 2] == '.' || text[1] == '.')
        return FALSE;
    for (gsize i = 1; i < length - 1; i++)
        if ((guchar)text[i] <= ' ' || (guchar)text[i] >= 0x7f || strchr("\"\\", text[i]) != NULL ||
            (text[i] == '.' && strchr(".@", text[i + 1]) != NULL))
            return FALSE;
    return TRUE;
}

static gboolean is_qualified(const char *text, gsize length, const char *path, gboolean is_sender)
{
    const char *at = memrchr(text, '@', length);
    gsize left = at != NULL ? (gsize)(text + length - at) - 1 : 0;
    while (left > 0 && strchr("> \t", at[left]) != NULL)
        left--;
    if (left == 0 || at[left] == '.')
        return at == NULL && (path[0] == '\0' || !is_sender);
    for (gsize i = 1; i <= left && is_sender; i++)
        if (!g_ascii_isalnum(at[i]) && strchr("-. \t", at[i]) == NULL && (guchar)at[i] < 0x80)
            return FALSE;
    return TRUE;
}

/* Of text from a quote or an opening bracket of a comment on. */
static gsize skip_wrapped(const char *text, gsize length)
{
    gsize wrapped = postern_path_length_of_wrapped(text, length);
    return MAX(wrapped, 1);
}

/* No two words stand beside each other, no second address, and nothing behind a closing bracket. */
static gboolean is_single(const char *text, gsize length)
{
    gboolean closed = FALSE, word = FALSE, quoted = FALSE, gap = FALSE;
    for (gsize i = 0; i < length;) {
        const char octet = text[i];
        if (octet == ' ' || octet == '\t') {
            gap = TRUE;
            i++;
        } else if (octet == '(') {
            i += skip_wrapped(text + i, length - i);
        } else if (octet == '>' || (octet == ';' && i + 1 == length)) {
            closed = TRUE;
            i++;
        } else if (closed || (octet == ',' && memchr(text + i, ':', length - i) == NULL) || octet == ';' ||
                   (octet == '[' && (i == 0 || text[i - 1] != '@'))) {
            return FALSE;
        } else if (strchr("<.@:", octet) != NULL) {
            word = quoted = gap = FALSE;
            i++;
        } else {
            if (quoted || (word && (gap || octet == '"')))
                return FALSE;
            word = TRUE;
            gap = FALSE;
            quoted = octet == '"';
            i += quoted ? skip_wrapped(text + i, length - i) : octet == '\\' ? 2 : 1;
        }
    }
    return TRUE;
}

static gboolean has_host(const char *path, gboolean utf8)
{
    const char *at = strrchr(path, '@');
    if (at == NULL)
        return TRUE;
    gboolean has_letter = at[1] == '[';
    for (const char *octet = at + 1; *octet != '\0'; octet++)
        has_letter = has_letter || (!g_ascii_isdigit(*octet) && *octet != '.');
    return path[0] != '-' && has_letter && postern_path_is_domain(at + 1, strlen(at + 1), utf8) &&
           strstr(at, ".-") == NULL && at[1] != '-' && g_utf8_validate(path, -1, NULL);
}

gboolean postern_path_suits(const char *text, gsize length, const char *path, gboolean is_sender,
                            guint syntax)
{
    return ((syntax & POSTERN_PATH_SINGLE) == 0 ||
            (is_single(text, length) && (!is_sender || has_host(path, (syntax & POSTERN_PATH_UTF8) != 0)))) &&
           ((syntax & POSTERN_PATH_PLAIN) == 0 || is_plain(text, length)) &&
           ((syntax & POSTERN_PATH_QUALIFIED) == 0 || is_qualified(text, length, path, is_sender));
}
