#include "mail/header_ambiguity.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

/*
 * What people are shown of a message, or what decides how its body is read. Of From, checks/header/author.h
 * has more to say: two of them are an error whatever they say. Mailing lists add a second Sender or Reply-To
 * to wanted mail.
 */
static const struct {
    const char *name;
    gboolean once; /* two that differ are read in different ways (RFC 5322 3.6, RFC 2045 3) */
} shown[] = {
    {"From", FALSE},
    {"Sender", FALSE},
    {"Reply-To", FALSE},
    {"Subject", TRUE},
    {"Content-Type", TRUE},
    {"Content-Transfer-Encoding", TRUE},
    {"Content-Disposition", TRUE},
};

static const char *const texts[] = {
    [POSTERN_HEADER_STARTS_FOLDED] = "begins the header with white space",
    [POSTERN_HEADER_MAILBOX_LINE] = "is the \"From \" line of a mailbox",
    [POSTERN_HEADER_NO_COLON] = "has no colon",
    [POSTERN_HEADER_NO_NAME] = "has no name before its colon",
    [POSTERN_HEADER_NAME_OCTETS] = "has octets before its colon that no field name has",
    [POSTERN_HEADER_NAME_TOO_LONG] = "has a field name that is too long",
    [POSTERN_HEADER_NAME_DASHES] = "has a field name that begins with two hyphens",
    [POSTERN_HEADER_COLON_APART] = "has white space before its colon",
    [POSTERN_HEADER_NUL] = "has a NUL octet",
    [POSTERN_HEADER_BARE_CR] = "has a CR that is no part of a line end",
    [POSTERN_HEADER_FIELD_TOO_LONG] = "begins a field that is too long",
    [POSTERN_HEADER_FIELDS_DISAGREE] = "repeats a field with another value",
};

static gboolean is_line_end(char octet)
{
    return octet == '\r' || octet == '\n';
}

static gsize text_length(const PosternHeaderField *line)
{
    return (gsize)(line->value - line->name) + line->value_length;
}

static gboolean has_bare_cr(const char *text, gsize length)
{
    const char *end = text + length;

    for (const char *at = text; (at = memchr(at, '\r', (gsize)(end - at))); at++)
        if (at + 1 == end || at[1] != '\n')
            return TRUE;
    return FALSE;
}

