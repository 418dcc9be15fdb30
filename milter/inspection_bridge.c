#include "milter/inspection_bridge.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"

typedef enum {
    JOB_BEGIN,
    JOB_ENVELOPE,
    JOB_AWAIT,
    JOB_HEADER,
    JOB_FINISH,
    JOB_END,
} JobKind;

typedef struct {
    JobKind kind;
    PosternMilterTicket *ticket;
    PosternMessage *message;   /* HEADER, FINISH: a reference */
    PosternEnvelope *envelope; /* ENVELOPE: a copy */
    PosternChecks checks;      /* FINISH */
} Job;

struct PosternMilterBridge {
    PosternInspectorClient *client;
    PosternResolver *resolver;
    PosternGreylistPort *greylist;
    PosternMilterWakeUp *wake_up;
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
    PosternMilterBridge *bridge;
    PosternMilterSettings *settings;
    PosternEnvelope *envelope;
    char *receiver;
    PosternChecks checks;
    PosternInspection *inspection; /* the loop's */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of the monotonic clock */
    gboolean envelope_done;
    PosternFindings *envelope_findings;
    gboolean done;
    PosternFindings *findings;
    char *problem;
    PosternCapsule *capsule; /* what the inspection went by, or NULL */
};

static void begin(PosternMilterTicket *ticket)
{
    const PosternConfiguration *configuration = ticket->settings->configuration;
    PosternInspectionOptions options = {
        .client = ticket->bridge->client,
        .resolver = ticket->bridge->resolver,
        .receiver = ticket->receiver,
        .checks = ticket->checks,
        .scan_octets = configuration->virus.scan_octets,
        .deadline_ms = configuration->milter.inspection_timeout_ms,
        .remember = TRUE,
        .client_rules = ticket->settings->client_rules,
        .greylist = ticket->bridge->greylist,
    };
    ticket->inspection = postern_inspection_new(&options, ticket->envelope);
}

/* They are the inspection's, which goes on with them on another thread than the one that waits. */
static void on_envelope(const PosternFindings *findings, gpointer user_data)
{
    PosternMilterTicket *ticket = user_data;
    PosternFindings *copy = postern_findings_copy(findings);
    pthread_mutex_lock(&ticket->lock);
    ticket->envelope_findings = copy;
    ticket->envelope_done = TRUE;
    pthread_cond_signal(&ticket->changed);
    pthread_mutex_unlock(&ticket->lock);
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    PosternMilterTicket *ticket = user_data;
    PosternCapsule *capsule = ticket->settings->capsules != NULL ? postern_capsule_new() : NULL;
    if (capsule != NULL)
        postern_capsule_set_inspection(capsule, ticket->inspection);
    pthread_mutex_lock(&ticket->lock);
    ticket->findings = findings;
    ticket->problem = error != NULL ? g_strdup(error->message) : NULL;
    ticket->capsule = capsule;
    ticket->done = TRUE;
    pthread_cond_signal(&ticket->changed);
    pthread_mutex_unlock(&ticket->lock);
}

static void end(PosternMilterTicket *ticket)
{
    postern_inspection_free(ticket->inspection);
    postern_milter_settings_unref(ticket->settings);
    postern_envelope_free(ticket->envelope);
    g_clear_pointer(&ticket->envelope_findings, postern_findings_free);
    g_clear_pointer(&ticket->findings, postern_findings_free);
    g_clear_pointer(&ticket->capsule, postern_capsule_free);
    g_free(ticket->problem);
    g_free(ticket->receiver);
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
    case JOB_ENVELOPE:
        postern_inspection_set_envelope(job->ticket->inspection, job->envelope);
        break;
    case JOB_AWAIT:
        postern_milter_wake_up_start(job->ticket->bridge->wake_up);
        postern_inspection_await_envelope(job->ticket->inspection, on_envelope, job->ticket);
        break;
    case JOB_HEADER:
        postern_inspection_header(job->ticket->inspection, job->message);
        break;
    case JOB_FINISH:
        postern_milter_wake_up_start(job->ticket->bridge->wake_up);
        postern_inspection_limit(job->ticket->inspection, job->checks);
        postern_inspection_finish(job->ticket->inspection, job->message, on_inspected, job->ticket);
        break;
    case JOB_END:
        end(job->ticket);
        break;
    }
    postern_message_unref(job->message);
    postern_envelope_free(job->envelope);
    g_free(job);
}

static Job *pop(PosternMilterBridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    Job *job = g_queue_pop_head(&bridge->jobs);
    pthread_mutex_unlock(&bridge->lock);
    return job;
}

static void on_wake(evutil_socket_t descriptor, short what, void *data)
{
    PosternMilterBridge *bridge = data;
    eventfd_t count;
    Job *job;
    (void)eventfd_read(bridge->wake, &count);
    while ((job = pop(bridge)) != NULL)
        run(job);
}

