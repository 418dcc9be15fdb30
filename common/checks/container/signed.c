#include "checks/container/enclosed.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "checks/container/inflate.h"

/* A sequence whose first element is the type, of which no more than its lengths stand before. */
#define TYPE_PLACE_MAX 12

static const guint8 signed_data[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2};
static const guint8 compressed_data[] = {6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9};
static const guint8 zlib_method[] = {6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 3, 8};

static gboolean begins_with(const guint8 *octets, gsize length, const guint8 *type, gsize type_length)
{
    return length > 0 && octets[0] == 0x30 &&
           memmem(octets, MIN(length, TYPE_PLACE_MAX + type_length), type, type_length) != NULL;
}

gboolean postern_signed_is(const guint8 *octets, gsize length)
{
    return begins_with(octets, length, signed_data, sizeof signed_data);
}

gboolean postern_compressed_is(const guint8 *octets, gsize length)
{
    return begins_with(octets, length, compressed_data, sizeof compressed_data);
}

void postern_signed_open(PosternOpening *opening)
{
    const unsigned char *at = opening->octets;
    if (!postern_opening_allow(opening, opening->length))
        return;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)opening->length);
    ASN1_OCTET_STRING **content = cms != NULL ? CMS_get0_content(cms) : NULL;
    if (content == NULL) {
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it cannot be read");
    } else if (*content != NULL) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GBytes) octets =
            g_bytes_new(ASN1_STRING_get0_data(*content), (gsize)ASN1_STRING_length(*content));
        postern_opening_names_inside(opening, names);
        postern_opening_member(opening, names, octets);
    }
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
}

void postern_compressed_open(PosternOpening *opening)
{
    const unsigned char *at = opening->octets;
    if (!postern_opening_allow(opening, opening->length))
        return;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)opening->length);
    ASN1_OCTET_STRING **content = cms != NULL ? CMS_get0_content(cms) : NULL;
    if (memmem(opening->octets, opening->length, zlib_method, sizeof zlib_method) == NULL) {
        postern_opening_note(opening, POSTERN_VIRUS_UNKNOWN_CONTAINER, "it is packed by an unknown method");
    } else if (content == NULL || *content == NULL ||
               !postern_zlib_open(opening, ASN1_STRING_get0_data(*content),
                                  (gsize)ASN1_STRING_length(*content))) {
        if (!opening->over)
            postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it cannot be read");
    }
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
}
