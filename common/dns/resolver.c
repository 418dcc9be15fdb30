#include "dns/resolver.h"

#include <arpa/nameser.h>
#include <unistd.h>

#include "base/limits.h"
#include "dns/domain_limit.h"
#include "dns/resolver_unbound.h"

struct PosternResolver {
    struct event_base *loop;
    struct ub_ctx *context;         /* NULL if file answers */
    PosternAnswersFile *file;       /* NULL if context answers */
    PosternResolverUnknown unknown; /* neither context nor file does */
    gpointer unknown_data;
    PosternDomainLimit *turns;
    PosternFairQueue *room;        /* for questions on their way */
    struct event *turn;            /* somebody who stood in line may go */
    PosternResolverHealth *health; /* or NULL */
    const void *departing; /* the flight that libunbound is asked for now: the cache answers at once */
    guint timeout_ms;
    GQueue asks;    /* of PosternResolverAsk */
    GQueue flights; /* of Flight, those without an ask included */
};

struct PosternResolverAsk {
    PosternResolver *resolver;
    GList in_resolver;
    guint64 client;
    PosternAnswers *answers;
    PosternResolverDone done;
    gpointer user_data;
    struct event *end; /* the deadline, made active before it by the last answer */
    GQueue flights;
    gboolean asking; /* answers that come now come from inside postern_resolver_ask() */
};

/*
 * One question on its way. libunbound holds the only pointer to it that outlives the ask: a flight whose ask
 * has ended stays until libunbound lets go of it, so a late answer finds it, and finds that nobody waits.
 */
typedef struct {
    PosternResolver *resolver;
    GList in_resolver;
    PosternResolverAsk *ask; /* NULL when it has ended */
    GList in_ask;
    PosternQuestion *question;
    PosternResolverTurn turn;
    PosternFairPlace room;
    gint64 started; /* monotonic, microseconds */
} Flight;

static Flight *flight_new(PosternResolverAsk *ask, const PosternQuestion *question)
{
    Flight *flight = g_new0(Flight, 1);
    flight->resolver = ask->resolver;
    flight->in_resolver.data = flight;
    flight->ask = ask;
    flight->in_ask.data = flight;
    flight->question = postern_question_copy(question);
    flight->turn.data = flight;
    flight->started = g_get_monotonic_time();
    g_queue_push_tail_link(&ask->resolver->flights, &flight->in_resolver);
    g_queue_push_tail_link(&ask->flights, &flight->in_ask);
    return flight;
}

static void flight_free(Flight *flight)
{
    postern_domain_limit_end(flight->resolver->turns, &flight->turn);
    postern_fair_queue_leave(flight->resolver->room, &flight->room);
    g_queue_unlink(&flight->resolver->flights, &flight->in_resolver);
    if (flight->ask != NULL)
        g_queue_unlink(&flight->ask->flights, &flight->in_ask);
    postern_question_free(flight->question);
    g_free(flight);
}

static void count_answer(const Flight *flight, const PosternAnswer *answer)
{
    static const char *const results[] = {
        [POSTERN_ANSWER_RECORDS] = "answered", [POSTERN_ANSWER_NXDOMAIN] = "nxdomain",
        [POSTERN_ANSWER_NODATA] = "nodata",    [POSTERN_ANSWER_SERVFAIL] = "servfail",
        [POSTERN_ANSWER_TIMEOUT] = "timeout",
    };
    gboolean cached = flight == flight->resolver->departing;
    postern_resolver_health_count(flight->resolver->health, cached ? "cached" : results[answer->status],
                                  cached ? -1 : (gint64)answer->milliseconds);
}

/* Takes answer over. */
static void flight_end(Flight *flight, PosternAnswer *answer)
{
    PosternResolverAsk *ask = flight->ask;
    if (ask != NULL && flight != flight->resolver->departing)
        postern_resolver_health_note(flight->resolver->health, flight->question->name,
                                     answer->status != POSTERN_ANSWER_SERVFAIL, g_get_monotonic_time());
    event_active(flight->resolver->turn, EV_TIMEOUT, 0);
    answer->source = POSTERN_ANSWER_SOURCE_NETWORK;
    answer->milliseconds = (guint)((g_get_monotonic_time() - flight->started) / 1000);
    if (ask != NULL)
        count_answer(flight, answer);
    if (ask != NULL)
        postern_answers_add(ask->answers, flight->question, answer);
    else
        postern_answer_free(answer);
    flight_free(flight);
    if (ask != NULL && ask->flights.length == 0 && !ask->asking)
        event_active(ask->end, EV_TIMEOUT, 0);
}

static void flight_answered(void *user_data, int rcode, void *packet, int length, int security,
                            char *why_bogus, int was_ratelimited)
{
    Flight *flight = user_data;
    const int bogus = 1, secure = 2;
    PosternAnswer *answer;
    if (flight->ask == NULL || security == bogus || (rcode == ns_r_noerror && (packet == NULL || length < 0)))
        answer = postern_answer_new(POSTERN_ANSWER_SERVFAIL);
    else if (rcode != ns_r_noerror)
        answer =
            postern_answer_new(rcode == ns_r_nxdomain ? POSTERN_ANSWER_NXDOMAIN : POSTERN_ANSWER_SERVFAIL);
    else
        answer = postern_resolver_parse_packet(packet, (gsize)length, flight->question);
    answer->secure = security == secure;
    flight_end(flight, answer);
}

