#include "wire/mailbox_only.h"

#include <string.h>

#include "base/span.h"
#include "wire/encoded_word.h"

/* value with a blank for each fold, or NULL: it has another control. */
static char *unfold(const char *value, gsize length)
{
    g_autoptr(GString) text = g_string_sized_new(length);

    for (gsize at = 0; at < length; at++) {
        gsize line_end = length - at >= 2 && memcmp(value + at, "\r\n", 2) == 0 ? 2
                         : value[at] == '\n'                                    ? 1
                                                                                : 0;

        if (line_end > 0 && (at + line_end == length || postern_is_blank(value[at + line_end])))
            at += line_end - 1;
        else if (((guchar)value[at] < 0x20 && value[at] != '\t') || value[at] == 0x7f)
            return NULL;
        g_string_append_c(text, line_end > 0 ? ' ' : value[at]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean is_local_octet(char octet)
{
    return (guchar)octet >= 0x80 || g_ascii_isalnum(octet) || strchr("!#$%&'*+-/=?^_`{|}~", octet);
}

static gboolean is_domain_octet(char octet)
{
    return (guchar)octet >= 0x80 || g_ascii_isalnum(octet) || octet == '-' || octet == '_';
}

/* Words of such octets with single dots between them. */
static gboolean is_dotted(const char *text, gsize length, gboolean (*is_octet)(char octet))
{
    gboolean word = FALSE;

    for (gsize at = 0; at < length; at++) {
        if (text[at] == '\0' || (text[at] == '.' ? !word : !is_octet(text[at])))
            return FALSE;
        word = text[at] != '.';
    }
    return word;
}

/* The domain of `local@domain`, or NULL. */
static const char *domain_of(const char *address)
{
    const char *at = strchr(address, '@');

    if (!at || strstr(address, "=?") || !g_utf8_validate(at, -1, NULL) ||
        !is_dotted(address, (gsize)(at - address), is_local_octet) ||
        !is_dotted(at + 1, strlen(at + 1), is_domain_octet))
        return NULL;
    return at + 1;
}

/* Quotes, parentheses and brackets have their partners, and there is no '<', '>' or backslash. */
static gboolean is_plain(const char *words)
{
    gboolean quoted = FALSE;
    gboolean comment = FALSE;

    for (; *words; words++) {
        gboolean bracket = *words == '[';

        if (bracket)
            words += 1 + strcspn(words + 1, "[]()<>@,:;\"\\");
        if (bracket != (*words == ']') || strchr("<>\\", *words) ||
            (!quoted && *words == (comment ? '(' : ')')))
            return FALSE;
        if (*words == '"' && !comment)
            quoted = !quoted;
        else if (!quoted && (*words == '(' || *words == ')'))
            comment = *words == '(';
    }
    return !quoted && !comment;
}

/* `Jane @ Acme Corp`: what stands behind the '@' is no domain, however it is read. */
static gboolean is_word(const char *words, const char *at)
{
    if (at == words || !postern_is_blank(at[-1]) || !postern_is_blank(at[1]))
        return FALSE;
    const char *word = at + 1 + strspn(at + 1, " \t");
    const char *end = word;

    while (g_ascii_isalnum(*end) || *end == '-')
        end++;
    const char *next = end + strspn(end, " \t");

    return end > word && (*next == '\0' || (next > end && g_ascii_isalnum(*next)) || strchr(",;", *next));
}

/* One who decodes first: is there anything in an encoded word that he could cut an address from? */
static gboolean is_harmless(const char *words, gsize length, gsize encoded)
{
    g_autoptr(GString) seen = g_string_new(NULL);

    if (encoded == 0 || encoded > length || !postern_encoded_word_decode(seen, words, encoded))
        return FALSE;
    for (gsize i = 0; i < seen->len; i++)
        if (((guchar)seen->str[i] < 0x20 && seen->str[i] != '\t') || seen->str[i] == 0x7f ||
            strchr("@<>\\", seen->str[i]))
            return FALSE;
    return TRUE;
}

static gboolean words_are_harmless(const char *words)
{
    gsize length = strlen(words);

    if (!is_plain(words))
        return FALSE;
    for (gsize at = 0; at < length; at++) {
        if (words[at] == '@' && !is_word(words, words + at))
            return FALSE;
        if (words[at] == '=' && words[at + 1] == '?') {
            gsize encoded = postern_encoded_word_careless_length(words + at, length - at);

            if (memchr(words + at, '@', encoded) || !is_harmless(words + at, length - at, encoded))
                return FALSE;
            at += encoded - 1;
        }
    }
    return TRUE;
}

char *postern_mailbox_only_domain(const char *value, gsize length)
{
    g_autofree char *text = unfold(value, length);
    char *open = text ? strchr(text, '<') : NULL;
    char *close = open ? strchr(open, '>') : NULL;

    if (!close || close[1 + strspn(close + 1, " \t")])
        return NULL;
    *open = *close = '\0';
    const char *domain = domain_of(open + 1);

    return domain && words_are_harmless(text) ? g_strdup(domain) : NULL;
}
