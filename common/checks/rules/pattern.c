#define PCRE2_CODE_UNIT_WIDTH 8

#include "checks/rules/pattern.h"

#include <pcre2.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

#define LITERAL_MIN_OCTETS 2
#define MESSAGE_OCTETS 256
#define LONG_S "\xc5\xbf"          /* U+017F, in another case s */
#define KELVIN_SIGN "\xe2\x84\xaa" /* U+212A, in another case k */

struct PosternPattern {
    char *text;
    char *literal;
    pcre2_code *code;
    pcre2_match_context *context;
    pcre2_match_data *data;
};

/* Of a regular expression: whatever is not plainly a run of characters ends a run, or all of them. */
typedef struct {
    const char *place;
    GString *run;
    char *longest;
} LiteralReader;

static void end_run(LiteralReader *reader)
{
    gsize known = reader->longest != NULL ? strlen(reader->longest) : LITERAL_MIN_OCTETS - 1;
    if (reader->run->len > known) {
        g_free(reader->longest);
        reader->longest = g_strdup(reader->run->str);
    }
    g_string_truncate(reader->run, 0);
}

/* Behind a class, from its "[". FALSE: it has no end. */
static gboolean skip_class(LiteralReader *reader)
{
    reader->place++;
    if (*reader->place == '^')
        reader->place++;
    if (*reader->place == ']')
        reader->place++;
    while (*reader->place != '\0' && *reader->place != ']') {
        if (reader->place[0] == '[' && strchr(":.=", reader->place[1]) != NULL && reader->place[1] != '\0') {
            const char *end = strchr(reader->place + 2, ']');
            reader->place = end != NULL ? end : reader->place;
        } else if (reader->place[0] == '\\' && reader->place[1] != '\0') {
            reader->place++;
        }
        reader->place++;
    }
    if (*reader->place == '\0')
        return FALSE;
    reader->place++;
    return TRUE;
}

/* Behind a group, from its "(": what is in it may not be there. */
static gboolean skip_group(LiteralReader *reader)
{
    guint depth = 0;
    do {
        if (*reader->place == '[') {
            if (!skip_class(reader))
                return FALSE;
            continue;
        }
        if (*reader->place == '\\' && reader->place[1] != '\0')
            reader->place++;
        else if (*reader->place == '(')
            depth++;
        else if (*reader->place == ')')
            depth--;
        else if (*reader->place == '\0')
            return FALSE;
        reader->place++;
    } while (depth > 0);
    return TRUE;
}

/* What a quantifier stands behind may not be there, but for "+". */
static void take_quantifier(LiteralReader *reader)
{
    if (*reader->place != '+' && reader->run->len > 0)
        g_string_truncate(reader->run, reader->run->len - 1);
    end_run(reader);
    if (*reader->place == '{')
        reader->place += strspn(reader->place + 1, "0123456789,") + 1;
    reader->place++;
}

/* FALSE: this is more than is read here. */
static gboolean take_escape(LiteralReader *reader)
{
    char next = reader->place[1];
    if (next == '\0' || (guchar)next >= 0x80 ||
        (g_ascii_isalnum(next) && strchr("bBAzZGdDwWsSnrtfhHvV", next) == NULL))
        return FALSE;
    if (g_ascii_isalnum(next))
        end_run(reader);
    else
        g_string_append_c(reader->run, next);
    reader->place += 2;
    return TRUE;
}

/* FALSE: no literal is known. */
static gboolean take_next(LiteralReader *reader)
{
    switch (*reader->place) {
    case '|':
        return FALSE;
    case '\\':
        return take_escape(reader);
    case '(':
        end_run(reader);
        return skip_group(reader);
    case '[':
        end_run(reader);
        return skip_class(reader);
    case '?':
    case '*':
    case '+':
    case '{':
        take_quantifier(reader);
        return TRUE;
    case '.':
    case '^':
    case '$':
        end_run(reader);
        break;
    default:
        if ((guchar)*reader->place < 0x80)
            g_string_append_c(reader->run, *reader->place);
        else
            end_run(reader);
    }
    reader->place++;
    return TRUE;
}

/* Options within an expression, conditions and verbs change what it means: then none is looked for. */
static gboolean is_plain(const char *expression)
{
    if (strstr(expression, "\\Q") != NULL || strstr(expression, "(*") != NULL)
        return FALSE;
    for (const char *at = strstr(expression, "(?"); at != NULL; at = strstr(at + 2, "(?"))
        if (at[2] == '\0' || strchr(":=!<>|", at[2]) == NULL)
            return FALSE;
    return TRUE;
}

static char *literal_of(const char *expression)
{
    g_autoptr(GString) run = g_string_new(NULL);
    LiteralReader reader = {expression, run, NULL};
    if (!is_plain(expression))
        return NULL;
    while (*reader.place != '\0') {
        const char *end = expression + strlen(expression);
        if (!take_next(&reader) || reader.place > end) {
            g_free(reader.longest);
            return NULL;
        }
    }
    end_run(&reader);
    return reader.longest;
}

