#include "checks/content/walk_budget.h"

#include "base/limits.h"

PosternItemBudget postern_item_budget(gsize length)
{
    return (PosternItemBudget){
        .parts = POSTERN_ITEMS_MAX,
        .levels = POSTERN_ITEM_LEVELS_MAX,
        .readings = POSTERN_ITEM_READINGS_MAX,
        .octets = POSTERN_ITEM_OCTETS_MIN + (guint64)length * POSTERN_ITEM_OCTETS_FACTOR,
    };
}

void postern_walk_begin(PosternWalk *walk, PosternContentEngine *engine, gsize length,
                        PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    *walk = (PosternWalk){.engine = engine, .budget = budget, .visitor = visitor};
    walk->decoded = POSTERN_MIME_DECODED_MIN + (guint64)length * POSTERN_MIME_DECODED_FACTOR;
    walk->parts = MIN(POSTERN_MIME_PARTS_MIN + length / POSTERN_MIME_PART_OCTETS, POSTERN_MIME_PARTS_MAX);
    walk->parts_max = walk->parts;
    walk->likely = POSTERN_TEXT_FILES_MAX;
    walk->unlikely = POSTERN_TEXT_FILES_OTHER_MAX;
}

void postern_walk_note(const PosternWalk *walk, PosternVirusKind kind, const char *text)
{
    walk->visitor->note(kind, text, walk->visitor->data);
}

/* Mail programs have limits of their own, and what is beyond them is seen by some and not by others: no
 * wanted mail is so. */
void postern_walk_note_limit(const PosternWalk *walk, guint limit, const char *what)
{
    g_autofree char *text = g_strdup_printf("more than %u %s", limit, what);
    postern_walk_note(walk, POSTERN_VIRUS_AMBIGUOUS, text);
}

/* Takes an item from the budget. */
static gboolean allow_item(PosternWalk *walk, gsize length)
{
    PosternItemBudget *budget = walk->budget;
    if (walk->ended)
        return FALSE;
    walk->ended = TRUE;
    if (budget->deadline != 0 && g_get_monotonic_time() > budget->deadline) {
        postern_walk_note(walk, POSTERN_VIRUS_SCAN_ERROR, "looking into the message took too long");
    } else if (budget->parts == 0 || length > budget->octets) {
        postern_walk_note(walk, POSTERN_VIRUS_TOO_LARGE,
                          "more files and enclosed messages than are looked into");
    } else {
        budget->parts--;
        budget->octets -= length;
        walk->ended = FALSE;
    }
    return !walk->ended;
}

gboolean postern_walk_allow_level(const PosternWalk *walk, guint level)
{
    if (level <= walk->budget->levels)
        return TRUE;
    postern_walk_note_limit(walk, walk->budget->levels, "levels of MIME parts");
    return FALSE;
}

gboolean postern_walk_allow_part(PosternWalk *walk)
{
    if (walk->parts == 0) {
        postern_walk_note_limit(walk, walk->parts_max, "MIME parts");
        walk->ended = TRUE;
        return FALSE;
    }
    walk->parts--;
    return TRUE;
}

gboolean postern_walk_allow_guess(PosternWalk *walk, gboolean likely)
{
    guint *left = likely ? &walk->likely : &walk->unlikely;
    if (*left == 0)
        return FALSE;
    --*left;
    return TRUE;
}

gboolean postern_walk_allow_decoding(PosternWalk *walk, gsize length)
{
    if (length > walk->decoded) {
        postern_walk_note(walk, POSTERN_VIRUS_AMBIGUOUS,
                          "there are more readings of its parts than are looked into");
        walk->ended = TRUE;
        return FALSE;
    }
    walk->decoded -= length;
    return TRUE;
}

/* (How much may be unpacked has a bound of its own.) */
void postern_walk_add_decoding(PosternWalk *walk, gsize length)
{
    walk->decoded += (guint64)length * POSTERN_MIME_DECODED_UNPACKED_FACTOR;
}

gboolean postern_walk_take(PosternWalk *walk, const PosternItem *item)
{
    if (!allow_item(walk, g_bytes_get_size(item->octets)))
        return FALSE;
    walk->ended = !walk->visitor->take(item, walk->visitor->data);
    return !walk->ended;
}

void postern_walk_add_looks(PosternWalk *walk, gsize length)
{
    walk->looks_max += POSTERN_MIME_LOOKS_MIN + (guint64)length * POSTERN_MIME_LOOKS_FACTOR;
}

void postern_walk_check_looks(PosternWalk *walk)
{
    if (walk->looks <= walk->looks_max)
        return;
    postern_walk_note(walk, POSTERN_VIRUS_AMBIGUOUS,
                      "there are more lines that may be boundaries than are looked at");
    walk->ended = TRUE;
}