static gboolean begins_with(const char *text, gsize length, const char *prefix)
{
    return length >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

static PosternHeaderAmbiguity odd_line_ambiguity(const char *text, gsize length, gboolean first)
{
    gsize first_line = 0;

    if (length > 0 && postern_is_blank(*text))
        return POSTERN_HEADER_STARTS_FOLDED;
    if (first && (begins_with(text, length, "From ") || begins_with(text, length, ">From ")))
        return POSTERN_HEADER_MAILBOX_LINE;
    while (first_line < length && !is_line_end(text[first_line]))
        first_line++;
    if (!memchr(text, ':', first_line))
        return POSTERN_HEADER_NO_COLON;
    return *text == ':' ? POSTERN_HEADER_NO_NAME : POSTERN_HEADER_NAME_OCTETS;
}

static gboolean is_shown(const PosternHeaderField *field)
{
    for (gsize i = 0; i < G_N_ELEMENTS(shown); i++)
        if (postern_header_field_is(field, shown[i].name))
            return TRUE;
    return FALSE;
}

PosternHeaderAmbiguity postern_header_line_ambiguity(const PosternHeaderField *line, gboolean first)
{
    gsize length = text_length(line);

    if (memchr(line->name, '\0', length))
        return POSTERN_HEADER_NUL;
    if (has_bare_cr(line->name, length))
        return POSTERN_HEADER_BARE_CR;
    if (line->name_length == 0)
        return odd_line_ambiguity(line->name, length, first);
    if (line->name_length > POSTERN_HEADER_NAME_MAX_OCTETS)
        return POSTERN_HEADER_NAME_TOO_LONG;
    if (begins_with(line->name, line->name_length, "--"))
        return POSTERN_HEADER_NAME_DASHES;
    if (line->value != line->name + line->name_length + 1)
        return POSTERN_HEADER_COLON_APART;
    if (line->length > POSTERN_HEADER_SHOWN_FIELD_MAX_OCTETS && is_shown(line))
        return POSTERN_HEADER_FIELD_TOO_LONG;
    return POSTERN_HEADER_CLEAR;
}

/* The next octet of a value unfolded, each run of white space one blank, none at its ends; 0 at the end. */
static char next_octet(const PosternHeaderField *field, gsize *at)
{
    gsize start = *at;

    while (*at < field->value_length &&
           (postern_is_blank(field->value[*at]) || is_line_end(field->value[*at])))
        (*at)++;
    if (*at == field->value_length)
        return '\0';
    if (*at > start && start > 0)
        return ' ';
    return field->value[(*at)++];
}

static gboolean says_the_same(const PosternHeaderField *one, const PosternHeaderField *other)
{
    gsize at = 0, other_at = 0;
    char octet;

    do {
        octet = next_octet(one, &at);
        if (octet != next_octet(other, &other_at))
            return FALSE;
    } while (octet != '\0');
    return TRUE;
}

const PosternHeaderField *postern_header_disagreeing_field(const PosternHeader *header)
{
    const PosternHeaderField *known[G_N_ELEMENTS(shown)] = {NULL};

    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);

        for (gsize name = 0; name < G_N_ELEMENTS(shown); name++) {
            if (!shown[name].once || !postern_header_field_is(field, shown[name].name))
                continue;
            if (known[name] && !says_the_same(known[name], field))
                return field;
            known[name] = field;
        }
    }
    return NULL;
}

char *postern_header_problem(const PosternHeader *header)
{
    if (header->ambiguity == POSTERN_HEADER_CLEAR)
        return NULL;
    return g_strdup_printf("line %u %s", header->ambiguous_line, texts[header->ambiguity]);
}

/* Where the logical line at text ends: a CR or LF that no white space follows. */
static gsize logical_length(const char *text, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (is_line_end(text[i]) &&
            (i + 1 == length || (!postern_is_blank(text[i + 1]) && !is_line_end(text[i + 1]))))
            return i;
    return length;
}

/* TRUE if a line is name and a colon once all octets that are not printable are gone. *ret_colon: where. */
static gboolean looks_like(const char *line, gsize length, const char *name, gsize *ret_colon)
{
    gsize matched = 0;

    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isgraph(line[i]))
            continue;
        if (name[matched] == '\0') {
            *ret_colon = i;
            return line[i] == ':';
        }
        if (g_ascii_tolower(line[i]) != g_ascii_tolower(name[matched++]))
            return FALSE;
    }
    return FALSE;
}

gboolean postern_header_line_hides(const PosternHeaderField *line, const char *name, const char **ret_value,
                                   gsize *ret_length)
{
    const char *text = line->name;
    gsize length = text_length(line);
    gsize at = 0;

    if (line->name_length > 0) /* the field itself hides nothing */
        at = logical_length(text, length);
    while (at < length) {
        gsize colon = 0;

        while (at < length && is_line_end(text[at]))
            at++;
        gsize rest = logical_length(text + at, length - at);

        if (looks_like(text + at, rest, name, &colon)) {
            *ret_value = text + at + colon + 1;
            *ret_length = length - at - colon - 1;
            return TRUE;
        }
        at += rest;
    }
    return FALSE;
}

static gboolean any_hides(const GArray *lines, const char *name)
{
    const char *value;
    gsize length;

    for (guint i = 0; i < lines->len; i++)
        if (postern_header_line_hides(&g_array_index(lines, PosternHeaderField, i), name, &value, &length))
            return TRUE;
    return FALSE;
}

gboolean postern_header_hides(const PosternHeader *header, const char *name)
{
    return any_hides(header->odd_lines, name) || any_hides(header->fields, name);
}