static PosternPattern *compile(const char *text, const char *expression, guint32 options, gsize *ret_offset,
                               GError **error)
{
    int number = 0;
    gsize offset = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
                      options | PCRE2_UTF | PCRE2_UCP | PCRE2_USE_OFFSET_LIMIT | PCRE2_NEVER_BACKSLASH_C,
                      &number, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR message[MESSAGE_OCTETS] = "";
        pcre2_get_error_message(number, message, sizeof message);
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s", (const char *)message);
        *ret_offset = offset;
        return NULL;
    }
    PosternPattern *pattern = g_new0(PosternPattern, 1);
    pattern->text = g_strdup(text);
    pattern->literal = (options & PCRE2_EXTENDED) == 0 ? literal_of(expression) : NULL;
    pattern->code = code;
    pattern->context = pcre2_match_context_create(NULL);
    pattern->data = pcre2_match_data_create(1, NULL);
    pcre2_set_match_limit(pattern->context, POSTERN_PATTERN_STEPS_MAX);
    pcre2_set_depth_limit(pattern->context, POSTERN_PATTERN_STEPS_MAX);
    pcre2_set_heap_limit(pattern->context, POSTERN_PATTERN_HEAP_MAX_KIBIBYTES);
    return pattern;
}

PosternPattern *postern_pattern_new_expression(const char *text, PosternPatternFlags flags, gsize *ret_offset,
                                               GError **error)
{
    guint32 options = (flags.case_sensitive ? 0 : PCRE2_CASELESS) | (flags.multi_line ? PCRE2_MULTILINE : 0) |
                      (flags.dot_stops ? 0 : PCRE2_DOTALL) | (flags.extended ? PCRE2_EXTENDED : 0);
    g_autofree char *shown = g_strconcat("/", text, "/", NULL);
    return compile(shown, text, options, ret_offset, error);
}

static void append_quoted(GString *expression, const char *character, const char *next)
{
    if ((guchar)*character < 0x80 && !g_ascii_isalnum(*character))
        g_string_append_c(expression, '\\');
    g_string_append_len(expression, character, next - character);
}

PosternPattern *postern_pattern_new_glob(const char *text, GError **error)
{
    gsize ignored = 0;
    g_autoptr(GString) expression = g_string_new("^");
    for (const char *at = text; *at != '\0'; at = postern_next_character(at))
        if (*at == '*')
            g_string_append(expression, ".*");
        else if (*at == '?')
            g_string_append_c(expression, '.');
        else
            append_quoted(expression, at, postern_next_character(at));
    g_string_append(expression, "\\z");
    return compile(text, expression->str, PCRE2_CASELESS | PCRE2_DOTALL, &ignored, error);
}

PosternPattern *postern_pattern_new_phrase(const char *text, GError **error)
{
    gsize ignored = 0;
    g_autoptr(GString) expression = g_string_new("(?<![\\p{L}\\p{N}_])");
    for (const char *at = text; *at != '\0'; at = postern_next_character(at))
        if (*at == ' ' && (at == text || at[-1] != ' '))
            g_string_append(expression, "\\s+");
        else if (*at != ' ')
            append_quoted(expression, at, postern_next_character(at));
    g_string_append(expression, "(?![\\p{L}\\p{N}_])");
    return compile(text, expression->str, PCRE2_CASELESS, &ignored, error);
}

void postern_pattern_free(PosternPattern *pattern)
{
    if (pattern == NULL)
        return;
    pcre2_match_data_free(pattern->data);
    pcre2_match_context_free(pattern->context);
    pcre2_code_free(pattern->code);
    g_free(pattern->literal);
    g_free(pattern->text);
    g_free(pattern);
}

const char *postern_pattern_text(const PosternPattern *pattern)
{
    return pattern->text;
}

const char *postern_pattern_literal(const PosternPattern *pattern)
{
    return pattern->literal;
}

char *postern_pattern_subject(const char *text, gsize length, gsize *ret_length)
{
    GString *subject = NULL;
    if (g_utf8_validate_len(text, length, NULL)) {
        subject = g_string_new_len(text, (gssize)length);
    } else {
        g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
        subject = g_string_new(valid);
    }
    if (memmem(subject->str, subject->len, LONG_S, strlen(LONG_S)) != NULL)
        g_string_replace(subject, LONG_S, "s", 0);
    if (memmem(subject->str, subject->len, KELVIN_SIGN, strlen(KELVIN_SIGN)) != NULL)
        g_string_replace(subject, KELVIN_SIGN, "k", 0);
    *ret_length = subject->len;
    return g_string_free(subject, FALSE);
}

static gsize at_character(const char *subject, gsize offset, gsize length)
{
    while (offset < length && ((guchar)subject[offset] & 0xc0) == 0x80)
        offset++;
    return MIN(offset, length);
}

PosternPatternResult postern_pattern_find(const PosternPattern *pattern, const char *subject, gsize length,
                                          PosternRuleTime *time)
{
    for (gsize start = 0;;) {
        gsize next = at_character(subject, start + POSTERN_PATTERN_WINDOW_OCTETS, length);
        gsize end = at_character(subject, next + POSTERN_PATTERN_REACH_OCTETS, length);
        if (postern_rule_time_is_spent(time))
            return POSTERN_PATTERN_UNDECIDED;
        pcre2_set_offset_limit(pattern->context, next);
        int result = pcre2_match(pattern->code, (PCRE2_SPTR)subject, end, start,
                                 PCRE2_NO_UTF_CHECK | (end < length ? PCRE2_NOTEOL : 0), pattern->data,
                                 pattern->context);
        if (result >= 0)
            return POSTERN_PATTERN_FITS;
        if (result != PCRE2_ERROR_NOMATCH)
            return POSTERN_PATTERN_UNDECIDED;
        if (next >= length)
            return POSTERN_PATTERN_ABSENT;
        start = next;
    }
}
