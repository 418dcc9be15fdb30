/*
 * How the members of findings travel in dictionaries (mail/dictionary.h). Inner part of verdict/findings.h.
 */
#pragma once

#include "verdict/findings.h"

/* A text of a structure; lists of them end with a NULL key. Its key, where it stands, and its bound. */
typedef struct {
    const char *key;
    gsize offset;
    gsize maximum;
} PosternFindingText;

/* Adds those texts of structure that are not NULL, each cut at its bound. */
void postern_findings_add_texts(GVariantBuilder *builder, const PosternFindingText *texts,
                                gconstpointer structure);

/* Reads them into structure, which owns them; those absent stay as they are. FALSE and error: another type, a
 * NUL octet, or over the bound. */
gboolean postern_findings_get_texts(GVariant *dictionary, const PosternFindingText *texts, gpointer structure,
                                    GError **error);

/* Adds one entry. */
void postern_findings_add_number(GVariantBuilder *builder, const char *key, guint32 number);
/* The same for a truth value. */
void postern_findings_add_boolean(GVariantBuilder *builder, const char *key, gboolean value);

/* One structure to its dictionary (floating), and back into one that is zeroed. */
typedef GVariant *(*PosternFindingWrite)(gconstpointer structure);
typedef gboolean (*PosternFindingRead)(GVariant *dictionary, gpointer structure, GError **error);

/* A list of dictionaries: each becomes a structure that create makes and that list owns. */
typedef struct {
    const char *key;
    guint maximum;
    gpointer (*create)(void);
    PosternFindingRead read;
} PosternFindingList;

/* The first maximum of list, each as write makes it; floating. */
GVariant *postern_findings_list(const GPtrArray *list, guint maximum, PosternFindingWrite write);

/* Reads the list's key into structures; absent is empty. FALSE and error: another type, or over maximum. */
gboolean postern_findings_get_list(GVariant *dictionary, const PosternFindingList *list,
                                   GPtrArray *structures, GError **error);

/* Reads a dictionary within the dictionary; nothing where key is absent. */
gboolean postern_findings_get_member(GVariant *dictionary, const char *key, PosternFindingRead read,
                                     gpointer structure, GError **error);

/* findings_authentication.c: dmarc, arc, signatures and steps. */
void postern_findings_add_authentication(GVariantBuilder *builder, const PosternFindings *findings);
/* The way back. */
gboolean postern_findings_get_authentication(GVariant *variant, PosternFindings *findings, GError **error);
