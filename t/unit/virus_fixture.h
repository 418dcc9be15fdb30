/*
 * What the tests of the virus check share: an engine that knows EICAR alone, and a temporary folder.
 */
#pragma once

#include <string.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "checks/check.h"
#include "checks/virus_sample.h"

#define VIRUS_SCAN_OCTETS (8 * 1024 * 1024)

typedef struct {
    PosternVirusEngine *engine;
    char *folder;
} VirusFixture;

static inline PosternVirusEngine *virus_engine(const char *database, guint *signatures, char **warning)
{
    g_autoptr(GError) error = NULL;
    PosternVirusOptions options = {
        .database = database, .scan_octets = VIRUS_SCAN_OCTETS, .scan_timeout_ms = 60000};
    PosternVirusEngine *engine = postern_virus_engine_new(&options, signatures, warning, &error);
    g_assert_no_error(error);
    return engine;
}

static inline void virus_set_up(VirusFixture *fixture, gconstpointer data)
{
    g_autofree char *warning = NULL;
    guint signatures;
    g_autoptr(GError) error = NULL;
    fixture->engine = virus_engine(NULL, &signatures, &warning);
    fixture->folder = g_dir_make_tmp("postern-test-XXXXXX", &error);
    g_assert_no_error(error);
}

static inline void virus_tear_down(VirusFixture *fixture, gconstpointer data)
{
    postern_virus_engine_free(fixture->engine);
    g_assert_cmpint(g_rmdir(fixture->folder), ==, 0);
    g_free(fixture->folder);
}

static inline void virus_finding_clear(PosternVirusFinding *finding)
{
    g_clear_pointer(&finding->name, g_free);
    g_clear_pointer(&finding->reason, g_free);
}

/* EICAR in a zip in a message. */
static inline char *virus_zip_message(void)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("eicar.com", eicar, strlen(eicar));
    return postern_virus_sample_message("eicar.zip", zip->data, zip->len);
}
