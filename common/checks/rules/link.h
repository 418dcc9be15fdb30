/*
 * Links: where they lead, and whether their text says that they lead elsewhere.
 */
#pragma once

#include <glib.h>

/* The host of an address of http or https, lower case, without port and user; NULL: it is none. New. */
char *postern_link_host(const char *address);

/*
 * PosternLinkKinds of a link to target whose text is text (NULL: it has none). *ret_shown: the host that the
 * text shows, a new string, if it is DECEPTIVE; else NULL.
 */
guint postern_link_kinds(const char *target, const char *text, char **ret_shown);

/* The next address of http or https in text at or behind *offset, a new string, *offset then behind it; NULL:
 * there is none. */
char *postern_link_next(const char *text, gsize length, gsize *offset);
