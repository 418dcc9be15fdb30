/*
 * The mistakes of one configuration file, gathered so that an administrator sees all of them at once.
 */
#pragma once

#include <glib.h>

typedef struct PosternMistakes PosternMistakes;

/* For the file called name, which must outlive it. */
PosternMistakes *postern_mistakes_new(const char *name);
void postern_mistakes_free(PosternMistakes *mistakes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMistakes, postern_mistakes_free)

/*
 * Adds "NAME: [GROUP] KEY: what". group or key may be NULL. All three may be a stranger's: they are escaped
 * and cut. Mistakes over POSTERN_CONFIGURATION_MISTAKES_MAX are only counted.
 */
void postern_mistakes_add(PosternMistakes *mistakes, const char *group, const char *key, const char *format,
                          ...) G_GNUC_PRINTF(4, 5);

/* Adds "NAME: line NUMBER: what". */
void postern_mistakes_add_line(PosternMistakes *mistakes, guint number, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* How many were added, those that were only counted too. */
guint postern_mistakes_count(const PosternMistakes *mistakes);

/*
 * TRUE where there are none. Else FALSE, and error is POSTERN_ERROR_CONFIGURATION with a line for each, and
 * one for those that were only counted.
 */
gboolean postern_mistakes_none(const PosternMistakes *mistakes, GError **error);
