/*
 * A worker: a forked process that enters its sandbox, proves itself, and answers one request after the other
 * until its socket is closed.
 */
#pragma once

#include <glib.h>

#include "inspector/stages.h"

typedef struct {
    PosternRole role;
    int socket;            /* to the pool; all other descriptors but standard error are closed */
    const char *directory; /* its own, empty; NULL: it uses no files at all */
    const char *user;      /* whom it becomes; NULL: nobody else */
    const PosternEngines *engines;
    guint64 memory_octets;
    guint64 temporary_octets;
    guint scan_timeout_ms;
    GPid parent; /* ends with it */
} PosternWorkerOptions;

/* Never returns. */
void postern_worker_run(const PosternWorkerOptions *options) G_GNUC_NORETURN;
