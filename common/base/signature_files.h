/*
 * The files of virus signatures that [virus] database names: whether they are there, and whether they are
 * still the same. What is in them is libclamav's to know.
 */
#pragma once

#include <glib.h>

/* Where freshclam puts them: if [virus] database is empty, and this is there. */
#define POSTERN_SIGNATURES_DEFAULT "/var/lib/clamav"

typedef enum {
    POSTERN_SIGNATURES_THERE,    /* *ret_path holds, or is, what can be read */
    POSTERN_SIGNATURES_NONE,     /* an empty folder that can be read; or none was named, and there is none */
    POSTERN_SIGNATURES_UNUSABLE, /* anything else: *ret_problem */
} PosternSignatureFiles;

/*
 * Looks at database, an absolute path of a folder or of a file; NULL and "" are the default. *ret_path: the
 * path that counts, a new string, or NULL: none was named, and there is none. *ret_problem (UNUSABLE): what
 * is wrong, and what to do, a new string. As this process may read.
 */
PosternSignatureFiles postern_signature_files_look(const char *database, char **ret_path, char **ret_problem);

/* For --check-config: FALSE and error (POSTERN_ERROR_CONFIGURATION) if they are UNUSABLE. */
gboolean postern_signature_files_check(const char *database, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The paths of the files that count (char *), in order, or that of what should hold them and is no folder. */
GPtrArray *postern_signature_files_list(const char *database);

/*
 * A text that changes when the files do: their names, sizes, times and inodes, or that there are none. A new
 * string.
 */
char *postern_signature_files_print(const char *database);

/* When the newest of the files was last changed: Unix time; 0: there are none. */
gint64 postern_signature_files_newest(const char *database);
