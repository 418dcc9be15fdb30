#include "report/failure.h"

#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "checks/dmarc/record.h"
#include "report/authorization.h"
#include "report/failure_mail.h"
#include "report/state.h"
#include "report/submission.h"

#define HOUR_SECONDS 3600
#define HOURS_OF_DAY 24

typedef struct {
    const PosternFailureRun *run;
    PosternDatabase *database;
    PosternReportDns *dns; /* NULL: nothing is sent */
    const PosternTallyFailure *failure;
    gboolean left;
} Work;

static void tell(const PosternTallyFailure *failure, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void tell(const PosternTallyFailure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_print("%s: %s: %s\n", failure->domain, failure->cause, text);
}

/* What tells of people goes once it is of no more use. */
static gboolean set_state(const Work *work, const char *state, guint tried, gboolean ends, GError **error)
{
    static const char statement[] = "UPDATE failure SET state = ?5, tries = tries + ?6,"
                                    " fields = CASE WHEN ?7 OR tries + ?6 >= ?8 THEN '' ELSE fields END,"
                                    " header = CASE WHEN ?7 OR tries + ?6 >= ?8 THEN '' ELSE header END"
                                    " WHERE day = ?1 AND hour = ?2 AND domain = ?3 AND cause = ?4";
    const PosternTallyFailure *failure = work->failure;
    sqlite3_stmt *put = postern_database_prepare(work->database, statement, error);
    if (put == NULL)
        return FALSE;
    sqlite3_bind_int64(put, 1, failure->day);
    sqlite3_bind_int64(put, 2, failure->hour);
    sqlite3_bind_text(put, 3, failure->domain, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 4, failure->cause, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 5, state, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 6, tried);
    sqlite3_bind_int64(put, 7, ends);
    sqlite3_bind_int64(put, 8, POSTERN_REPORT_TRIES_MAX);
    (void)sqlite3_step(put);
    return sqlite3_finalize(put) == SQLITE_OK || postern_database_fail(work->database, error);
}

static gboolean before_end(gpointer user_data, GError **error)
{
    return set_state(user_data, POSTERN_REPORT_SENDING, 0, FALSE, error);
}

/* The addresses that may have it, owned by wanted. *ret_later: the DNS could not tell of one. */
static GPtrArray *authorized(const Work *work, const GPtrArray *wanted, gboolean *ret_later)
{
    GPtrArray *found = g_ptr_array_new();
    *ret_later = FALSE;
    for (guint i = 0; i < wanted->len; i++) {
        PosternReportAddress *address = wanted->pdata[i];
        int allowed = postern_report_authorize(work->dns, work->failure->domain, "ruf", address);
        if (allowed > 0)
            g_ptr_array_add(found, address->address);
        else if (allowed < 0)
            tell(work->failure, "%s has not agreed to get it", address->address);
        *ret_later = *ret_later || allowed == 0;
    }
    return found;
}

static PosternSubmissionResult submit(Work *work, const GPtrArray *addresses, GError **error)
{
    const PosternTallyFailure *failure = work->failure;
    const PosternConfiguration *configuration = work->run->configuration;
    g_autofree char *record =
        failure->spf_domain[0] != '\0' ? postern_report_spf_record(work->dns, failure->spf_domain) : NULL;
    g_autoptr(GString) message =
        postern_failure_mail(configuration, failure, record, addresses, work->run->now);
    const PosternSubmission submission = postern_submission_of(configuration, addresses, message);
    return postern_submit(&submission, before_end, work, error);
}

static gboolean send_report(Work *work, const GPtrArray *wanted, GError **error)
{
    g_autoptr(GError) problem = NULL;
    gboolean later = FALSE;
    g_autoptr(GPtrArray) addresses = authorized(work, wanted, &later);
    if (later) {
        tell(work->failure, "the DNS did not answer; tried again later");
        work->left = TRUE;
        return set_state(work, POSTERN_REPORT_FAILED, 1, FALSE, error);
    }
    if (addresses->len == 0)
        return set_state(work, POSTERN_REPORT_REFUSED, 1, TRUE, error);
    switch (submit(work, addresses, &problem)) {
    case POSTERN_SUBMITTED:
        tell(work->failure, "sent to %u addresses, %s first, %u messages", addresses->len,
             (const char *)addresses->pdata[0], work->failure->incidents);
        return set_state(work, POSTERN_REPORT_SENT, 1, TRUE, error);
    case POSTERN_SUBMIT_UNKNOWN:
        tell(work->failure, "may have been sent; it is not sent again: %s", problem->message);
        return set_state(work, POSTERN_REPORT_SENDING, 1, TRUE, error);
    case POSTERN_SUBMIT_REFUSED:
        tell(work->failure, "refused: %s", problem->message);
        return set_state(work, POSTERN_REPORT_REFUSED, 1, TRUE, error);
    case POSTERN_SUBMIT_LATER:
    default:
        tell(work->failure, "not sent; tried again later: %s",
             problem != NULL ? problem->message : "no reply");
        work->left = TRUE;
        return set_state(work, POSTERN_REPORT_FAILED, 1, FALSE, error);
    }
}

static gboolean report(Work *work, GError **error)
{
    g_autofree char *list = postern_dmarc_record_value(work->failure->record, "ruf");
    g_autoptr(GPtrArray) wanted =
        postern_rua_parse(list != NULL ? list : "", list != NULL ? strlen(list) : 0);
    if (work->dns != NULL)
        return send_report(work, wanted, error);
    for (guint i = 0; i < wanted->len; i++)
        tell(work->failure, "%u messages, to %s", work->failure->incidents,
             ((const PosternReportAddress *)wanted->pdata[i])->address);
    return TRUE;
}

static PosternTallyFailure *read_failure(sqlite3_stmt *row)
{
    PosternTallyFailure *failure = g_new0(PosternTallyFailure, 1);
    char **const texts[] = {&failure->domain,     &failure->cause,  &failure->record,
                            &failure->spf_domain, &failure->fields, &failure->header};
    const int first_text = 3;
    failure->day = (guint)sqlite3_column_int64(row, 0);
    failure->hour = (guint)sqlite3_column_int64(row, 1);
    failure->incidents = (guint)sqlite3_column_int64(row, 2);
    for (int i = 0; i < (int)G_N_ELEMENTS(texts); i++)
        *texts[i] = g_strdup((const char *)sqlite3_column_text(row, first_text + i));
    return failure;
}

/* The first one after last (NULL: of all) that is to be sent. *ret_found NULL: there is none. */
static gboolean next_failure(const Work *work, const PosternTallyFailure *last,
                             PosternTallyFailure **ret_found, GError **error)
{
    static const char statement[] =
        "SELECT day, hour, incidents, domain, cause, record, spf_domain, fields, header FROM failure"
        " WHERE (day, hour, domain, cause) > (?1, ?2, ?3, ?4) AND day * 24 + hour < ?5 AND day >= ?6 AND"
        " (?7 IS NULL OR domain = ?7) AND fields <> '' AND tries < ?8 AND"
        " (state = '' OR state = '" POSTERN_REPORT_FAILED "') ORDER BY day, hour, domain, cause LIMIT 1";
    gint64 hours = work->run->now / HOUR_SECONDS;
    *ret_found = NULL;
    sqlite3_stmt *query = postern_database_prepare(work->database, statement, error);
    if (query == NULL)
        return FALSE;
    sqlite3_bind_int64(query, 1, last != NULL ? last->day : 0);
    sqlite3_bind_int64(query, 2, last != NULL ? last->hour : 0);
    sqlite3_bind_text(query, 3, last != NULL ? last->domain : "", -1, SQLITE_STATIC);
    sqlite3_bind_text(query, 4, last != NULL ? last->cause : "", -1, SQLITE_STATIC);
    sqlite3_bind_int64(query, 5, hours);
    sqlite3_bind_int64(query, 6, hours / HOURS_OF_DAY - POSTERN_REPORT_DAYS_MAX);
    sqlite3_bind_text(query, 7, work->run->domain, -1, SQLITE_STATIC);
    sqlite3_bind_int64(query, 8, POSTERN_REPORT_TRIES_MAX);
    int result = sqlite3_step(query);
    if (result == SQLITE_ROW)
        *ret_found = read_failure(query);
    sqlite3_finalize(query);
    return result == SQLITE_ROW || result == SQLITE_DONE || postern_database_fail(work->database, error);
}

static gboolean report_all(Work *work, GError **error)
{
    g_autoptr(PosternTallyFailure) last = NULL;
    for (;;) {
        PosternTallyFailure *found = NULL;
        if (!next_failure(work, last, &found, error))
            return FALSE;
        postern_tally_failure_free(last);
        last = found;
        if (found == NULL)
            return TRUE;
        work->failure = found;
        if (!report(work, error))
            return FALSE;
    }
}

gboolean postern_failure_run(const PosternFailureRun *run, gboolean *ret_left, GError **error)
{
    Work work = {.run = run, .database = postern_tally_store_database(run->store)};
    int locked = run->send ? postern_report_lock(run->configuration->report.store, error) : -1;
    work.dns = locked >= 0 ? postern_report_dns_new(run->configuration, error) : NULL;
    gboolean ok = (!run->send || work.dns != NULL) && report_all(&work, error);
    postern_report_dns_free(work.dns);
    if (locked >= 0)
        (void)close(locked);
    *ret_left = work.left;
    return ok;
}
