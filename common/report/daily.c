#include "report/daily.h"

#include <string.h>

#include "report/dmarc_mail.h"
#include "report/mail.h"
#include "report/page.h"
#include "report/state.h"
#include "report/submission.h"

#define COLUMNS_MAX 6
#define PERCENT(kind)                                                                                        \
    "ifnull(cast(round(100.0 * total(CASE WHEN kind = '" kind "' AND name = 'pass' THEN messages END) /"     \
    " nullif(total(CASE WHEN kind = '" kind "' THEN messages END), 0)) AS INTEGER) || ' %', '-')"
#define MOST " ORDER BY 2 DESC, 1 LIMIT 30"
#define DOMAIN "CASE domain WHEN '' THEN '(none)' ELSE domain END"

/* Each a table: its title, its headings, and what selects its rows of a day. */
static const struct {
    const char *title, *headings, *query;
} tables[] = {
    {"Messages, by what was done with them", "Action|Messages",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'action' GROUP BY name" MOST},
    {"Would have been done if observing were off", "Action|Messages",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'would' GROUP BY name" MOST},
    {"Which rule decided", "Rule|Messages",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'check' GROUP BY name" MOST},
    {"Not simply accepted, by domain", "Domain|Messages|Action",
     "SELECT " DOMAIN ", sum(messages), name FROM count WHERE day = ?1 AND kind = 'action' AND"
     " name <> 'accept' GROUP BY domain, name" MOST},
    {"Viruses, and what could not be scanned, by domain", "Domain|Messages|Result",
     "SELECT " DOMAIN ", sum(messages), name FROM count WHERE day = ?1 AND kind = 'virus' AND"
     " name <> 'clean' GROUP BY domain, name" MOST},
    {"Clients slowed, and suspects", "Clients|Sessions",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'slow' GROUP BY name" MOST},
    {"Authentication that passed, by domain", "Domain|Messages|SPF|DKIM|DMARC",
     "SELECT " DOMAIN ", cast(total(CASE WHEN kind = 'tls' THEN messages END) AS INTEGER), " PERCENT(
         "spf") ", " PERCENT("dkim") ", " PERCENT("dmarc") " FROM count WHERE day = ?1 AND kind <> 'slow'"
                                                           " GROUP BY domain" MOST},
    {"TLS of the clients", "Version|Messages",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'tls' GROUP BY name" MOST},
    {"TLS to the mail servers", "Version|Messages",
     "SELECT name, sum(messages) FROM count WHERE day = ?1 AND kind = 'server_tls' GROUP BY name" MOST},
    {"Without TLS, by domain", "Domain|Messages",
     "SELECT " DOMAIN ", sum(messages) FROM count WHERE day = ?1 AND kind = 'tls' AND name = 'none'"
     " GROUP BY domain" MOST},
    {"DMARC failure reports about that day", "State|Reports|Messages",
     "SELECT CASE state WHEN '' THEN 'waiting' ELSE state END, count(*), sum(incidents) FROM failure"
     " WHERE day = ?1 GROUP BY state" MOST},
    {"DMARC reports about that day", "State|Reports",
     "SELECT state, count(*) FROM report WHERE day = ?1 AND domain <> '' GROUP BY state" MOST},
};

static char *date_of(guint day)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64)day * POSTERN_REPORT_DAY_SECONDS);
    return g_date_time_format(time, "%Y-%m-%d");
}

static gboolean add_rows(PosternReportPage *page, PosternDatabase *database, const char *query, guint day,
                         GError **error)
{
    sqlite3_stmt *rows = postern_database_prepare(database, query, error);
    int result = SQLITE_ERROR;
    if (rows == NULL)
        return FALSE;
    sqlite3_bind_int64(rows, 1, day);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *cells[COLUMNS_MAX] = {NULL};
        for (int i = 0; i < MIN(sqlite3_column_count(rows), COLUMNS_MAX); i++) {
            const char *text = (const char *)sqlite3_column_text(rows, i);
            cells[i] = text != NULL ? text : "";
        }
        postern_report_page_row(page, cells);
    }
    sqlite3_finalize(rows);
    return result == SQLITE_DONE || postern_database_fail(database, error);
}

char *postern_daily_page(PosternTallyStore *store, guint day, gboolean html, GError **error)
{
    g_autofree char *date = date_of(day);
    g_autofree char *title = g_strdup_printf("Postern, %s (UTC)", date);
    g_autoptr(PosternReportPage) page = postern_report_page_new(title, html);
    for (gsize i = 0; i < G_N_ELEMENTS(tables); i++) {
        postern_report_page_table(page, tables[i].title, tables[i].headings);
        if (!add_rows(page, postern_tally_store_database(store), tables[i].query, day, error))
            return NULL;
    }
    return postern_report_page_finish(page);
}

typedef struct {
    PosternDatabase *database;
    guint day;
} Sent;

static gboolean before_end(gpointer user_data, GError **error)
{
    const Sent *sent = user_data;
    return postern_report_set_state(sent->database, sent->day, "", POSTERN_REPORT_SENDING, 0, error);
}

static GString *make_mail(const PosternConfiguration *configuration, PosternTallyStore *store, guint day,
                          const GPtrArray *to, GError **error)
{
    g_autofree char *text = postern_daily_page(store, day, FALSE, error);
    g_autofree char *html = text != NULL ? postern_daily_page(store, day, TRUE, error) : NULL;
    if (html == NULL)
        return NULL;
    const char *domain = strrchr(configuration->report.email, '@') + 1;
    g_autofree char *date = date_of(day);
    g_autofree char *subject = g_strdup_printf("Mail of %s", date);
    g_autofree char *id = g_strdup_printf("%s_daily@%s", date, domain);
    g_autofree char *name = g_strdup_printf("postern-%s.html", date);
    const PosternReportPart part = {
        .type = "text/html; charset=utf-8", .name = name, .octets = html, .length = strlen(html)};
    const PosternReportMail mail = {.from = configuration->report.email,
                                    .name = "Postern",
                                    .to = to,
                                    .subject = subject,
                                    .message_id = id,
                                    .text = text,
                                    .parts = &part,
                                    .count = 1,
                                    .now = g_get_real_time() / G_USEC_PER_SEC};
    return postern_report_mail(&mail);
}

gboolean postern_daily_send(const PosternConfiguration *configuration, PosternTallyStore *store, guint day,
                            const char *to, gboolean again, gboolean *ret_left, GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GPtrArray) recipients = g_ptr_array_new();
    Sent sent = {.database = postern_tally_store_database(store), .day = day};
    gboolean due = TRUE;
    *ret_left = FALSE;
    if (!postern_report_is_due(sent.database, day, "", &due, error))
        return FALSE;
    if (!due && !again)
        return TRUE;
    g_ptr_array_add(recipients, (gpointer)(guintptr)to);
    g_autoptr(GString) message = make_mail(configuration, store, day, recipients, error);
    if (message == NULL)
        return FALSE;
    const PosternSubmission submission = postern_submission_of(configuration, recipients, message);
    PosternSubmissionResult result = postern_submit(&submission, before_end, &sent, &problem);
    *ret_left = result == POSTERN_SUBMIT_LATER;
    if (result == POSTERN_SUBMITTED) {
        g_print("summary sent to %s\n", to);
        return postern_report_set_state(sent.database, day, "", POSTERN_REPORT_SENT, 1, error);
    }
    g_print("summary not sent to %s: %s\n", to, problem->message);
    return result == POSTERN_SUBMIT_UNKNOWN ||
           postern_report_set_state(sent.database, day, "",
                                    *ret_left ? POSTERN_REPORT_FAILED : POSTERN_REPORT_REFUSED, 1, error);
}
