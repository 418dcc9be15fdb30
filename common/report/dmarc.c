#include "report/dmarc.h"

#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "checks/dmarc/record.h"
#include "report/authorization.h"
#include "report/dmarc_mail.h"
#include "report/state.h"
#include "report/submission.h"

typedef struct {
    const PosternDmarcRun *run;
    PosternDatabase *database;
    PosternReportDns *dns;
    gboolean left;
} Work;

static gboolean set_state(PosternDatabase *database, const PosternDmarcReport *report, const char *state,
                          guint tried, GError **error)
{
    return postern_report_set_state(database, report->day, report->domain, state, tried, error);
}

static gboolean before_end(gpointer user_data, GError **error)
{
    gpointer *both = user_data;
    const Work *work = both[0];
    return set_state(work->database, both[1], POSTERN_REPORT_SENDING, 0, error);
}

static void tell(const PosternDmarcReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void tell(const PosternDmarcReport *report, const char *format, ...)
{
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_utc((gint64)report->day * POSTERN_REPORT_DAY_SECONDS);
    g_autofree char *date = g_date_time_format(time, "%Y-%m-%d");
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_print("%s %s: %s\n", date, report->domain, text);
}

/* The addresses that may have it, of const char *, owned by wanted. *ret_later: the DNS could not tell of
 * one. */
static GPtrArray *authorized(Work *work, const PosternDmarcReport *report, const GPtrArray *wanted,
                             gboolean *ret_later)
{
    GPtrArray *found = g_ptr_array_new();
    *ret_later = FALSE;
    for (guint i = 0; i < wanted->len; i++) {
        PosternReportAddress *address = wanted->pdata[i];
        int allowed = postern_report_authorize(work->dns, report->domain, "rua", address);
        if (allowed < 0)
            tell(report, "%s has not agreed to get it (no %s._report._dmarc.%s)", address->address,
                 report->domain, postern_report_address_domain(address));
        else if (allowed > 0 && address->octets_max > 0 && report->octets->len > address->octets_max)
            tell(report, "it is too large for %s", address->address);
        else if (allowed > 0)
            g_ptr_array_add(found, address->address);
        *ret_later = *ret_later || allowed == 0;
    }
    return found;
}

static PosternSubmissionResult submit(Work *work, PosternDmarcReport *report, const GPtrArray *addresses,
                                      GError **error)
{
    g_autoptr(GString) message =
        postern_dmarc_report_mail(report, addresses, g_get_real_time() / G_USEC_PER_SEC);
    const PosternSubmission submission = postern_submission_of(work->run->configuration, addresses, message);
    gpointer both[] = {work, report};
    return postern_submit(&submission, before_end, both, error);
}

static gboolean send_report(Work *work, PosternDmarcReport *report, const GPtrArray *wanted, GError **error)
{
    g_autoptr(GError) problem = NULL;
    gboolean later = FALSE;
    g_autoptr(GPtrArray) addresses = authorized(work, report, wanted, &later);
    if (later || addresses->len == 0) {
        if (later)
            tell(report, "the DNS did not answer; tried again later");
        work->left = work->left || later;
        return set_state(work->database, report, later ? POSTERN_REPORT_FAILED : POSTERN_REPORT_REFUSED, 1,
                         error);
    }
    switch (submit(work, report, addresses, &problem)) {
    case POSTERN_SUBMITTED:
        tell(report, "sent to %u addresses, %s first, %" G_GUINT64_FORMAT " messages", addresses->len,
             (const char *)addresses->pdata[0], report->messages);
        return set_state(work->database, report, POSTERN_REPORT_SENT, 1, error);
    case POSTERN_SUBMIT_UNKNOWN:
        tell(report, "may have been sent; it is not sent again: %s", problem->message);
        return TRUE;
    case POSTERN_SUBMIT_REFUSED:
        tell(report, "refused: %s", problem->message);
        return set_state(work->database, report, POSTERN_REPORT_REFUSED, 1, error);
    case POSTERN_SUBMIT_LATER:
    default:
        tell(report, "not sent; tried again later: %s", problem != NULL ? problem->message : "no reply");
        work->left = TRUE;
        return set_state(work->database, report, POSTERN_REPORT_FAILED, 1, error);
    }
}

static gboolean write_file(const Work *work, const PosternDmarcReport *report, GError **error)
{
    g_autofree char *path = g_build_filename(work->run->output, report->file_name, NULL);
    if (!g_file_set_contents(path, (const char *)report->octets->data, (gssize)report->octets->len, error))
        return FALSE;
    tell(report, "%s", path);
    return TRUE;
}

static gboolean report_domain(Work *work, guint day, const char *domain, const char *record, GError **error)
{
    g_autoptr(PosternDmarcReport) report =
        postern_dmarc_report_new(work->run->configuration, day, domain, record);
    g_autofree char *list = postern_dmarc_record_value(record, "rua");
    g_autoptr(GPtrArray) wanted =
        postern_rua_parse(list != NULL ? list : "", list != NULL ? strlen(list) : 0);
    if (work->run->output == NULL && wanted->len == 0)
        return TRUE;
    if (!postern_dmarc_report_make(report, work->database, error))
        return FALSE;
    if (report->messages == 0) /* its rows were pruned, or found no room */
        return TRUE;
    if (work->run->output != NULL)
        return write_file(work, report, error);
    if (work->run->send)
        return send_report(work, report, wanted, error);
    for (guint i = 0; i < wanted->len; i++)
        tell(report, "%" G_GUINT64_FORMAT " messages, to %s", report->messages,
             ((const PosternReportAddress *)wanted->pdata[i])->address);
    return TRUE;
}

/* DOMAIN, RECORD, DOMAIN, RECORD … of a day; with sending those alone whose report is still to be sent. */
static GPtrArray *list_domains(const Work *work, guint day, GError **error)
{
    static const char statement[] =
        "SELECT domain, record FROM policy WHERE day = ?1 AND (?2 IS NULL OR domain = ?2) AND (?3 = 0 OR"
        " NOT EXISTS (SELECT 1 FROM report WHERE report.day = policy.day AND"
        " report.domain = policy.domain AND NOT (state = '" POSTERN_REPORT_FAILED "' AND tries < ?4)))";
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    sqlite3_stmt *query = postern_database_prepare(work->database, statement, error);
    int result = SQLITE_ERROR;
    if (query == NULL)
        return NULL;
    sqlite3_bind_int64(query, 1, day);
    sqlite3_bind_text(query, 2, work->run->domain, -1, SQLITE_STATIC);
    sqlite3_bind_int64(query, 3, work->run->send);
    sqlite3_bind_int64(query, 4, POSTERN_REPORT_TRIES_MAX);
    while ((result = sqlite3_step(query)) == SQLITE_ROW)
        for (int i = 0; i < 2; i++)
            g_ptr_array_add(found, g_strdup((const char *)sqlite3_column_text(query, i)));
    sqlite3_finalize(query);
    if (result == SQLITE_DONE)
        return g_steal_pointer(&found);
    (void)postern_database_fail(work->database, error);
    return NULL;
}

static gboolean report_day(Work *work, guint day, GError **error)
{
    g_autoptr(GPtrArray) domains = list_domains(work, day, error);
    if (domains == NULL)
        return FALSE;
    for (guint i = 0; i + 1 < domains->len; i += 2)
        if (!report_domain(work, day, domains->pdata[i], domains->pdata[i + 1], error))
            return FALSE;
    return TRUE;
}

static gboolean report_days(Work *work, GError **error)
{
    const PosternDmarcRun *run = work->run;
    if (run->day > 0)
        return report_day(work, run->day, error);
    for (guint days = POSTERN_REPORT_DAYS_MAX; days > 0; days--)
        if (!report_day(work, run->today - days, error))
            return FALSE;
    return TRUE;
}

gboolean postern_dmarc_run(const PosternDmarcRun *run, gboolean *ret_left, GError **error)
{
    Work work = {.run = run, .database = postern_tally_store_database(run->store)};
    gboolean sends = run->send && run->output == NULL;
    int locked = sends ? postern_report_lock(run->configuration->report.store, error) : -1;
    work.dns = sends && locked >= 0 ? postern_report_dns_new(run->configuration, error) : NULL;
    gboolean ok = (!sends || work.dns != NULL) && report_days(&work, error);
    postern_report_dns_free(work.dns);
    if (locked >= 0)
        (void)close(locked);
    *ret_left = work.left;
    return ok;
}
