#include "base/log.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"

#define PAIRS_MAX 40
#define TEXT_MAX_OCTETS (POSTERN_LOG_LINE_MAX_OCTETS - POSTERN_LOG_PREFIX_MAX_OCTETS)

/* Behind a value that stands at text, which ends at its quote or at a blank; NULL: it is none. */
static const char *skip_value(const char *text)
{
    gboolean quoted = *text == '"';
    const char *at = text + quoted;
    while (*at != '\0' && *at != '"' && (quoted || (*at != ' ' && *at != '=' && *at != '\\')))
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
            at += 2;
        else if (*at == '\\' && at[1] == 'x' && g_ascii_isxdigit(at[2]) && g_ascii_isxdigit(at[3]))
            at += 4;
        else if (*at == '\\')
            return NULL;
        else
            at++;
    if (quoted)
        return *at == '"' ? at + 1 : NULL;
    return at > text && (*at == ' ' || *at == '\0') ? at : NULL;
}

/* How many pairs text has behind its kind. It must be one line of nothing else. */
static guint count_pairs(const char *text)
{
    guint count = 0;
    const char *at = text + strcspn(text, " ");
    while (*at != '\0') {
        g_assert_cmpint(*at, ==, ' ');
        gsize key = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");
        g_assert_cmpuint(key, >, 0);
        g_assert_cmpint(at[1 + key], ==, '=');
        at = skip_value(at + 1 + key + 1);
        g_assert_nonnull(at);
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Values are divided by NUL, as no value holds one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PosternLogLine) line = postern_log_line_new("message");
    guint pairs = 1;
    while (size > 0 && pairs < PAIRS_MAX) {
        const uint8_t *end = memchr(data, '\0', size);
        gsize length = end != NULL ? (gsize)(end - data) : size;
        g_autofree char *value = g_strndup((const char *)data, length);
        char key[] = {'p', '_', (char)('a' + pairs / 20), (char)('a' + pairs % 20), '\0'};
        postern_log_line_add(line, key, value);
        pairs++;
        gsize taken = MIN(size, length + 1);
        data += taken;
        size -= taken;
    }
    postern_log_line_add(line, "action", "tempfail");
    const char *text = postern_log_line_text(line);
    g_assert_true(g_str_has_prefix(text, "message action=tempfail"));
    g_assert_cmpuint(strlen(text), <=, TEXT_MAX_OCTETS);
    for (const char *octet = text; *octet != '\0'; octet++)
        g_assert_true(*octet >= 0x20 && *octet <= 0x7e);
    g_assert_cmpuint(count_pairs(text), ==, pairs);
    return 0;
}
