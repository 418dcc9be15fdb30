#include "wire/ehlo.h"

#include <string.h>

#include "wire/xclient.h"

#define EHLO_REPLY_CODE 250

typedef struct {
    PosternCapability capability;
    const char *keyword;
} Row;

static const Row rows[] = {
    {POSTERN_CAPABILITY_PIPELINING, "PIPELINING"},
    {POSTERN_CAPABILITY_8BITMIME, "8BITMIME"},
    {POSTERN_CAPABILITY_SIZE, "SIZE"},
    {POSTERN_CAPABILITY_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES"},
    {POSTERN_CAPABILITY_SMTPUTF8, "SMTPUTF8"},
    {POSTERN_CAPABILITY_DSN, "DSN"},
    {POSTERN_CAPABILITY_XCLIENT, "XCLIENT"},
    {POSTERN_CAPABILITY_XFORWARD, "XFORWARD"},
    {POSTERN_CAPABILITY_STARTTLS, "STARTTLS"},
};

/* 0 if text is no number, or one that no message can reach. */
static guint64 parse_size(const char *text)
{
    guint64 size;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &size, NULL))
        return 0;
    return size;
}

static void take_parameters(PosternEhlo *ehlo, PosternCapability capability, const char *parameters)
{
    switch (capability) {
    case POSTERN_CAPABILITY_SIZE:
        ehlo->size = parse_size(parameters);
        break;
    case POSTERN_CAPABILITY_XCLIENT:
        ehlo->xclient_attributes |= postern_client_attributes_parse(parameters);
        break;
    case POSTERN_CAPABILITY_XFORWARD:
        ehlo->xforward_attributes |= postern_client_attributes_parse(parameters);
        break;
    default:
        break;
    }
}

static void take_line(PosternEhlo *ehlo, const char *text)
{
    g_autofree char *line = g_strstrip(g_strdup(text));
    gsize length = strcspn(line, " \t");

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strlen(rows[i].keyword) != length || g_ascii_strncasecmp(line, rows[i].keyword, length) != 0)
            continue;
        ehlo->capabilities |= rows[i].capability;
        take_parameters(ehlo, rows[i].capability, g_strchug(line + length));
    }
}

PosternEhlo postern_ehlo_parse(const PosternReply *reply)
{
    PosternEhlo ehlo = {0};

    if (reply->code != EHLO_REPLY_CODE)
        return ehlo;
    for (guint i = 1; i < reply->lines->len; i++)
        take_line(&ehlo, g_ptr_array_index(reply->lines, i));
    return ehlo;
}

static char *format_line(const Row *row, const PosternEhlo *announced)
{
    g_autofree char *names = NULL;

    switch (row->capability) {
    case POSTERN_CAPABILITY_SIZE:
        if (announced->size == 0)
            return g_strdup(row->keyword);
        return g_strdup_printf("%s %" G_GUINT64_FORMAT, row->keyword, announced->size);
    case POSTERN_CAPABILITY_XCLIENT:
        names = postern_client_attributes_names(announced->xclient_attributes);
        return g_strconcat(row->keyword, names, NULL);
    case POSTERN_CAPABILITY_XFORWARD:
        names = postern_client_attributes_names(announced->xforward_attributes);
        return g_strconcat(row->keyword, names, NULL);
    default:
        return g_strdup(row->keyword);
    }
}

char *postern_ehlo_format(const char *hostname, const PosternEhlo *announced)
{
    g_autoptr(PosternReply) reply = postern_reply_new(EHLO_REPLY_CODE, hostname);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (announced->capabilities & rows[i].capability)
            g_ptr_array_add(reply->lines, format_line(&rows[i], announced));
    return postern_reply_to_wire(reply);
}
