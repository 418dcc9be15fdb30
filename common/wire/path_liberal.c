#include "wire/path_liberal.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"
#include "wire/path.h"

/* An address without what only parts or wraps it. */
typedef struct {
    GString *octets;
    GString *literal; /* for each of them: 1 if it was quoted, and so means nothing but itself */
    gboolean has_quotes;
    guint depth; /* of brackets in brackets */
} Flat;

static gboolean is_taken(guint syntax)
{
    return (syntax & POSTERN_PATH_TAKEN) != 0;
}

gsize postern_path_length_of_wrapped(const char *text, gsize length)
{
    char open = text[0];
    char close = open == '(' ? ')' : '"';
    guint depth = 0;

    for (gsize at = 0; at < length; at++)
        if (text[at] == '\\')
            at++;
        else if (text[at] == close && (open == '"' ? depth > 0 : depth == 1))
            return at + 1;
        else if (text[at] == open)
            depth++;
        else if (text[at] == close)
            depth--;
    return 0;
}

/* The octets of the path at text: to its closing bracket, or to the first blank that stands in no brackets,
 * quotes or comment. 0: something is not closed. */
static gsize extent_of(const char *text, gsize length, guint syntax)
{
    guint depth = 0;
    gsize at = 0;

    while (at < length) {
        if (text[at] == '"' || (text[at] == '(' && is_taken(syntax))) {
            gsize wrapped = postern_path_length_of_wrapped(text + at, length - at);
            if (wrapped == 0)
                return 0;
            at += wrapped;
            continue;
        }
        if (postern_is_blank(text[at]) && depth == 0)
            return at;
        if (text[at] == '\\')
            at++;
        else if (text[at] == '<')
            depth++;
        else if (text[at] == '>' && depth > 0)
            depth--;
        else if (text[at] == '>' && !is_taken(syntax))
            return 0;
        at++;
        if (at <= length && depth == 0 && text[at - 1] == '>' && !is_taken(syntax))
            return at;
    }
    return depth == 0 && at == length ? at : 0;
}

static void add(Flat *flat, char octet, gboolean literal)
{
    g_string_append_c(flat->octets, octet);
    g_string_append_c(flat->literal, literal ? '\1' : '\0');
}

static void add_quoted(Flat *flat, const char *text, gsize length)
{
    flat->has_quotes = TRUE;
    for (gsize at = 1; at + 1 < length; at++) {
        at += text[at] == '\\';
        add(flat, text[at], TRUE);
    }
}

/* Whether a word may end, or begin, beside octet (-1: there is none). */
static gboolean is_edge(int octet)
{
    return octet < 0 || octet == '.' || octet == '@' || octet == ':' || octet == ',';
}

static int last_of(const Flat *flat)
{
    gsize length = flat->octets->len;
    return length > 0 && flat->literal->str[length - 1] == '\0' ? (guchar)flat->octets->str[length - 1]
           : length > 0                                         ? 'a'
                                                                : -1;
}

/* Blanks at text[*at] on: none if a word ends, a space of the word if it goes on. FALSE: not allowed.
 */
static gboolean take_blanks(Flat *flat, const char *text, gsize length, gsize *at, guint syntax)
{
    while (*at < length && postern_is_blank(text[*at]))
        ++*at;
    if (is_edge(last_of(flat)) || *at == length || is_edge((guchar)text[*at]))
        return is_taken(syntax) || (syntax & POSTERN_PATH_RECIPIENT) == 0;
    if (is_taken(syntax) && strchr("<>();", text[*at]) == NULL)
        add(flat, ' ', TRUE);
    return is_taken(syntax);
}

static gboolean take_quoted(Flat *flat, const char *text, gsize length, gsize *at, guint syntax)
{
    gsize wrapped = postern_path_length_of_wrapped(text + *at, length - *at);
    gsize end = *at + wrapped;

    if (wrapped == 0)
        return FALSE;
    if (!is_taken(syntax) && (!is_edge(last_of(flat)) ||
                              (end < length && !is_edge((guchar)text[end]) && !postern_is_blank(text[end]))))
        return FALSE;
    add_quoted(flat, text + *at, wrapped);
    *at = end;
    return TRUE;
}

