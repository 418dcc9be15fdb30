#include "checks/virus/names.h"

#include <string.h>

/* The first that name begins with says what it is; no signature of a virus has such a name. */
static const struct {
    const char *prefix;
    PosternVirusKind kind;
} kinds[] = {
    {"Heuristics.Encrypted.", POSTERN_VIRUS_ENCRYPTED},
    {"Heuristics.Limits.Exceeded", POSTERN_VIRUS_TOO_LARGE},
    {"Heuristics.", POSTERN_VIRUS_SUSPICIOUS},
    {"BC.Heuristics.", POSTERN_VIRUS_SUSPICIOUS},
    {"PUA.", POSTERN_VIRUS_SUSPICIOUS},
};

gboolean postern_virus_names_kind(const char *name, PosternVirusKind *ret_kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_has_prefix(name, kinds[i].prefix)) {
            *ret_kind = kinds[i].kind;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean postern_virus_names_is_mail_limit(const char *name, gboolean shallow)
{
    return g_str_has_prefix(name, "Heuristics.Limits.Exceeded.Email") ||
           (shallow && strcmp(name, "Heuristics.Limits.Exceeded.MaxRecursion") == 0);
}

/* Of its parser of mail, all but those on what the machine is short of. */
static const char *const about_mail[] = {
    "Attempt to send Content-type message/external-body",
    "Partial message received",
    "Invalid message/partial",
    "Unsupported message format",
    "Unsupported RFC2047 encoding",
    "Internal email pars",
    "email message decode error",
};

/* What a message that is about this machine, and not about the file, speaks of. */
static const char *const of_the_machine[] = {"memory", "alloc",  "open",       "creat",    "writ", "read",
                                             "unlink", "remove", "temp",       "director", "stat", "map",
                                             "disk",   "seek",   "descriptor", "time"};

gboolean postern_virus_names_message(const char *text, PosternVirusKind *ret_kind)
{
    for (gsize i = 0; i < G_N_ELEMENTS(about_mail); i++)
        if (strstr(text, about_mail[i]) != NULL)
            return TRUE;
    *ret_kind = POSTERN_VIRUS_AMBIGUOUS;
    for (gsize i = 0; i < G_N_ELEMENTS(of_the_machine); i++)
        if (strstr(text, of_the_machine[i]) != NULL)
            *ret_kind = POSTERN_VIRUS_SCAN_ERROR;
    return FALSE;
}

PosternVirusKind postern_virus_names_status(cl_error_t status)
{
    switch (status) {
    case CL_EMAXREC:
    case CL_EMAXSIZE:
    case CL_EMAXFILES:
        return POSTERN_VIRUS_TOO_LARGE;
    case CL_EUNPACK:
    case CL_EFORMAT:
    case CL_EPARSE:
        return POSTERN_VIRUS_AMBIGUOUS;
    default:
        return POSTERN_VIRUS_SCAN_ERROR;
    }
}
