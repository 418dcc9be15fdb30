#include "milter/libmilter/negotiation.h"

#include <libmilter/mfapi.h>
#include <pthread.h>

#include "base/limits.h"

#define REQUIRED (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
/* Not among them: DATA and unknown commands, which have no callback of ours; what libmilter returns for these
 * in its place is a reply. */
#define WITHOUT_REPLY (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH)

gboolean postern_milter_negotiation_answer(PosternMilterNegotiation *negotiation, unsigned long actions,
                                           unsigned long steps, unsigned long registered,
                                           unsigned long speaks)
{
    unsigned long silent = (WITHOUT_REPLY | SMFIP_NR_RCPT) & ~speaks;
    *negotiation = (PosternMilterNegotiation){
        .leading_space = (steps & SMFIP_HDR_LEADSPC) != 0,
        .skip = (steps & SMFIP_SKIP) != 0,
        .quarantine = (actions & SMFIF_QUARANTINE) != 0,
        .macros = (actions & SMFIF_SETSYMLIST) != 0,
    };
    negotiation->actions = actions & (REQUIRED | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
    negotiation->steps = (registered & ~(unsigned long)SMFIP_SKIP) | (steps & (silent | SMFIP_HDR_LEADSPC));
    negotiation->recipients = (negotiation->steps & SMFIP_NR_RCPT) == 0;
    negotiation->steps |= negotiation->skip ? SMFIP_SKIP : steps & SMFIP_NR_BODY;
    return (actions & REQUIRED) == REQUIRED;
}

gboolean postern_milter_negotiation_is_silent(const PosternMilterNegotiation *negotiation, unsigned long step)
{
    return (negotiation->steps & step) != 0;
}

void postern_milter_negotiation_usual(PosternMilterNegotiation *negotiation)
{
    *negotiation =
        (PosternMilterNegotiation){.leading_space = TRUE, .quarantine = TRUE, .steps = WITHOUT_REPLY};
}

/* Of the process, as libmilter's filter is. */
typedef struct {
    pthread_mutex_t lock;
    GHashTable *known; /* connection to PosternMilterNegotiation *; NULL: none yet */
    GQueue order;      /* of connections in known, the oldest first */
} Memory;

static Memory *memory(void)
{
    static Memory all = {.lock = PTHREAD_MUTEX_INITIALIZER};
    return &all;
}

void postern_milter_negotiation_remember(gpointer connection, const PosternMilterNegotiation *negotiation)
{
    Memory *all = memory();
    pthread_mutex_lock(&all->lock);
    if (all->known == NULL)
        all->known = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!g_hash_table_contains(all->known, connection)) {
        if (all->order.length >= POSTERN_MILTER_NEGOTIATIONS_MAX)
            g_hash_table_remove(all->known, g_queue_pop_head(&all->order));
        g_queue_push_tail(&all->order, connection);
    }
    g_hash_table_insert(all->known, connection, g_memdup2(negotiation, sizeof *negotiation));
    pthread_mutex_unlock(&all->lock);
}

gboolean postern_milter_negotiation_recall(gpointer connection, PosternMilterNegotiation *ret_negotiation)
{
    Memory *all = memory();
    pthread_mutex_lock(&all->lock);
    const PosternMilterNegotiation *negotiation =
        all->known != NULL ? g_hash_table_lookup(all->known, connection) : NULL;
    if (negotiation != NULL)
        *ret_negotiation = *negotiation;
    pthread_mutex_unlock(&all->lock);
    return negotiation != NULL;
}