static void flight_depart(Flight *flight)
{
    PosternResolver *resolver = flight->resolver;
    resolver->departing = flight;
    if (!postern_resolver_context_ask(resolver->context, flight->question, flight_answered, flight))
        flight_end(flight, postern_answer_new(POSTERN_ANSWER_SERVFAIL));
    resolver->departing = NULL;
}

static void flight_start(PosternResolverAsk *ask, const PosternQuestion *question)
{
    PosternResolver *resolver = ask->resolver;
    if (resolver->file != NULL) {
        PosternAnswer *answer = postern_answers_file_answer(resolver->file, question);
        answer->source = POSTERN_ANSWER_SOURCE_FILE;
        postern_answers_add(ask->answers, question, answer);
        return;
    }
    if (resolver->unknown != NULL) {
        resolver->unknown(question, resolver->unknown_data);
        postern_answers_add(ask->answers, question, postern_answer_new(POSTERN_ANSWER_TIMEOUT));
        return;
    }
    Flight *flight = flight_new(ask, question);
    postern_fair_queue_wait(resolver->room, &flight->room, ask->client, POSTERN_FAIR_TURN_LAST);
    if (postern_fair_queue_admit(resolver->room) == NULL) {
        postern_answers_add(ask->answers, question, postern_answer_new(POSTERN_ANSWER_SERVFAIL));
        flight_free(flight);
        return;
    }
    if (postern_domain_limit_begin(resolver->turns, &flight->turn, flight->question->name, ask->client,
                                   flight->started))
        flight_depart(flight);
}

/* libunbound is not asked from inside its own callback. */
static void on_turn(evutil_socket_t fd, short what, void *user_data)
{
    PosternResolver *resolver = user_data;
    PosternResolverTurn *turn;
    while ((turn = postern_domain_limit_next(resolver->turns, g_get_monotonic_time())) != NULL)
        flight_depart(turn->data);
}

static void ask_free(PosternResolverAsk *ask)
{
    for (GList *link; (link = g_queue_pop_head_link(&ask->flights)) != NULL;) {
        Flight *flight = link->data;
        flight->ask = NULL;
        if (!flight->turn.under_way)
            flight_free(flight);
    }
    g_queue_unlink(&ask->resolver->asks, &ask->in_resolver);
    event_free(ask->end);
    postern_answers_unref(ask->answers);
    g_free(ask);
}

static void ask_end(evutil_socket_t fd, short what, void *user_data)
{
    PosternResolverAsk *ask = user_data;
    for (GList *link = ask->flights.head; link != NULL; link = link->next) {
        const Flight *flight = link->data;
        if (postern_answers_get(ask->answers, flight->question) != NULL)
            continue;
        postern_resolver_health_note(ask->resolver->health, flight->question->name, FALSE,
                                     g_get_monotonic_time());
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_TIMEOUT);
        answer->source = POSTERN_ANSWER_SOURCE_NETWORK;
        answer->milliseconds = ask->resolver->timeout_ms;
        postern_resolver_health_count(ask->resolver->health, "timeout", (gint64)answer->milliseconds);
        postern_answers_add(ask->answers, flight->question, answer);
    }
    PosternResolverDone done = ask->done;
    gpointer done_data = ask->user_data;
    ask_free(ask);
    done(done_data);
}

static PosternResolver *resolver_new(struct event_base *loop)
{
    PosternResolver *resolver = g_new0(PosternResolver, 1);
    resolver->loop = loop;
    g_queue_init(&resolver->asks);
    g_queue_init(&resolver->flights);
    resolver->turns = postern_domain_limit_new();
    resolver->room = postern_fair_queue_new(POSTERN_RESOLVER_QUESTIONS_MAX);
    resolver->turn = event_new(loop, -1, 0, on_turn, resolver);
    return resolver;
}

PosternResolver *postern_resolver_new(struct event_base *loop, const PosternResolverOptions *options,
                                      GError **error)
{
    g_return_val_if_fail(loop != NULL && options != NULL, NULL);

    struct ub_ctx *context = postern_resolver_context_new(loop, options, error);
    if (context == NULL)
        return NULL;
    PosternResolver *resolver = resolver_new(loop);
    resolver->context = context;
    resolver->timeout_ms = options->timeout_ms;
    return resolver;
}

PosternResolver *postern_resolver_new_from_file(struct event_base *loop, PosternAnswersFile *file)
{
    g_return_val_if_fail(loop != NULL && file != NULL, NULL);

    PosternResolver *resolver = resolver_new(loop);
    resolver->file = postern_answers_file_ref(file);
    return resolver;
}

