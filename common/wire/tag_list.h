/*
 * DKIM tag lists (RFC 6376 3.2): `v=1; a=rsa-sha256; …`.
 */
#pragma once

#include <glib.h>

typedef struct {
    GPtrArray *names;  /* of char *, in order */
    GPtrArray *values; /* of char *, folding white space at the ends taken off */
} PosternTagList;

/*
 * Parses length octets; NULL and *ret_problem (static) if it is no tag list, a tag stands twice, or there
 * are more than POSTERN_DKIM_TAGS_MAX. A value may hold UTF-8 (RFC 8616 5); folds inside it stay as they are.
 */
PosternTagList *postern_tag_list_parse(const char *text, gsize length, const char **ret_problem);
void postern_tag_list_free(PosternTagList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTagList, postern_tag_list_free)

/* The value of a tag (names are case-sensitive), or NULL. */
const char *postern_tag_list_get(const PosternTagList *list, const char *name);
