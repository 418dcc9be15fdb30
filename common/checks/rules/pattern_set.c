#include "checks/rules/pattern_set.h"

#include <hs/hs.h>
#include <string.h>

typedef struct {
    const PosternPattern *pattern;
    guint tag;
} Entry;

struct PosternPatternSet {
    GArray *entries;         /* of Entry */
    GArray *without;         /* of guint: those that have no literal, or all if there is no database */
    GArray *candidates;      /* of guint: of the search at hand */
    hs_database_t *database; /* of the literals of the others; NULL: there are none */
    hs_scratch_t *scratch;
};

PosternPatternSet *postern_pattern_set_new(void)
{
    PosternPatternSet *set = g_new0(PosternPatternSet, 1);
    set->entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    set->without = g_array_new(FALSE, FALSE, sizeof(guint));
    set->candidates = g_array_new(FALSE, FALSE, sizeof(guint));
    return set;
}

void postern_pattern_set_free(PosternPatternSet *set)
{
    if (set == NULL)
        return;
    hs_free_scratch(set->scratch);
    hs_free_database(set->database);
    g_array_unref(set->entries);
    g_array_unref(set->without);
    g_array_unref(set->candidates);
    g_free(set);
}

void postern_pattern_set_add(PosternPatternSet *set, const PosternPattern *pattern, guint tag)
{
    const Entry entry = {pattern, tag};
    g_array_append_val(set->entries, entry);
}

guint postern_pattern_set_count(const PosternPatternSet *set)
{
    return set->entries->len;
}

/* FALSE: it does not take them. */
static gboolean compile(PosternPatternSet *set, const GArray *with)
{
    hs_compile_error_t *problem = NULL;
    g_autofree const char **literals = g_new(const char *, with->len);
    g_autofree gsize *lengths = g_new(gsize, with->len);
    g_autofree guint *flags = g_new(guint, with->len);
    for (guint i = 0; i < with->len; i++) {
        guint entry = g_array_index(with, guint, i);
        literals[i] = postern_pattern_literal(g_array_index(set->entries, Entry, entry).pattern);
        lengths[i] = strlen(literals[i]);
        flags[i] = HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH;
    }
    if (hs_valid_platform() != HS_SUCCESS ||
        hs_compile_lit_multi(literals, flags, (const guint *)(gconstpointer)with->data, lengths, with->len,
                             HS_MODE_BLOCK, NULL, &set->database, &problem) != HS_SUCCESS ||
        hs_alloc_scratch(set->database, &set->scratch) != HS_SUCCESS) {
        hs_free_compile_error(problem);
        hs_free_database(g_steal_pointer(&set->database));
        return FALSE;
    }
    return TRUE;
}

void postern_pattern_set_make_ready(PosternPatternSet *set)
{
    g_autoptr(GArray) with = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint i = 0; i < set->entries->len; i++) {
        gboolean has = postern_pattern_literal(g_array_index(set->entries, Entry, i).pattern) != NULL;
        g_array_append_val(has ? with : set->without, i);
    }
    if (with->len > 0 && !compile(set, with))
        g_array_append_vals(set->without, with->data, with->len);
}

static int on_literal(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags,
                      void *data)
{
    guint entry = id;
    g_array_append_val((GArray *)data, entry);
    return 0;
}

void postern_pattern_set_search(PosternPatternSet *set, const char *subject, gsize length,
                                PosternRuleTime *time, const PosternPatternVisitor *visitor)
{
    GArray *candidates = set->candidates;
    gboolean searched = TRUE;
    g_array_set_size(candidates, 0);
    if (set->database != NULL)
        searched = length <= G_MAXUINT && hs_scan(set->database, subject, (guint)length, 0, set->scratch,
                                                  on_literal, candidates) == HS_SUCCESS;
    if (!searched) {
        g_array_set_size(candidates, 0);
        for (guint i = 0; i < set->entries->len; i++)
            g_array_append_val(candidates, i);
    } else {
        g_array_append_vals(candidates, set->without->data, set->without->len);
    }
    for (guint i = 0; i < candidates->len; i++) {
        const Entry *entry = &g_array_index(set->entries, Entry, g_array_index(candidates, guint, i));
        if (visitor->wanted != NULL && !visitor->wanted(entry->tag, visitor->data))
            continue;
        PosternPatternResult result = postern_pattern_find(entry->pattern, subject, length, time);
        if (result != POSTERN_PATTERN_ABSENT)
            visitor->found(entry->tag, entry->pattern, result, visitor->data);
    }
}