PosternResolver *postern_resolver_new_silent(struct event_base *loop, PosternResolverUnknown unknown,
                                             gpointer user_data)
{
    g_return_val_if_fail(loop != NULL && unknown != NULL, NULL);

    PosternResolver *resolver = resolver_new(loop);
    resolver->unknown = unknown;
    resolver->unknown_data = user_data;
    return resolver;
}

void postern_resolver_set_health(PosternResolver *resolver, PosternResolverHealth *health)
{
    resolver->health = health;
}

void postern_resolver_free(PosternResolver *resolver)
{
    if (resolver == NULL)
        return;
    while (resolver->asks.head != NULL)
        ask_free(resolver->asks.head->data);
    if (resolver->context != NULL)
        postern_resolver_context_free(resolver->context);
    while (resolver->flights.head != NULL)
        flight_free(resolver->flights.head->data);
    postern_domain_limit_free(resolver->turns);
    postern_fair_queue_free(resolver->room);
    event_free(resolver->turn);
    postern_answers_file_unref(resolver->file);
    g_free(resolver);
}

static PosternResolverAsk *ask_new(PosternResolver *resolver, guint64 client, PosternAnswers *answers,
                                   PosternResolverDone done, gpointer user_data)
{
    PosternResolverAsk *ask = g_new0(PosternResolverAsk, 1);
    ask->resolver = resolver;
    ask->client = client;
    ask->in_resolver.data = ask;
    ask->answers = postern_answers_ref(answers);
    ask->done = done;
    ask->user_data = user_data;
    g_queue_init(&ask->flights);
    g_queue_push_tail_link(&resolver->asks, &ask->in_resolver);
    ask->end = evtimer_new(resolver->loop, ask_end, ask);
    g_assert(ask->end != NULL);
    return ask;
}

PosternResolverAsk *postern_resolver_ask_these(PosternResolver *resolver, guint64 client,
                                               const GPtrArray *questions, PosternAnswers *answers,
                                               PosternResolverDone done, gpointer user_data)
{
    g_return_val_if_fail(resolver != NULL && answers != NULL && done != NULL, NULL);

    PosternResolverAsk *ask = ask_new(resolver, client, answers, done, user_data);

    /* Answers that are known at once take their questions out of the array of those noted. */
    ask->asking = TRUE;
    g_autoptr(GPtrArray) copies = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    for (guint i = 0; i < questions->len; i++)
        g_ptr_array_add(copies, postern_question_copy(g_ptr_array_index(questions, i)));
    for (guint i = 0; i < copies->len; i++)
        flight_start(ask, g_ptr_array_index(copies, i));
    ask->asking = FALSE;

    const struct timeval timeout = {resolver->timeout_ms / 1000, resolver->timeout_ms % 1000 * 1000};
    if (ask->flights.length == 0)
        event_active(ask->end, EV_TIMEOUT, 0);
    else
        evtimer_add(ask->end, &timeout);
    return ask;
}

PosternResolverAsk *postern_resolver_ask(PosternResolver *resolver, guint64 client, PosternAnswers *answers,
                                         PosternResolverDone done, gpointer user_data)
{
    g_return_val_if_fail(answers != NULL, NULL);

    return postern_resolver_ask_these(resolver, client, postern_answers_questions(answers), answers, done,
                                      user_data);
}

void postern_resolver_cancel(PosternResolverAsk *ask)
{
    if (ask != NULL)
        ask_free(ask);
}

PosternResolver *postern_resolver_from_configuration(struct event_base *loop,
                                                     const PosternConfiguration *configuration,
                                                     PosternAnswersFile *file, guint shares, GError **error)
{
    const char *anchors = configuration->dns.trust_anchor_file;
    const PosternResolverOptions options = {
        .servers = (const char *const *)configuration->dns.servers,
        .timeout_ms = configuration->dns.timeout_ms,
        .cache_octets = (guint)(configuration->dns.cache_octets / MAX(shares, 1)),
        .trust_anchor_file = *anchors != '\0' ? anchors : NULL,
    };

    return file != NULL ? postern_resolver_new_from_file(loop, file)
                        : postern_resolver_new(loop, &options, error);
}

static gboolean check_answers(const char *path, GError **error)
{
    g_autoptr(PosternAnswersFile) file = postern_answers_file_load(path, error);
    g_prefix_error(error, "[dns] answers: ");
    return file != NULL;
}

gboolean postern_resolver_check_configuration(const PosternConfiguration *configuration, GError **error)
{
    const char *answers = configuration->dns.answers, *anchors = configuration->dns.trust_anchor_file;
    if (answers[0] != '\0')
        return access(answers, R_OK) != 0 || check_answers(answers, error);
    if (anchors[0] != '\0' && access(anchors, R_OK) != 0)
        return TRUE;
    struct event_base *loop = event_base_new();
    g_autoptr(PosternResolver) resolver =
        postern_resolver_from_configuration(loop, configuration, NULL, 1, error);
    gboolean made = resolver != NULL;
    g_clear_pointer(&resolver, postern_resolver_free);
    event_base_free(loop);
    if (!made && anchors[0] != '\0')
        g_prefix_error(error, "[dns] trust_anchor_file: are there DS or DNSKEY records in %s? ", anchors);
    return made;
}
