#include "checks/arc/results.h"

#include <string.h>

#include "base/limits.h"

/* Stands for an octet that was quoted: no word that we look for has it. */
#define QUOTED '"'

/*
 * value with each comment (RFC 5322 3.2.2) and fold a space, each quoted octet QUOTED, white space around '='
 * taken out. What is not ended ends with the value.
 */
static GString *simplify(const char *value, gsize length)
{
    GString *out = g_string_sized_new(length);
    guint depth = 0;
    gboolean quoted = FALSE;

    for (gsize i = 0; i < length; i++) {
        char octet = value[i];
        gboolean escaped = octet == '\\' && (quoted || depth > 0) && i + 1 < length;

        if (escaped)
            i++;
        if (depth > 0) {
            if (octet == '(')
                depth++;
            else if (octet == ')')
                depth--;
        } else if (quoted) {
            quoted = escaped || octet != '"';
            g_string_append_c(out, QUOTED);
        } else if (octet == '(' || g_ascii_isspace(octet)) {
            depth = octet == '(';
            if (out->len > 0 && strchr(" =", out->str[out->len - 1]) == NULL)
                g_string_append_c(out, ' ');
        } else {
            quoted = octet == '"';
            if (octet == '=' && out->len > 0 && out->str[out->len - 1] == ' ')
                g_string_truncate(out, out->len - 1);
            g_string_append_c(out, octet != '\0' ? octet : QUOTED);
        }
    }
    return out;
}

guint postern_arc_results_instance(const char *value, gsize length)
{
    g_autoptr(GString) text = simplify(value, length);
    char *end = strchr(text->str, ';');
    guint64 instance = 0;

    if (end == NULL || !g_str_has_prefix(text->str, "i="))
        return 0;
    *end = '\0';
    if (!g_ascii_string_to_unsigned(g_strchomp(text->str + 2), 10, 1, POSTERN_ARC_SETS_MAX, &instance, NULL))
        return 0;
    return (guint)instance;
}

static char *word_after(const char *word, const char *prefix)
{
    return g_str_has_prefix(word, prefix) ? g_strdup(word + strlen(prefix)) : NULL;
}

/* A method's result and properties: `dmarc=pass header.from=example.org`. */
static void read_method(const char *method, char **ret_result, char **ret_domain)
{
    g_auto(GStrv) words = g_strsplit(method, " ", -1);

    *ret_result = word_after(words[0], "dmarc=");
    for (char **word = words + 1; *ret_result != NULL && *word != NULL && *ret_domain == NULL; word++)
        *ret_domain = word_after(*word, "header.from=");
}

void postern_arc_results_dmarc(const char *value, gsize length, char **ret_result, char **ret_domain)
{
    g_autoptr(GString) text = simplify(value, length);
    g_autofree char *lower = g_ascii_strdown(text->str, -1);
    g_auto(GStrv) methods = g_strsplit(lower, ";", -1);
    guint found = 0;

    *ret_result = *ret_domain = NULL;
    for (char **method = methods; *method != NULL; method++) {
        const char *start = g_strstrip(*method);

        if (!g_str_has_prefix(start, "dmarc=") && !g_str_has_prefix(start, "dmarc/"))
            continue;
        if (++found == 1)
            read_method(start, ret_result, ret_domain);
    }
    if (found > 1 || (*ret_result != NULL && strchr(*ret_result, QUOTED) != NULL)) {
        g_clear_pointer(ret_result, g_free);
        g_clear_pointer(ret_domain, g_free);
    }
}