/* What only a mail server in front has taken, if there is any at text[*at]; FALSE: there is not. */
static gboolean take_odd(Flat *flat, const char *text, gsize length, gsize *at)
{
    switch (text[*at]) {
    case '(':
        *at += MAX(postern_path_length_of_wrapped(text + *at, length - *at), 1);
        return TRUE;
    case '<':
        flat->depth++;
        ++*at;
        return TRUE;
    case '>':
        /* What stands behind the last one is no address. */
        *at = flat->depth == 1 ? length : *at + 1;
        flat->depth -= flat->depth > 0;
        return TRUE;
    case ';':
        ++*at;
        return TRUE;
    default:
        return FALSE;
    }
}

/* FALSE: syntax does not have such an address. */
static gboolean flatten(Flat *flat, const char *text, gsize length, guint syntax)
{
    gsize at = 0;

    while (at < length) {
        if (postern_is_blank(text[at])) {
            if (!take_blanks(flat, text, length, &at, syntax))
                return FALSE;
        } else if (text[at] == '"') {
            if (!take_quoted(flat, text, length, &at, syntax))
                return FALSE;
        } else if (text[at] == '\\' && at + 1 < length) {
            add(flat, text[at + 1], TRUE);
            at += 2;
        } else if (!is_taken(syntax) || !take_odd(flat, text, length, &at)) {
            add(flat, text[at++], FALSE);
        }
    }
    return TRUE;
}

static void cut(Flat *flat, gsize length)
{
    g_string_erase(flat->octets, 0, (gssize)length);
    g_string_erase(flat->literal, 0, (gssize)length);
}

/* FALSE: what looks like a source route is none. */
static gboolean strip_routes(Flat *flat, guint syntax)
{
    while (flat->octets->len > 0 && flat->octets->str[0] == '@' && flat->literal->str[0] == '\0') {
        const char *colon = memchr(flat->octets->str, ':', flat->octets->len);
        gsize route = postern_path_source_route(flat->octets->str, flat->octets->len);

        if (route == 0 && is_taken(syntax) && colon != NULL)
            route = (gsize)(colon - flat->octets->str) + 1;
        if (route == 0)
            return is_taken(syntax);
        cut(flat, route);
        if (!is_taken(syntax))
            break;
    }
    return TRUE;
}

/* The first, or last, octet of that value that means something; -1: none. Postfix forgets what was quoted. */
static gssize find(const Flat *flat, char octet, gboolean last, guint syntax)
{
    gssize found = -1;

    for (gsize i = 0; i < flat->octets->len && (last || found < 0); i++)
        if (flat->octets->str[i] == octet && (is_taken(syntax) || flat->literal->str[i] == '\0'))
            found = (gssize)i;
    return found;
}

static gboolean is_wide(char octet)
{
    return (guchar)octet > 0x7f;
}

/* local, in quotes if it needs them. */
static void append_local(GString *out, const char *local, gsize length)
{
    gboolean plain = length > 0;

    for (gsize i = 0; i < length; i++)
        plain = plain && (postern_path_is_atom((guchar)local[i]) || local[i] == '.' || is_wide(local[i]));
    if (plain) {
        g_string_append_len(out, local, (gssize)length);
        return;
    }
    g_string_append_c(out, '"');
    for (gsize i = 0; i < length; i++) {
        if (local[i] == '"' || local[i] == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, local[i]);
    }
    g_string_append_c(out, '"');
}

static gboolean is_local(const Flat *flat, gsize from, gsize length, guint syntax)
{
    if (length == 0)
        return flat->has_quotes || is_taken(syntax);
    for (gsize i = from; i < from + length && !is_taken(syntax); i++) {
        char octet = flat->octets->str[i];
        gboolean literal = flat->literal->str[i] != '\0';
        if (is_wide(octet) || (literal && octet >= 0x20 && octet < 0x7f) ||
            (!literal && (octet == '.' || postern_path_is_atom((guchar)octet))))
            continue;
        return FALSE;
    }
    return TRUE;
}

static gboolean is_domain(const char *text, gsize length, guint syntax)
{
    gboolean wide = (syntax & (POSTERN_PATH_UTF8 | POSTERN_PATH_TAKEN)) != 0;

    if (postern_path_is_domain(text, length, wide))
        return TRUE;
    if (!is_taken(syntax) || length == 0)
        return FALSE;
    for (gsize i = 0; i < length; i++)
        if ((guchar)text[i] <= ' ' || text[i] == 0x7f || strchr("<>()@,;:\\\"[]", text[i]) != NULL)
            return FALSE;
    return TRUE;
}

