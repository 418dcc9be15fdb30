/*
 * Finds published test data that is not part of the project: $POSTERN_SHARED, else ../shared/data beside the
 * source, else what contrib/unpack-suites made of Debian's packages in the build folder.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include <glib.h>

#define SHARED_DATA_SKIP 77

/* The path of part in folder below root (NULL: there is none), or NULL where it is not there. */
static inline char *shared_data_below(const char *root, const char *folder, const char *part)
{
    g_autofree char *path = root != NULL ? g_build_filename(root, folder, part, NULL) : NULL;
    return path != NULL && g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

/* The path of part ("dkim/zone.json"), or NULL where it is not there. */
static inline char *shared_data_path(const char *part)
{
    char *path = shared_data_below(g_getenv("POSTERN_SHARED"), ".", part);
    if (path == NULL && g_getenv("POSTERN_SHARED") == NULL)
        path = shared_data_below(g_getenv("POSTERN_SOURCE"), "../shared/data", part);
    return path != NULL ? path : shared_data_below(g_getenv("POSTERN_BUILD"), "suites", part);
}

/* What main returns without the data. */
static inline int shared_data_skip(const char *part)
{
    g_autofree char *path = shared_data_below(g_getenv("POSTERN_BUILD"), "suites", "missing");
    g_autofree char *missing = NULL;
    if (path != NULL)
        (void)g_file_get_contents(path, &missing, NULL, NULL);
    printf("skipped: no %s in $POSTERN_SHARED, ../shared/data or the build folder's suites\n%s", part,
           missing != NULL ? missing : "contrib/unpack-suites was not run\n");
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
