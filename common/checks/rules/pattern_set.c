#include "checks/rules/pattern_set.h"

#include <string.h>

/*
 * Each literal is known by four octets in a row of it, or by two if it is shorter: by those that the fewest
 * others are known by. (Vectorscan 5.4.9 of Debian misses literals behind the first 64 octets.)
 */
#define LONG_KEY_OCTETS 4
#define SHORT_KEY_OCTETS 2
#define CHAINS 65536
/* Literals that are compared before the time is looked at. */
#define COMPARED_MAX 4096

typedef struct {
    const PosternPattern *pattern;
    guint tag;
    const char *literal; /* of the pattern, or NULL */
    gsize length;
    gsize key_end; /* octets of it up to the end of its key */
    guint next;    /* in the chain of its key: one more than an entry; 0: none */
    gboolean found;
} Entry;

struct PosternPatternSet {
    GArray *entries;    /* of Entry */
    GArray *without;    /* of guint: those that have no literal */
    GArray *candidates; /* of guint: of the search at hand */
    guint *long_keys;   /* by hash of the key: one more than the first entry; NULL: there are none */
    guint *short_keys;
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
    g_array_unref(set->entries);
    g_array_unref(set->without);
    g_array_unref(set->candidates);
    g_free(set->long_keys);
    g_free(set->short_keys);
    g_free(set);
}

void postern_pattern_set_add(PosternPatternSet *set, const PosternPattern *pattern, guint tag)
{
    Entry entry = {.pattern = pattern, .tag = tag, .literal = postern_pattern_literal(pattern)};
    entry.length = entry.literal != NULL ? strlen(entry.literal) : 0;
    g_array_append_val(set->entries, entry);
}

guint postern_pattern_set_count(const PosternPatternSet *set)
{
    return set->entries->len;
}

/* The last octets that were read, in lower case, as a key. */
static guint chain_of(guint32 window, gsize octets)
{
    return octets == LONG_KEY_OCTETS ? (window * 2654435761U) >> 16 : window & (CHAINS - 1);
}

static guint32 add_octet(guint32 window, char octet)
{
    return window << 8 | (guchar)g_ascii_tolower(octet);
}

/* counts: entries of each chain. */
static void add_key(PosternPatternSet *set, guint number, guint **chains, guint *counts, gsize octets)
{
    Entry *entry = &g_array_index(set->entries, Entry, number);
    guint best = 0;
    guint32 window = 0;
    if (*chains == NULL)
        *chains = g_new0(guint, CHAINS);
    for (gsize end = 1; end <= entry->length; end++) {
        window = add_octet(window, entry->literal[end - 1]);
        guint chain = chain_of(window, octets);
        if (end == octets || (end > octets && counts[chain] < counts[best])) {
            best = chain;
            entry->key_end = end;
        }
    }
    counts[best]++;
    entry->next = (*chains)[best];
    (*chains)[best] = number + 1;
}

void postern_pattern_set_make_ready(PosternPatternSet *set)
{
    g_autofree guint *long_counts = g_new0(guint, CHAINS);
    g_autofree guint *short_counts = g_new0(guint, CHAINS);
    for (guint i = 0; i < set->entries->len; i++) {
        gsize length = g_array_index(set->entries, Entry, i).length;
        if (length >= LONG_KEY_OCTETS)
            add_key(set, i, &set->long_keys, long_counts, LONG_KEY_OCTETS);
        else if (length >= SHORT_KEY_OCTETS)
            add_key(set, i, &set->short_keys, short_counts, SHORT_KEY_OCTETS);
        else
            g_array_append_val(set->without, i);
    }
}

typedef struct {
    PosternPatternSet *set;
    const char *subject;
    gsize length;
    guint compared;
} Search;

/* Those of a chain whose literal is there, with the end of its key at end. */
static void take_chain(Search *search, guint first, gsize end)
{
    for (guint next = first; next != 0;) {
        guint number = next - 1;
        Entry *entry = &g_array_index(search->set->entries, Entry, number);
        next = entry->next;
        search->compared++;
        if (entry->found || end < entry->key_end || entry->length - entry->key_end > search->length - end ||
            g_ascii_strncasecmp(search->subject + end - entry->key_end, entry->literal, entry->length) != 0)
            continue;
        entry->found = TRUE;
        g_array_append_val(search->set->candidates, number);
    }
}

/* FALSE: there was no time to look for all. */
static gboolean find_literals(Search *search, PosternRuleTime *time)
{
    const PosternPatternSet *set = search->set;
    guint32 window = 0;
    if (set->long_keys == NULL && set->short_keys == NULL)
        return TRUE;
    for (gsize end = 1; end <= search->length; end++) {
        window = add_octet(window, search->subject[end - 1]);
        if (set->long_keys != NULL && end >= LONG_KEY_OCTETS)
            take_chain(search, set->long_keys[chain_of(window, LONG_KEY_OCTETS)], end);
        if (set->short_keys != NULL && end >= SHORT_KEY_OCTETS)
            take_chain(search, set->short_keys[chain_of(window, SHORT_KEY_OCTETS)], end);
        if (search->compared > COMPARED_MAX) {
            search->compared = 0;
            if (postern_rule_time_is_spent(time))
                return FALSE;
        }
    }
    return TRUE;
}

static void find_candidates(PosternPatternSet *set, const char *subject, gsize length, PosternRuleTime *time)
{
    Search search = {.set = set, .subject = subject, .length = length};
    g_array_set_size(set->candidates, 0);
    gboolean all = find_literals(&search, time);
    for (guint i = 0; i < set->candidates->len; i++)
        g_array_index(set->entries, Entry, g_array_index(set->candidates, guint, i)).found = FALSE;
    if (all) {
        g_array_append_vals(set->candidates, set->without->data, set->without->len);
        return;
    }
    g_array_set_size(set->candidates, 0);
    for (guint i = 0; i < set->entries->len; i++)
        g_array_append_val(set->candidates, i);
}

void postern_pattern_set_search(PosternPatternSet *set, const char *subject, gsize length,
                                PosternRuleTime *time, const PosternPatternVisitor *visitor)
{
    find_candidates(set, subject, length, time);
    for (guint i = 0; i < set->candidates->len; i++) {
        const Entry *entry = &g_array_index(set->entries, Entry, g_array_index(set->candidates, guint, i));
        if (visitor->wanted != NULL && !visitor->wanted(entry->tag, visitor->data))
            continue;
        PosternPatternResult result = postern_pattern_find(entry->pattern, subject, length, time);
        if (result != POSTERN_PATTERN_ABSENT)
            visitor->found(entry->tag, entry->pattern, result, visitor->data);
    }
}
