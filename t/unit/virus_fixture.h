/*
 * What the tests of the virus check share: an engine that knows EICAR alone, and a temporary folder.
 */
#pragma once

#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "checks/check.h"
#include "checks/virus/sample.h"

#define VIRUS_SCAN_OCTETS (8 * 1024 * 1024)

typedef struct {
    PosternVirusEngine *engine;
    PosternContentEngine *content;
    char *folder;     /* for temporary files */
    char *signatures; /* a file of one, besides EICAR */
} VirusFixture;

/* What no message of ours has in it, and what they have. */
#define VIRUS_SIGNATURE "Own-Test:0:*:6f776e2d746573742d6d61726b\n"
#define VIRUS_MARK "own-test-mark"

static inline PosternVirusEngine *virus_engine(const char *database, PosternContentEngine *content,
                                               guint *signatures, char **warning)
{
    g_autoptr(GError) error = NULL;
    PosternVirusOptions options = {
        .database = database, .content = content, .scan_octets = VIRUS_SCAN_OCTETS, .scan_timeout_ms = 60000};
    PosternVirusEngine *engine = postern_virus_engine_new(&options, signatures, warning, &error);
    g_assert_no_error(error);
    return engine;
}

static inline void virus_set_up(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *warning = NULL;
    guint signatures;
    g_autoptr(GError) error = NULL;
    fixture->folder = g_dir_make_tmp("postern-test-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->signatures = g_strconcat(fixture->folder, ".ndb", NULL);
    g_assert_true(g_file_set_contents(fixture->signatures, VIRUS_SIGNATURE, -1, &error));
    fixture->content = postern_content_engine_new();
    fixture->engine = virus_engine(fixture->signatures, fixture->content, &signatures, &warning);
    g_assert_null(warning);
}

static inline void virus_tear_down(VirusFixture *fixture, gconstpointer data)
{
    postern_virus_engine_free(fixture->engine);
    postern_content_engine_free(fixture->content);
    g_assert_cmpint(g_unlink(fixture->signatures), ==, 0);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    g_free(fixture->folder);
    g_free(fixture->signatures);
}

/* EICAR in a zip in a message. */
static inline char *virus_zip_message(void)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("eicar.com", eicar, strlen(eicar));
    return postern_virus_sample_message("eicar.zip", zip->data, zip->len);
}