/* The path of flat, whose local part and domain begin there and are so long; NULL: it is none. */
static char *write_path(const Flat *flat, gsize local, gsize local_length, gsize domain, gsize domain_length,
                        guint syntax)
{
    const char *octets = flat->octets->str;
    g_autoptr(GString) out = g_string_new(NULL);
    guint dots = 0;

    while (domain_length > 1 && octets[domain + domain_length - 1] == '.' &&
           (dots++ == 0 || is_taken(syntax)))
        domain_length--;
    if (!is_taken(syntax) && memchr(flat->literal->str + domain, '\1', domain_length) != NULL)
        return NULL;
    if (!is_local(flat, local, local_length, syntax) || !is_domain(octets + domain, domain_length, syntax))
        return NULL;
    append_local(out, octets + local, local_length);
    g_string_append_c(out, '@');
    g_string_append_len(out, octets + domain, (gssize)domain_length);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Without a domain it is a user of the mail server's own; but Postfix and Sendmail read `a%domain` and
 * `domain!a` as an address there. */
static char *write_unqualified(const Flat *flat, guint syntax)
{
    gsize length = flat->octets->len;
    gssize bang = find(flat, '!', FALSE, syntax);
    gssize percent = find(flat, '%', TRUE, syntax);
    g_autoptr(GString) out = g_string_new(NULL);

    if (is_taken(syntax) && bang > 0)
        return write_path(flat, (gsize)bang + 1, length - (gsize)bang - 1, 0, (gsize)bang, syntax);
    if (is_taken(syntax) && percent > 0)
        return write_path(flat, 0, (gsize)percent, (gsize)percent + 1, length - (gsize)percent - 1, syntax);
    if (!is_taken(syntax) && strcspn(flat->octets->str, "%!@:") < length)
        return NULL;
    if (length == 0 || !is_local(flat, 0, length, syntax))
        return NULL;
    append_local(out, flat->octets->str, length);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static const char *read_address(Flat *flat, const char *text, gsize length, guint syntax, char **ret_path)
{
    gssize at;

    if (!flatten(flat, text, length, syntax) || !strip_routes(flat, syntax))
        return "Bad address";
    if (!is_taken(syntax) && !g_utf8_validate_len(flat->octets->str, flat->octets->len, NULL))
        return "Address is not UTF-8";
    at = find(flat, '@', TRUE, syntax);
    if (flat->octets->len == 0 && (is_taken(syntax) || !flat->has_quotes))
        *ret_path = g_strdup("");
    else if (at < 0)
        *ret_path = write_unqualified(flat, syntax);
    else
        *ret_path = write_path(flat, 0, (gsize)at, (gsize)at + 1, flat->octets->len - (gsize)at - 1, syntax);
    return *ret_path != NULL ? NULL : "Bad address";
}

const char *postern_path_parse_liberally(const char *text, gsize length, guint syntax, gsize *ret_consumed,
                                         char **ret_path)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    g_autoptr(GString) literal = g_string_new(NULL);
    Flat flat = {octets, literal, FALSE, 0};
    gsize extent = extent_of(text, length, syntax);
    gboolean brackets = extent >= 2 && text[0] == '<' && text[extent - 1] == '>';
    const char *problem;

    if (extent == 0)
        return length > POSTERN_PATH_MAX_OCTETS ? "Address too long" : "Bad address";
    if (extent > POSTERN_PATH_MAX_OCTETS)
        return "Address too long";
    problem = brackets && !is_taken(syntax) ? read_address(&flat, text + 1, extent - 2, syntax, ret_path)
                                            : read_address(&flat, text, extent, syntax, ret_path);
    if (problem != NULL)
        return problem;
    if (strlen(*ret_path) + strlen("<>") > POSTERN_PATH_MAX_OCTETS || (!brackets && (*ret_path)[0] == '\0')) {
        problem = (*ret_path)[0] == '\0' ? "Bad address" : "Address too long";
        g_clear_pointer(ret_path, g_free);
        return problem;
    }
    *ret_consumed = extent;
    return NULL;
}
