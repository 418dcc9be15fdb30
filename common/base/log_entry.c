#include "base/log_entry.h"

#include <string.h>

#include "base/limits.h"

#define PROGRAM_PREFIX "postern-"
#define KIND_MAX_OCTETS 32
#define NUMBER_MAX_DIGITS 15 /* JSON's readers have a double */

/* What is left to be read. */
typedef struct {
    const char *at, *end;
} Reader;

static gboolean take(Reader *reader, char octet)
{
    if (reader->at == reader->end || *reader->at != octet)
        return FALSE;
    reader->at++;
    return TRUE;
}

static gboolean take_text(Reader *reader, const char *text)
{
    gsize length = strlen(text);
    if ((gsize)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0)
        return FALSE;
    reader->at += length;
    return TRUE;
}

/* A word of lower-case letters, digits and '_'; NULL: there is none. */
static char *take_key(Reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end &&
           (g_ascii_islower(*reader->at) || g_ascii_isdigit(*reader->at) || *reader->at == '_'))
        reader->at++;
    return reader->at > start && reader->at - start <= KIND_MAX_OCTETS
               ? g_strndup(start, (gsize)(reader->at - start))
               : NULL;
}

/* One octet, or what an escape stands for. FALSE: an escape that we do not write. */
static gboolean take_octet(Reader *reader, GString *out)
{
    char octet = *reader->at++;
    if (octet != '\\') {
        g_string_append_c(out, octet);
        return TRUE;
    }
    if (take(reader, '\\') || take(reader, '"')) {
        g_string_append_c(out, reader->at[-1]);
        return TRUE;
    }
    if (reader->end - reader->at < 3 || reader->at[0] != 'x' || !g_ascii_isxdigit(reader->at[1]) ||
        !g_ascii_isxdigit(reader->at[2]))
        return FALSE;
    int value = g_ascii_xdigit_value(reader->at[1]) * 16 + g_ascii_xdigit_value(reader->at[2]);
    reader->at += 3;
    if (value == 0)
        g_string_append(out, "\\x00");
    else
        g_string_append_c(out, (char)value);
    return TRUE;
}

static char *take_value(Reader *reader)
{
    g_autoptr(GString) out = g_string_new(NULL);
    gboolean quoted = take(reader, '"');
    while (reader->at < reader->end && *reader->at != (quoted ? '"' : ' '))
        if ((guchar)*reader->at < ' ' || !take_octet(reader, out))
            return NULL;
    if (quoted ? !take(reader, '"') : out->len == 0)
        return NULL;
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static PosternLogFields *fields_new(void)
{
    PosternLogFields *fields = g_new0(PosternLogFields, 1);
    fields->keys = g_ptr_array_new_with_free_func(g_free);
    fields->values = g_ptr_array_new_with_free_func(g_free);
    return fields;
}

static gboolean take_pair(Reader *reader, PosternLogFields *fields)
{
    g_autofree char *key = take_key(reader);
    char *value = key != NULL && take(reader, '=') ? take_value(reader) : NULL;
    if (value == NULL)
        return FALSE;
    g_ptr_array_add(fields->keys, g_steal_pointer(&key));
    g_ptr_array_add(fields->values, value);
    return TRUE;
}

PosternLogFields *postern_log_fields_parse(const char *text, gsize length)
{
    Reader reader = {text, text + length};
    g_autoptr(PosternLogFields) fields = fields_new();
    fields->kind = take_key(&reader);
    while (fields->kind != NULL && reader.at < reader.end)
        if (!take(&reader, ' ') || !take_pair(&reader, fields))
            return NULL;
    return fields->keys->len > 0 ? g_steal_pointer(&fields) : NULL;
}

void postern_log_fields_free(PosternLogFields *fields)
{
    if (fields == NULL)
        return;
    g_free(fields->kind);
    g_ptr_array_unref(fields->keys);
    g_ptr_array_unref(fields->values);
    g_free(fields);
}

const char *postern_log_fields_get(const PosternLogFields *fields, const char *key)
{
    for (guint i = 0; fields != NULL && i < fields->keys->len; i++)
        if (g_str_equal(g_ptr_array_index(fields->keys, i), key))
            return g_ptr_array_index(fields->values, i);
    return NULL;
}

void postern_log_entry_free(PosternLogEntry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->program);
    g_free(entry->text);
    postern_log_fields_free(entry->fields);
    g_free(entry);
}

static gint64 microseconds_of(GDateTime *moment)
{
    return moment != NULL ? g_date_time_to_unix(moment) * G_USEC_PER_SEC + g_date_time_get_microsecond(moment)
                          : 0;
}

