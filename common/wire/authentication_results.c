#include "wire/authentication_results.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define VALUE_MAX_OCTETS 255
#define LINE_MAX_OCTETS 998 /* RFC 5322 2.1.1, without CRLF */
#define IDEOGRAPHIC_FULL_STOP 0x3002

/* Each method is a GPtrArray of char *: `method=result`, then what follows it. */
struct PosternAuthenticationResults {
    char *authserv_id;
    GPtrArray *methods;
    gsize octets;
};

/* RFC 2045 5.1 */
static gboolean is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || strchr("()<>@,;:\\\"/[]?=", *at) != NULL)
            return FALSE;
    return *text != '\0';
}

static gboolean is_dot_string_of(const char *text, gsize length, const char *punctuation)
{
    for (gsize i = 0; i < length; i++) {
        gboolean dot_is_due = i > 0 && text[i - 1] != '.' && i + 1 < length;

        if (text[i] == '.' ? !dot_is_due : !g_ascii_isalnum(text[i]) && strchr(punctuation, text[i]) == NULL)
            return FALSE;
    }
    return length > 0;
}

/* `local@domain` or `@domain` (RFC 8601 2.2, pvalue), the local part a dot-string. */
static gboolean is_mailbox(const char *text)
{
    const char *at = strchr(text, '@');

    if (at == NULL || !is_dot_string_of(at + 1, strlen(at + 1), "-_"))
        return FALSE;
    return at == text || is_dot_string_of(text, (gsize)(at - text), "!#$%&'*+-/=?^_`{|}~");
}

static char *quote(const char *text)
{
    g_autoptr(GString) quoted = g_string_new("\"");

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            g_string_append_c(quoted, '\\');
        g_string_append_c(quoted, *at);
    }
    g_string_append_c(quoted, '"');
    return g_string_free(g_steal_pointer(&quoted), FALSE);
}

/* A new string: at most 255 octets of text, printable ASCII alone. */
static char *clean(const char *text)
{
    return postern_escape_for_header(g_strndup(text, VALUE_MAX_OCTETS));
}

static char *format_value(const char *text)
{
    g_autofree char *cleaned = clean(text);

    if (is_token(cleaned) || is_mailbox(cleaned))
        return g_steal_pointer(&cleaned);
    return quote(cleaned);
}

PosternAuthenticationResults *postern_authentication_results_new(const char *authserv_id)
{
    PosternAuthenticationResults *results = g_new0(PosternAuthenticationResults, 1);
    g_autofree char *cleaned = clean(authserv_id);

    results->authserv_id = is_token(cleaned) ? g_steal_pointer(&cleaned) : quote(cleaned);
    results->methods = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    return results;
}

void postern_authentication_results_free(PosternAuthenticationResults *results)
{
    if (results == NULL)
        return;
    g_free(results->authserv_id);
    g_ptr_array_unref(results->methods);
    g_free(results);
}

/* Takes part. FALSE: there is no room. */
static gboolean append(PosternAuthenticationResults *results, GPtrArray *method, char *part)
{
    gsize octets = strlen(part) + strlen(";\r\n\t");

    if (octets > POSTERN_HEADER_EDIT_MAX_OCTETS - results->octets) {
        g_free(part);
        return FALSE;
    }
    results->octets += octets;
    g_ptr_array_add(method, part);
    return TRUE;
}

void postern_authentication_results_add(PosternAuthenticationResults *results, const char *method,
                                        const char *result, const char *reason)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *cleaned = reason != NULL ? clean(reason) : NULL;
    g_autofree char *quoted = cleaned != NULL ? quote(cleaned) : NULL;

    append(results, parts, g_strdup_printf("%s=%s", method, result));
    if (quoted != NULL && parts->len > 0)
        append(results, parts, g_strdup_printf("reason=%s", quoted));
    g_ptr_array_add(results->methods, g_steal_pointer(&parts));
}

void postern_authentication_results_add_property(PosternAuthenticationResults *results, const char *type,
                                                 const char *property, const char *value)
{
    g_autofree char *formatted = NULL;
    GPtrArray *method;

    if (value == NULL || results->methods->len == 0)
        return;
    method = g_ptr_array_index(results->methods, results->methods->len - 1);
    formatted = format_value(value);
    if (method->len > 0)
        append(results, method, g_strdup_printf("%s.%s=%s", type, property, formatted));
}

