/*
 * Signatures that text in base64 may match, so that none of it can be left out of a scan for them
 * (mail_octets.h). Most match no such text: they ask for octets that are no letters of it, or are of other
 * files than mail.
 */
#pragma once

#include <clamav.h>
#include <glib.h>

typedef enum {
    POSTERN_SIGNATURES_NDB, /* Name:Target:Offset:Octets */
    POSTERN_SIGNATURES_LDB, /* Name;Target…;Expression;Octets;Octets… */
    POSTERN_SIGNATURES_DB,  /* Name=Octets */
} PosternSignatureForm;

/* Whether a signature (ClamAV manual, "Body-based" and "Logical" signatures) may match a message whose match,
 * or a part of it, stands within lines of base64. What is not understood may. Linear in length. */
gboolean postern_encoded_signature_is(PosternSignatureForm form, const char *line, gsize length);

/*
 * Loads those of the signatures at database, an absolute path of a file or folder, into library; what they
 * are is written to a new folder in directory meanwhile. *ret_count: how many; 0: library is as it was. FALSE
 * and error: some cannot be told, so that all must be looked for.
 */
gboolean postern_encoded_signatures_load(struct cl_engine *library, const char *database,
                                         const char *directory, guint *ret_count,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