/* `2026-12-01T02:43:51.123+01:00`, or as journalctl has it, +0100. */
static gint64 take_stamp(Reader *reader)
{
    const char *space = memchr(reader->at, ' ', (gsize)(reader->end - reader->at));
    gsize length = space != NULL ? (gsize)(space - reader->at) : 0;
    if (length < 20 || length > 40 || reader->at[4] != '-')
        return 0;
    g_autofree char *text = g_strndup(reader->at, length);
    g_autoptr(GDateTime) moment = g_date_time_new_from_iso8601(text, NULL);
    if (moment != NULL)
        reader->at = space;
    return microseconds_of(moment);
}

/* `Dec  1 02:43:51`, of local time. */
static gint64 take_short_stamp(Reader *reader, int year, int month)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static const char form[] = "Mmm dd hh:mm:ss";
    char text[sizeof form] = "";
    if ((gsize)(reader->end - reader->at) < sizeof form)
        return 0;
    memcpy(text, reader->at, strlen(form)); /* no NUL need stand behind the line */
    const char *found = strstr(months, (char[]){text[0], text[1], text[2], '\0'});
    g_auto(GStrv) numbers = g_strsplit_set(text + 4, " :", -1);
    int values[4] = {0}, count = 0;
    for (char **number = numbers; *number != NULL && count < 4; number++)
        if ((*number)[0] != '\0')
            values[count++] = (int)g_ascii_strtoull(*number, NULL, 10);
    if (found == NULL || (found - months) % 3 != 0 || count < 4)
        return 0;
    int its_month = (int)(found - months) / 3 + 1;
    g_autoptr(GDateTime) moment = g_date_time_new_local(its_month > month ? year - 1 : year, its_month,
                                                        values[0], values[1], values[2], values[3]);
    if (moment != NULL)
        reader->at += strlen(form);
    return microseconds_of(moment);
}

/* `postern-proxy[12]:` or `postern-proxy:`, the next word or a later one of the first three: a host stands
 * before it. */
static char *take_program(Reader *reader)
{
    for (guint i = 0; i < 3; i++) {
        while (take(reader, ' ')) {
        }
        const char *start = reader->at;
        const char *space = memchr(start, ' ', (gsize)(reader->end - start));
        const char *word_end = space != NULL ? space : reader->end;
        reader->at = word_end;
        if (word_end - start < 10 || word_end - start > 80 || word_end[-1] != ':' ||
            memcmp(start, PROGRAM_PREFIX, strlen(PROGRAM_PREFIX)) != 0)
            continue;
        gsize length = strcspn(start, "[:");
        return g_strndup(start, MIN(length, (gsize)(word_end - start)));
    }
    return NULL;
}

/* What stands between the program and the text: its level, or its name again. */
static void take_level(Reader *reader, const char *program)
{
    static const char *const levels[] = {"error: ", "warning: ", "notice: ", "info: ", "debug: "};
    g_autofree char *again = g_strconcat(program, ": ", NULL);
    (void)take(reader, ' ');
    (void)take_text(reader, again);
    for (gsize i = 0; i < G_N_ELEMENTS(levels); i++)
        if (take_text(reader, levels[i]))
            return;
}

static gboolean take_hexadecimal(Reader *reader, gunichar *ret_value)
{
    *ret_value = 0;
    for (guint i = 0; i < 4; i++, reader->at++) {
        if (reader->at == reader->end || !g_ascii_isxdigit(*reader->at))
            return FALSE;
        *ret_value = *ret_value * 16 + (gunichar)g_ascii_xdigit_value(*reader->at);
    }
    return TRUE;
}

