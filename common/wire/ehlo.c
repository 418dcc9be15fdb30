#include "wire/ehlo.h"

#include <string.h>

#include "wire/sasl.h"
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
    {POSTERN_CAPABILITY_AUTH, "AUTH"},
    {POSTERN_CAPABILITY_CHUNKING, "CHUNKING"},
    {POSTERN_CAPABILITY_LIMITS, "LIMITS"},
    {POSTERN_CAPABILITY_REQUIRETLS, "REQUIRETLS"},
    {POSTERN_CAPABILITY_VRFY, "VRFY"},
    {POSTERN_CAPABILITY_EXPN, "EXPN"},
    {POSTERN_CAPABILITY_HELP, "HELP"},
    {POSTERN_CAPABILITY_ETRN, "ETRN"},
};

/* RFC 9422 4. */
static const struct {
    const char *name;
    gsize offset; /* of its number in PosternEhlo */
} limits[] = {
    {"MAILMAX", G_STRUCT_OFFSET(PosternEhlo, mail_max)},
    {"RCPTMAX", G_STRUCT_OFFSET(PosternEhlo, rcpt_max)},
    {"RCPTDOMAINMAX", G_STRUCT_OFFSET(PosternEhlo, rcpt_domain_max)},
};

static guint *limit_of(PosternEhlo *ehlo, gsize i)
{
    return G_STRUCT_MEMBER_P(ehlo, limits[i].offset);
}

/* 0 if text is no number, or one over maximum. */
static guint64 parse_number(const char *text, guint64 maximum)
{
    guint64 number;

    return g_ascii_string_to_unsigned(text, 10, 0, maximum, &number, NULL) ? number : 0;
}

static void take_limits(PosternEhlo *ehlo, const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);

    for (guint i = 0; words[i] != NULL; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(limits); j++) {
            gsize length = strlen(limits[j].name);

            if (g_ascii_strncasecmp(words[i], limits[j].name, length) == 0 && words[i][length] == '=')
                *limit_of(ehlo, j) = (guint)parse_number(words[i] + length + 1, G_MAXUINT);
        }
}

guint postern_ehlo_capability(const char *keyword)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_ascii_strcasecmp(keyword, rows[i].keyword) == 0)
            return rows[i].capability;
    return 0;
}

char *postern_ehlo_keywords(guint capabilities)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if ((capabilities & rows[i].capability) != 0)
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", rows[i].keyword);
    return text->len > 0 ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static void take_parameters(PosternEhlo *ehlo, guint capability, const char *parameters)
{
    switch (capability) {
    case POSTERN_CAPABILITY_SIZE:
        ehlo->size = parse_number(parameters, G_MAXUINT64);
        break;
    case POSTERN_CAPABILITY_LIMITS:
        take_limits(ehlo, parameters);
        break;
    case POSTERN_CAPABILITY_XCLIENT:
        ehlo->xclient_attributes |= postern_client_attributes_parse(parameters);
        break;
    case POSTERN_CAPABILITY_XFORWARD:
        ehlo->xforward_attributes |= postern_client_attributes_parse(parameters);
        break;
    case POSTERN_CAPABILITY_AUTH:
        ehlo->auth_mechanisms |= postern_sasl_mechanisms_parse(parameters);
        break;
    default:
        break;
    }
}

static void take_line(PosternEhlo *ehlo, const char *text)
{
    g_autofree char *line = g_strstrip(g_strdup(text));
    gsize length = strcspn(line, " \t");
    g_autofree char *keyword = g_strndup(line, length);
    guint capability = postern_ehlo_capability(keyword);

    ehlo->capabilities |= capability;
    take_parameters(ehlo, capability, g_strchug(line + length));
}

PosternEhlo postern_ehlo_parse(const PosternReply *reply)
{
    PosternEhlo ehlo = {0};

    if (reply->code != EHLO_REPLY_CODE)
        return ehlo;
    for (const char *line = reply->text; (line = postern_reply_next(reply, line)) != NULL;)
        take_line(&ehlo, line);
    return ehlo;
}

gboolean postern_ehlo_is_same(const PosternEhlo *left, const PosternEhlo *right)
{
    return left->capabilities == right->capabilities && left->size == right->size &&
           left->mail_max == right->mail_max && left->rcpt_max == right->rcpt_max &&
           left->rcpt_domain_max == right->rcpt_domain_max &&
           left->xclient_attributes == right->xclient_attributes &&
           left->xforward_attributes == right->xforward_attributes &&
           left->auth_mechanisms == right->auth_mechanisms && left->server == right->server;
}

/* 0 is no limit. */
static guint64 smaller(guint64 left, guint64 right)
{
    return left == 0 || right == 0 ? MAX(left, right) : MIN(left, right);
}

void postern_ehlo_narrow(PosternEhlo *ehlo, const PosternEhlo *other)
{
    ehlo->capabilities &= other->capabilities;
    ehlo->xclient_attributes &= other->xclient_attributes;
    ehlo->xforward_attributes &= other->xforward_attributes;
    ehlo->auth_mechanisms &= other->auth_mechanisms;
    if (ehlo->server != other->server)
        ehlo->server = POSTERN_MAIL_SERVER_OTHER;
    ehlo->size = smaller(ehlo->size, other->size);
    ehlo->mail_max = (guint)smaller(ehlo->mail_max, other->mail_max);
    ehlo->rcpt_max = (guint)smaller(ehlo->rcpt_max, other->rcpt_max);
    ehlo->rcpt_domain_max = (guint)smaller(ehlo->rcpt_domain_max, other->rcpt_domain_max);
}

static char *format_limits(const PosternEhlo *announced)
{
    PosternEhlo ehlo = *announced;
    GString *line = g_string_new("LIMITS");

    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++)
        if (*limit_of(&ehlo, i) > 0)
            g_string_append_printf(line, " %s=%u", limits[i].name, *limit_of(&ehlo, i));
    return g_string_free(line, FALSE);
}

static char *format_line(const Row *row, const PosternEhlo *announced)
{
    g_autofree char *names = NULL;

    switch (row->capability) {
    case POSTERN_CAPABILITY_SIZE:
        if (announced->size == 0)
            return g_strdup(row->keyword);
        return g_strdup_printf("%s %" G_GUINT64_FORMAT, row->keyword, announced->size);
    case POSTERN_CAPABILITY_LIMITS:
        return format_limits(announced);
    case POSTERN_CAPABILITY_XCLIENT:
        names = postern_client_attributes_names(announced->xclient_attributes);
        return g_strconcat(row->keyword, names, NULL);
    case POSTERN_CAPABILITY_XFORWARD:
        names = postern_client_attributes_names(announced->xforward_attributes);
        return g_strconcat(row->keyword, names, NULL);
    case POSTERN_CAPABILITY_AUTH:
        names = postern_sasl_mechanisms_names(announced->auth_mechanisms);
        return g_strconcat(row->keyword, names, NULL);
    default:
        return g_strdup(row->keyword);
    }
}

char *postern_ehlo_format(const char *hostname, const PosternEhlo *announced)
{
    g_autoptr(PosternReply) reply = postern_reply_new(EHLO_REPLY_CODE, hostname);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (announced->capabilities & rows[i].capability) {
            g_autofree char *line = format_line(&rows[i], announced);
            postern_reply_add(&reply, line, strlen(line));
        }
    return postern_reply_to_wire(reply);
}
