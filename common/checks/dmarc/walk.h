/*
 * The DNS Tree Walk (RFC 9989 4.10): from a domain up to the top, for its DMARC Policy Record and its
 * Organizational Domain. Restartable: all names of a walk are asked for together.
 */
#pragma once

#include "base/limits.h"
#include "checks/dmarc/record.h"

typedef struct {
    const char *names[POSTERN_DMARC_WALK_QUERIES_MAX]; /* within the domain, the longest first */
    guint count;
} PosternDmarcPath;

/* The names that the walk from domain asks for. From eight labels on, the second has seven (step 4). */
void postern_dmarc_path(const char *domain, PosternDmarcPath *ret_path);

/* Names are within the domain that the walk started from, and have its life. */
typedef struct {
    const char *organizational; /* 4.10.2, or NULL: the DNS failed on the way */
    const char *record_domain;  /* whose record applies to the domain (4.10.1), or NULL: none, or not known */
    PosternDmarcRecord record;  /* it */
    GBytes *record_text;        /* its octets, owned by the answers; NULL with record_domain */
    gboolean failed;            /* the DNS failed before it was known which record applies */
} PosternDmarcWalk;

/* 1: *ret_walk is filled, and steps are told to findings; 0: questions are noted. */
int postern_dmarc_walk(const char *domain, PosternAnswers *answers, PosternFindings *findings,
                       PosternDmarcWalk *ret_walk);
