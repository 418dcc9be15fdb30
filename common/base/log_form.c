#include "base/log_form.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log_entry.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define JSON_VALUE_MIN_OCTETS 16
#define JOURNAL_FIELDS_MAX 96

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [POSTERN_LOG_ERROR] = {"error", LOG_ERR},      [POSTERN_LOG_WARNING] = {"warning", LOG_WARNING},
    [POSTERN_LOG_NOTICE] = {"notice", LOG_NOTICE}, [POSTERN_LOG_INFO] = {"info", LOG_INFO},
    [POSTERN_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

int postern_log_priority(PosternLogLevel level)
{
    return levels[level].priority;
}

static gsize format_stamp(char *out, gsize room)
{
    struct timespec now;
    struct tm local;
    char date[32], offset[8];

    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local) == 0 ||
        strftime(offset, sizeof offset, "%z", &local) != 5)
        return 0;
    /* %z is +hhmm; RFC 3339 has a colon in it. */
    return (gsize)g_snprintf(out, room, "%s.%03ld%.3s:%s", date, now.tv_nsec / 1000000, offset, offset + 3);
}

static gsize format_prefix(PosternLogForm form, const char *program, PosternLogLevel level, char *out,
                           gsize room)
{
    gsize length = 0;
    if (form == POSTERN_LOG_FORM_SYSLOG)
        return 0;
    if (form == POSTERN_LOG_FORM_JOURNAL)
        length = (gsize)g_snprintf(out, room, "<%d>%.64s: ", levels[level].priority, program);
    else {
        length = format_stamp(out, room);
        length += (gsize)g_snprintf(out + length, room - length, " %.64s[%d]: %s: ", program, (int)getpid(),
                                    levels[level].name);
    }
    return MIN(length, room - 1);
}

/* Nothing but printable ASCII leaves: the last guard, for callers who forgot to escape. */
static gsize append_safely(char *out, gsize used, gsize room, const char *text)
{
    static const char more[] = "...";

    gsize last = room - (sizeof more - 1);
    for (; *text != '\0'; text++) {
        guchar octet = (guchar)*text;
        gboolean printable = octet >= 0x20 && octet <= 0x7e;
        gsize need = printable ? 1 : 4;
        if (used + need > last) {
            memcpy(out + used, more, sizeof more - 1);
            return used + sizeof more - 1;
        }
        if (printable)
            out[used] = (char)octet;
        else {
            char hexadecimal[5];
            g_snprintf(hexadecimal, sizeof hexadecimal, "\\x%02x", octet);
            memcpy(out + used, hexadecimal, 4);
        }
        used += need;
    }
    return used;
}

/* The longest values are cut until it fits, as in base/log_line.c. */
static void form_json(char out[POSTERN_LOG_LINE_MAX_OCTETS], PosternLogForm form, const char *program,
                      PosternLogLevel level, const char *text)
{
    g_autoptr(PosternLogFields) fields = postern_log_fields_parse(text, strlen(text));
    g_autoptr(GString) line = g_string_new(NULL);
    char stamp[64] = "";
    gsize limit = POSTERN_LOG_LINE_MAX_OCTETS;
    format_stamp(stamp, sizeof stamp);
    do {
        limit /= 2;
        g_string_truncate(line, 0);
        if (form == POSTERN_LOG_FORM_JOURNAL)
            g_string_append_printf(line, "<%d>", levels[level].priority);
        g_string_append_printf(line, "{\"time\":\"%s\",\"program\":\"%.64s\",\"pid\":%d,\"level\":\"%s\"",
                               stamp, program, (int)getpid(), levels[level].name);
        postern_log_json_append(line, fields, text, limit);
        g_string_append_c(line, '}');
    } while (line->len >= POSTERN_LOG_LINE_MAX_OCTETS - 1 && limit > JSON_VALUE_MIN_OCTETS);
    g_strlcpy(out, line->str, POSTERN_LOG_LINE_MAX_OCTETS);
}

void postern_log_form_line(char out[POSTERN_LOG_LINE_MAX_OCTETS], PosternLogForm form, gboolean json,
                           const char *program, PosternLogLevel level, const char *text)
{
    if (json) {
        form_json(out, form, program, level, text);
        return;
    }
    gsize used = format_prefix(form, program, level, out, POSTERN_LOG_LINE_MAX_OCTETS);
    used = append_safely(out, used, POSTERN_LOG_LINE_MAX_OCTETS - 1, text);
    out[used] = '\0';
}

gboolean postern_log_journal_is_there(void)
{
    return access(JOURNAL_SOCKET, W_OK) == 0;
}

static void add_field(GLogField *fields, gsize *count, const char *key, const char *value)
{
    fields[(*count)++] = (GLogField){.key = key, .value = value, .length = -1};
}

gboolean postern_log_journal_send(const char *program, PosternLogLevel level, const char *text)
{
    g_autoptr(PosternLogFields) line = postern_log_fields_parse(text, strlen(text));
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    GLogField fields[JOURNAL_FIELDS_MAX];
    gsize count = 0;
    char priority[2] = {(char)('0' + levels[level].priority), '\0'};
    add_field(fields, &count, "MESSAGE", text);
    add_field(fields, &count, "PRIORITY", priority);
    add_field(fields, &count, "SYSLOG_IDENTIFIER", program);
    add_field(fields, &count, "SYSLOG_FACILITY", "2");
    if (line != NULL)
        add_field(fields, &count, "POSTERN_KIND", line->kind);
    for (guint i = 0; line != NULL && i < line->keys->len && count < JOURNAL_FIELDS_MAX; i++) {
        g_autofree char *key = g_ascii_strup(g_ptr_array_index(line->keys, i), -1);
        g_ptr_array_add(keys, g_strconcat("POSTERN_", key, NULL));
        add_field(fields, &count, g_ptr_array_index(keys, i), g_ptr_array_index(line->values, i));
    }
    return g_log_writer_journald(G_LOG_LEVEL_MESSAGE, fields, count, NULL) == G_LOG_WRITER_HANDLED;
}
