/*
 * libclamav, loaded: what the files of the virus check share.
 */
#pragma once

#include <clamav.h>

#include "checks/check.h"

struct PosternVirusEngine {
    char *clamd;     /* where it is; NULL: the library scans */
    gboolean passes; /* clamd takes descriptors, as far as is known */
    gint64 proved;   /* monotonic: when it last found the EICAR test file; 0: never */
    struct cl_engine *library;
    struct cl_engine *encoded;     /* with the signatures that base64 may match; NULL: there are none */
    gboolean uncut;                /* which those are cannot be told: library looks at all octets of mail */
    PosternContentEngine *content; /* not owned; NULL: leaves are not decoded here */
    struct cl_scan_options scan;
    guint64 scan_octets;
    gboolean phishing;
    guint scan_timeout_ms;
    guint workers;
    guint signatures;      /* beside EICAR */
    gint64 built;          /* the newest of them: Unix time, 0: not known */
    PosternVirusWork work; /* of the last message */
};
