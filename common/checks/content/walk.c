#include <string.h>

#include "base/limits.h"
#include "checks/content/boundaries.h"
#include "checks/content/part.h"
#include "checks/content/walk_files.h"

/* Octets that are walked: the message, or what was decoded. */
typedef struct {
    PosternWalk *walk;
    GBytes *bytes;
    const char *octets;
    gsize length;
    GArray *dashes;
    GHashTable *done; /* Place: what was walked or taken already, by another reading */
} Text;

typedef struct {
    gsize start, end;
    guint what;
} Place;

/* Place.what, beside masks of encodings. */
enum { PART = 1 << 8, PART_OF_DIGEST = 1 << 9, MESSAGE = 1 << 10, LOOSE_TEXT = 1 << 11 };

static guint place_hash(gconstpointer data)
{
    const Place *place = data;
    return (guint)(place->start * 2654435761U ^ place->end * 40503U ^ place->what);
}

static gboolean place_equal(gconstpointer a, gconstpointer b)
{
    const Place *one = a, *other = b;
    return one->start == other->start && one->end == other->end && one->what == other->what;
}

static gboolean is_new(Text *text, gsize start, gsize end, guint what)
{
    Place *place = g_new(Place, 1);
    *place = (Place){start, end, what};
    return g_hash_table_add(text->done, place);
}

static void walk_part(Text *text, gsize start, gsize end, gboolean of_digest, PosternInside inside);

/* A leaf, and what is in it: another message, files in its text, members of a container. */
static void take_leaf(PosternWalk *walk, const PosternItem *item, Text *text, gsize start,
                      PosternInside inside)
{
    gsize length = 0, first = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    PosternInside deeper = {item, inside.level + 1, inside.other};
    if (!postern_walk_take(walk, item))
        return;
    if (item->kind != POSTERN_ITEM_PIECE && postern_part_is_message(octets, 0, length, &first)) {
        if (item->verbatim && text != NULL)
            walk_part(text, start + first, start + length, FALSE, deeper);
        else
            postern_walk_bytes(walk, item->octets, deeper);
    }
    postern_walk_into(walk, item, inside);
}

void postern_walk_leaf(PosternWalk *walk, const PosternItem *item, PosternInside inside)
{
    take_leaf(walk, item, NULL, 0, inside);
}

static const char *const decodings[] = {
    [POSTERN_CONTENT_IDENTITY] = "as it stands",
    [POSTERN_CONTENT_BASE64] = "base64",
    [POSTERN_CONTENT_QUOTED_PRINTABLE] = "quoted-printable",
};

/* Decodes from start to end by one encoding; the readings are numbered on from item->reading. */
static void take_readings(Text *text, PosternItem *item, PosternContentEncoding encoding, gsize start,
                          gsize end, PosternInside inside)
{
    PosternWalk *walk = text->walk;
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    if (walk->ended || !postern_walk_allow_decoding(walk, end - start))
        return;
    gboolean line_ends = item->kind != POSTERN_ITEM_TEXT;
    if (!postern_content_decode(encoding, text->octets + start, end - start, line_ends, readings, &count))
        postern_walk_note(walk, POSTERN_VIRUS_SCAN_ERROR, "no memory for a file of the message");
    for (guint i = 0; i < count; i++) {
        item->octets = readings[i];
        item->verbatim = encoding == POSTERN_CONTENT_IDENTITY && i == 0;
        item->decoding = decodings[encoding];
        if (walk->ended || (i > 0 && !postern_walk_allow_decoding(walk, end - start)))
            continue;
        if (item->reading >= walk->budget->readings)
            postern_walk_note_limit(walk, walk->budget->readings, "readings of a MIME part");
        else if (item->kind != POSTERN_ITEM_MESSAGE)
            take_leaf(walk, item, text, start, inside);
        else if (postern_walk_take(walk, item)) {
            postern_walk_bytes(walk, item->octets, (PosternInside){item, inside.level + 1, inside.other});
            postern_walk_container(walk, item, inside);
        }
        item->reading++;
    }
    for (guint i = 0; i < count; i++)
        g_bytes_unref(readings[i]);
}

static PosternItem item_of(const PosternPart *part, PosternItemKind kind, PosternInside inside)
{
    return (PosternItem){.parent = inside.parent,
                         .kind = kind,
                         .depth = inside.parent != NULL ? inside.parent->depth + 1 : 0,
                         .attachment = part->attachment,
                         .reading = inside.other ? 1 : 0,
                         .names = (const char *const *)part->names->pdata,
                         .types = (const char *const *)part->types->pdata,
                         .charset = part->charset};
}