/* A string, without its first quote, or a number or word. NULL: it is neither. */
static char *take_json_value(Reader *reader)
{
    static const char shorts[] = "bfnrt", octets[] = "\b\f\n\r\t";
    g_autoptr(GString) out = g_string_new(NULL);
    if (!take(reader, '"')) {
        while (reader->at < reader->end &&
               (g_ascii_isalnum(*reader->at) || strchr("+-.", *reader->at) != NULL) && *reader->at != '\0')
            g_string_append_c(out, *reader->at++);
        return out->len > 0 ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
    }
    while (reader->at < reader->end && *reader->at != '"') {
        gunichar character = 0;
        const char *known;
        if (*reader->at == '\0')
            return NULL;
        if (!take(reader, '\\')) {
            g_string_append_c(out, *reader->at++);
        } else if (take(reader, 'u')) {
            if (!take_hexadecimal(reader, &character))
                return NULL;
            if (character == 0)
                g_string_append(out, "\\x00");
            else
                g_string_append_unichar(out, g_unichar_validate(character) ? character : 0xfffd);
        } else if (reader->at == reader->end || *reader->at == '\0') {
            return NULL;
        } else {
            known = strchr(shorts, *reader->at);
            g_string_append_c(out, known != NULL ? octets[known - shorts] : *reader->at);
            reader->at++;
        }
    }
    return take(reader, '"') ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

static void replace(char **place, char **value)
{
    g_free(*place);
    *place = g_steal_pointer(value);
}

/* key and value are taken over. */
static void take_member(PosternLogEntry *entry, PosternLogFields *fields, char *key, char *value)
{
    g_autofree char *name = key;
    g_autofree char *text = value;
    if (g_str_equal(name, "program")) {
        replace(&entry->program, &text);
    } else if (g_str_equal(name, "kind")) {
        replace(&fields->kind, &text);
    } else if (g_str_equal(name, "text")) {
        replace(&entry->text, &text);
    } else if (g_str_equal(name, "time")) {
        g_autoptr(GDateTime) moment = g_date_time_new_from_iso8601(text, NULL);
        entry->time = microseconds_of(moment);
    } else if (!g_str_equal(name, "pid") && !g_str_equal(name, "level")) {
        g_ptr_array_add(fields->keys, g_steal_pointer(&name));
        g_ptr_array_add(fields->values, g_steal_pointer(&text));
    }
}

/* One object of strings, numbers and words. */
static PosternLogEntry *parse_json(Reader *reader)
{
    g_autoptr(PosternLogEntry) entry = g_new0(PosternLogEntry, 1);
    g_autoptr(PosternLogFields) fields = fields_new();
    do {
        g_autofree char *key = take(reader, '"') ? take_key(reader) : NULL;
        char *value = key != NULL && take_text(reader, "\":") ? take_json_value(reader) : NULL;
        if (value == NULL)
            return NULL;
        take_member(entry, fields, g_steal_pointer(&key), value);
    } while (take(reader, ','));
    if (!take(reader, '}') || reader->at != reader->end || entry->program == NULL ||
        !g_str_has_prefix(entry->program, PROGRAM_PREFIX))
        return NULL;
    if (fields->kind != NULL)
        entry->fields = g_steal_pointer(&fields);
    return entry->fields != NULL || entry->text != NULL ? g_steal_pointer(&entry) : NULL;
}

PosternLogEntry *postern_log_entry_parse(const char *line, gsize length, int year, int month)
{
    Reader reader = {line, line + length};
    g_autoptr(PosternLogEntry) entry = g_new0(PosternLogEntry, 1);
    if (take(&reader, '{'))
        return parse_json(&reader);
    entry->time = take_stamp(&reader);
    if (entry->time == 0)
        entry->time = take_short_stamp(&reader, year, month);
    entry->program = take_program(&reader);
    if (entry->program == NULL)
        return NULL;
    take_level(&reader, entry->program);
    gsize left = (gsize)(reader.end - reader.at);
    entry->fields = postern_log_fields_parse(reader.at, left);
    if (entry->fields == NULL)
        entry->text = g_strndup(reader.at, left);
    return g_steal_pointer(&entry);
}

static gboolean is_number(const char *value)
{
    gsize digits = strspn(value, "0123456789");
    return digits > 0 && digits <= NUMBER_MAX_DIGITS && value[digits] == '\0' &&
           (value[0] != '0' || digits == 1);
}

static void append_string(GString *out, const char *value, gsize limit)
{
    gsize length = strlen(value);
    g_autofree char *valid = g_utf8_make_valid(value, (gssize)MIN(length, limit));
    g_string_append_c(out, '"');
    for (char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);
        if (character == '"' || character == '\\')
            g_string_append_printf(out, "\\%c", (char)character);
        else if (character < ' ' || character == 0x7f)
            g_string_append_printf(out, "\\u%04x", character);
        else
            g_string_append_unichar(out, character);
    }
    g_string_append(out, length > limit ? "...\"" : "\"");
}

void postern_log_json_append(GString *out, const PosternLogFields *fields, const char *text, gsize limit)
{
    g_string_append(out, fields != NULL ? ",\"kind\":" : ",\"text\":");
    append_string(out, fields != NULL ? fields->kind : text, limit);
    for (guint i = 0; fields != NULL && i < fields->keys->len; i++) {
        const char *value = g_ptr_array_index(fields->values, i);
        g_string_append_printf(out, ",\"%s\":", (const char *)g_ptr_array_index(fields->keys, i));
        if (is_number(value))
            g_string_append(out, value);
        else
            append_string(out, value, limit);
    }
}
