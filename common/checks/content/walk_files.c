#include "checks/content/walk_files.h"

#include <string.h>

#include "checks/container/container.h"
#include "checks/content/embedded.h"
#include "checks/content/encoded_text.h"
#include "checks/content/engine.h"
#include "checks/content/part_header.h"
#include "checks/content/script_text.h"

#define TEXT_BEGIN_OCTETS 64
#define DIGEST_OCTETS 32

/* The messages of a mailbox (mbox, RFC 4155) behind the first, which is walked as any message is. */
static void walk_mailbox(PosternWalk *walk, GBytes *bytes, PosternInside inside)
{
    static const char separator[] = "\nFrom ";
    gsize length = 0, start = 0, first;
    const char *octets = g_bytes_get_data(bytes, &length);
    postern_part_skip_mailbox(octets, length, &start);
    if (start == 0)
        return;
    const char *end = octets + length;
    const char *at = memmem(octets, length, separator, strlen(separator));
    while (at != NULL && !walk->ended) {
        const char *begin = at + 1;
        do
            at = memmem(at + 1, (gsize)(end - at - 1), separator, strlen(separator));
        while (at != NULL && !postern_part_is_message(octets, (gsize)(at + 1 - octets), length, &first));
        if (!postern_part_is_message(octets, (gsize)(begin - octets), length, &first))
            continue;
        g_autoptr(GBytes) message = g_bytes_new_from_bytes(bytes, (gsize)(begin - octets),
                                                           (gsize)((at != NULL ? at + 1 : end) - begin));
        postern_walk_bytes(walk, message, inside);
    }
}

/* A file in text, whose octets are accounted for. FALSE: the walk has ended. */
static gboolean hand_on_file(PosternWalk *walk, const PosternItem *parent, PosternInside inside,
                             const char *name, GBytes *octets, const char *decoding, gboolean guessed)
{
    static const char *const types[] = {"application/octet-stream", NULL};
    const char *names[] = {name, NULL};
    const PosternItem file = {.parent = parent,
                              .kind = POSTERN_ITEM_FILE,
                              .depth = parent != NULL ? parent->depth + 1 : 0,
                              .attachment = TRUE,
                              .reading = inside.other ? 1 : 0,
                              .names = names,
                              .types = types,
                              .guessed = guessed,
                              .octets = octets,
                              .decoding = decoding};
    if (postern_walk_allow_level(walk, inside.level + 1) && (guessed || postern_walk_allow_part(walk)))
        postern_walk_leaf(walk, &file, postern_inside_deeper(inside));
    return !walk->ended;
}

/* One that mail programs show beside the text, or one that is guessed to be a part of parent. */
static gboolean take_file_of_text(PosternWalk *walk, const PosternItem *parent, PosternInside inside,
                                  const char *name, GBytes *octets, const char *decoding, gboolean guessed)
{
    return postern_walk_allow_decoding(walk, g_bytes_get_size(octets)) &&
           hand_on_file(walk, parent, inside, name, octets, decoding, guessed);
}

void postern_walk_embedded(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    gsize length = 0, at = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    const char *problem = NULL;
    PosternEmbeddedFile file;
    while (!walk->ended && postern_embedded_next(octets, length, &at, &file, &problem)) {
        g_autofree char *name =
            file.name != NULL ? postern_content_engine_text(walk->engine, file.name) : NULL;
        (void)take_file_of_text(walk, inside.parent, inside, name, file.octets, file.decoding, FALSE);
        postern_embedded_clear(&file);
        if (problem != NULL)
            postern_walk_note(walk, POSTERN_VIRUS_TOO_LARGE, problem);
    }
}

/* Text in which encoded files are looked for. */
typedef struct {
    PosternWalk *walk;
    const PosternItem *item;
    PosternInside inside;
    GByteArray *rest; /* what is beyond the number of files that are taken, or NULL */
    GHashTable *seen; /* digests of the files: text and what its escapes stand for hold mostly the same */
} Searched;

static gboolean is_new_file(Searched *searched, GBytes *octets)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[DIGEST_OCTETS];
    gsize size = sizeof digest;
    g_checksum_update(checksum, g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets));
    g_checksum_get_digest(checksum, digest, &size);
    return g_hash_table_add(searched->seen, g_bytes_new(digest, size));
}

/* Text, or something that begins as programs, documents and pages do. */
static gboolean looks_like_file(const char *octets, gsize length)
{
    static const struct {
        const char *octets;
        gsize length;
    } marks[] = {{"MZ", 2}, {"\177ELF", 4}, {"%PDF", 4}, {"L\0\0\0\1", 5}, {"\xca\xfe\xba\xbe", 4}};
    gsize text = 0;
    while (text < MIN(length, TEXT_BEGIN_OCTETS) &&
           (g_ascii_isprint(octets[text]) || g_ascii_isspace(octets[text])))
        text++;
    if (text == MIN(length, TEXT_BEGIN_OCTETS))
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
        if (length >= marks[i].length && memcmp(octets, marks[i].octets, marks[i].length) == 0)
            return TRUE;
    return FALSE;
}

