#include "checks/container/opening.h"

#include <string.h>

#include "base/limits.h"

#define ROOM_FIRST_OCTETS 16384
/* An expectation is the sender's word: so much is taken on it at once. */
#define ROOM_EXPECTED_MAX_OCTETS (4 * 1024 * 1024)

void postern_opening_note(PosternOpening *opening, PosternVirusKind kind, const char *text)
{
    g_autofree char *whole =
        text != NULL ? g_strconcat(opening->what, ": ", text, NULL) : g_strdup(opening->what);
    opening->problem = TRUE;
    opening->visitor->note(kind, whole, opening->visitor->data);
}

void postern_opening_stop(PosternOpening *opening, const char *text)
{
    postern_opening_note(opening, POSTERN_VIRUS_TOO_LARGE, text);
    opening->over = TRUE;
}

static gboolean is_bomb(const PosternOpening *opening, guint64 more)
{
    guint64 octets = opening->unpacked + more;
    return octets > POSTERN_CONTAINER_RATIO_FREE_OCTETS &&
           octets / MAX(opening->length, 1) > POSTERN_CONTAINER_RATIO_MAX;
}

/* Whether length octets more may be unpacked; if not that is noted. */
static gboolean is_allowed(PosternOpening *opening, guint64 length)
{
    const PosternItemBudget *budget = opening->budget;
    if (opening->over)
        return FALSE;
    if (length > budget->octets)
        postern_opening_stop(opening, "unpacked it is larger than what is scanned");
    else if (is_bomb(opening, length))
        postern_opening_stop(opening, "it unpacks to many times its size");
    else if (budget->deadline != 0 && g_get_monotonic_time() > budget->deadline) {
        postern_opening_note(opening, POSTERN_VIRUS_SCAN_ERROR, "unpacking took too long");
        opening->over = TRUE;
    }
    return !opening->over;
}

gboolean postern_opening_allow(PosternOpening *opening, guint64 length)
{
    if (!is_allowed(opening, length))
        return FALSE;
    opening->unpacked += length;
    opening->budget->octets -= length;
    return TRUE;
}

static gsize next_room(const PosternUnpacked *unpacked, guint64 expected)
{
    if (unpacked->room == 0)
        return (gsize)CLAMP(expected, ROOM_FIRST_OCTETS / 16, ROOM_EXPECTED_MAX_OCTETS) + 1;
    return MAX(unpacked->room * 2, ROOM_FIRST_OCTETS);
}

guint8 *postern_unpacked_room(PosternOpening *opening, PosternUnpacked *unpacked, guint64 expected,
                              gsize *ret_room)
{
    if (unpacked->length == unpacked->room) {
        if (!is_allowed(opening, 1))
            return NULL;
        gsize room = MIN(next_room(unpacked, expected), unpacked->length + opening->budget->octets);
        guint8 *octets = g_try_realloc(unpacked->octets, room);
        if (octets == NULL) {
            postern_opening_stop(opening, "it needs more memory than there is");
            return NULL;
        }
        unpacked->octets = octets;
        unpacked->room = room;
    }
    *ret_room = unpacked->room - unpacked->length;
    return unpacked->octets + unpacked->length;
}

void postern_unpacked_add(PosternOpening *opening, PosternUnpacked *unpacked, gsize length)
{
    unpacked->length += length;
    (void)postern_opening_allow(opening, length);
}

GBytes *postern_unpacked_steal(PosternUnpacked *unpacked)
{
    gsize length = unpacked->length;
    guint8 *octets = g_steal_pointer(&unpacked->octets);
    guint8 *fitting =
        unpacked->room - length > length / 4 && length > 0 ? g_try_realloc(octets, length) : NULL;
    *unpacked = (PosternUnpacked){NULL};
    return g_bytes_new_take(fitting != NULL ? fitting : octets, length);
}

void postern_unpacked_clear(PosternUnpacked *unpacked)
{
    g_free(unpacked->octets);
    *unpacked = (PosternUnpacked){NULL};
}

/* What the upper half of code page 437 looks like, in which zip has its names (APPNOTE D.1). */
static const char *const upper_half =
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xc2\xa0";

