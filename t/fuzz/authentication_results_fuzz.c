#include "wire/authentication_results.h"

#include <string.h>

#include <glib.h>

#include "split.h"

#define AUTHSERV_ID "mx.example.org"

/* Hostile text in every place that takes one: the field stays one field, of one shape, and ours. */
static void check_format(const char *text)
{
    g_autoptr(PosternAuthenticationResults) results = postern_authentication_results_new(AUTHSERV_ID);
    g_autofree char *one_line = NULL;
    g_autofree char *folded = NULL;
    g_auto(GStrv) lines = NULL;

    postern_authentication_results_add(results, "spf", "pass", text);
    postern_authentication_results_add_property(results, "smtp", "mailfrom", text);
    postern_authentication_results_add_property(results, "smtp", "helo", text);
    postern_authentication_results_add(results, "dkim", "fail", NULL);
    postern_authentication_results_add_property(results, "header", "d", text);
    one_line = postern_authentication_results_format(results, FALSE);
    folded = postern_authentication_results_format(results, TRUE);
    for (const char *at = one_line; *at != '\0'; at++)
        g_assert_true(*at >= ' ' && *at <= '~');
    lines = g_strsplit(folded, "\r\n", -1);
    for (gsize i = 0; lines[i] != NULL; i++) {
        g_assert_true(strlen(lines[i]) <= 998 && (i == 0 || (lines[i][0] == '\t' && lines[i][1] > ' ')));
        for (const char *at = lines[i] + (i > 0); *at != '\0'; at++)
            g_assert_true(*at >= ' ' && *at <= '~');
    }
    g_assert_true(postern_authentication_results_is_of(one_line, strlen(one_line), AUTHSERV_ID));
    g_assert_true(postern_authentication_results_is_of(folded, strlen(folded), AUTHSERV_ID));
    g_assert_false(postern_authentication_results_is_of(folded, strlen(folded), "other.example"));
}

static gboolean has_letters_of_name(const char *text, gsize length)
{
    for (const char *letter = AUTHSERV_ID; *letter != '\0'; letter++)
        if (memchr(text, *letter, length) == NULL && memchr(text, g_ascii_toupper(*letter), length) == NULL)
            return FALSE;
    return TRUE;
}

/* Outside of quotes and comments, what has our name for its first word is ours. */
static void check_is_of(const char *text, gsize length)
{
    g_autoptr(GString) ours = g_string_new(AUTHSERV_ID);
    gboolean is_of = postern_authentication_results_is_of(text, length, AUTHSERV_ID);

    if (length == 0 || memchr("; \t\r\n(", text[0], 6) != NULL) {
        g_string_append_len(ours, text, (gssize)length);
        g_assert_true(postern_authentication_results_is_of(ours->str, ours->len, AUTHSERV_ID));
    }
    if (is_of && (memchr(text, '=', length) == NULL || memchr(text, '?', length) == NULL))
        g_assert_true(has_letters_of_name(text, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_malloc(MAX(size, 1));
    g_autofree char *string = g_strndup((const char *)data, size);

    if (size > 0)
        memcpy(text, data, size);
    check_format(string);
    check_is_of(text, size);
    return 0;
}
