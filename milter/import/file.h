/*
 * A file of settings, as opendkim, opendmarc, clamav-milter (`Key value`) and policyd-spf (`Key = value`)
 * have it: comments begin with '#', blanks at the ends and quotes around a value do not count.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *key, *value; /* value may be "" */
} PosternSetting;

/* The settings of text, of PosternSetting *, in their order; free with g_ptr_array_unref. */
GPtrArray *postern_settings_parse(const char *text);

/* Reads and parses path, at most POSTERN_CONFIGURATION_FILE_MAX_OCTETS. NULL and error: it cannot be read, is
 * too large or no text. */
GPtrArray *postern_settings_read(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The path that a value names (`refile:PATH`, `file:PATH`, or a path), of value; NULL: it is a list itself.
 */
const char *postern_settings_path(const char *value);

/* The items of a value: of the file that it names , each line's first word, or those of the list (`csl:`
 * before it or not), apart by comma or blank. NULL and error: the file cannot be read. */
char **postern_settings_items(const char *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
