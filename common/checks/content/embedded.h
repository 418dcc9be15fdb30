/*
 * Files that stand in text without MIME: uuencode (also begin-base64), yEnc, BinHex. Readers of mail show
 * them as attachments.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *name; /* as it stands, or NULL */
    GBytes *octets;
    const char *decoding; /* "uuencode", for people */
} PosternEmbeddedFile;

/*
 * The next file that begins at or behind *at, which becomes the place to go on from. FALSE: there is none, or
 * no memory, *ret_problem then says so. Each octet is looked at a few times at most, in all calls together.
 * To be cleared.
 */
gboolean postern_embedded_next(const char *octets, gsize length, gsize *at, PosternEmbeddedFile *ret_file,
                               const char **ret_problem);
void postern_embedded_clear(PosternEmbeddedFile *file);
