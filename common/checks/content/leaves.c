#include "checks/content/item.h"

#include <string.h>

#include "base/limits.h"
#include "checks/content/decode.h"
#include "checks/content/engine.h"
#include "checks/content/leaves.h"

/*
 * The structure is walked here, line by line with a stack of bounded depth, and not by GMime's parser, which
 * makes an object of every part and a call of every level: of a message of boundaries it makes two hundred
 * times its size.
 */

/* A multipart or an enclosed message that is open. */
typedef struct {
    char *boundary; /* "--" and the boundary; NULL: an enclosed message */
    gsize length;
    guint hash;
    const char *default_type; /* of its parts */
    guint leaf;               /* an enclosed message: its place in leaves */
    gsize start;              /* where its octets begin */
} Level;

typedef enum {
    IN_HEADER,
    IN_BODY,
    IN_NOTHING, /* before the first boundary of a multipart, and after its last */
} Place;

typedef struct {
    PosternContentEngine *engine;
    GArray *leaves;          /* of PosternContentLeaf */
    char *problem;           /* the limit that was met, or NULL */
    PosternContentLeaf leaf; /* the part at hand, once its body has begun */
    Level levels[POSTERN_MIME_DEPTH_MAX];
    guint depth;
    Place place;
    PosternContentPart part;
    guint parts;
    gsize length;   /* of the message */
    gsize offset;   /* where the line at hand begins */
    guint last_end; /* octets of the end of the line before it */
} Walk;

static guint hash_octets(const char *octets, gsize length)
{
    guint hash = 5381;
    for (gsize i = 0; i < length; i++)
        hash = hash * 33 + (guchar)octets[i];
    return hash;
}

static void note_problem(Walk *walk, const char *what, guint limit)
{
    if (walk->problem == NULL)
        walk->problem = g_strdup_printf("more than %u %s", limit, what);
}

static gboolean push(Walk *walk, Level level)
{
    if (walk->depth == G_N_ELEMENTS(walk->levels)) {
        note_problem(walk, "levels of MIME parts", POSTERN_MIME_DEPTH_MAX);
        g_free(level.boundary);
        return FALSE;
    }
    walk->levels[walk->depth++] = level;
    return TRUE;
}

static void pop_to(Walk *walk, guint depth, gboolean bounded)
{
    while (walk->depth > depth) {
        Level *level = &walk->levels[--walk->depth];
        gsize end = walk->offset - (bounded ? MIN(walk->last_end, walk->offset - level->start) : 0);
        if (level->boundary == NULL)
            g_array_index(walk->leaves, PosternContentLeaf, level->leaf).length = end - level->start;
        g_free(level->boundary);
    }
}

/* The level whose boundary the line is (RFC 2046 5.1.1), the inner of two alike; walk->depth: none. */
static guint find_boundary(const Walk *walk, const char *line, gsize length)
{
    guint hash = hash_octets(line, length);
    for (guint i = walk->depth; i > 0; i--) {
        const Level *level = &walk->levels[i - 1];
        if (level->boundary != NULL && level->hash == hash && level->length == length &&
            memcmp(level->boundary, line, length) == 0)
            return i - 1;
    }
    return walk->depth;
}

static void begin_part(Walk *walk)
{
    postern_content_part_clear(&walk->part);
    walk->place = IN_HEADER;
    walk->parts++;
}

/* Its octets end before the line at hand. */
static void add_leaf(Walk *walk, gboolean bounded)
{
    gsize end = walk->offset - (bounded ? MIN(walk->last_end, walk->offset - walk->leaf.start) : 0);
    walk->leaf.length = end - walk->leaf.start;
    g_array_append_val(walk->leaves, walk->leaf);
    walk->leaf = (PosternContentLeaf){POSTERN_ITEM_TEXT};
}

static void end_part(Walk *walk, gboolean bounded)
{
    if (walk->place == IN_BODY && walk->leaf.type != NULL)
        add_leaf(walk, bounded);
    postern_content_part_clear(&walk->part);
    walk->place = IN_NOTHING;
}

static char *unfold(const GString *value)
{
    return value != NULL ? g_strstrip(g_strdup(value->str)) : NULL;
}

static gboolean is_message(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0 ||
           strcmp(type, "message/news") == 0;
}

static void open_multipart(Walk *walk, const PosternContentHeader *header)
{
    Level level = {.boundary = g_strconcat("--", header->boundary, NULL), .start = walk->offset};
    level.length = strlen(level.boundary);
    level.hash = hash_octets(level.boundary, level.length);
    level.default_type = strcmp(header->type, "multipart/digest") == 0 ? "message/rfc822" : "text/plain";
    if (push(walk, level))
        walk->place = IN_NOTHING;
}

