/*
 * Dictionaries (GVariant a{sv}) that travel between programs: text as octets (ay, no NUL), never as strings,
 * for it comes from the network; numbers as u; truth as b. What is absent has its default; unknown keys are
 * ignored.
 */
#pragma once

#include <glib.h>

/* Adds key: the text as an ay, cut at maximum octets, not within a character if it is UTF-8. NULL text
 * adds nothing. */
void postern_dictionary_add_text(GVariantBuilder *builder, const char *key, const char *text, gsize maximum);

/*
 * A new string from the ay of key; *ret_text stays as it is if the key is absent. FALSE and error: another
 * type (POSTERN_ERROR_PROTOCOL), a NUL octet inside, or more than maximum octets (POSTERN_ERROR_LIMIT).
 */
gboolean postern_dictionary_get_text(GVariant *dictionary, const char *key, gsize maximum, char **ret_text,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A number of at most maximum; *ret_number stays as it is if the key is absent. */
gboolean postern_dictionary_get_number(GVariant *dictionary, const char *key, guint32 maximum,
                                       guint32 *ret_number, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A truth value; *ret_boolean stays as it is if the key is absent. */
gboolean postern_dictionary_get_boolean(GVariant *dictionary, const char *key, gboolean *ret_boolean,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The value of key with exactly that type, or NULL: absent, or of another type (error is set then). The
 * caller's reference.
 */
GVariant *postern_dictionary_get(GVariant *dictionary, const char *key, const GVariantType *type,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
