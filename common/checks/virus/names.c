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

/* What a message that is about this machine, and not about the file, speaks of. */
static const char *const of_the_machine[] = {"memory", "alloc",  "open",       "creat",    "writ", "read",
                                             "unlink", "remove", "temp",       "director", "stat", "map",
                                             "disk",   "seek",   "descriptor", "time"};

PosternVirusKind postern_virus_names_message(const char *text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(of_the_machine); i++)
        if (strstr(text, of_the_machine[i]) != NULL)
            return POSTERN_VIRUS_SCAN_ERROR;
    return POSTERN_VIRUS_AMBIGUOUS;
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
