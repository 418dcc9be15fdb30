#include "log/reader.h"

#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

#define LINE_MAX_OCTETS (4 * POSTERN_LOG_LINE_MAX_OCTETS)
#define CHUNK_OCTETS 65536

typedef struct {
    PosternLogRead read;
    gpointer user_data;
    int year, month; /* now */
    GString *line;
    gboolean too_long; /* its rest is dropped */
} Reading;

static void end_line(Reading *reading)
{
    g_autoptr(PosternLogEntry) entry =
        reading->too_long
            ? NULL
            : postern_log_entry_parse(reading->line->str, reading->line->len, reading->year, reading->month);
    if (entry != NULL)
        reading->read(entry, reading->user_data);
    g_string_truncate(reading->line, 0);
    reading->too_long = FALSE;
}

static void take(Reading *reading, const char *octets, gsize length)
{
    while (length > 0) {
        const char *end = memchr(octets, '\n', length);
        gsize part = end != NULL ? (gsize)(end - octets) : length;
        reading->too_long |= reading->line->len + part > LINE_MAX_OCTETS;
        if (!reading->too_long)
            g_string_append_len(reading->line, octets, (gssize)part);
        if (end != NULL)
            end_line(reading);
        part += end != NULL;
        octets += part;
        length -= part;
    }
}

static gboolean read_stream(GInputStream *stream, PosternLogRead read, gpointer user_data, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *chunk = g_malloc(CHUNK_OCTETS);
    Reading reading = {.read = read,
                       .user_data = user_data,
                       .year = g_date_time_get_year(now),
                       .month = g_date_time_get_month(now),
                       .line = line};
    gssize length;
    while ((length = g_input_stream_read(stream, chunk, CHUNK_OCTETS, NULL, error)) > 0)
        take(&reading, chunk, (gsize)length);
    if (line->len > 0)
        end_line(&reading);
    return length == 0;
}

static GInputStream *open_file(const char *path, GError **error)
{
    if (g_str_equal(path, "-"))
        return g_unix_input_stream_new(STDIN_FILENO, FALSE);
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GInputStream) plain = G_INPUT_STREAM(g_file_read(file, NULL, error));
    if (plain == NULL || !g_str_has_suffix(path, ".gz"))
        return g_steal_pointer(&plain);
    g_autoptr(GConverter) inflate = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    return g_converter_input_stream_new(plain, inflate);
}

gboolean postern_log_read_file(const char *path, PosternLogRead read, gpointer user_data, GError **error)
{
    g_autoptr(GInputStream) stream = open_file(path, error);
    if (stream != NULL && read_stream(stream, read, user_data, error))
        return TRUE;
    g_prefix_error(error, "%s: ", path);
    return FALSE;
}

gboolean postern_log_read_journal(const char *since, PosternLogRead read, gpointer user_data, GError **error)
{
    g_autofree char *from = since != NULL ? g_strconcat("--since=", since, NULL) : NULL;
    const char *const arguments[] = {"journalctl",
                                     "--quiet",
                                     "--no-pager",
                                     "--output=short-iso-precise",
                                     "--identifier=postern-proxy",
                                     "--identifier=postern-milter",
                                     "--identifier=postern-inspector",
                                     from,
                                     NULL};
    g_autoptr(GSubprocess) journal = g_subprocess_newv(arguments, G_SUBPROCESS_FLAGS_STDOUT_PIPE, error);
    return journal != NULL && read_stream(g_subprocess_get_stdout_pipe(journal), read, user_data, error) &&
           g_subprocess_wait_check(journal, NULL, error);
}
