#include "checks/container/enclosed.h"
#include "checks/container/inflate.h"

/* Where its stream of zlib begins: behind a short header, or a long one. */
static const gsize places[] = {0x32, 0x22a};

void postern_active_mime_open(PosternOpening *opening)
{
    gboolean opened = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(places) && !opening->over; i++)
        if (opening->length > places[i])
            opened = postern_zlib_open(opening, opening->octets + places[i], opening->length - places[i]) ||
                     opened;
    if (!opened && !opening->over)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it cannot be read");
}
