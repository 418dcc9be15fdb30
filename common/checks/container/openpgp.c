#include "checks/container/enclosed.h"

#include <string.h>

/* Packets (RFC 9580 5) that hold what is not encrypted. */
enum { SIGNATURE = 2, ONE_PASS = 4, COMPRESSED = 8, MARKER = 10, LITERAL = 11 };

#define MARKER_OCTETS 5

static const char armor[] = "-----BEGIN PGP MESSAGE-----";

gboolean postern_openpgp_is(const guint8 *octets, gsize length)
{
    return memmem(octets, length, armor, strlen(armor)) != NULL;
}

/* The octets behind the armor's header and empty line, of what stands from begin to end. */
static guint8 *read_armor(const char *begin, const char *end, gsize *ret_length)
{
    const char *crlf = memmem(begin, (gsize)(end - begin), "\n\r\n", 3);
    const char *lf = memmem(begin, (gsize)(end - begin), "\n\n", 2);
    const char *body = lf == NULL || (crlf != NULL && crlf < lf) ? crlf : lf;
    if (body == NULL)
        return NULL;
    const char *last = memmem(body + 2, (gsize)(end - body) - 2, "-----END", 8);
    g_autofree char *text = g_strndup(body, (gsize)((last != NULL ? last : end) - body));
    char *sum = strstr(text, "\n="); /* the checksum */
    if (sum != NULL)
        *sum = '\0';
    return g_base64_decode(text, ret_length);
}

static guint tag_of(guint8 first)
{
    return (first & 0x80) == 0 ? 0 : (first & 0x40) != 0 ? first & 0x3f : (first >> 2) & 0xf;
}

/* Of the first packet behind markers, which say "PGP" and nothing. */
static guint first_tag(const guint8 *packets, gsize length)
{
    while (length > MARKER_OCTETS && tag_of(packets[0]) == MARKER && packets[1] == MARKER_OCTETS - 2) {
        packets += MARKER_OCTETS;
        length -= MARKER_OCTETS;
    }
    return length > 0 ? tag_of(packets[0]) : 0;
}

gboolean postern_openpgp_packets_open(PosternOpening *opening)
{
    guint tag = first_tag(opening->octets, opening->length);
    if (tag != ONE_PASS && tag != COMPRESSED && tag != LITERAL)
        return FALSE;
    postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "it is signed or packed");
    return TRUE;
}

/* What the first packet of each is; encrypted mail is its reader's alone, and wanted. One ends where the next
 * begins, so that no octet is looked at for two. */
void postern_openpgp_open(PosternOpening *opening)
{
    const char *at = (const char *)opening->octets, *end = at + opening->length;
    while ((at = memmem(at, (gsize)(end - at), armor, strlen(armor))) != NULL) {
        gsize length = 0;
        at += strlen(armor);
        const char *next = memmem(at, (gsize)(end - at), armor, strlen(armor));
        g_autofree guint8 *packets = read_armor(at, next != NULL ? next : end, &length);
        guint tag = packets != NULL ? first_tag(packets, length) : 0;
        if (tag == SIGNATURE || tag == ONE_PASS || tag == COMPRESSED || tag == LITERAL) {
            postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "it is signed or packed");
            return;
        }
        if (next == NULL)
            return;
        at = next;
    }
}
