#include "tally/tally.h"

#include <pthread.h>
#include <sys/random.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/thread.h"
#include "tally/dmarc.h"
#include "tally/record.h"
#include "tally/store.h"

struct PosternTally {
    char *path;
    PosternTallyStoreOptions options;
    gboolean dmarc, failures;
    guint failure_rate;
    guint8 key[POSTERN_REDACTION_KEY_OCTETS]; /* of this process alone: what is redacted stays so */
    char *reporter;                           /* [report] email */
    guint interval_ms;
    GThread *thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    PosternTallyRows *rows; /* under lock, as what follows */
    PosternTallyFailures *failed;
    guint lost;
    gboolean ends;
    /* The thread's. */
    PosternTallyStore *store;             /* or NULL: it has to be opened anew */
    PosternTallyRows *waiting;            /* what could not be written; NULL: nothing */
    PosternTallyFailures *waiting_failed; /* likewise */
    gboolean told;                        /* the log knows that it cannot be written */
};

static void tell_aside(const PosternTally *tally, const char *aside)
{
    if (aside != NULL)
        postern_log(POSTERN_LOG_ERROR, "[report] store %s was damaged: it is kept as %s, and begun anew",
                    tally->options.path, aside);
}

static gboolean open_store(PosternTally *tally, GError **error)
{
    g_autofree char *aside = NULL;
    tally->store = postern_tally_store_open(&tally->options, &aside, error);
    tell_aside(tally, aside);
    return tally->store != NULL;
}

