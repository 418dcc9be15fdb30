/*
 * Finds published test data that is not part of the project: $POSTERN_SHARED, else ../shared/data beside the
 * source.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include <glib.h>

#define SHARED_DATA_SKIP 77

/* The path of part ("dkim/zone.json"), or NULL where it is not there. */
static inline char *shared_data_path(const char *part)
{
    const char *folder = g_getenv("POSTERN_SHARED");
    const char *source = g_getenv("POSTERN_SOURCE");
    g_autofree char *beside = source != NULL ? g_build_filename(source, "..", "shared", "data", NULL) : NULL;
    if (folder == NULL)
        folder = beside;
    g_autofree char *path = folder != NULL ? g_build_filename(folder, part, NULL) : NULL;
    return path != NULL && g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

/* What main returns without the data. */
static inline int shared_data_skip(const char *part)
{
    printf("skipped: no %s in $POSTERN_SHARED or ../shared/data\n", part);
    return SHARED_DATA_SKIP;
}

/* A message from a file as it would come through SMTP: its bare LF line ends made CRLF. */
static inline GString *shared_data_message(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_file_get_contents(path, &text, &length, &error);
    g_assert_no_error(error);
    GString *message = g_string_sized_new(length + length / 16);
    for (gsize i = 0; i < length; i++) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
            g_string_append_c(message, '\r');
        g_string_append_c(message, text[i]);
    }
    return message;
}

/* What our script beside the tests makes of the data: its output, lines without their ends. */
static inline GStrv shared_data_convert(const char *script, const char *argument, const char *path)
{
    const char *source = g_getenv("POSTERN_SOURCE");
    g_autofree char *program = g_build_filename(source != NULL ? source : ".", "t", "vectors", script, NULL);
    const char *command[] = {"python3", "-B", program, argument, path, NULL};
    g_autofree char *out = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;
    g_spawn_sync(NULL, (char **)(guintptr)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_true(g_spawn_check_wait_status(status, NULL));
    return g_strsplit(g_strchomp(out), "\n", -1);
}
