#include "checks/container/enclosed.h"

#include <string.h>

#include "base/limits.h"

#define FILE_HEADER_OCTETS 6 /* mark and key */
#define HEADER_OCTETS 9      /* of an attribute: level, identifier, length */
#define CHECKSUM_OCTETS 2
#define INTERFACE_OCTETS 16 /* before the data of an object */

/* Attributes (MS-OXTNEF 2.1.3.1). */
#define ATTACH_REND_DATA 0x00069002U /* begins an attachment */
#define ATTACH_TITLE 0x00018010U
#define ATTACH_DATA 0x0006800fU
#define ATTACHMENT 0x00069005U /* properties of MAPI */

/* Identifier and type of a property (MS-OXPROPS): what is before its values. */
typedef enum { NAME, WIDE_NAME, DATA, OBJECT } Use;

static const struct {
    guint8 mark[4];
    Use use;
} properties[] = {
    {{0x1e, 0, 0x07, 0x37}, NAME},      {{0x1f, 0, 0x07, 0x37}, WIDE_NAME}, {{0x1e, 0, 0x04, 0x37}, NAME},
    {{0x1f, 0, 0x04, 0x37}, WIDE_NAME}, {{0x02, 1, 0x01, 0x37}, DATA},      {{0x0d, 0, 0x01, 0x37}, OBJECT},
};

/* The attachment at hand. */
typedef struct {
    PosternOpening *opening;
    GPtrArray *names;
    GPtrArray *contents; /* of GBytes */
} Attachment;

static void begin(Attachment *attachment)
{
    attachment->names = g_ptr_array_new_with_free_func(g_free);
    attachment->contents = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

/* Hands it on, by each of its contents. */
static void end(Attachment *attachment)
{
    for (guint i = 0; i < attachment->contents->len; i++) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        for (guint k = 0; k < attachment->names->len; k++)
            g_ptr_array_add(names, g_strdup(g_ptr_array_index(attachment->names, k)));
        postern_opening_member(attachment->opening, names, g_ptr_array_index(attachment->contents, i));
    }
    g_ptr_array_unref(attachment->names);
    g_ptr_array_unref(attachment->contents);
}

static void add_content(Attachment *attachment, const guint8 *octets, gsize length)
{
    PosternOpening *opening = attachment->opening;
    if (length > 0 && postern_opening_allow(opening, length))
        g_ptr_array_add(
            attachment->contents,
            g_bytes_new_from_bytes(opening->item->octets, (gsize)(octets - opening->octets), length));
}

static void add_wide_name(Attachment *attachment, const guint8 *octets, gsize length)
{
    gsize kept = MIN(length, POSTERN_CONTAINER_NAME_MAX_OCTETS);
    if (attachment->names->len == POSTERN_CONTAINER_NAMES_MAX)
        return;
    octets += length - kept;
    length = kept;
    g_autofree char *name =
        g_convert((const char *)octets, (gssize)length, "UTF-8", "UTF-16LE", NULL, NULL, NULL);
    if (name != NULL)
        postern_names_add(attachment->names, name, strlen(name));
}

static void take_property(Attachment *attachment, Use use, const guint8 *octets, gsize length)
{
    if (use == NAME)
        postern_names_add(attachment->names, octets, strnlen((const char *)octets, length));
    else if (use == WIDE_NAME)
        add_wide_name(attachment, octets, length & ~(gsize)1);
    else if (use == DATA)
        add_content(attachment, octets, length);
    else if (length > INTERFACE_OCTETS)
        add_content(attachment, octets + INTERFACE_OCTETS, length - INTERFACE_OCTETS);
}

/* Each place that may be such a property with one value: an identifier, how many values, length, value. */
static void take_properties(Attachment *attachment, const guint8 *octets, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(properties); i++) {
        const guint8 *at = octets;
        gsize rest = length;
        while (!attachment->opening->over &&
               (at = memmem(at, rest, properties[i].mark, sizeof properties[i].mark)) != NULL) {
            rest = length - (gsize)(at - octets);
            guint32 size = rest > 12 ? postern_octets_32(at + 8) : 0;
            if (size > 0 && size <= rest - 12 && postern_octets_32(at + 4) == 1)
                take_property(attachment, properties[i].use, at + 12, size);
            at++;
            rest--;
        }
    }
}

void postern_tnef_open(PosternOpening *opening)
{
    const guint8 *octets = opening->octets;
    gsize length = opening->length, at = FILE_HEADER_OCTETS;
    Attachment attachment = {opening, NULL, NULL};
    begin(&attachment);
    while (at < length && length - at >= HEADER_OCTETS && !opening->over) {
        guint32 attribute = postern_octets_32(octets + at + 1), size = postern_octets_32(octets + at + 5);
        const guint8 *data = octets + at + HEADER_OCTETS;
        gsize there = MIN(size, length - at - HEADER_OCTETS);
        if (there < size)
            postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut or damaged");
        if (attribute == ATTACH_REND_DATA) {
            end(&attachment);
            begin(&attachment);
        } else if (attribute == ATTACH_TITLE) {
            postern_names_add(attachment.names, data, strnlen((const char *)data, there));
        } else if (attribute == ATTACH_DATA) {
            add_content(&attachment, data, there);
        } else if (attribute == ATTACHMENT) {
            take_properties(&attachment, data, there);
        }
        at += HEADER_OCTETS + MIN(there + CHECKSUM_OCTETS, length - at - HEADER_OCTETS);
    }
    end(&attachment);
}
