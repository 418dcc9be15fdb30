#include "checks/virus/multipart.h"

#include <string.h>

static const char field_name[] = "Content-Type";
static const char multipart[] = "multipart";
static const char unheard_of[] = "multipart/x";
static const char *const passed_over[] = {"signed", "parallel", "plain", "html", "enriched", "richtext"};

static gboolean is_line_end(char octet)
{
    return octet == '\r' || octet == '\n';
}

static gboolean is_space(char octet)
{
    return g_ascii_isspace(octet) || octet == '\v' || octet == '\0';
}

/* Where the value of the field begins that begins here, or 0: it is another. */
static gsize find_value(const char *line, gsize length)
{
    gsize at = strlen(field_name);
    if (length <= at || g_ascii_strncasecmp(line, field_name, at) != 0)
        return 0;
    while (at < length && line[at] != ':' && !is_line_end(line[at]))
        at++;
    return at < length && line[at] == ':' ? at + 1 : 0;
}

/* TRUE: the line end here is that of the field, not a fold. */
static gboolean ends_field(const char *text, gsize length, gsize at)
{
    if (text[at] == '\r' && at + 1 < length && text[at + 1] == '\n')
        at++;
    return is_line_end(text[at]) && (at + 1 == length || (text[at + 1] != ' ' && text[at + 1] != '\t'));
}

/*
 * Octets up to the parameters or the end of the field; kind: the type among them as libclamav reads it, in
 * lower case, without comments, quotes, backslashes and white space. FALSE: a comment does not end.
 */
static gboolean read_kind(const char *text, gsize length, gboolean comments, GString *kind, gsize *ret_octets)
{
    guint depth = 0;
    gboolean quoted = FALSE;
    gsize at = 0;
    g_string_truncate(kind, 0);
    for (; at < length && !ends_field(text, length, at); at++) {
        char octet = text[at];
        if (octet == ';' && depth == 0)
            break;
        if (octet == '"')
            quoted = !quoted;
        else if (octet == '(' && !quoted && comments)
            depth++;
        else if (octet == ')' && depth > 0)
            depth--;
        else if (depth == 0 && octet != '\\' && !is_space(octet))
            g_string_append_c(kind, g_ascii_tolower(octet));
    }
    *ret_octets = at;
    return depth == 0;
}

static gboolean is_passed_over(const GString *kind)
{
    if (strstr(kind->str, multipart) == NULL)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(passed_over); i++)
        if (strstr(kind->str, passed_over[i]) != NULL)
            return TRUE;
    return FALSE;
}

/* Octets that are read line by line; a line ends at CR LF, LF or CR. */
typedef struct {
    const char *octets;
    gsize length;
    gsize at;      /* where the line at hand begins */
    gsize newline; /* the next LF at or behind it, or length */
    guint64 work;  /* octets that were looked at, each time that they were */
} Lines;

static gsize find_octet(Lines *lines, char octet, gsize start, gsize end)
{
    const char *found = memchr(lines->octets + start, octet, end - start);
    gsize place = found != NULL ? (gsize)(found - lines->octets) : end;
    lines->work += place - start;
    return place;
}

/* On to the next place behind start where a line begins. The LF is looked for once, however many CR come
 * before it. */
static void next_line(Lines *lines, gsize start)
{
    if (lines->newline < start || lines->at == 0)
        lines->newline = find_octet(lines, '\n', start, lines->length);
    gsize end = MIN(lines->newline + 1, lines->length);
    gsize bare = find_octet(lines, '\r', start, end);
    lines->at = bare < end ? bare + 1 : end;
}

/* The next kind to be renamed in or behind the line at hand, which becomes the one behind it; its octets, or
 * 0: there is none. */
static gsize find_next(Lines *lines, gsize *ret_start)
{
    g_autoptr(GString) kind = g_string_new(NULL);
    const char *octets = lines->octets;
    gsize length = lines->length;
    gsize found = 0;
    while (lines->at < length && found == 0) {
        gsize value = find_value(octets + lines->at, length - lines->at);
        gsize start = *ret_start = lines->at + value;
        if (value > 0 && !read_kind(octets + start, length - start, TRUE, kind, &found)) {
            lines->work += found;
            (void)read_kind(octets + start, length - start, FALSE, kind, &found);
        }
        lines->work += value + found;
        if (found > 0 && !is_passed_over(kind))
            found = 0;
        next_line(lines, start);
    }
    return found;
}

gboolean postern_virus_multipart_rename(char *octets, gsize length, guint64 *work)
{
    Lines lines = {.octets = octets, .length = length, .newline = length};
    gboolean any = FALSE;
    gsize start = 0;
    gsize kind;
    while ((kind = find_next(&lines, &start)) > 0) {
        memset(octets + start, ' ', kind);
        memcpy(octets + start, unheard_of, strlen(unheard_of));
        any = TRUE;
    }
    if (work != NULL)
        *work += lines.work;
    return any;
}

gboolean postern_virus_multipart_is_hidden(const char *octets, gsize length, guint64 *work)
{
    Lines lines = {.octets = octets, .length = length, .newline = length};
    gsize start = 0;
    gboolean hidden = find_next(&lines, &start) > 0;
    if (work != NULL)
        *work += lines.work;
    return hidden;
}
