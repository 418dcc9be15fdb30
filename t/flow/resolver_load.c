/*
 * A resolver under load, for resolver_load_test.py: resolver_load SERVER DEAD LIVE. Asks DEAD names under
 * dead.test, whose answers never come, and while they are on their way LIVE names under live.test, one after
 * the other. Prints how long the live ones took, in microseconds: median and longest; how many had records;
 * and the same without the dead ones before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "dns/resolver.h"

#define TIMEOUT_MS 8000

typedef struct {
    struct event_base *loop;
    PosternResolver *resolver;
    guint dead_done;
    guint dead_answered; /* not TIMEOUT */
    guint number;        /* of live names, so that none is cached */
} Load;

typedef struct {
    Load *load;
    PosternAnswers *answers;
    guint first;
} Dead;

static void name_dead(char *name, gsize size, guint number)
{
    g_snprintf(name, (gulong)size, "n%u.dead.test", number);
}

static void on_dead(gpointer data)
{
    Dead *dead = data;
    for (guint i = 0; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
        char name[64];
        name_dead(name, sizeof name, dead->first + i);
        const PosternAnswer *answer = postern_answers_look_up(dead->answers, name, POSTERN_DNS_TXT);
        dead->load->dead_answered += answer == NULL || answer->status != POSTERN_ANSWER_TIMEOUT ? 1 : 0;
    }
    dead->load->dead_done += POSTERN_QUESTIONS_PER_MESSAGE_MAX;
    postern_answers_unref(dead->answers);
    g_free(dead);
}

static void ask_dead(Load *load, guint count)
{
    for (guint first = 0; first < count; first += POSTERN_QUESTIONS_PER_MESSAGE_MAX) {
        Dead *dead = g_new0(Dead, 1);
        dead->load = load;
        dead->answers = postern_answers_new();
        dead->first = first;
        for (guint i = 0; i < POSTERN_QUESTIONS_PER_MESSAGE_MAX; i++) {
            char name[64];
            name_dead(name, sizeof name, first + i);
            postern_answers_look_up(dead->answers, name, POSTERN_DNS_TXT);
        }
        postern_resolver_ask(load->resolver, POSTERN_FAIR_QUEUE_NOBODY, dead->answers, on_dead, dead);
    }
}

static void on_live(gpointer data)
{
    event_base_loopbreak(data);
}

static gint compare(gconstpointer a, gconstpointer b)
{
    gint64 first = *(const gint64 *)a;
    gint64 second = *(const gint64 *)b;
    return (first > second) - (first < second);
}

/* Live names, one after the other. */
static void measure(Load *load, const char *label, guint count)
{
    g_autofree gint64 *times = g_new0(gint64, count);
    guint answered = 0;
    for (guint i = 0; i < count; i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        char name[64];
        g_snprintf(name, sizeof name, "n%u.live.test", load->number++);
        postern_answers_look_up(answers, name, POSTERN_DNS_A);
        gint64 start = g_get_monotonic_time();
        postern_resolver_ask(load->resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, on_live, load->loop);
        event_base_dispatch(load->loop);
        times[i] = g_get_monotonic_time() - start;
        const PosternAnswer *answer = postern_answers_look_up(answers, name, POSTERN_DNS_A);
        answered += answer != NULL && answer->status == POSTERN_ANSWER_RECORDS ? 1 : 0;
    }
    qsort(times, count, sizeof *times, compare);
    printf("%s median_us %" G_GINT64_FORMAT " longest_us %" G_GINT64_FORMAT " answered %u of %u\n", label,
           times[count / 2], times[count - 1], answered, count);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: resolver_load ADDRESS@PORT DEAD LIVE\n");
        return 64;
    }
    const char *const servers[] = {argv[1], NULL};
    const guint dead = (guint)strtoul(argv[2], NULL, 10) / POSTERN_QUESTIONS_PER_MESSAGE_MAX *
                       POSTERN_QUESTIONS_PER_MESSAGE_MAX;
    const guint live = (guint)strtoul(argv[3], NULL, 10);
    Load load = {.loop = event_base_new()};
    const PosternResolverOptions options = {
        .servers = servers, .timeout_ms = TIMEOUT_MS, .cache_octets = 1024 * 1024};
    load.resolver = postern_resolver_new(load.loop, &options, &error);
    if (load.resolver == NULL || live == 0) {
        fprintf(stderr, "resolver_load: %s\n", error != NULL ? error->message : "LIVE is 0");
        return 1;
    }
    measure(&load, "alone", live);
    ask_dead(&load, dead);
    measure(&load, "loaded", live);
    printf("under_way %u\n", dead - load.dead_done);
    while (load.dead_done < dead)
        event_base_loop(load.loop, EVLOOP_ONCE);
    printf("dead %u not_timeout %u\n", load.dead_done, load.dead_answered);
    postern_resolver_free(load.resolver);
    event_base_free(load.loop);
    return 0;
}
