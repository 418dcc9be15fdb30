/*
 * The template: a process that has loaded the signatures, or else the keys that we sign with, and forks
 * workers that share them. Reads no untrusted data. Lives as long as its control socket, and with it all
 * of its workers.
 */
#pragma once

#include "base/configuration.h"
#include "inspector_client/packet.h"

typedef struct {
    PosternRole role;
    const PosternConfiguration *configuration;
    const char *worker_user; /* whom workers become, or NULL */
    int control;             /* to the pool */
    const char *directory;   /* its own */
    /* Role SCAN: see inspector/signatures.h. */
    guint64 at_least;
    gboolean background;
    guint held; /* files that the pool sends first of all */
    gboolean only_held;
} PosternTemplateOptions;

/* Serves the pool on control until that is closed, or if nothing can be loaded not at all. Then ends its
 * workers, removes directory, and ends the process. */
_Noreturn void postern_template_run(const PosternTemplateOptions *options);
