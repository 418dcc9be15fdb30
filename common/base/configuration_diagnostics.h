/*
 * The mistakes of one configuration file, gathered so that an administrator sees all of them at once.
 */
#pragma once

#include <glib.h>

typedef struct PosternDiagnostics PosternDiagnostics;

/* For the file called name, which must outlive it. */
PosternDiagnostics *postern_diagnostics_new(const char *name);
void postern_diagnostics_free(PosternDiagnostics *diagnostics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDiagnostics, postern_diagnostics_free)

/*
 * Adds "NAME: [GROUP] KEY: what". group or key may be NULL. All three may be a stranger's: they are escaped
 * and cut. Mistakes over POSTERN_CONFIGURATION_DIAGNOSTICS_MAX are only counted.
 */
void postern_diagnostics_add(PosternDiagnostics *diagnostics, const char *group, const char *key,
                             const char *format, ...) G_GNUC_PRINTF(4, 5);

/* Adds "NAME: line NUMBER: what". */
void postern_diagnostics_add_line(PosternDiagnostics *diagnostics, guint number, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* How many were added, those that were only counted too. */
guint postern_diagnostics_count(const PosternDiagnostics *diagnostics);

/*
 * TRUE where there are none. Else FALSE, and error is POSTERN_ERROR_CONFIGURATION with a line for each, and
 * one for those that were only counted.
 */
gboolean postern_diagnostics_none(const PosternDiagnostics *diagnostics, GError **error);