PosternMilterBridge *postern_milter_bridge_new(struct event_base *loop, PosternInspectorClient *client,
                                               PosternResolver *resolver, PosternMilterWakeUp *wake_up,
                                               GError **error)
{
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        postern_error_set_system(error, errno, "cannot make an eventfd");
        return NULL;
    }
    PosternMilterBridge *bridge = g_new0(PosternMilterBridge, 1);
    bridge->client = client;
    bridge->resolver = resolver;
    bridge->wake_up = wake_up;
    pthread_mutex_init(&bridge->lock, NULL);
    g_queue_init(&bridge->jobs);
    bridge->wake = wake;
    bridge->event = event_new(loop, wake, EV_READ | EV_PERSIST, on_wake, bridge);
    event_add(bridge->event, NULL);
    return bridge;
}

void postern_milter_bridge_set_greylist(PosternMilterBridge *bridge, PosternGreylistPort *greylist)
{
    bridge->greylist = greylist;
}

static Job *job_new(PosternMilterTicket *ticket, JobKind kind, PosternMessage *message)
{
    Job *job = g_new0(Job, 1);
    job->kind = kind;
    job->ticket = ticket;
    job->message = message != NULL ? postern_message_ref(message) : NULL;
    return job;
}

static void push(Job *job)
{
    PosternMilterBridge *bridge = job->ticket->bridge;
    pthread_mutex_lock(&bridge->lock);
    gboolean awake = !g_queue_is_empty(&bridge->jobs); /* the loop has not come to the end of them */
    g_queue_push_tail(&bridge->jobs, job);
    pthread_mutex_unlock(&bridge->lock);
    if (!awake)
        (void)eventfd_write(bridge->wake, 1);
}

static void init_locks(PosternMilterTicket *ticket)
{
    pthread_mutex_init(&ticket->lock, NULL);
    postern_condition_init(&ticket->changed);
}

PosternMilterTicket *postern_milter_ticket_new(PosternMilterBridge *bridge, PosternMilterSettings *settings,
                                               const PosternEnvelope *envelope, const char *receiver,
                                               PosternChecks checks)
{
    PosternMilterTicket *ticket = g_new0(PosternMilterTicket, 1);
    ticket->bridge = bridge;
    ticket->settings = postern_milter_settings_ref(settings);
    ticket->envelope = postern_envelope_copy(envelope);
    ticket->receiver = g_strdup(receiver);
    ticket->checks = checks;
    init_locks(ticket);
    push(job_new(ticket, JOB_BEGIN, NULL));
    return ticket;
}

void postern_milter_ticket_envelope(PosternMilterTicket *ticket, const PosternEnvelope *envelope)
{
    Job *job = job_new(ticket, JOB_ENVELOPE, NULL);
    job->envelope = postern_envelope_copy(envelope);
    push(job);
}

void postern_milter_ticket_await_envelope(PosternMilterTicket *ticket)
{
    push(job_new(ticket, JOB_AWAIT, NULL));
}

void postern_milter_ticket_header(PosternMilterTicket *ticket, PosternMessage *header)
{
    push(job_new(ticket, JOB_HEADER, header));
}

void postern_milter_ticket_finish(PosternMilterTicket *ticket, PosternMessage *message, PosternChecks checks)
{
    Job *job = job_new(ticket, JOB_FINISH, message);
    job->checks = checks;
    push(job);
}

/* Of done, one of ticket's own. */
static gboolean wait_for(PosternMilterTicket *ticket, const gboolean *done, guint milliseconds)
{
    gint64 until = g_get_monotonic_time() + (gint64)milliseconds * 1000;
    gboolean waiting = TRUE;
    pthread_mutex_lock(&ticket->lock);
    while (!*done && waiting)
        waiting = postern_condition_wait(&ticket->changed, &ticket->lock, until);
    gboolean result = *done;
    pthread_mutex_unlock(&ticket->lock);
    return result;
}

gboolean postern_milter_ticket_wait(PosternMilterTicket *ticket, guint milliseconds)
{
    return wait_for(ticket, &ticket->done, milliseconds);
}

PosternFindings *postern_milter_ticket_wait_envelope(PosternMilterTicket *ticket, guint milliseconds)
{
    if (!wait_for(ticket, &ticket->envelope_done, milliseconds))
        return NULL;
    pthread_mutex_lock(&ticket->lock);
    PosternFindings *findings = g_steal_pointer(&ticket->envelope_findings);
    pthread_mutex_unlock(&ticket->lock);
    return findings;
}

PosternFindings *postern_milter_ticket_take(PosternMilterTicket *ticket, char **ret_problem)
{
    pthread_mutex_lock(&ticket->lock);
    PosternFindings *findings = g_steal_pointer(&ticket->findings);
    *ret_problem = g_steal_pointer(&ticket->problem);
    pthread_mutex_unlock(&ticket->lock);
    return findings;
}

PosternCapsule *postern_milter_ticket_take_capsule(PosternMilterTicket *ticket)
{
    pthread_mutex_lock(&ticket->lock);
    PosternCapsule *capsule = g_steal_pointer(&ticket->capsule);
    pthread_mutex_unlock(&ticket->lock);
    return capsule;
}

void postern_milter_ticket_free(PosternMilterTicket *ticket)
{
    if (ticket != NULL)
        push(job_new(ticket, JOB_END, NULL));
}
