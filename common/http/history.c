#include "http/history.h"

#include <string.h>

const char *const postern_series_names[POSTERN_SERIES] = {
    [POSTERN_SERIES_ACCEPTED] = "accepted",    [POSTERN_SERIES_HELD] = "held",
    [POSTERN_SERIES_DEFERRED] = "deferred",    [POSTERN_SERIES_REFUSED] = "refused",
    [POSTERN_SERIES_FAILED] = "not delivered",
};

struct PosternHistory {
    gint64 slot; /* the number of the current one; 0: none yet */
    guint64 last[POSTERN_SERIES];
    guint64 slots[POSTERN_HISTORY_SLOTS][POSTERN_SERIES];
};

PosternHistory *postern_history_new(void)
{
    return g_new0(PosternHistory, 1);
}

void postern_history_free(PosternHistory *history)
{
    g_free(history);
}

/* Accepted by policy, and never at a mail server, which wanted no recipient, or the client left. */
static guint64 count_abandoned(const PosternCounters *counters)
{
    static const char *const stopped[] = {"reject", "tempfail", "discard"};
    guint64 never = postern_counters_read(counters, "deliveries", "none"), explained = 0;
    for (gsize i = 0; i < G_N_ELEMENTS(stopped); i++)
        explained += postern_counters_read(counters, "actions", stopped[i]);
    return never - MIN(never, explained);
}

void postern_history_totals(const PosternCounters *counters, guint64 ret_totals[POSTERN_SERIES])
{
    static const struct {
        PosternSeries series;
        const char *name, *label;
    } rows[] = {
        {POSTERN_SERIES_HELD, "actions", "quarantine"},   {POSTERN_SERIES_HELD, "actions", "discard"},
        {POSTERN_SERIES_DEFERRED, "actions", "tempfail"}, {POSTERN_SERIES_REFUSED, "actions", "reject"},
        {POSTERN_SERIES_FAILED, "deliveries", "refused"}, {POSTERN_SERIES_FAILED, "deliveries", "failed"},
        {POSTERN_SERIES_FAILED, "deliveries", "unknown"},
    };
    guint64 others = 0;
    memset(ret_totals, 0, POSTERN_SERIES * sizeof ret_totals[0]);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint64 number = postern_counters_read(counters, rows[i].name, rows[i].label);
        ret_totals[rows[i].series] += number;
        others += number;
    }
    ret_totals[POSTERN_SERIES_FAILED] += count_abandoned(counters);
    others += count_abandoned(counters);
    guint64 all = postern_counters_read(counters, "messages", NULL);
    ret_totals[POSTERN_SERIES_ACCEPTED] = all - MIN(all, others);
}

void postern_history_look(PosternHistory *history, const PosternCounters *counters, gint64 now)
{
    gint64 slot = now / G_USEC_PER_SEC / POSTERN_HISTORY_SLOT_SECONDS + 1;
    guint64 totals[POSTERN_SERIES];
    postern_history_totals(counters, totals);
    for (gint64 i = MAX(history->slot + 1, slot - POSTERN_HISTORY_SLOTS + 1); i <= slot; i++)
        memset(history->slots[i % POSTERN_HISTORY_SLOTS], 0, sizeof history->slots[0]);
    history->slot = slot;
    for (guint i = 0; i < POSTERN_SERIES; i++) {
        /* Messages are counted in several steps, so that one may seem to be less for a moment. */
        history->slots[slot % POSTERN_HISTORY_SLOTS][i] += totals[i] - MIN(totals[i], history->last[i]);
        history->last[i] = MAX(totals[i], history->last[i]);
    }
}

guint64 postern_history_read(const PosternHistory *history, guint ago, PosternSeries series)
{
    gint64 slot = history->slot - ago;
    return slot >= 0 && ago < POSTERN_HISTORY_SLOTS ? history->slots[slot % POSTERN_HISTORY_SLOTS][series]
                                                    : 0;
}
