#include "base/table_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define WHITE " \t\r"

static void refuse(const char *path, const char *option, const char *why, GError **error)
{
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s: %s cannot be read: %s", path, option,
                why);
}

/* A FIFO would be waited for, and a device may have no end. */
static FILE *open_file(const char *path, const char *option, GError **error)
{
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0 || fstat(descriptor, &status) != 0)
        refuse(path, option, g_strerror(errno), error);
    else if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) /* that is said below */
        refuse(path, option, "it is no regular file", error);
    else
        return fdopen(descriptor, "r");
    if (descriptor >= 0)
        (void)close(descriptor);
    return NULL;
}

/* Reads at most one octet more than is allowed. */
static GString *read_file(const char *path, const char *option, gsize maximum, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = open_file(path, option, error);
    char chunk[16384];
    gsize count;
    if (file == NULL)
        return NULL;
    while (text->len <= maximum && (count = fread(chunk, 1, sizeof chunk, file)) > 0)
        g_string_append_len(text, chunk, (gssize)count);
    int number = errno;
    gboolean failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed) {
        refuse(path, option, g_strerror(number), error);
        return NULL;
    }
    if (text->len > maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s: %s is larger than %" G_GSIZE_FORMAT " octets", path, option, maximum);
        return NULL;
    }
    return g_steal_pointer(&text);
}

static gboolean take_line(char *line, gsize length, PosternTableLine take, gpointer user_data, GError **error)
{
    if (strlen(line) != length)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "has an octet 0: it is no text");
    g_strstrip(line);
    return line[0] == '\0' || line[0] == '#' || take(line, user_data, error);
}

gboolean postern_table_parse(char *text, gsize length, const char *name, PosternTableLine take,
                             gpointer user_data, GError **error)
{
    char *end = text + length;
    guint number = 1;
    for (char *line = text; line < end; number++) {
        char *newline = memchr(line, '\n', (gsize)(end - line));
        char *next = newline != NULL ? newline : end;
        *next = '\0';
        if (!take_line(line, (gsize)(next - line), take, user_data, error)) {
            g_prefix_error(error, "%s: line %u: ", name, number);
            return FALSE;
        }
        line = next + 1;
    }
    return TRUE;
}

gboolean postern_table_file_read(const char *path, const char *option, gsize maximum, PosternTableLine take,
                                 gpointer user_data, GError **error)
{
    g_autoptr(GString) text = read_file(path, option, maximum, error);
    return text != NULL && postern_table_parse(text->str, text->len, path, take, user_data, error);
}

char *postern_table_word(char **text)
{
    char *word = *text;
    *text += strcspn(word, WHITE);
    if (**text != '\0')
        *(*text)++ = '\0';
    *text += strspn(*text, WHITE);
    return word;
}