static void take_part(Text *text, const PosternPart *part, PosternItemKind kind, gsize start, gsize end,
                      guint encodings, PosternInside inside)
{
    PosternItem item = item_of(part, kind, inside);
    if (!is_new(text, start, end, encodings | (kind == POSTERN_ITEM_MESSAGE ? MESSAGE : 0)))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(decodings); i++)
        if ((encodings & 1U << i) != 0)
            take_readings(text, &item, (PosternContentEncoding)i, start, end, inside);
}

/* An enclosed message that stands as it is. */
static void take_message(Text *text, const PosternPart *part, gsize start, gsize end, PosternInside inside)
{
    PosternItem item = item_of(part, POSTERN_ITEM_MESSAGE, inside);
    if (!is_new(text, start, end, MESSAGE | 1U << POSTERN_CONTENT_IDENTITY))
        return;
    g_autoptr(GBytes) octets = g_bytes_new_from_bytes(text->bytes, start, end - start);
    item.octets = octets;
    item.verbatim = TRUE;
    item.decoding = decodings[POSTERN_CONTENT_IDENTITY];
    if (postern_walk_take(text->walk, &item))
        walk_part(text, start, end, FALSE, (PosternInside){&item, inside.level + 1, inside.other});
}

/* The first line in octets from start to end that begins as one of marks (to NULL), in any case; or end. */
static gsize find_line(const Text *text, gsize start, gsize end, const char *const *marks)
{
    while (start < end) {
        for (gsize i = 0; marks[i] != NULL; i++)
            if (end - start >= strlen(marks[i]) &&
                g_ascii_strncasecmp(text->octets + start, marks[i], strlen(marks[i])) == 0)
                return start;
        const char *newline = memchr(text->octets + start, '\n', end - start);
        start = newline != NULL ? (gsize)(newline + 1 - text->octets) : end;
    }
    return end;
}

/* What stands before the first boundary or behind the last: nothing that a reader shows as a file, unless it
 * says of itself that it is a part, or holds a file in text. */
static void walk_aside(Text *text, gsize start, gsize end, PosternInside inside)
{
    static const char *const none[] = {NULL}, *const types[] = {"text/plain", NULL};
    static const char *const fields[] = {"Content-", NULL};
    static const char *const files[] = {"begin", "=ybegin", "(This file must be", NULL};
    if (start >= end || !is_new(text, start, end, LOOSE_TEXT))
        return;
    gsize field = find_line(text, start, end, fields);
    inside.other = TRUE;
    if (field < end)
        walk_part(text, field, end, FALSE, postern_inside_deeper(inside));
    if (find_line(text, start, end, files) == end)
        return;
    g_autoptr(GBytes) octets = g_bytes_new_from_bytes(text->bytes, start, end - start);
    PosternItem item = {.parent = inside.parent, .names = none, .types = types, .octets = octets};
    item.depth = inside.parent != NULL ? inside.parent->depth + 1 : 0;
    postern_walk_embedded(text->walk, &item, inside);
}

/* The line end before a boundary is not the part's own (RFC 2046 5.1.1), and of a part that none closes some
 * readers take the last one away too. */
static void walk_open_end(Text *text, const PosternBoundary *last, gsize end, gboolean of_digest,
                          PosternInside inside)
{
    gsize cut = postern_boundaries_before_line_end(text->octets, last->next, end);
    if (!last->closes && cut < end)
        walk_part(text, last->next, cut, of_digest, (PosternInside){inside.parent, inside.level + 1, TRUE});
}

