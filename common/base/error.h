/*
 * The error domain of libpostern. Library functions report through GError and never log; programs log or
 * print the message once. A message says what failed, on what, and what to do about it.
 */
#pragma once

#include <glib.h>

#define POSTERN_ERROR (postern_error_quark())

typedef enum {
    POSTERN_ERROR_USAGE,         /* the caller's own words are wrong: command line, option value */
    POSTERN_ERROR_CONFIGURATION, /* the configuration file is wrong */
    POSTERN_ERROR_INPUT,         /* a file or stream cannot be read */
    POSTERN_ERROR_LIMIT,         /* a bound of base/limits.h or a budget was met */
    POSTERN_ERROR_PROTOCOL,      /* a peer broke its protocol */
    POSTERN_ERROR_UNAVAILABLE,   /* a peer or resource is not there now; later may work */
    POSTERN_ERROR_TIMEOUT,       /* a deadline passed */
    POSTERN_ERROR_SYSTEM,        /* the operating system refused */
} PosternError;

/* The quark of POSTERN_ERROR. */
GQuark postern_error_quark(void);

/* Sets *error (may be NULL) to code of POSTERN_ERROR. Always returns FALSE, so that a failing function can
 * return it. */
gboolean postern_error_set(GError **error, PosternError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
/*
 * Sets *error (may be NULL) to POSTERN_ERROR_SYSTEM with "WHAT: STRERROR" for error number number.
 * Always returns FALSE.
 */
gboolean postern_error_set_system(GError **error, int number, const char *format, ...) G_GNUC_PRINTF(3, 4);
