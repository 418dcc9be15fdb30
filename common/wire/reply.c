#include "wire/reply.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define CODE_DIGITS 3

/* Most replies are of one such line. */
#define LINE_OCTETS 96

static PosternReply *reply_of_code(guint code)
{
    PosternReply *reply = g_malloc(sizeof *reply + LINE_OCTETS);

    *reply = (PosternReply){.code = code, .room = LINE_OCTETS};
    return reply;
}

void postern_reply_add(PosternReply **reply, const char *text, gsize length)
{
    PosternReply *longer = *reply;

    if (length >= longer->room - longer->length) {
        gsize room = 2 * (longer->length + length + 1);
        longer = g_realloc(longer, sizeof *longer + room);
        longer->room = room;
    }
    memcpy(longer->text + longer->length, text, length);
    longer->length += length;
    longer->text[longer->length++] = '\0';
    longer->lines++;
    *reply = longer;
}

PosternReply *postern_reply_new(guint code, const char *text)
{
    PosternReply *reply = reply_of_code(code);

    postern_reply_add(&reply, text, strlen(text));
    return reply;
}

const char *postern_reply_next(const PosternReply *reply, const char *line)
{
    const char *next = line + strlen(line) + 1;

    return next < reply->text + reply->length ? next : NULL;
}

PosternReply *postern_reply_copy(const PosternReply *reply, guint code)
{
    PosternReply *copy = g_memdup2(reply, sizeof *reply + reply->length);

    copy->code = code;
    copy->room = reply->length;
    return copy;
}

void postern_reply_free(PosternReply *reply)
{
    g_free(reply);
}

guint postern_reply_class(const PosternReply *reply)
{
    return reply->code / 100;
}

/* Writes the code, after, and line, unprintable octets as '?'; returns the end. */
static char *write_line(char *end, guint code, char after, const char *line)
{
    char *text = end + CODE_DIGITS + 1;

    *end++ = (char)('0' + code / 100 % 10);
    *end++ = (char)('0' + code / 10 % 10);
    *end++ = (char)('0' + code % 10);
    *end = after;
    end = g_stpcpy(text, line);
    postern_escape_for_reply(text);
    return end;
}

char *postern_reply_to_wire(const PosternReply *reply)
{
    char *wire = g_malloc(reply->length + reply->lines * strlen("250 \r\n") + 1);
    char *end = wire;

    for (const char *line = reply->text; line != NULL;) {
        const char *next = postern_reply_next(reply, line);
        end = write_line(end, reply->code, next != NULL ? '-' : ' ', line);
        end = g_stpcpy(end, "\r\n");
        line = next;
    }
    return wire;
}

char *postern_reply_to_text(const PosternReply *reply)
{
    char *text = g_malloc(reply->length + CODE_DIGITS + 1);
    char *end = write_line(text, reply->code, ' ', reply->text);

    for (const char *line = reply->text; (line = postern_reply_next(reply, line)) != NULL;) {
        char *start = end;
        *end++ = ' ';
        end = g_stpcpy(end, line);
        postern_escape_for_reply(start);
    }
    return text;
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
    gsize head = MIN(length, CODE_DIGITS + 1);
    if (parser->partial->lines < POSTERN_REPLY_LINES_MAX && parser->kept <= POSTERN_REPLY_MAX_OCTETS)
        postern_reply_add(&parser->partial, line + head, length - head);
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

#define QUEUE_ID_MAX_OCTETS 64

static char *take_id(const char *text)
{
    gsize length = strcspn(text, " ,;])>\t\r\n");
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isgraph(text[i]))
            return NULL;
    return length > 0 && length <= QUEUE_ID_MAX_OCTETS ? g_strndup(text, length) : NULL;
}

char *postern_reply_queue_id(const PosternReply *reply)
{
    static const char *const words[] = {"queued as ", "InternalId=", " id=", " qp "};
    const char *text = reply->text;
    for (const char *next; (next = postern_reply_next(reply, text)) != NULL;)
        text = next;
    for (gsize i = 0; i < G_N_ELEMENTS(words); i++) {
        const char *found = strstr(text, words[i]);
        if (found != NULL)
            return take_id(found + strlen(words[i]));
    }
    const char *end = strstr(text, " Message accepted for delivery");
    const char *start = end;
    while (start != NULL && start > text && start[-1] != ' ')
        start--;
    return start != NULL ? take_id(start) : NULL;
}
