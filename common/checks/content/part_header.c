#include "checks/content/part_header.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

#define BLANKS_MAX 200 /* of a run, that are kept */
#define PIECES_MAX 64  /* of a parameter (RFC 2231 3) */

static const char *const names[POSTERN_PART_FIELDS] = {
    [POSTERN_PART_TYPE] = "Content-Type",
    [POSTERN_PART_DISPOSITION] = "Content-Disposition",
    [POSTERN_PART_ENCODING] = "Content-Transfer-Encoding",
    [POSTERN_PART_DESCRIPTION] = "Content-Description",
    [POSTERN_PART_LOCATION] = "Content-Location",
};

/* Where the line that begins at start ends, and octets of its end. */
static gsize line_end(const char *octets, gsize start, gsize end, gboolean bare_ends, gsize *ret_end_length)
{
    const char *newline = memchr(octets + start, '\n', end - start);
    gsize text_end = newline != NULL ? (gsize)(newline - octets) : end;
    *ret_end_length = newline != NULL ? 1 : 0;
    if (newline != NULL && text_end > start && octets[text_end - 1] == '\r') {
        text_end--;
        *ret_end_length = 2;
    }
    const char *bare = bare_ends ? memchr(octets + start, '\r', text_end - start) : NULL;
    if (bare == NULL)
        return text_end;
    *ret_end_length = 1;
    return (gsize)(bare - octets);
}

/* Octets of the name of a field and of the colon; 0: it is none. Blanks may stand before the colon. */
static gsize field_name(const char *line, gsize length, gsize *ret_name_length)
{
    gsize name = 0;
    while (name < length && (guchar)line[name] > ' ' && line[name] != ':' && line[name] != 0x7f)
        name++;
    gsize colon = name;
    while (colon < length && postern_is_blank(line[colon]))
        colon++;
    *ret_name_length = name;
    return name > 0 && colon < length && line[colon] == ':' ? colon + 1 : 0;
}

static void append(PosternPartHeader *header, GString *value, const char *text, gsize length)
{
    gsize run = 0;
    for (gsize i = 0; i < length; i++) {
        gboolean blank = postern_is_blank(text[i]) || text[i] == '\0' || text[i] == '\r';
        run = blank ? run + 1 : 0;
        if (run > BLANKS_MAX)
            continue;
        if (value->len >= POSTERN_CONTENT_FIELD_MAX_OCTETS) {
            header->cut = TRUE;
            return;
        }
        g_string_append_c(value, blank ? ' ' : text[i]);
    }
}

static GString *begin_field(PosternPartHeader *header, const char *line, gsize name_length)
{
    for (guint i = 0; i < POSTERN_PART_FIELDS; i++) {
        if (strlen(names[i]) != name_length || g_ascii_strncasecmp(line, names[i], name_length) != 0)
            continue;
        if (header->counts[i] == POSTERN_PART_FIELDS_MAX) {
            header->cut = TRUE;
            return NULL;
        }
        GString *value = g_string_new(NULL);
        header->values[i][header->counts[i]++] = value;
        return value;
    }
    return NULL;
}

static void add_start(PosternPartHeader *header, gsize start, gboolean last)
{
    if (header->start_count == POSTERN_PART_STARTS_MAX - 1 && !last)
        return;
    if (header->start_count == 0 || header->starts[header->start_count - 1] != start)
        header->starts[header->start_count++] = start;
}

static gboolean is_all_blank(const char *line, gsize length)
{
    while (length > 0 && (postern_is_blank(line[length - 1]) || line[length - 1] == '\r'))
        length--;
    return length == 0;
}

void postern_part_header_read(const char *octets, gsize start, gsize end, gboolean bare_ends,
                              PosternPartHeader *header)
{
    GString *current = NULL;
    gboolean odd = FALSE, blank = FALSE; /* such a line has been: it has told where the body may begin */
    *header = (PosternPartHeader){.start_count = 0};
    while (start < end) {
        gsize end_length = 0, name_length = 0;
        const char *line = octets + start;
        gsize length = line_end(octets, start, end, bare_ends, &end_length) - start;
        gsize next = start + length + end_length;
        header->bare = header->bare || memchr(line, '\r', length) != NULL;
        if (length == 0) {
            start = next;
            break;
        }
        gsize value = field_name(line, length, &name_length);
        if (is_all_blank(line, length) && !blank) {
            add_start(header, next, FALSE);
            blank = TRUE;
        }
        if (postern_is_blank(line[0]) && current != NULL) {
            append(header, current, line, length);
        } else if (value > 0) {
            current = begin_field(header, line, name_length);
            if (current != NULL)
                append(header, current, line + value, length - value);
        } else if (!postern_is_blank(line[0]) && !odd) {
            add_start(header, start, FALSE);
            odd = TRUE;
        }
        start = next;
    }
    add_start(header, start, TRUE);
}