static gboolean set_aside(PosternTally *tally, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *aside = postern_tally_store_set_aside(tally->store, &problem);
    g_clear_pointer(&tally->store, postern_tally_store_free);
    tell_aside(tally, aside);
    if (problem == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

/* Once more if the file is not, or no longer, what it was. */
static gboolean write_rows(PosternTally *tally, guint *ret_lost, GError **error)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    for (guint tries = 2;; tries--) {
        if (tally->store != NULL && !postern_database_is_current(postern_tally_store_database(tally->store)))
            g_clear_pointer(&tally->store, postern_tally_store_free);
        if (tally->store == NULL && !open_store(tally, error))
            return FALSE;
        PosternDatabase *database = postern_tally_store_database(tally->store);
        g_autoptr(GError) problem = NULL;
        if (postern_tally_store_add(tally->store, tally->waiting, tally->waiting_failed, now, ret_lost,
                                    &problem))
            return TRUE;
        if (tries == 1 || !postern_database_is_damaged(database)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
        if (!set_aside(tally, error))
            return FALSE;
    }
}

static void tell_lost(guint lost)
{
    if (lost > 0)
        postern_log(POSTERN_LOG_WARNING,
                    "[report]: %u counts were left out of the day's reports: there are too many rows"
                    " (max_rows)",
                    lost);
}

static void write_waiting(PosternTally *tally)
{
    g_autoptr(GError) error = NULL;
    guint left_out = 0;
    if (tally->waiting == NULL)
        return;
    gboolean ok = write_rows(tally, &left_out, &error);
    if (ok) {
        g_clear_pointer(&tally->waiting, postern_tally_rows_free);
        g_clear_pointer(&tally->waiting_failed, postern_tally_failures_free);
        tell_lost(left_out);
    }
    if (!ok && !tally->told)
        postern_log(POSTERN_LOG_ERROR, "%s; mail goes on, and what is counted waits", error->message);
    else if (ok && tally->told)
        postern_log(POSTERN_LOG_NOTICE, "[report] store %s is written again", tally->options.path);
    tally->told = !ok;
}

static void begin(PosternTally *tally)
{
    tally->rows = postern_tally_rows_new();
    tally->failed = postern_tally_failures_new(tally->failure_rate);
}

static gpointer run(gpointer data)
{
    PosternTally *tally = data;
    gboolean ends = FALSE;
    write_waiting(tally);
    while (!ends) {
        gint64 until = g_get_monotonic_time() + (gint64)tally->interval_ms * 1000;
        pthread_mutex_lock(&tally->lock);
        while (!tally->ends && postern_tally_rows_count(tally->rows) < POSTERN_TALLY_WAITING_MAX / 2 &&
               postern_condition_wait(&tally->changed, &tally->lock, until))
            ;
        ends = tally->ends;
        guint lost = tally->lost;
        tally->lost = 0;
        if (tally->waiting == NULL &&
            (postern_tally_rows_count(tally->rows) > 0 || postern_tally_failures_length(tally->failed) > 0)) {
            tally->waiting = tally->rows;
            tally->waiting_failed = tally->failed;
            begin(tally);
        }
        pthread_mutex_unlock(&tally->lock);
        write_waiting(tally);
        tell_lost(lost);
    }
    return NULL;
}

PosternTally *postern_tally_start(const PosternConfiguration *configuration)
{
    if (configuration->report.store[0] == '\0')
        return NULL;
    PosternTally *tally = g_new0(PosternTally, 1);
    tally->path = g_strdup(configuration->report.store);
    tally->options = (PosternTallyStoreOptions){.path = tally->path,
                                                .keep_days = configuration->report.keep_days,
                                                .max_rows = configuration->report.max_rows};
    tally->dmarc = configuration->report.dmarc;
    tally->failures = configuration->report.failures &&
                      getrandom(tally->key, sizeof tally->key, 0) == (gssize)sizeof tally->key;
    tally->failure_rate = configuration->report.failure_rate;
    tally->reporter = g_strdup(configuration->report.email);
    tally->interval_ms = configuration->report.interval_ms;
    begin(tally);
    tally->waiting = postern_tally_rows_new(); /* so that the file is opened at once */
    tally->waiting_failed = postern_tally_failures_new(tally->failure_rate);
    (void)pthread_mutex_init(&tally->lock, NULL);
    postern_condition_init(&tally->changed);
    tally->thread = postern_thread_new("tally", run, tally);
    return tally;
}

void postern_tally_free(PosternTally *tally)
{
    if (tally == NULL)
        return;
    pthread_mutex_lock(&tally->lock);
    tally->ends = TRUE;
    pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
    g_thread_join(tally->thread);
    postern_tally_rows_free(tally->rows);
    postern_tally_rows_free(tally->waiting);
    postern_tally_failures_free(tally->failed);
    postern_tally_failures_free(tally->waiting_failed);
    postern_tally_store_free(tally->store);
    pthread_cond_destroy(&tally->changed);
    pthread_mutex_destroy(&tally->lock);
    g_free(tally->path);
    g_free(tally->reporter);
    g_free(tally);
}

static guint today(void)
{
    return postern_tally_day(g_get_real_time() / G_USEC_PER_SEC);
}

/* lock is held. */
static void noted(PosternTally *tally, gboolean ok)
{
    tally->lost += ok ? 0 : 1;
    if (postern_tally_rows_count(tally->rows) == POSTERN_TALLY_WAITING_MAX / 2)
        pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

/* Text is made of a message only if there is none of a like one yet. */
static void note_failure(PosternTally *tally, const PosternCase *mail_case, const PosternFindings *findings,
                         PosternMessage *message)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    gsize length = 0;
    PosternTallyFailure *failure = postern_tally_failure_new(mail_case, findings, tally->reporter, now);
    if (failure == NULL)
        return;
    pthread_mutex_lock(&tally->lock);
    gboolean counted = postern_tally_failures_count(tally->failed, failure);
    pthread_mutex_unlock(&tally->lock);
    const char *octets = counted ? NULL : postern_message_octets(message, &length, NULL);
    if (octets == NULL ||
        !postern_tally_failure_describe(failure, mail_case, findings, octets, length, tally->key, now)) {
        postern_tally_failure_free(failure);
        return;
    }
    pthread_mutex_lock(&tally->lock);
    postern_tally_failures_add(tally->failed, failure);
    pthread_mutex_unlock(&tally->lock);
}

void postern_tally_note_verdict(PosternTally *tally, const PosternCase *mail_case,
                                const PosternFindings *findings, PosternMessage *message)
{
    if (tally != NULL && tally->failures)
        note_failure(tally, mail_case, findings, message);
    if (tally == NULL || !tally->dmarc)
        return;
    pthread_mutex_lock(&tally->lock);
    noted(tally, postern_tally_add_dmarc(tally->rows, today(), mail_case, findings, tally->reporter));
}

void postern_tally_note_message(PosternTally *tally, const PosternRecord *record)
{
    if (tally == NULL)
        return;
    pthread_mutex_lock(&tally->lock);
    noted(tally, postern_tally_add_record(tally->rows, today(), record));
}

void postern_tally_note_session(PosternTally *tally, const PosternSessionRecord *record)
{
    if (tally == NULL)
        return;
    pthread_mutex_lock(&tally->lock);
    noted(tally, postern_tally_add_session(tally->rows, today(), record));
}
