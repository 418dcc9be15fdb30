#include "wire/dsn.h"

#include <string.h>

static gboolean is_return(const char *value)
{
    return g_ascii_strcasecmp(value, "FULL") == 0 || g_ascii_strcasecmp(value, "HDRS") == 0;
}

/* Octets over 0x7f are those of an address that RFC 6533 3 lets stand as it is. */
static gboolean is_xtext(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '=' || (*at > '\0' && *at <= ' ') || *at == 0x7f)
            return FALSE;
        if (*at == '+' && (!g_ascii_isxdigit(at[1]) || !g_ascii_isxdigit(at[2])))
            return FALSE;
    }
    return value[0] != '\0';
}

static gboolean is_notify(const char *value)
{
    static const char *const conditions[] = {"SUCCESS", "FAILURE", "DELAY", NULL};
    g_auto(GStrv) words = g_strsplit(value, ",", 5);

    if (g_ascii_strcasecmp(value, "NEVER") == 0)
        return TRUE;
    for (guint i = 0; words[i] != NULL; i++) {
        guint condition = 0;

        while (conditions[condition] != NULL && g_ascii_strcasecmp(words[i], conditions[condition]) != 0)
            condition++;
        if (conditions[condition] == NULL)
            return FALSE;
    }
    return words[0] != NULL;
}

static gboolean is_original_recipient(const char *value)
{
    const char *semicolon = strchr(value, ';');

    return semicolon != NULL && semicolon > value && is_xtext(semicolon + 1);
}

static const struct {
    const char *keyword;
    gboolean of_recipient;
    gboolean (*is_value)(const char *value);
    const char *problem;
} rows[] = {
    {"RET", FALSE, is_return, "501 5.5.4 RET is FULL or HDRS"},
    {"ENVID", FALSE, is_xtext, "501 5.5.4 ENVID is not xtext (RFC 3461, 4)"},
    {"NOTIFY", TRUE, is_notify, "501 5.5.4 NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY"},
    {"ORCPT", TRUE, is_original_recipient,
     "501 5.5.4 ORCPT is a type, a semicolon, and xtext (RFC 3461, 4.2)"},
};

gboolean postern_dsn_is_parameter(const char *keyword, gboolean of_recipient)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_ascii_strcasecmp(keyword, rows[i].keyword) == 0)
            return rows[i].of_recipient == of_recipient;
    return FALSE;
}

const char *postern_dsn_problem(const char *keyword, const char *value)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_ascii_strcasecmp(keyword, rows[i].keyword) == 0)
            return value != NULL && rows[i].is_value(value) ? NULL : rows[i].problem;
    return NULL;
}