void postern_part_header_clear(PosternPartHeader *header)
{
    for (guint i = 0; i < POSTERN_PART_FIELDS; i++)
        for (guint k = 0; k < header->counts[i]; k++)
            g_string_free(header->values[i][k], TRUE);
    *header = (PosternPartHeader){.start_count = 0};
}

static gboolean add_value(GPtrArray *values, const char *text, gsize length)
{
    if (length == 0)
        return TRUE;
    g_autofree char *value = g_strndup(text, length);
    if (g_ptr_array_find_with_equal_func(values, value, g_str_equal, NULL))
        return TRUE;
    if (values->len == POSTERN_PART_VALUES_MAX)
        return FALSE;
    g_ptr_array_add(values, g_steal_pointer(&value));
    return TRUE;
}

/* A value and what some readers cut off from it. */
static gboolean add_forms(GPtrArray *values, const char *text, gsize length, gboolean words)
{
    gsize trimmed = length;
    while (trimmed > 0 && postern_is_blank(text[trimmed - 1]))
        trimmed--;
    return add_value(values, text, length) && add_value(values, text, trimmed) &&
           (!words || add_value(values, text, MIN(strcspn(text, " \t"), trimmed)));
}

/* From behind the opening quote: as it stands, and without backslashes. Returns what is behind it. */
static const char *quoted(const char *text, GString *raw, GString *plain)
{
    g_string_truncate(raw, 0);
    g_string_truncate(plain, 0);
    for (; *text != '\0' && *text != '"'; text++) {
        if (*text == '\\' && text[1] != '\0')
            g_string_append_c(raw, *text++);
        g_string_append_c(raw, *text);
        g_string_append_c(plain, *text);
    }
    return *text == '"' ? text + 1 : text;
}

/* The octets of RFC 2231 4: without character set and language if there are such, percent signs decoded. */
static void decode_octets(GString *value, gboolean first)
{
    const char *text = value->str;
    const char *language = first ? strchr(text, '\'') : NULL;
    const char *end = language != NULL ? strchr(language + 1, '\'') : NULL;
    GString *out = g_string_new(NULL);
    for (text = end != NULL ? end + 1 : text; *text != '\0'; text++) {
        if (*text == '%' && g_ascii_isxdigit(text[1]) && g_ascii_isxdigit(text[2])) {
            char octet = (char)(g_ascii_xdigit_value(text[1]) << 4 | g_ascii_xdigit_value(text[2]));
            g_string_append_c(out, octet != '\0' ? octet : ' ');
            text += 2;
        } else {
            g_string_append_c(out, *text);
        }
    }
    g_string_assign(value, out->str);
    g_string_free(out, TRUE);
}

/* Pieces of a parameter: by their numbers, and as they come. */
typedef struct {
    char *pieces[PIECES_MAX]; /* by number; of two alike the first */
    GString *in_order;
    gboolean any;
    gboolean words; /* some readers take the first word */
} Pieces;

/* What stands behind the name of a parameter. FALSE: it is none. */
typedef struct {
    gboolean numbered, octets;
    guint number;
    const char *value;
} Suffix;

static gboolean read_suffix(const char *text, Suffix *suffix)
{
    *suffix = (Suffix){FALSE};
    text += strspn(text, " \t");
    if (*text == '*' && g_ascii_isdigit(text[1])) {
        char *end;
        suffix->numbered = TRUE;
        suffix->number = (guint)MIN(g_ascii_strtoull(text + 1, &end, 10), G_MAXUINT);
        text = end + strspn(end, " \t");
    }
    if (*text == '*') {
        suffix->octets = TRUE;
        text += 1 + strspn(text + 1, " \t");
    }
    suffix->value = *text == '=' ? text + 1 + strspn(text + 1, " \t") : NULL;
    return suffix->value != NULL;
}

