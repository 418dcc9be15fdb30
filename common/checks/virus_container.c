#include "checks/virus_container.h"

#include <string.h>

static const char zip_mark[] = {'P', 'K', 3, 4};
#define ZIP_HEADER_OCTETS 30
#define ZIP_VERSION_MAX 63
#define ZIP_NAME_MAX_OCTETS 4096

static guint number_at(const char *octets)
{
    return (guint)(guchar)octets[0] | (guint)(guchar)octets[1] << 8;
}

/* Methods of APPNOTE 4.4.5 that libclamav unpacks; what is packed otherwise it passes over in silence. */
static gboolean is_unpacked(guint method)
{
    static const guint known[] = {0, 6, 8, 9, 12};
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (known[i] == method)
            return TRUE;
    return FALSE;
}

/* A local header of a zip (APPNOTE 4.3.7), and not four octets that happen to look like one. */
static gboolean is_local_header(const char *octets, gsize length)
{
    return length >= ZIP_HEADER_OCTETS && number_at(octets + 4) % 256 <= ZIP_VERSION_MAX &&
           number_at(octets + 26) > 0 && number_at(octets + 26) <= ZIP_NAME_MAX_OCTETS;
}

static gboolean holds_unknown_packing(const char *octets, gsize length)
{
    const char *end = octets + length;
    const char *at = octets;
    if (length < ZIP_HEADER_OCTETS || memcmp(octets, zip_mark, sizeof zip_mark) != 0)
        return FALSE;
    while ((at = memmem(at, (gsize)(end - at), zip_mark, sizeof zip_mark)) != NULL) {
        if (is_local_header(at, (gsize)(end - at)) && !is_unpacked(number_at(at + 8)))
            return TRUE;
        at += sizeof zip_mark;
    }
    return FALSE;
}

/* Without its directory (APPNOTE 4.3.12) other programs still unpack it; libclamav does not. */
static gboolean is_zip_without_directory(const char *octets, gsize length)
{
    static const char directory_mark[] = {'P', 'K', 1, 2};
    return length >= ZIP_HEADER_OCTETS && memcmp(octets, zip_mark, sizeof zip_mark) == 0 &&
           memmem(octets, length, directory_mark, sizeof directory_mark) == NULL;
}

const char *postern_virus_container_problem(const char *octets, gsize length)
{
    if (is_zip_without_directory(octets, length))
        return "a zip archive without its directory";
    if (holds_unknown_packing(octets, length))
        return "a zip archive whose packing libclamav does not know";
    return NULL;
}
