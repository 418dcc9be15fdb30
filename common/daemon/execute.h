/*
 * How one of our programs starts another: nothing is inherited but what is named.
 */
#pragma once

#include <glib.h>

/* The directory that the running program is in; a new string. */
char *postern_program_directory(GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Starts program with arguments (NULL-terminated; the first is its name). descriptors, which stay the
 * caller's, become 3, 4, … in it. Standard input is /dev/null, standard output goes where standard error
 * does. No signal is blocked or ignored. The process id, which the caller must wait for; or -1 and error.
 */
GPid postern_execute(const char *program, char *const *arguments, const int *descriptors, guint count,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How a process ended, from its wait status: "with status 1", "by signal 31 (Bad system call)"; a new string.
 */
char *postern_wait_status_describe(int status);
