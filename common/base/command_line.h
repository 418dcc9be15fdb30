/*
 * The options of a program's command line (GOption): what one that was mistyped probably meant, and scripts
 * by which shells complete them.
 */
#pragma once

#include <glib.h>

/* What a program takes on its command line. */
typedef struct {
    const char *program;               /* "postern-scan" */
    const char *summary;               /* what --help says below the usage */
    const char *description;           /* what --help says at its end, or NULL */
    const GOptionEntry *const *tables; /* each ended by an entry without a name; NULL-terminated */
    gboolean operands;                 /* it takes names of files beside options */
} PosternCommandLine;

/*
 * Parses argv, and takes out of it what it understood. The hidden --completion SHELL, with bash, zsh or fish,
 * prints the script for that shell: *ret_done is then TRUE, and there is nothing more to do. FALSE and error,
 * a sentence for the user: an option is unknown (and which is most like it), has a wrong value, or there are
 * operands and none are taken.
 */
gboolean postern_command_line_parse(const PosternCommandLine *line, int *argc, char ***argv,
                                    gboolean *ret_done, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The script by which shell, "bash", "zsh" or "fish", completes; a new string, or NULL: no such shell. */
char *postern_command_line_completion(const PosternCommandLine *line, const char *shell);
