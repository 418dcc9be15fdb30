#include "checks/container/encrypted.h"

#define MARK 0xea60
#define BASIC_MIN_OCTETS 30
#define BASIC_MAX_OCTETS 2600
#define FLAG_GARBLED 1
#define FLAG_VOLUME 4

/* Each header: the mark, its size (0: the archive ends), the header, its checksum, extended headers of the
 * same form up to one of size 0; behind all but the first stand the packed octets. */
void postern_arj_open(PosternOpening *opening)
{
    const guint8 *octets = opening->octets;
    gsize length = opening->length, at = 0;
    while (length - at >= 4 && postern_octets_16(octets + at) == MARK) {
        guint size = postern_octets_16(octets + at + 2);
        const guint8 *header = octets + at + 4;
        if (size == 0) {
            if (!postern_octets_are_blank(header, length - at - 4))
                postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
            return;
        }
        if (size < BASIC_MIN_OCTETS || size > BASIC_MAX_OCTETS || size + 10 > length - at)
            break;
        guint64 packed = at == 0 ? 0 : postern_octets_32(header + 12);
        if ((header[4] & FLAG_GARBLED) != 0) {
            postern_opening_note(opening, POSTERN_VIRUS_ENCRYPTED, NULL);
            return;
        }
        if ((header[4] & FLAG_VOLUME) != 0)
            postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "one of several volumes");
        at += 4 + size + 4;
        for (guint extended = 1; extended != 0 && length - at >= 2;) {
            extended = postern_octets_16(octets + at);
            at += MIN(2 + (extended != 0 ? extended + 4 : 0), length - at);
        }
        if (packed > length - at)
            break;
        at += (gsize)packed;
    }
    postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
}