static gboolean may_take_guess(PosternWalk *walk, GBytes *octets)
{
    gsize length = 0;
    const char *file = g_bytes_get_data(octets, &length);
    if (postern_container_is((const guint8 *)file, length))
        return postern_walk_allow_guess(walk, TRUE) || postern_walk_allow_part(walk);
    return postern_walk_allow_guess(walk, looks_like_file(file, length));
}

/* More of them than are taken one by one are one file together: patterns of signatures are found in it, the
 * digests of whole files are not. */
static gboolean take_encoded_file(GBytes *octets, const char *decoding, gpointer data)
{
    Searched *searched = data;
    PosternWalk *walk = searched->walk;
    if (!is_new_file(searched, octets))
        return !walk->ended;
    if (may_take_guess(walk, octets))
        return take_file_of_text(walk, searched->item, searched->inside, NULL, octets, decoding, TRUE);
    gsize length = 0;
    const guint8 *file = g_bytes_get_data(octets, &length);
    if (searched->rest == NULL)
        searched->rest = g_byte_array_new();
    if (!walk->ended && postern_walk_allow_decoding(walk, length))
        g_byte_array_append(searched->rest, file, (guint)length);
    return !walk->ended;
}

static void take_rest(Searched *searched)
{
    if (searched->rest == NULL)
        return;
    g_autoptr(GBytes) octets = g_byte_array_free_to_bytes(g_steal_pointer(&searched->rest));
    if (!searched->walk->ended)
        (void)hand_on_file(searched->walk, searched->item, searched->inside, NULL, octets,
                           "more files in text", TRUE);
}

static void search(Searched *searched, GBytes *text)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(text, &length);
    if (searched->walk->ended)
        return;
    if (!postern_encoded_text_find(octets, length, take_encoded_file, searched) ||
        !postern_script_text_find(octets, length, take_encoded_file, searched))
        postern_walk_note(searched->walk, POSTERN_VIRUS_SCAN_ERROR, "no memory for a file of a text");
}

static void take_encoded(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    Searched searched = {walk, item, inside, NULL, seen};
    gsize length = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    if (item->kind == POSTERN_ITEM_MEMBER)
        postern_walk_add_decoding(walk, length);
    g_autoptr(GBytes) resolved = walk->ended ? NULL : postern_encoded_text_resolve(octets, length);
    search(&searched, item->octets);
    if (resolved != NULL)
        search(&searched, resolved);
    take_rest(&searched);
}

/* Text whose letters are not octets of ASCII is looked at once more as UTF-8. */
static void take_as_text(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    gsize length = 0, converted = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    const char *charset = postern_content_engine_wide(item->charset, octets, length);
    if (walk->ended || charset == NULL || !postern_walk_allow_level(walk, inside.level + 1) ||
        !postern_walk_allow_part(walk) || !postern_walk_allow_decoding(walk, length))
        return;
    char *text = postern_content_engine_to_utf8(walk->engine, charset, octets, length, &converted);
    g_autoptr(GBytes) bytes = g_bytes_new_take(text, converted);
    PosternItem plain = *item;
    plain.octets = bytes;
    plain.charset = "utf-8";
    plain.verbatim = FALSE;
    plain.decoding = charset;
    plain.reading++;
    postern_walk_leaf(walk, &plain, postern_inside_deeper(inside));
}

/* Members of the container at hand. */
typedef struct {
    PosternWalk *walk;
    PosternInside inside;
} Members;

static void note_container(PosternVirusKind kind, const char *text, gpointer data)
{
    postern_walk_note(((Members *)data)->walk, kind, text);
}

/* The budget has been charged for it. */
static gboolean take_member(const PosternItem *item, gpointer data)
{
    const Members *members = data;
    PosternWalk *walk = members->walk;
    PosternInside deeper = {item, members->inside.level + 1, FALSE};
    gsize length = 0, first;
    const char *octets = g_bytes_get_data(item->octets, &length);
    walk->ended = walk->ended || !walk->visitor->take(item, walk->visitor->data);
    if (!walk->ended && postern_part_is_message(octets, 0, length, &first))
        postern_walk_bytes(walk, item->octets, deeper);
    postern_walk_into(walk, item, deeper);
    return !walk->ended;
}

void postern_walk_container(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    Members members = {walk, inside};
    const PosternItemVisitor visitor = {take_member, note_container, &members};
    if (!walk->ended)
        (void)postern_container_open(item, walk->budget, &visitor);
}

void postern_walk_into(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    walk_mailbox(walk, item->octets, (PosternInside){item, inside.level + 1, inside.other});
    postern_walk_embedded(walk, item, inside);
    take_encoded(walk, item, inside);
    take_as_text(walk, item, inside);
    postern_walk_container(walk, item, inside);
}