static char *from_code_page_437(const char *name)
{
    GString *text = g_string_new(NULL);
    for (; *name != '\0'; name++) {
        guchar octet = (guchar)*name;
        if (octet < 0x80)
            g_string_append_c(text, (char)octet);
        else
            g_string_append_unichar(text,
                                    g_utf8_get_char(g_utf8_offset_to_pointer(upper_half, octet - 0x80)));
    }
    return g_string_free(text, FALSE);
}

static void add(GPtrArray *names, char *name)
{
    if (*name != '\0' && names->len < POSTERN_CONTAINER_NAMES_MAX &&
        !g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, name);
    else
        g_free(name);
}

/* One that is longer keeps its end, by which a file is opened. At a NUL some readers end a name, others not.
 */
void postern_names_add(GPtrArray *names, const void *name, gsize length)
{
    const char *start = name;
    if (length > POSTERN_CONTAINER_NAME_MAX_OCTETS) {
        start += length - POSTERN_CONTAINER_NAME_MAX_OCTETS;
        length = POSTERN_CONTAINER_NAME_MAX_OCTETS;
    }
    g_autofree char *first = g_strndup(start, length);
    add(names, g_utf8_validate(first, -1, NULL) ? g_steal_pointer(&first) : from_code_page_437(first));
    if (memchr(start, '\0', length) == NULL)
        return;
    g_autofree char *whole = g_malloc(length + 1);
    gsize used = 0;
    for (gsize i = 0; i < length; i++)
        if (start[i] != '\0')
            whole[used++] = start[i];
    whole[used] = '\0';
    add(names, g_utf8_validate(whole, -1, NULL) ? g_steal_pointer(&whole) : from_code_page_437(whole));
}

/* Endings of packed files, and what they become. */
static const struct {
    const char *ending;
    const char *inside;
} endings[] = {
    {".tgz", ".tar"}, {".taz", ".tar"},  {".tbz", ".tar"},  {".tbz2", ".tar"}, {".txz", ".tar"},
    {".tlz", ".tar"}, {".tzst", ".tar"}, {".svgz", ".svg"}, {".gz", ""},       {".bz2", ""},
    {".xz", ""},      {".lzma", ""},     {".lz", ""},       {".zst", ""},      {".lz4", ""},
    {".z", ""},       {".br", ""},       {".rpm", ".cpio"}, {".p7m", ""},
};

void postern_opening_names_inside(const PosternOpening *opening, GPtrArray *names)
{
    for (const char *const *name = opening->item->names; *name != NULL; name++) {
        gsize length = strlen(*name);
        const char *more = "";
        for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
            gsize ending = strlen(endings[i].ending);
            if (length > ending && g_ascii_strcasecmp(*name + length - ending, endings[i].ending) == 0) {
                length -= ending;
                more = endings[i].inside;
                break;
            }
        }
        g_autofree char *kept = g_strndup(*name, length);
        add(names, g_strconcat(kept, more, NULL));
    }
}

void postern_opening_member(PosternOpening *opening, GPtrArray *names, GBytes *octets)
{
    static const char *const types[] = {"application/octet-stream", NULL};
    g_autoptr(GBytes) none = g_bytes_new_static("", 0);
    if (opening->over)
        return;
    if (opening->budget->parts == 0 || opening->item->depth >= opening->budget->levels) {
        postern_opening_stop(opening, "more files, or files in one another, than are looked into");
        return;
    }
    opening->budget->parts--;
    g_ptr_array_add(names, NULL);
    const PosternItem member = {.parent = opening->item,
                                .kind = POSTERN_ITEM_MEMBER,
                                .depth = opening->item->depth + 1,
                                .names = (const char *const *)names->pdata,
                                .types = types,
                                .octets = octets != NULL ? octets : none};
    opening->over = !opening->visitor->take(&member, opening->visitor->data);
}

gboolean postern_octets_are_blank(const guint8 *octets, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (octets[i] != '\0' && !g_ascii_isspace(octets[i]))
            return FALSE;
    return TRUE;
}
