#include "dns/resolver_health.h"

#include <pthread.h>

#include "base/limits.h"

struct PosternResolverHealth {
    PosternResolverReport report;
    gpointer user_data;
    PosternCounters *counters; /* or NULL */
    pthread_mutex_t lock;
    guint domains[POSTERN_RESOLVER_DEAD_QUESTIONS]; /* hashes of those that failed */
    guint distinct;                                 /* of domains in use */
    guint failures;
    gint64 first; /* failure in the row */
    gboolean dead;
};

PosternResolverHealth *postern_resolver_health_new(PosternResolverReport report, gpointer user_data)
{
    PosternResolverHealth *health = g_new0(PosternResolverHealth, 1);
    health->report = report;
    health->user_data = user_data;
    pthread_mutex_init(&health->lock, NULL);
    return health;
}

void postern_resolver_health_count_in(PosternResolverHealth *health, PosternCounters *counters)
{
    health->counters = counters;
}

void postern_resolver_health_count(PosternResolverHealth *health, const char *result, gint64 milliseconds)
{
    if (health == NULL || health->counters == NULL)
        return;
    postern_counters_add(health->counters, "dns_answers", result, 1);
    postern_counters_time(health->counters, POSTERN_LATENCY_DNS, milliseconds);
}

void postern_resolver_health_free(PosternResolverHealth *health)
{
    if (health == NULL)
        return;
    pthread_mutex_destroy(&health->lock);
    g_free(health);
}

static void note_domain(PosternResolverHealth *health, const char *domain)
{
    guint hash = g_str_hash(domain);
    for (guint i = 0; i < health->distinct; i++)
        if (health->domains[i] == hash)
            return;
    if (health->distinct < POSTERN_RESOLVER_DEAD_QUESTIONS)
        health->domains[health->distinct++] = hash;
}

/* TRUE: what it is has changed. */
static gboolean take(PosternResolverHealth *health, const char *domain, gboolean answered, gint64 now)
{
    gboolean was_dead = health->dead;
    if (answered) {
        health->dead = FALSE;
        health->failures = health->distinct = 0;
        return was_dead;
    }
    if (health->failures++ == 0)
        health->first = now;
    note_domain(health, domain);
    health->dead = was_dead || (health->distinct == POSTERN_RESOLVER_DEAD_QUESTIONS &&
                                now - health->first >= POSTERN_RESOLVER_DEAD_SECONDS * G_USEC_PER_SEC);
    return health->dead != was_dead;
}

void postern_resolver_health_note(PosternResolverHealth *health, const char *domain, gboolean answered,
                                  gint64 now)
{
    if (health == NULL)
        return;
    pthread_mutex_lock(&health->lock);
    gboolean changed = take(health, domain, answered, now);
    gboolean dead = health->dead;
    guint failures = health->failures;
    guint seconds = (guint)((now - health->first) / G_USEC_PER_SEC);
    pthread_mutex_unlock(&health->lock);
    if (!changed)
        return;
    g_autofree char *text =
        dead ? g_strdup_printf("the DNS does not answer: %u questions in a row have failed for %u s; what "
                               "needs it is a temporary error (see [dns] servers)",
                               failures, seconds)
             : g_strdup("the DNS answers again");
    health->report(!dead, text, health->user_data);
}