/* TRUE: such boundary lines are there. Parts may follow one that closes. */
static gboolean walk_parts(Text *text, const char *boundary, gsize start, gsize end, gboolean of_digest,
                           gboolean loose, PosternInside inside)
{
    PosternWalk *walk = text->walk;
    gboolean other = FALSE;
    g_autoptr(GArray) lines =
        postern_boundaries_of(text->octets, start, end, text->dashes, boundary, loose, &other, &walk->looks);
    postern_walk_check_looks(walk);
    if (lines->len > 0)
        walk_aside(text, start, g_array_index(lines, PosternBoundary, 0).end, inside);
    for (guint i = 0; i < lines->len && !walk->ended; i++) {
        const PosternBoundary *line = &g_array_index(lines, PosternBoundary, i);
        gsize part_end = i + 1 < lines->len ? g_array_index(lines, PosternBoundary, i + 1).end : end;
        if (line->closes)
            walk_aside(text, line->next, part_end, inside);
        else if (line->next <= part_end)
            walk_part(text, line->next, part_end, of_digest, postern_inside_deeper(inside));
    }
    gboolean found = lines->len > 0;
    if (found && !walk->ended)
        walk_open_end(text, &g_array_index(lines, PosternBoundary, lines->len - 1), end, of_digest, inside);
    if (other && !loose && !walk->ended)
        found = walk_parts(text, boundary, start, end, of_digest, TRUE,
                           (PosternInside){inside.parent, inside.level, TRUE}) ||
                found;
    return found;
}

/* The first line of the body that begins with two dashes, as a boundary; or NULL. */
static char *guess_boundary(const Text *text, gsize start, gsize end)
{
    guint first = postern_boundaries_behind(text->dashes, start);
    if (first == text->dashes->len)
        return NULL;
    gsize from = g_array_index(text->dashes, gsize, first) + 2;
    gsize to = from;
    while (to < end && (guchar)text->octets[to] > ' ')
        to++;
    if (to <= from || to - from > POSTERN_CONTENT_FIELD_MAX_OCTETS)
        return NULL;
    return g_strndup(text->octets + from, to - from);
}

static guint count_boundaries(const char *octets, gsize length, const PosternPart *part)
{
    guint count = 0;
    for (guint i = 0; i < part->boundaries->len; i++) {
        g_autofree char *line = g_strconcat("--", g_ptr_array_index(part->boundaries, i), NULL);
        const char *end = octets + length;
        for (const char *at = octets; (at = memmem(at, (gsize)(end - at), line, strlen(line))) != NULL; at++)
            count++;
    }
    return count;
}

/* A multipart that is encoded as a whole, against RFC 2045 6.4: what it decodes to is walked as its body. */
static void walk_encoded_parts(Text *text, const PosternPart *part, const PosternPartHeader *header,
                               gsize start, gsize end, PosternInside inside)
{
    PosternWalk *walk = text->walk;
    guint plain = count_boundaries(text->octets + start, end - start, part);
    for (guint i = POSTERN_CONTENT_IDENTITY + 1; i < G_N_ELEMENTS(decodings) && !walk->ended; i++) {
        GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
        guint count = 0;
        if ((part->encodings & 1U << i) == 0 || !postern_walk_allow_decoding(walk, end - start))
            continue;
        if (!postern_content_decode((PosternContentEncoding)i, text->octets + start, end - start, FALSE,
                                    readings, &count))
            postern_walk_note(walk, POSTERN_VIRUS_SCAN_ERROR, "no memory for a multipart that is encoded");
        gsize length = 0;
        const char *octets = count > 0 ? g_bytes_get_data(readings[0], &length) : "";
        if (count_boundaries(octets, length, part) > plain) {
            g_autoptr(GByteArray) whole = g_byte_array_new();
            for (guint k = 0; k < header->counts[POSTERN_PART_TYPE]; k++) {
                const GString *type = header->values[POSTERN_PART_TYPE][k];
                g_byte_array_append(whole, (const guint8 *)"Content-Type:", 13);
                g_byte_array_append(whole, (const guint8 *)type->str, (guint)type->len);
                g_byte_array_append(whole, (const guint8 *)"\n", 1);
            }
            g_byte_array_append(whole, (const guint8 *)"\n", 1);
            g_byte_array_append(whole, (const guint8 *)octets, (guint)length);
            g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(g_steal_pointer(&whole));
            postern_walk_bytes(walk, bytes, postern_inside_deeper(inside));
        }
        for (guint k = 0; k < count; k++)
            g_bytes_unref(readings[k]);
    }
}

/* TRUE: it has parts, by one reading. */
static gboolean walk_multipart(Text *text, const PosternPart *part, const PosternPartHeader *header,
                               gsize end, PosternInside inside)
{
    gsize start = header->starts[0];
    gboolean found = FALSE;
    for (guint i = 0; i < part->boundaries->len && !text->walk->ended; i++) {
        PosternInside reading = {inside.parent, inside.level, inside.other || found};
        found = walk_parts(text, g_ptr_array_index(part->boundaries, i), start, end, part->digest, FALSE,
                           reading) ||
                found;
    }
    if (part->multipart && part->encodings != 1U << POSTERN_CONTENT_IDENTITY)
        walk_encoded_parts(text, part, header, header->starts[header->start_count - 1], end, inside);
    if (found || !part->multipart)
        return found;
    g_autofree char *guess = guess_boundary(text, start, end);
    return guess != NULL && walk_parts(text, guess, start, end, part->digest, FALSE, inside);
}