static PosternItemKind kind_of(const PosternContentHeader *header)
{
    if (is_message(header->type))
        return POSTERN_ITEM_MESSAGE;
    if (strcmp(header->type, "message/partial") == 0)
        return POSTERN_ITEM_PIECE;
    gboolean file = header->attachment || header->name != NULL || strcmp(header->type, "text/plain") != 0;
    return file ? POSTERN_ITEM_FILE : POSTERN_ITEM_TEXT;
}

/* next: where the part's body begins. */
static void end_header(Walk *walk, gsize next)
{
    const char *default_type = walk->depth > 0 ? walk->levels[walk->depth - 1].default_type : "text/plain";
    g_autofree char *type = unfold(walk->part.type);
    g_autofree char *disposition = unfold(walk->part.disposition);
    PosternContentHeader header;
    postern_content_part_header_end(&walk->part);
    postern_content_engine_read(walk->engine, type, disposition, default_type, &header);
    walk->place = IN_BODY;
    gboolean message = is_message(header.type) && walk->part.decoding == POSTERN_CONTENT_IDENTITY;
    walk->leaf = (PosternContentLeaf){.kind = kind_of(&header),
                                      .encoding = walk->part.decoding,
                                      .start = MIN(next, walk->length),
                                      .attachment = header.attachment};
    if (header.boundary != NULL && *header.boundary != '\0') {
        open_multipart(walk, &header);
    } else {
        walk->leaf.name = g_steal_pointer(&header.name);
        walk->leaf.type = g_steal_pointer(&header.type);
        walk->leaf.charset = g_steal_pointer(&header.charset);
        Level level = {.default_type = "text/plain", .leaf = walk->leaves->len, .start = walk->leaf.start};
        if (message && push(walk, level)) {
            g_array_append_val(walk->leaves, walk->leaf);
            walk->leaf = (PosternContentLeaf){POSTERN_ITEM_TEXT};
            begin_part(walk);
        }
    }
    postern_content_header_clear(&header);
}

/* TRUE: the line was a boundary, and what it ends is ended. */
static gboolean take_boundary(Walk *walk, const char *line, gsize length)
{
    if (length < 2 || line[0] != '-' || line[1] != '-')
        return FALSE;
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    guint level = find_boundary(walk, line, length);
    gboolean closes = FALSE;
    if (level == walk->depth && length > 4 && line[length - 1] == '-' && line[length - 2] == '-') {
        level = find_boundary(walk, line, length - 2);
        closes = TRUE;
    }
    if (level == walk->depth)
        return FALSE;
    if (walk->place == IN_HEADER)
        end_header(walk, walk->offset);
    end_part(walk, TRUE);
    pop_to(walk, closes ? level : level + 1, TRUE);
    if (!closes)
        begin_part(walk);
    return TRUE;
}

static void take_line(Walk *walk, const char *line, gsize length, guint end)
{
    if (take_boundary(walk, line, length))
        return;
    if (walk->place == IN_BODY)
        postern_content_part_body_line(&walk->part, line, length, end);
    else if (walk->place == IN_HEADER && length == 0)
        end_header(walk, walk->offset + end);
    else if (walk->place == IN_HEADER)
        postern_content_part_header_line(&walk->part, line, length);
}

static void walk_message(Walk *walk, const char *octets)
{
    begin_part(walk);
    while (walk->offset < walk->length) {
        const char *line = octets + walk->offset;
        const char *newline = memchr(line, '\n', walk->length - walk->offset);
        gsize text = newline != NULL ? (gsize)(newline - line) : walk->length - walk->offset;
        guint end = newline != NULL ? 1 : 0;
        if (end == 1 && text > 0 && line[text - 1] == '\r') {
            text--;
            end++;
        }
        take_line(walk, line, text, end);
        walk->offset += text + end;
        walk->last_end = end;
        if (walk->parts > POSTERN_MIME_PARTS_MAX) {
            note_problem(walk, "MIME parts", POSTERN_MIME_PARTS_MAX);
            break;
        }
    }
    if (walk->place == IN_HEADER)
        end_header(walk, walk->offset);
    end_part(walk, FALSE);
    pop_to(walk, 0, FALSE);
}

char *postern_content_leaves(PosternContentEngine *engine, const char *octets, gsize length, GArray *leaves)
{
    Walk walk = {.engine = engine, .leaves = leaves, .length = length};
    walk_message(&walk, octets);
    return walk.problem;
}

void postern_content_leaf_clear(gpointer data)
{
    PosternContentLeaf *leaf = data;
    g_clear_pointer(&leaf->name, g_free);
    g_clear_pointer(&leaf->type, g_free);
    g_clear_pointer(&leaf->charset, g_free);
}
