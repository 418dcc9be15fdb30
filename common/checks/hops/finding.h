/*
 * How many servers a message has passed: what tells a mail loop (RFC 5321 6.3).
 */
#pragma once

#include <glib.h>

typedef struct {
    gboolean checked;
    guint count; /* Received fields */
} PosternHopsFinding;
