/*
 * Which group of servers a recipient's mail goes to: a table that the administrator keeps in a file, read
 * whole, immutable, for all threads.
 *
 *   user@example.org GROUP      that mailbox, with any subaddress (RFC 5233)
 *   user+list@example.org GROUP that subaddress alone
 *   example.org GROUP           a domain
 *   .example.org GROUP          all domains below it
 *   * GROUP                     all that no other line is for
 *
 * Of the lines for a recipient the first kind in this order holds, of several domains the longest. Behind
 * GROUP may follow conditions: sender=ADDRESS, sender=DOMAIN, sender=.DOMAIN, sender=<>, class=NAME,
 * listener=mail, listener=submission. Of several lines for the same, the first whose conditions hold is
 * taken; if none does, it is as if they were not there.
 */
#pragma once

#include <glib.h>

#include "base/error.h"

typedef struct PosternRoutes PosternRoutes;

/* What a mail is known by. */
typedef struct {
    const char *recipient; /* a path without angle brackets */
    const char *sender;    /* likewise; "" is <> */
    const char *class;     /* NAME of [class NAME]; "": [class]; NULL: of none */
    gboolean submission;   /* its client has come in by submission_listen */
} PosternRouteSubject;

/* Reads the file at path. groups, classes: the names that lines may have, NULL-terminated, unique. NULL and
 * error (POSTERN_ERROR_CONFIGURATION), which names file, line and what is wrong. */
PosternRoutes *postern_routes_load(const char *path, const char *const *groups, const char *const *classes,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same of text, which is changed and has a NUL behind its length octets. */
PosternRoutes *postern_routes_parse(char *text, gsize length, const char *name, const char *const *groups,
                                    const char *const *classes, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_routes_free(PosternRoutes *routes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRoutes, postern_routes_free)

/* Where the mail goes: a place in groups, or -1: no line is for it. */
int postern_routes_find(const PosternRoutes *routes, const PosternRouteSubject *subject);
/* TRUE if a line leads to the group at that place. */
gboolean postern_routes_lead_to(const PosternRoutes *routes, guint group);
/* TRUE if a line of * does. */
gboolean postern_routes_lead_all_to(const PosternRoutes *routes, guint group);
