/*
 * The keeper: stands between a program that gives up its rights and the private inspector that it has
 * started. It keeps the rights that it was started with, and does nothing with them but start the inspector
 * again when that has ended. Reads single octets that the program writes, and nothing else.
 */
#pragma once

#include <glib.h>

#include "inspector/listener.h"

typedef struct {
    const char *program;       /* postern-inspector itself */
    char *const *arguments;    /* for it: those of the keeper, without --keep; NULL-terminated */
    PosternListener *listener; /* of the program, handed on */
    int lifeline;              /* of the program; its orders are handed on */
} PosternKeeperOptions;

/* Serves until the program is gone; then ends the inspector and removes its socket. */
void postern_keeper_run(const PosternKeeperOptions *options);