static void walk_body(Text *text, const PosternPartHeader *header, gsize end, gboolean of_digest,
                      PosternInside inside)
{
    PosternPart part;
    postern_part_read(text->walk->engine, header, of_digest, &part);
    if (part.cut)
        postern_walk_note(text->walk, POSTERN_VIRUS_AMBIGUOUS,
                          "a MIME field is longer, or more often there, than is read");
    gboolean parts = walk_multipart(text, &part, header, end, inside);
    gsize body = header->starts[header->start_count - 1];
    guint encoded = part.encodings & ~(1U << POSTERN_CONTENT_IDENTITY);
    gsize first;
    if (part.message && encoded != 0)
        take_part(text, &part, POSTERN_ITEM_MESSAGE, body, end, encoded, inside);
    if (part.message &&
        (encoded != part.encodings || postern_part_is_message(text->octets, body, end, &first)))
        take_message(text, &part, body, end, inside);
    PosternItemKind kind = part.piece  ? POSTERN_ITEM_PIECE
                           : part.text ? POSTERN_ITEM_TEXT
                                       : POSTERN_ITEM_FILE;
    for (guint i = header->start_count; i > 0 && !text->walk->ended; i--) {
        if (part.leaf || (part.multipart && !parts))
            take_part(text, &part, kind, header->starts[i - 1], end, part.encodings, inside);
        inside.other = TRUE;
    }
    postern_part_clear(&part);
}

static void walk_part(Text *text, gsize start, gsize end, gboolean of_digest, PosternInside inside)
{
    PosternWalk *walk = text->walk;
    PosternPartHeader header;
    if (walk->ended || !is_new(text, start, end, of_digest ? PART_OF_DIGEST : PART) ||
        !postern_walk_allow_level(walk, inside.level))
        return;
    if (!postern_walk_allow_part(walk))
        return;
    postern_part_header_read(text->octets, start, end, FALSE, &header);
    gboolean bare = header.bare;
    walk_body(text, &header, end, of_digest, inside);
    postern_part_header_clear(&header);
    if (!bare || walk->ended)
        return;
    postern_part_header_read(text->octets, start, end, TRUE, &header);
    inside.other = TRUE;
    walk_body(text, &header, end, of_digest, inside);
    postern_part_header_clear(&header);
}

void postern_walk_bytes(PosternWalk *walk, GBytes *bytes, PosternInside inside)
{
    Text text = {.walk = walk, .bytes = bytes};
    gsize start = 0;
    text.octets = g_bytes_get_data(bytes, &text.length);
    text.dashes = postern_boundaries_find(text.octets, text.length);
    text.done = g_hash_table_new_full(place_hash, place_equal, g_free, NULL);
    postern_walk_add_looks(walk, text.length);
    postern_part_skip_mailbox(text.octets, text.length, &start);
    walk_part(&text, start, text.length, FALSE, inside);
    g_array_unref(text.dashes);
    g_hash_table_unref(text.done);
}

void postern_items_walk_in(PosternContentEngine *engine, GBytes *message, const PosternItem *parent,
                           PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    PosternWalk walk;
    postern_walk_begin(&walk, engine, g_bytes_get_size(message), budget, visitor);
    postern_walk_bytes(&walk, message,
                       (PosternInside){.parent = parent, .level = parent != NULL ? parent->depth + 1 : 0});
}

void postern_items_walk(PosternContentEngine *engine, const char *octets, gsize length,
                        PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    g_autoptr(GBytes) message = g_bytes_new_static(octets, length);
    postern_items_walk_in(engine, message, NULL, budget, visitor);
}

void postern_items_open(PosternContentEngine *engine, GBytes *file, PosternItemBudget *budget,
                        const PosternItemVisitor *visitor)
{
    static const char *const none[] = {NULL}, *const types[] = {"application/octet-stream", NULL};
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = none, .types = types, .octets = file};
    PosternWalk walk;
    postern_walk_begin(&walk, engine, g_bytes_get_size(file), budget, visitor);
    postern_walk_container(&walk, &item, (PosternInside){NULL, 0, FALSE});
}
