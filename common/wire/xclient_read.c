#include <string.h>

#include "wire/xclient.h"

#define VALUE_MAX_OCTETS 255
#define PROTOCOL_MAX_OCTETS 64
#define PORT_MAX 65535
#define ENCODED_EQUALS "+3D"

static void given_free(gpointer data)
{
    PosternClientAttributeGiven *given = data;

    g_free(given->value);
    g_free(given);
}

/* Postfix encodes what RFC 3461 4 has it encode, but for the '='. */
static char *decode(const char *text)
{
    g_autoptr(GString) encoded = g_string_new(NULL);

    for (; *text != '\0'; text++)
        if (*text == '=')
            g_string_append(encoded, ENCODED_EQUALS);
        else
            g_string_append_c(encoded, *text);
    return postern_xtext_decode(encoded->str);
}

static gboolean has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((guchar)*text < 0x20 || *text == 0x7f)
            return TRUE;
    return FALSE;
}

static const char *check_text(const char *text)
{
    if (strlen(text) > VALUE_MAX_OCTETS)
        return "Attribute value too long";
    if (has_control(text) || !g_utf8_validate(text, -1, NULL))
        return "Attribute value must be UTF-8 without control characters";
    return NULL;
}

static gboolean is_port(const char *text)
{
    return g_ascii_string_to_unsigned(text, 10, 0, PORT_MAX, NULL, NULL);
}

static const char *check_value(PosternClientAttribute attribute, const char *value)
{
    gboolean local_or_remote =
        g_ascii_strcasecmp(value, "LOCAL") == 0 || g_ascii_strcasecmp(value, "REMOTE") == 0;

    switch (attribute) {
    case POSTERN_CLIENT_NAME:
        return strchr(value, ' ') == NULL ? NULL : "Bad NAME";
    case POSTERN_CLIENT_REVERSE_NAME:
        return strchr(value, ' ') == NULL ? NULL : "Bad REVERSE_NAME";
    case POSTERN_CLIENT_PORT:
    case POSTERN_CLIENT_DESTPORT:
        return is_port(value) ? NULL : "Bad port";
    case POSTERN_CLIENT_PROTO:
        return strlen(value) <= PROTOCOL_MAX_OCTETS && strchr(value, ' ') == NULL ? NULL : "Bad PROTO";
    case POSTERN_CLIENT_SOURCE:
        return local_or_remote ? NULL : "SOURCE is LOCAL or REMOTE";
    default:
        return NULL;
    }
}

/* One "NAME=value", which is changed; its problem, or NULL. */
static const char *read_one(char *word, guint supported, PosternClientAttributeGiven *given)
{
    char *equals = strchr(word, '=');
    const char *problem;

    if (equals == NULL || equals[1] == '\0')
        return "Syntax: attribute=value";
    *equals = '\0';
    given->attribute = postern_client_attributes_parse(word);
    if ((given->attribute & supported) == 0 || strchr(word, '\t') != NULL)
        return "Attribute not recognised";
    given->value = decode(equals + 1);
    if (given->value == NULL)
        return "Attribute value is not xtext";
    given->temporary = (given->attribute & (POSTERN_CLIENT_NAME | POSTERN_CLIENT_REVERSE_NAME)) != 0 &&
                       g_ascii_strcasecmp(given->value, "[TEMPUNAVAIL]") == 0;
    if (given->temporary || g_ascii_strcasecmp(given->value, "[UNAVAILABLE]") == 0) {
        g_clear_pointer(&given->value, g_free);
        return NULL;
    }
    problem = check_text(given->value);
    return problem != NULL ? problem : check_value(given->attribute, given->value);
}

GPtrArray *postern_client_attributes_read(const char *text, guint supported, const char **ret_problem)
{
    g_autoptr(GPtrArray) attributes = g_ptr_array_new_with_free_func(given_free);
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (gsize i = 0; words[i] != NULL; i++) {
        PosternClientAttributeGiven *given;

        if (words[i][0] == '\0')
            continue;
        given = g_new0(PosternClientAttributeGiven, 1);
        g_ptr_array_add(attributes, given);
        *ret_problem = read_one(words[i], supported, given);
        if (*ret_problem != NULL)
            return NULL;
    }
    *ret_problem = attributes->len > 0 ? NULL : "Syntax: attribute=value";
    return attributes->len > 0 ? g_steal_pointer(&attributes) : NULL;
}