static void format_method(GString *out, const GPtrArray *method, gboolean folded)
{
    gsize line_start = out->len;

    for (guint i = 0; i < method->len; i++) {
        const char *part = g_ptr_array_index(method, i);
        gboolean fits = out->len - line_start + strlen(part) + strlen(" ;") <= LINE_MAX_OCTETS;

        if (i == 0)
            g_string_append_c(out, ';');
        if (folded && (i == 0 || !fits)) {
            g_string_append(out, "\r\n");
            line_start = out->len;
        }
        g_string_append_c(out, folded && out->len == line_start ? '\t' : ' ');
        g_string_append(out, part);
    }
}

char *postern_authentication_results_format(const PosternAuthenticationResults *results, gboolean folded)
{
    g_autoptr(GString) out = g_string_new(results->authserv_id);

    for (guint i = 0; i < results->methods->len; i++)
        format_method(out, g_ptr_array_index(results->methods, i), folded);
    if (results->methods->len == 0)
        g_string_append(out, "; none");
    return g_string_free(g_steal_pointer(&out), FALSE);
}

typedef struct {
    const char *text;
    gsize length;
    gsize at;
} Cursor;

static gboolean is_space(char octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

static gboolean is_dropped(char octet)
{
    return (guchar)octet <= ' ' || octet == 0x7f;
}

/* From '(' to behind its ')' (RFC 5322 3.2.2), nested ones with it. */
static gboolean skip_comment(Cursor *cursor)
{
    guint depth = 0;

    do {
        char octet = cursor->text[cursor->at++];

        if (octet == '(')
            depth++;
        else if (octet == ')')
            depth--;
        else if (octet == '\\' && cursor->at < cursor->length)
            cursor->at++;
    } while (depth > 0 && cursor->at < cursor->length);
    return depth == 0;
}

static gboolean skip_space_and_comments(Cursor *cursor)
{
    while (cursor->at < cursor->length) {
        char octet = cursor->text[cursor->at];

        if (octet == '(') {
            if (!skip_comment(cursor))
                return FALSE;
        } else if (is_space(octet)) {
            cursor->at++;
        } else {
            break;
        }
    }
    return TRUE;
}

/* From '"' to behind the other one; what is quoted goes to word. */
static gboolean take_quoted(Cursor *cursor, GString *word)
{
    for (cursor->at++; cursor->at < cursor->length; cursor->at++) {
        char octet = cursor->text[cursor->at];

        if (octet == '"') {
            cursor->at++;
            return TRUE;
        }
        if (octet == '\\' && cursor->at + 1 < cursor->length)
            octet = cursor->text[++cursor->at];
        g_string_append_c(word, octet);
    }
    return FALSE;
}

static gboolean take_word(Cursor *cursor, GString *word)
{
    if (cursor->at < cursor->length && cursor->text[cursor->at] == '"')
        return take_quoted(cursor, word);
    while (cursor->at < cursor->length) {
        char octet = cursor->text[cursor->at];

        if (is_dropped(octet) || strchr("()<>@,;:\\\"/[]?=", octet) != NULL)
            break;
        g_string_append_c(word, octet);
        cursor->at++;
    }
    return word->len > 0;
}

/* Whether an authserv-id may end here: before a ';', the end, or a version and one of these. */
static gboolean is_ended(Cursor *cursor)
{
    if (!skip_space_and_comments(cursor))
        return FALSE;
    while (cursor->at < cursor->length && g_ascii_isdigit(cursor->text[cursor->at]))
        cursor->at++;
    return skip_space_and_comments(cursor) &&
           (cursor->at == cursor->length || cursor->text[cursor->at] == ';');
}

/* Lower case, without what a careless reader may pass over. */
static char *squeeze(const char *text, gsize length, gboolean drop_comments)
{
    g_autoptr(GString) squeezed = g_string_new(NULL);
    Cursor cursor = {text, length, 0};

    while (cursor.at < length) {
        if (drop_comments && text[cursor.at] == '(') {
            skip_comment(&cursor);
            continue;
        }
        if (!is_dropped(text[cursor.at]) && text[cursor.at] != '"' && text[cursor.at] != '\\')
            g_string_append_c(squeezed, g_ascii_tolower(text[cursor.at]));
        cursor.at++;
    }
    return g_string_free(g_steal_pointer(&squeezed), FALSE);
}

/* As IDNA reads a name (UTS 46 4): forms of a letter are one letter, what is not seen is nothing. */
static char *fold_letters(const char *text)
{
    g_autofree char *normal = g_str_is_ascii(text) ? NULL : g_utf8_normalize(text, -1, G_NORMALIZE_NFKC);
    g_autoptr(GString) seen = g_string_new(NULL);

    if (normal == NULL)
        return g_strdup(text);
    for (char *at = normal; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar letter = g_utf8_get_char(at);

        if (g_unichar_type(letter) != G_UNICODE_FORMAT)
            g_string_append_unichar(seen, letter == IDEOGRAPHIC_FULL_STOP ? '.' : letter);
    }
    return g_utf8_casefold(seen->str, (gssize)seen->len);
}

/* A squeezed name with the U-labels of its A-labels (RFC 5890 2.3.2.1). */
static char *fold_name(const char *squeezed)
{
    g_autofree char *letters = fold_letters(squeezed);
    g_autofree char *unicode = g_hostname_to_unicode(letters);

    return fold_letters(unicode != NULL ? unicode : letters);
}

static gboolean is_same_name(const GString *word, const char *authserv_id)
{
    g_autofree char *squeezed = squeeze(word->str, word->len, FALSE);
    g_autofree char *squeezed_id = squeeze(authserv_id, strlen(authserv_id), FALSE);
    g_autofree char *left = fold_name(squeezed);
    g_autofree char *right = fold_name(squeezed_id);
    gsize length = strlen(left);

    if (length > 0 && left[length - 1] == '.' && !g_str_has_suffix(right, "."))
        left[length - 1] = '\0';
    return strcmp(left, right) == 0;
}

gboolean postern_authentication_results_mentions(const char *value, gsize length, const char *authserv_id)
{
    g_autofree char *name = squeeze(authserv_id, strlen(authserv_id), FALSE);
    g_autofree char *folded_name = fold_name(name);

    for (int drop_comments = FALSE; drop_comments <= TRUE; drop_comments++) {
        g_autofree char *squeezed = squeeze(value, length, drop_comments);
        g_autofree char *folded = fold_letters(squeezed);

        if (strstr(squeezed, name) != NULL || strstr(folded, folded_name) != NULL)
            return TRUE;
    }
    return FALSE;
}

/* No authserv-id is an encoded word (RFC 8601 2.2); a reader that decodes one all the same may find ours. */
static gboolean has_encoded_word(const char *text, gsize length)
{
    return memmem(text, length, "=?", strlen("=?")) != NULL;
}

gboolean postern_authentication_results_is_of(const char *value, gsize length, const char *authserv_id)
{
    g_autoptr(GString) word = g_string_new(NULL);
    Cursor cursor = {value, length, 0};

    if (!skip_space_and_comments(&cursor) || !take_word(&cursor, word))
        return has_encoded_word(value, length) ||
               postern_authentication_results_mentions(value, length, authserv_id);
    if (is_same_name(word, authserv_id) || has_encoded_word(word->str, word->len))
        return TRUE;
    return !is_ended(&cursor) && postern_authentication_results_mentions(value, length, authserv_id);
}

char *postern_identity_to_ascii(const char *address, const char *domain)
{
    const char *at = address ? strrchr(address, '@') : NULL;

    if (!address || !domain || !*domain || g_str_is_ascii(address) || !g_utf8_validate(address, -1, NULL) ||
        !g_str_is_ascii(domain))
        return g_strdup(address);
    g_autofree char *local_part = at ? g_strndup(address, (gsize)(at - address)) : NULL;

    if (!local_part || !g_str_is_ascii(local_part))
        return g_strdup(domain);
    return g_strdup_printf("%s@%s", local_part, domain);
}
