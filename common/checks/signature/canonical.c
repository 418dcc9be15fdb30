#include "checks/signature/canonical.h"

#include <string.h>

#include "base/span.h"

#define PIECE_OCTETS 16384

gboolean postern_canonical_parse(const char *value, PosternCanonicalisation *ret_canonicalisation)
{
    static const struct {
        const char *value;
        PosternCanonicalisation canonicalisation;
    } known[] = {
        {"simple", {FALSE, FALSE}}, {"simple/simple", {FALSE, FALSE}}, {"simple/relaxed", {FALSE, TRUE}},
        {"relaxed", {TRUE, FALSE}}, {"relaxed/simple", {TRUE, FALSE}}, {"relaxed/relaxed", {TRUE, TRUE}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (strcmp(value != NULL ? value : "simple", known[i].value) == 0) {
            *ret_canonicalisation = known[i].canonicalisation;
            return TRUE;
        }
    return FALSE;
}

static gboolean is_space(char octet)
{
    return postern_is_blank(octet) || octet == '\r' || octet == '\n';
}

/* RFC 6376 3.4.2: unfolded, runs of white space one space, none at the ends. */
static void append_relaxed_value(GString *out, const char *value, gsize length)
{
    gsize start = out->len;

    for (gsize i = 0; i < length; i++)
        if (!is_space(value[i]))
            g_string_append_c(out, value[i]);
        else if (out->len > start && out->str[out->len - 1] != ' ')
            g_string_append_c(out, ' ');
    if (out->len > start && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
}

/* The octets of value that a signature leaves out: from behind '=' of the tag b to its ';'. */
static void find_signature(const char *value, gsize length, gsize *ret_start, gsize *ret_end)
{
    gsize at = 0;

    *ret_start = *ret_end = length;
    while (at < length) {
        const char *semicolon = memchr(value + at, ';', length - at);
        gsize end = semicolon != NULL ? (gsize)(semicolon - value) : length;
        gsize name = at;

        while (name < end && is_space(value[name]))
            name++;
        gsize equals = name + 1;
        while (equals < end && is_space(value[equals]))
            equals++;
        if (name < end && value[name] == 'b' && equals < end && value[equals] == '=') {
            *ret_start = equals + 1;
            *ret_end = end;
            return;
        }
        at = end + 1;
    }
}

static void append_name(GString *out, const PosternHeaderField *field, gboolean relaxed)
{
    /* What stands between name and colon is white space, which simple keeps. */
    gsize name = relaxed ? field->name_length : (gsize)(field->value - field->name) - 1;

    for (gsize i = 0; i < name; i++)
        g_string_append_c(out, relaxed ? g_ascii_tolower(field->name[i]) : field->name[i]);
    g_string_append_c(out, ':');
}

void postern_canonical_append_field(GString *out, const PosternHeaderField *field, gboolean relaxed)
{
    append_name(out, field, relaxed);
    if (relaxed)
        append_relaxed_value(out, field->value, field->value_length);
    else
        g_string_append_len(out, field->value, (gssize)field->value_length);
    g_string_append(out, "\r\n");
}

void postern_canonical_append_unsigned(GString *out, const PosternHeaderField *field, gboolean relaxed)
{
    g_autoptr(GString) value = g_string_new(NULL);
    gsize start = 0;
    gsize end = 0;

    find_signature(field->value, field->value_length, &start, &end);
    g_string_append_len(value, field->value, (gssize)start);
    g_string_append_len(value, field->value + end, (gssize)(field->value_length - end));
    append_name(out, field, relaxed);
    if (relaxed)
        append_relaxed_value(out, value->str, value->len);
    else
        g_string_append_len(out, value->str, (gssize)value->len);
}

typedef struct {
    PosternCanonicalTake take;
    gpointer user_data;
    gsize length;
    gsize used;
    char piece[PIECE_OCTETS];
} Output;

static void flush(Output *output)
{
    if (output->used > 0)
        output->take(output->piece, output->used, output->user_data);
    output->used = 0;
}

/* Puts text with each run of blanks as one space (relaxed), or as it is. */
static void put(Output *output, const char *text, gsize length, gboolean relaxed)
{
    gboolean was_blank = FALSE;
    while (length > 0) {
        if (output->used == sizeof output->piece)
            flush(output);
        char *piece = output->piece + output->used;
        gsize taken = MIN(length, sizeof output->piece - output->used);
        gsize put = taken;
        if (relaxed) {
            put = 0;
            for (gsize i = 0; i < taken; i++) {
                gboolean blank = postern_is_blank(text[i]);
                piece[put] = blank ? ' ' : text[i];
                put += !(blank && was_blank);
                was_blank = blank;
            }
        } else {
            memcpy(piece, text, taken);
        }
        output->used += put;
        output->length += put;
        text += taken;
        length -= taken;
    }
}

static void put_line_end(Output *output)
{
    put(output, "\r\n", 2, FALSE);
}

gsize postern_canonical_body(const char *body, gsize length, gboolean relaxed, PosternCanonicalTake take,
                             gpointer user_data)
{
    Output output = {.take = take, .user_data = user_data};
    gsize empty_lines = 0;

    for (gsize at = 0; at < length;) {
        const char *line = body + at;
        const char *newline = memchr(line, '\n', length - at);
        gsize text = newline != NULL ? (gsize)(newline - line) : length - at;

        at += text + (newline != NULL ? 1 : 0);
        if (text > 0 && line[text - 1] == '\r')
            text--;
        while (relaxed && text > 0 && postern_is_blank(line[text - 1]))
            text--;
        if (text == 0) {
            empty_lines++;
            continue;
        }
        for (; empty_lines > 0; empty_lines--)
            put_line_end(&output);
        put(&output, line, text, relaxed);
        put_line_end(&output);
    }
    if (output.length == 0 && !relaxed)
        put_line_end(&output);
    flush(&output);
    return output.length;
}
