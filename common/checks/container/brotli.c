#include "checks/container/brotli.h"

#include <brotli/decode.h>
#include <string.h>

gboolean postern_brotli_is_declared(const PosternItem *item)
{
    for (const char *const *name = item->names; *name != NULL; name++) {
        gsize length = strlen(*name);
        if (length > 3 && g_ascii_strcasecmp(*name + length - 3, ".br") == 0)
            return TRUE;
    }
    for (const char *const *type = item->types; *type != NULL; type++)
        if (strstr(*type, "brotli") != NULL)
            return TRUE;
    return FALSE;
}

gboolean postern_brotli_open(PosternOpening *opening)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_auto(PosternUnpacked) unpacked = {NULL};
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    BrotliDecoderResult result =
        state != NULL ? BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT : BROTLI_DECODER_RESULT_ERROR;
    const guint8 *octets = opening->octets;
    gsize left = opening->length;
    while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        gsize room = 0;
        guint8 *out = postern_unpacked_room(opening, &unpacked, 0, &room);
        if (out == NULL)
            break;
        gsize before = room;
        result = BrotliDecoderDecompressStream(state, &left, &octets, &room, &out, NULL);
        postern_unpacked_add(opening, &unpacked, before - room);
    }
    BrotliDecoderDestroyInstance(state);
    if (opening->over)
        return TRUE;
    if (result == BROTLI_DECODER_RESULT_ERROR)
        return FALSE;
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT)
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "it is cut");
    else if (!postern_octets_are_blank(octets, left))
        postern_opening_note(opening, POSTERN_VIRUS_AMBIGUOUS, "octets stand behind its end");
    g_autoptr(GBytes) inside = postern_unpacked_steal(&unpacked);
    postern_opening_names_inside(opening, names);
    postern_opening_member(opening, names, inside);
    return TRUE;
}