static gboolean take_text(const Suffix *suffix, GString *text, Pieces *pieces, GPtrArray *values)
{
    if (suffix->octets)
        decode_octets(text, suffix->number == 0);
    if (!suffix->numbered)
        return add_forms(values, text->str, text->len, pieces->words);
    pieces->any = TRUE;
    g_string_append(pieces->in_order, text->str);
    if (suffix->number < PIECES_MAX && pieces->pieces[suffix->number] == NULL)
        pieces->pieces[suffix->number] = g_strdup(text->str);
    return TRUE;
}

/* Returns what is behind the value, or NULL: there are too many. */
static const char *take_value(const Suffix *suffix, Pieces *pieces, GPtrArray *values)
{
    static const char *const ends[] = {"; \t", ";", "; \t\"(),/:<=>?@[\\]", "; \t("};
    g_autoptr(GString) raw = g_string_new(NULL);
    g_autoptr(GString) plain = g_string_new(NULL);
    const char *value = suffix->value;
    gboolean room = TRUE;
    if (*value == '"') {
        const char *behind = quoted(value + 1, raw, plain);
        room = take_text(suffix, plain, pieces, values) &&
               (suffix->numbered || take_text(suffix, raw, pieces, values));
        return room ? behind : NULL;
    }
    if (*value == '\'' && !suffix->octets && strchr(value + 1, '\'') != NULL)
        room = add_value(values, value + 1, strcspn(value + 1, "'"));
    for (gsize i = 0; i < G_N_ELEMENTS(ends) && room && (i == 0 || !suffix->numbered); i++) {
        g_string_truncate(raw, 0);
        g_string_append_len(raw, value, (gssize)strcspn(value, ends[i]));
        room = take_text(suffix, raw, pieces, values);
    }
    return room ? value + strcspn(value, ends[0]) : NULL;
}

static gboolean add_pieces(Pieces *pieces, GPtrArray *values)
{
    gboolean room = !pieces->any || add_forms(values, pieces->in_order->str, pieces->in_order->len, FALSE);
    g_autoptr(GString) numbered = g_string_new(NULL);
    for (guint i = 0; i < PIECES_MAX && pieces->pieces[i] != NULL; i++)
        g_string_append(numbered, pieces->pieces[i]);
    room = room && add_forms(values, numbered->str, numbered->len, FALSE);
    for (guint i = 0; i < PIECES_MAX; i++)
        g_free(pieces->pieces[i]);
    g_string_free(pieces->in_order, TRUE);
    return room;
}

gboolean postern_part_parameter(const GString *value, const char *name, GPtrArray *values)
{
    Pieces pieces = {.in_order = g_string_new(NULL), .words = strcmp(name, "boundary") == 0};
    gsize length = strlen(name);
    gboolean room = TRUE;
    for (const char *at = value->str; *at != '\0' && room; at++) {
        gboolean begins = at == value->str || strchr("; \t\"(),'", at[-1]) != NULL;
        Suffix suffix;
        if (!begins || g_ascii_strncasecmp(at, name, length) != 0 || !read_suffix(at + length, &suffix))
            continue;
        room = take_value(&suffix, &pieces, values) != NULL;
    }
    return add_pieces(&pieces, values) && room;
}

static gboolean has_prefix(const char *line, gsize length, const char *prefix)
{
    return length >= strlen(prefix) && g_ascii_strncasecmp(line, prefix, strlen(prefix)) == 0;
}

void postern_part_skip_mailbox(const char *octets, gsize length, gsize *start)
{
    gsize end_length;
    if (has_prefix(octets + *start, length - *start, "From ") ||
        has_prefix(octets + *start, length - *start, ">From "))
        *start = line_end(octets, *start, length, FALSE, &end_length) + end_length;
}

gboolean postern_part_is_message(const char *octets, gsize start, gsize end, gsize *ret_start)
{
    gboolean mime = FALSE;
    while (start < end && strchr("\r\n", octets[start]) != NULL && octets[start] != '\0')
        start++;
    postern_part_skip_mailbox(octets, end, &start);
    *ret_start = start;
    for (gboolean first = TRUE; start < end && octets[start] != '\0'; first = FALSE) {
        gsize end_length, name_length;
        const char *line = octets + start;
        gsize length = line_end(octets, start, end, FALSE, &end_length) - start;
        if (length == 0 ||
            (field_name(line, length, &name_length) == 0 && (first || !postern_is_blank(line[0]))))
            return mime;
        mime = mime || has_prefix(line, length, "Content-") || has_prefix(line, length, "MIME-Version");
        start += length + end_length;
    }
    return mime;
}
