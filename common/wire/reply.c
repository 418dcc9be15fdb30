#include "wire/reply.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define CODE_DIGITS 3

static PosternReply *reply_of_code(guint code)
{
    PosternReply *reply = g_new0(PosternReply, 1);

    reply->code = code;
    reply->lines = g_ptr_array_new_with_free_func(g_free);
    return reply;
}

PosternReply *postern_reply_new(guint code, const char *text)
{
    PosternReply *reply = reply_of_code(code);

    g_ptr_array_add(reply->lines, g_strdup(text));
    return reply;
}

void postern_reply_free(PosternReply *reply)
{
    if (reply == NULL)
        return;
    g_ptr_array_unref(reply->lines);
    g_free(reply);
}

guint postern_reply_class(const PosternReply *reply)
{
    return reply->code / 100;
}

static void append_code(GString *out, guint code)
{
    const char digits[] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                           (char)('0' + code % 10)};

    g_string_append_len(out, digits, CODE_DIGITS);
}

static void append_safe(GString *out, const char *text)
{
    gsize start = out->len;

    g_string_append(out, text);
    postern_escape_for_reply(out->str + start);
}

char *postern_reply_to_wire(const PosternReply *reply)
{
    GString *wire = g_string_sized_new(128);

    for (guint i = 0; i < reply->lines->len; i++) {
        append_code(wire, reply->code);
        g_string_append_c(wire, i + 1 < reply->lines->len ? '-' : ' ');
        append_safe(wire, g_ptr_array_index(reply->lines, i));
        g_string_append(wire, "\r\n");
    }
    return g_string_free(wire, FALSE);
}

char *postern_reply_to_text(const PosternReply *reply)
{
    GString *line = g_string_sized_new(128);

    append_code(line, reply->code);
    for (guint i = 0; i < reply->lines->len; i++) {
        g_string_append_c(line, ' ');
        append_safe(line, g_ptr_array_index(reply->lines, i));
    }
    return g_string_free(line, FALSE);
}

void postern_reply_parser_init(PosternReplyParser *parser)
{
    *parser = (PosternReplyParser){0};
    postern_line_reader_init(&parser->line, POSTERN_REPLY_LINE_MAX_OCTETS);
}

void postern_reply_parser_clear(PosternReplyParser *parser)
{
    postern_line_reader_clear(&parser->line);
    g_clear_pointer(&parser->partial, postern_reply_free);
    parser->octets = parser->kept = 0;
}

/* The code of a line, or 0 if it is none of SMTP (RFC 5321 4.2.1; a client never asked for a 1yz). */
static guint parse_code(const char *line, gsize length)
{
    if (length < CODE_DIGITS || line[0] < '2' || line[0] > '5' || !g_ascii_isdigit(line[1]) ||
        !g_ascii_isdigit(line[2]))
        return 0;
    if (length > CODE_DIGITS && line[CODE_DIGITS] != ' ' && line[CODE_DIGITS] != '-')
        return 0;
    return (guint)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

/* What is too much is passed over, so that a refusal stays one however long it is. */
static const char *take_line(PosternReplyParser *parser, const char *line, gsize length)
{
    guint code = parse_code(line, length);

    if (code == 0 || memchr(line, '\0', length) != NULL)
        return "not an SMTP reply";
    if (parser->partial == NULL)
        parser->partial = reply_of_code(code);
    if (parser->partial->code != code)
        return "a reply with different codes";
    parser->kept += length;
    if (parser->partial->lines->len < POSTERN_REPLY_LINES_MAX && parser->kept <= POSTERN_REPLY_MAX_OCTETS)
        g_ptr_array_add(parser->partial->lines, g_strdup(length > CODE_DIGITS ? line + CODE_DIGITS + 1 : ""));
    return NULL;
}

/* A line without end that is none of SMTP, to be known before it ends. */
static gboolean is_endless_nonsense(const PosternReplyParser *parser)
{
    return parser->line.too_long && parse_code(parser->line.partial->str, parser->line.partial->len) == 0;
}

/* One line: 1 if it was the last of its reply, 0 if not, -1 with *ret_problem. */
static int next_line(PosternReplyParser *parser, const char *data, gsize length, gsize *ret_consumed,
                     const char **ret_problem)
{
    PosternLineStatus status = POSTERN_LINE_OK;
    const char *line = NULL;
    gsize line_length = 0;
    int result =
        postern_line_reader_next(&parser->line, data, length, ret_consumed, &line, &line_length, &status);

    parser->octets += *ret_consumed;
    *ret_problem = NULL;
    if (parser->octets > POSTERN_REPLY_SKIPPED_MAX_OCTETS)
        *ret_problem = "a reply too long";
    else if (is_endless_nonsense(parser))
        *ret_problem = "not an SMTP reply";
    else if (result == 1)
        *ret_problem = take_line(parser, line, line_length);
    if (*ret_problem != NULL)
        return -1;
    return result == 1 && (line_length == CODE_DIGITS || line[CODE_DIGITS] == ' ') ? 1 : 0;
}

int postern_reply_parser_next(PosternReplyParser *parser, const char *data, gsize length, gsize *ret_consumed,
                              PosternReply **ret_reply, const char **ret_problem)
{
    int result = 0;

    *ret_consumed = 0;
    while (result == 0 && *ret_consumed < length) {
        gsize taken;

        result = next_line(parser, data + *ret_consumed, length - *ret_consumed, &taken, ret_problem);
        *ret_consumed += taken;
    }
    if (result == 1) {
        *ret_reply = g_steal_pointer(&parser->partial);
        parser->octets = parser->kept = 0;
    }
    return result;
}
