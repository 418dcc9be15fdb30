/*
 * Asks questions through postern_resolver, for resolver_test.py: resolver_ask [OPTION...] {NAME TYPE}...
 * Prints `NAME TYPE STATUS RECORD...` a question, in the order of asking, records in hexadecimal; then
 * `milliseconds N`. Cancelled, it prints `cancelled` alone.
 */
#include <signal.h>
#include <stdio.h>

#include "dns/resolver.h"

typedef struct {
    struct event_base *loop;
    PosternResolverAsk *ask;
    gboolean done;
} Run;

static char **servers, **words;
static int timeout_ms = 5000, cancel_ms = -1, linger_ms = 0, rounds = 1;
static char *trust_anchor_file;

static const GOptionEntry entries[] = {
    {"server", 0, 0, G_OPTION_ARG_STRING_ARRAY, &servers, "Ask there; may be repeated", "ADDRESS@PORT"},
    {"timeout", 0, 0, G_OPTION_ARG_INT, &timeout_ms, "Deadline", "MS"},
    {"cancel", 0, 0, G_OPTION_ARG_INT, &cancel_ms, "Cancel so long after asking", "MS"},
    {"linger", 0, 0, G_OPTION_ARG_INT, &linger_ms, "Run so long after the end", "MS"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Ask so often; the last answers are printed", "N"},
    {"trust-anchor", 0, 0, G_OPTION_ARG_FILENAME, &trust_anchor_file, "Validate with this", "FILE"},
    {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &words, NULL, "NAME TYPE..."},
    {NULL},
};

static int fail(const char *text)
{
    fprintf(stderr, "resolver_ask: %s\n", text);
    return 64;
}

static void stop(evutil_socket_t fd, short what, void *loop)
{
    event_base_loopbreak(loop);
}

/* Runs the loop for so long, or until somebody breaks it. */
static void run_for(struct event_base *loop, int milliseconds)
{
    const struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    struct event *timer = evtimer_new(loop, stop, loop);
    evtimer_add(timer, &time);
    event_base_dispatch(loop);
    event_free(timer);
}

static void asked(gpointer user_data)
{
    Run *run = user_data;
    run->done = TRUE;
    run->ask = NULL;
    event_base_loopbreak(run->loop);
}

static void print_answer(const char *name, const char *type, const PosternAnswer *answer)
{
    printf("%s %s %s", name, type, postern_answer_status_name(answer->status));
    for (guint i = 0; i < answer->records->len; i++) {
        gsize length;
        const guint8 *octets = g_bytes_get_data(answer->records->pdata[i], &length);
        printf(" ");
        for (gsize j = 0; j < length; j++)
            printf("%02x", octets[j]);
        if (length == 0)
            printf("-");
    }
    printf("\n");
}

static PosternAnswers *note_questions(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    for (char **word = words; word != NULL && word[0] != NULL; word += 2) {
        PosternDnsType type;
        if (word[1] == NULL || !postern_dns_type_parse(&type, word[1]))
            return NULL;
        postern_answers_look_up(answers, word[0], type);
    }
    return g_steal_pointer(&answers);
}

/* One round; prints where it is the last. FALSE: the words are no questions. */
static gboolean ask_once(PosternResolver *resolver, Run *run, gboolean last)
{
    g_autoptr(PosternAnswers) answers = note_questions();
    if (answers == NULL)
        return FALSE;
    gint64 start = g_get_monotonic_time();
    run->done = FALSE;
    run->ask = postern_resolver_ask(resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, asked, run);
    run_for(run->loop, cancel_ms >= 0 ? cancel_ms : timeout_ms + 10000);
    gint64 end = g_get_monotonic_time();
    gboolean cancelled = !run->done;
    postern_resolver_cancel(run->ask);
    if (cancelled)
        g_clear_pointer(&answers, postern_answers_unref);
    if (linger_ms > 0)
        run_for(run->loop, linger_ms);
    if (!last)
        return TRUE;
    if (cancelled) {
        printf("cancelled\n");
        return TRUE;
    }
    for (char **word = words; word != NULL && word[0] != NULL; word += 2) {
        PosternDnsType type = POSTERN_DNS_A;
        postern_dns_type_parse(&type, word[1]);
        print_answer(word[0], word[1], postern_answers_look_up(answers, word[0], type));
    }
    printf("milliseconds %" G_GINT64_FORMAT "\n", (end - start) / 1000);
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return fail(error->message);
    signal(SIGPIPE, SIG_IGN);

    Run run = {.loop = event_base_new()};
    const PosternResolverOptions options = {.servers = (const char *const *)servers,
                                            .timeout_ms = (guint)timeout_ms,
                                            .cache_octets = 1024 * 1024,
                                            .trust_anchor_file = trust_anchor_file};
    PosternResolver *resolver = postern_resolver_new(run.loop, &options, &error);
    gboolean ok = resolver != NULL;
    for (int round = 1; ok && round <= rounds; round++)
        ok = ask_once(resolver, &run, round == rounds);
    postern_resolver_free(resolver);
    event_base_free(run.loop);
    g_strfreev(servers);
    g_strfreev(words);
    g_free(trust_anchor_file);
    return ok ? 0 : fail(error != NULL ? error->message : "the words are not pairs of NAME and TYPE");
}
