#include "wire/xclient.h"

#include <string.h>

#define COMMAND_MAX_OCTETS 512 /* XCLIENT_README, XFORWARD_README: with CRLF */
#define VALUE_MAX_OCTETS 255

typedef struct {
    PosternClientAttribute attribute;
    const char *name;
} Row;

static const Row rows[] = {
    {POSTERN_CLIENT_NAME, "NAME"},
    {POSTERN_CLIENT_ADDR, "ADDR"},
    {POSTERN_CLIENT_PORT, "PORT"},
    {POSTERN_CLIENT_PROTO, "PROTO"},
    {POSTERN_CLIENT_HELO, "HELO"},
    {POSTERN_CLIENT_LOGIN, "LOGIN"},
    {POSTERN_CLIENT_IDENT, "IDENT"},
    {POSTERN_CLIENT_SOURCE, "SOURCE"},
    {POSTERN_CLIENT_DESTADDR, "DESTADDR"},
    {POSTERN_CLIENT_DESTPORT, "DESTPORT"},
    {POSTERN_CLIENT_REVERSE_NAME, "REVERSE_NAME"},
};

guint postern_client_attributes_parse(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    guint mask = 0;

    for (gsize i = 0; words[i] != NULL; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(rows); j++)
            if (g_ascii_strcasecmp(words[i], rows[j].name) == 0)
                mask |= rows[j].attribute;
    return mask;
}

char *postern_client_attributes_names(guint mask)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (mask & rows[i].attribute)
            g_string_append_printf(names, " %s", rows[i].name);
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static const char *attribute_name(PosternClientAttribute attribute)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (rows[i].attribute == attribute)
            return rows[i].name;
    return NULL;
}

static gboolean is_plain(char octet)
{
    return octet >= 0x21 && octet <= 0x7e && octet != '+' && octet != '=';
}

/* Whole octets of text, at most text_maximum, whose encoded form has at most maximum octets. */
static void append_xtext(GString *out, const char *text, gsize text_maximum, gsize maximum)
{
    gsize end = out->len + MIN(maximum, G_MAXSIZE - out->len);

    for (gsize i = 0; i < text_maximum && text[i] != '\0';) {
        gsize plain = 0;
        gsize room = MIN(end - out->len, text_maximum - i);
        while (plain < room && is_plain(text[i + plain]))
            plain++;
        g_string_append_len(out, text + i, (gssize)plain);
        i += plain;
        if (i == text_maximum || text[i] == '\0')
            return;
        if (end - out->len < strlen("+00"))
            return;
        g_string_append_printf(out, "+%02X", (guint)(guchar)text[i++]);
    }
}

/* Two hexadecimal digits, upper case alone (RFC 3461 4), or -1. */
static int parse_hexadecimal(const char *digits)
{
    int value = 0;

    for (int i = 0; i < 2; i++) {
        if (!g_ascii_isxdigit(digits[i]) || g_ascii_islower(digits[i]))
            return -1;
        value = value * 16 + g_ascii_xdigit_value(digits[i]);
    }
    return value;
}

char *postern_xtext_decode(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (const char *at = text; *at != '\0'; at++) {
        int octet = (guchar)*at;

        if (*at == '+') {
            octet = parse_hexadecimal(at + 1);
            if (octet <= 0)
                return NULL;
            at += 2;
        } else if (!is_plain(*at)) {
            return NULL;
        }
        g_string_append_c(out, (char)octet);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Appends " NAME=value", which goes into one command of verb. */
static void append_value(GString *out, const char *verb, const char *name, const char *value)
{
    gsize start = out->len;

    g_string_append_c(out, ' ');
    g_string_append(out, name);
    g_string_append_c(out, '=');
    if (value == NULL || value[0] == '\0')
        g_string_append(out, "[UNAVAILABLE]");
    else
        append_xtext(out, value, VALUE_MAX_OCTETS,
                     COMMAND_MAX_OCTETS - strlen(verb) - (out->len - start) - strlen("\r\n"));
}

/* The first length octets of command are one; the rest is of the next. */
static void end_command(GPtrArray *commands, GString *command, gsize length)
{
    char *line = g_malloc(length + sizeof "\r\n");

    memcpy(line, command->str, length);
    memcpy(line + length, "\r\n", sizeof "\r\n");
    g_ptr_array_add(commands, line);
}

GPtrArray *postern_client_attributes_format(const char *verb, guint supported,
                                            const PosternClientAttributeValue *values, gsize count)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) command = g_string_sized_new(COMMAND_MAX_OCTETS);

    g_string_append(command, verb);
    for (gsize i = 0; i < count; i++) {
        const char *name = attribute_name(values[i].attribute);
        gsize before = command->len;

        if (name == NULL || !(supported & values[i].attribute))
            continue;
        append_value(command, verb, name, values[i].value);
        if (command->len + strlen("\r\n") > COMMAND_MAX_OCTETS) {
            end_command(commands, command, before);
            g_string_erase(command, (gssize)strlen(verb), (gssize)(before - strlen(verb)));
        }
    }
    if (command->len > strlen(verb))
        end_command(commands, command, command->len);
    return commands;
}
