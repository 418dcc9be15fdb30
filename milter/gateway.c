#include "milter/gateway.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

typedef enum {
    JOB_BEGIN,
    JOB_HEADER,
    JOB_FINISH,
    JOB_END,
} JobKind;

typedef struct {
    JobKind kind;
    PosternMilterTicket *ticket;
    PosternMessage *message; /* HEADER, FINISH: a reference */
} Job;

struct PosternMilterGateway {
    PosternInspectorClient *client;
    PosternResolver *resolver;
    PosternMilterNudge *nudge;
    pthread_mutex_t lock; /* pthread's, not GLib's: ThreadSanitizer knows these */
    GQueue jobs;          /* of Job *, behind lock */
    int wake;
    struct event *event;
};

/*
 * Alive from new until the loop has done JOB_END, which is always the last of its jobs. The thread that holds
 * it and the loop share what stands behind the lock.
 */
struct PosternMilterTicket {
    PosternMilterGateway *gateway;
    PosternMilterSettings *settings;
    PosternEnvelope *envelope;
    PosternChecks checks;
    PosternInspection *inspection; /* the loop's */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of the monotonic clock */
    gboolean done;
    PosternFindings *findings;
    char *problem;
};

static void begin(PosternMilterTicket *ticket)
{
    const PosternConfiguration *configuration = ticket->settings->configuration;
    PosternInspectionOptions options = {
        .client = ticket->gateway->client,
        .resolver = ticket->gateway->resolver,
        .receiver = ticket->settings->policy->authserv_id,
        .checks = ticket->checks,
        .scan_octets = configuration->virus.scan_octets,
        .deadline_ms = configuration->milter.inspection_timeout_ms,
    };
    ticket->inspection = postern_inspection_new(&options, ticket->envelope);
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    PosternMilterTicket *ticket = user_data;
    pthread_mutex_lock(&ticket->lock);
    ticket->findings = findings;
    ticket->problem = error != NULL ? g_strdup(error->message) : NULL;
    ticket->done = TRUE;
    pthread_cond_signal(&ticket->changed);
    pthread_mutex_unlock(&ticket->lock);
}

static void end(PosternMilterTicket *ticket)
{
    postern_inspection_free(ticket->inspection);
    postern_milter_settings_unref(ticket->settings);
    postern_envelope_free(ticket->envelope);
    g_clear_pointer(&ticket->findings, postern_findings_free);
    g_free(ticket->problem);
    pthread_mutex_destroy(&ticket->lock);
    pthread_cond_destroy(&ticket->changed);
    g_free(ticket);
}

static void run(Job *job)
{
    switch (job->kind) {
    case JOB_BEGIN:
        begin(job->ticket);
        break;
    case JOB_HEADER:
        postern_inspection_header(job->ticket->inspection, job->message);
        break;
    case JOB_FINISH:
        postern_milter_nudge_start(job->ticket->gateway->nudge);
        postern_inspection_finish(job->ticket->inspection, job->message, on_inspected, job->ticket);
        break;
    case JOB_END:
        end(job->ticket);
        break;
    }
    postern_message_unref(job->message);
    g_free(job);
}

static Job *pop(PosternMilterGateway *gateway)
{
    pthread_mutex_lock(&gateway->lock);
    Job *job = g_queue_pop_head(&gateway->jobs);
    pthread_mutex_unlock(&gateway->lock);
    return job;
}

static void on_wake(evutil_socket_t descriptor, short what, void *data)
{
    PosternMilterGateway *gateway = data;
    eventfd_t count;
    Job *job;
    (void)eventfd_read(gateway->wake, &count);
    while ((job = pop(gateway)) != NULL)
        run(job);
}

PosternMilterGateway *postern_milter_gateway_new(struct event_base *loop, PosternInspectorClient *client,
                                                 PosternResolver *resolver, PosternMilterNudge *nudge,
                                                 GError **error)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        postern_error_set_system(error, errno, "cannot make an eventfd");
        return NULL;
    }
    PosternMilterGateway *gateway = g_new0(PosternMilterGateway, 1);
    gateway->client = client;
    gateway->resolver = resolver;
    gateway->nudge = nudge;
    pthread_mutex_init(&gateway->lock, NULL);
    g_queue_init(&gateway->jobs);
    gateway->wake = wake;
    gateway->event = event_new(loop, wake, EV_READ | EV_PERSIST, on_wake, gateway);
    event_add(gateway->event, NULL);
    return gateway;
}

static void push(PosternMilterTicket *ticket, JobKind kind, PosternMessage *message)
{
    PosternMilterGateway *gateway = ticket->gateway;
    Job *job = g_new0(Job, 1);
    job->kind = kind;
    job->ticket = ticket;
    job->message = message != NULL ? postern_message_ref(message) : NULL;
    pthread_mutex_lock(&gateway->lock);
    g_queue_push_tail(&gateway->jobs, job);
    pthread_mutex_unlock(&gateway->lock);
    (void)eventfd_write(gateway->wake, 1);
}

static void init_locks(PosternMilterTicket *ticket)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&ticket->lock, NULL);
    pthread_cond_init(&ticket->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

PosternMilterTicket *postern_milter_ticket_new(PosternMilterGateway *gateway, PosternMilterSettings *settings,
                                               const PosternEnvelope *envelope, PosternChecks checks)
{
    PosternMilterTicket *ticket = g_new0(PosternMilterTicket, 1);
    ticket->gateway = gateway;
    ticket->settings = postern_milter_settings_ref(settings);
    ticket->envelope = postern_envelope_copy(envelope);
    ticket->checks = checks;
    init_locks(ticket);
    push(ticket, JOB_BEGIN, NULL);
    return ticket;
}

void postern_milter_ticket_header(PosternMilterTicket *ticket, PosternMessage *header)
{
    push(ticket, JOB_HEADER, header);
}

void postern_milter_ticket_finish(PosternMilterTicket *ticket, PosternMessage *message)
{
    push(ticket, JOB_FINISH, message);
}

gboolean postern_milter_ticket_wait(PosternMilterTicket *ticket, guint milliseconds)
{
    struct timespec until;
    int waited = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000 + (until.tv_nsec + milliseconds % 1000 * 1000000L) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + milliseconds % 1000 * 1000000L) % 1000000000L;
    pthread_mutex_lock(&ticket->lock);
    while (!ticket->done && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&ticket->changed, &ticket->lock, &until);
    gboolean done = ticket->done;
    pthread_mutex_unlock(&ticket->lock);
    return done;
}

PosternFindings *postern_milter_ticket_take(PosternMilterTicket *ticket, char **ret_problem)
{
    pthread_mutex_lock(&ticket->lock);
    PosternFindings *findings = g_steal_pointer(&ticket->findings);
    *ret_problem = g_steal_pointer(&ticket->problem);
    pthread_mutex_unlock(&ticket->lock);
    return findings;
}

void postern_milter_ticket_free(PosternMilterTicket *ticket)
{
    if (ticket != NULL)
        push(ticket, JOB_END, NULL);
}
