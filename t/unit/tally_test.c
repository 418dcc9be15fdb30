#include "tally/tally.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/limits.h"
#include "tally/dmarc.h"
#include "tally/record.h"
#include "tally/store.h"
#include "verdict/check.h"

#define DAY 20000
#define NOW ((gint64)DAY * 86400 + 60)

static gboolean add_text(PosternTallyTable table, guint day, char *const *columns, guint messages,
                         gpointer user_data)
{
    g_autofree char *joined = g_strjoinv("|", (char **)(guintptr)columns);
    g_string_append_printf(user_data, "%u %u %s %u\n", table, day, joined, messages);
    return TRUE;
}

static gboolean add_policy(guint day, const char *domain, const char *record, gpointer user_data)
{
    g_string_append_printf(user_data, "%u %s: %s\n", day, domain, record);
    return TRUE;
}

static char *text_of(const PosternTallyRows *rows)
{
    GString *text = g_string_new(NULL);
    g_assert_true(postern_tally_rows_each(rows, add_text, add_policy, text));
    return g_string_free(text, FALSE);
}

static gboolean count(PosternTallyRows *rows, guint day, const char *kind, const char *name,
                      const char *domain)
{
    const char *columns[] = {kind, name, domain};
    return postern_tally_rows_add(rows, POSTERN_TALLY_COUNT, day, columns);
}

static void test_rows(void)
{
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    g_autofree char *longest = g_strnfill(5000, 'x');
    g_assert_cmpuint(postern_tally_day(NOW), ==, DAY);
    g_assert_cmpuint(postern_tally_day(-5), ==, 0);
    for (guint i = 0; i < 3; i++)
        g_assert_true(count(rows, 7, "spf", "pass", "a\t\nb\x7f.example"));
    postern_tally_rows_set_policy(rows, 7, "d.example", "old");
    postern_tally_rows_set_policy(rows, 7, "d.example", "v=DMARC1; p=none");
    g_autofree char *text = text_of(rows);
    g_assert_cmpstr(text, ==, "1 7 spf|pass|a??b?.example 3\n7 d.example: v=DMARC1; p=none\n");
    g_assert_true(count(rows, 8, "spf", "pass", longest));
    g_autofree char *cut = text_of(rows);
    g_assert_cmpuint(strlen(cut), <, 400);
}

static void test_rows_are_bounded(void)
{
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    guint taken = 0;
    for (guint i = 0; i < POSTERN_TALLY_WAITING_MAX + 1000; i++) {
        g_autofree char *domain = g_strdup_printf("%u.example", i);
        taken += count(rows, 7, "spf", "pass", domain);
    }
    g_assert_cmpuint(taken, ==, POSTERN_TALLY_WAITING_MAX);
    g_assert_true(count(rows, 7, "spf", "pass", "5.example"));
}

typedef struct {
    PosternCase mail_case;
    PosternVerdict verdict;
    PosternPolicy *policy;
    PosternEnvelope *envelope;
    PosternFindings *findings;
    PosternDmarcAuthor *author;
    char receiver[16];
} Judged;

/* Mail of 192.0.2.1 from d.example, whose owner asks for policy. */
static void judge(Judged *judged, PosternDmarcResult result, PosternDmarcPolicy policy)
{
    *judged = (Judged){.findings = postern_findings_new()};
    judged->envelope = postern_envelope_new();
    judged->policy = postern_policy_new();
    judged->policy->checks = POSTERN_CHECKS_ALL;
    g_assert_true(postern_address_parse(&judged->envelope->client, "192.0.2.1"));
    judged->envelope->sender = g_strdup("x@Sender.Example");
    judged->author = g_new0(PosternDmarcAuthor, 1);
    judged->author->domain = g_strdup("mail.d.example");
    judged->author->record_domain = g_strdup("d.example");
    judged->author->record = g_strdup("v=DMARC1; p=reject");
    judged->author->organizational = g_strdup("d.example");
    judged->author->policy = policy;
    g_ptr_array_add(judged->findings->dmarc.authors, judged->author);
    judged->findings->dmarc.decisive = judged->author;
    judged->findings->dmarc.result = result;
    judged->verdict.disposition = "none";
    judged->mail_case = (PosternCase){.envelope = judged->envelope,
                                      .client_class = POSTERN_CLIENT_OTHER,
                                      .policy = judged->policy,
                                      .receiver = judged->receiver,
                                      .verdict = &judged->verdict};
}

static void release(Judged *judged)
{
    postern_findings_free(judged->findings);
    postern_envelope_free(judged->envelope);
    postern_policy_free(judged->policy);
}

static void assert_row(Judged *judged, const char *expected)
{
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    g_assert_true(
        postern_tally_add_dmarc(rows, 7, &judged->mail_case, judged->findings, "dmarc@ours.example"));
    g_autofree char *text = text_of(rows);
    g_autofree char *row = g_strndup(text, strcspn(text, "\n"));
    g_assert_cmpstr(row, ==, expected);
}

static void add_signature(Judged *judged, const char *domain, const char *selector, PosternDkimResult result)
{
    PosternDkimFinding *signature = postern_dkim_finding_new();
    signature->domain = g_strdup(domain);
    signature->selector = g_strdup(selector);
    signature->result = result;
    g_ptr_array_add(judged->findings->dkim.signatures, signature);
}

#define ROW(disposition, rest) "0 7 d.example|192.0.2.1|mail.d.example|sender.example|" disposition "|" rest

static void test_dispositions(void)
{
    Judged judged;
    judge(&judged, POSTERN_DMARC_FAIL, POSTERN_DMARC_POLICY_REJECT);
    judged.verdict.disposition = "reject";
    assert_row(&judged, ROW("reject", "fail|fail||||| 1"));
    judged.verdict.disposition = "quarantine";
    assert_row(&judged, ROW("quarantine", "fail|fail|local_policy|||| 1"));
    judged.mail_case.observe = TRUE;
    assert_row(&judged, ROW("none", "fail|fail|local_policy|observing only||| 1"));
    judged.mail_case.observe = FALSE;
    judged.verdict.disposition = "none";
    judged.verdict.arc_override = TRUE;
    assert_row(&judged, ROW("none", "fail|fail|trusted_forwarder|arc=pass||| 1"));
    judged.verdict.arc_override = FALSE;
    judged.author->testing = TRUE;
    judged.author->policy = POSTERN_DMARC_POLICY_QUARANTINE;
    judged.verdict.disposition = "quarantine";
    assert_row(&judged, ROW("quarantine", "fail|fail|policy_test_mode|||| 1"));
    judged.findings->dmarc.result = POSTERN_DMARC_TEMPERROR;
    assert_row(&judged, ROW("none", "fail|fail|other|temperror||| 1"));
    judged.findings->dmarc.result = POSTERN_DMARC_PASS;
    assert_row(&judged, ROW("pass", "fail|fail||||| 1"));
    judged.author->policy = POSTERN_DMARC_POLICY_NONE;
    assert_row(&judged, ROW("none", "fail|fail||||| 1"));
    release(&judged);
}

static void test_identifiers(void)
{
    Judged judged;
    judge(&judged, POSTERN_DMARC_PASS, POSTERN_DMARC_POLICY_REJECT);
    judged.findings->spf.result = POSTERN_SPF_PASS;
    judged.findings->spf.domain = g_strdup("d.example");
    add_signature(&judged, "bad.example", "s", POSTERN_DKIM_FAIL);
    add_signature(&judged, "other.example", "s2", POSTERN_DKIM_PASS);
    add_signature(&judged, "d.example", "s 3;", POSTERN_DKIM_PASS);
    add_signature(&judged, "mail.d.example", "s4", POSTERN_DKIM_PASS);
    add_signature(&judged, "skipped.example", "s5", POSTERN_DKIM_SKIPPED);
    assert_row(&judged, ROW("pass", "pass|pass|||d.example|pass|mail.d.example s4 pass;d.example s?3? pass;"
                                    "other.example s2 pass;bad.example s fail 1"));
    judged.author->strict_spf = judged.author->strict_dkim = TRUE;
    g_ptr_array_remove_index(judged.findings->dkim.signatures, 3);
    assert_row(&judged, ROW("pass", "fail|fail|||d.example|pass|d.example s?3? pass;other.example s2 pass;"
                                    "bad.example s fail 1"));
    release(&judged);
}

static void test_who_is_reported(void)
{
    static const struct {
        const char *from;
        gboolean passes, ours;
    } cases[] = {
        {"dmarc@ours.example", TRUE, TRUE},
        {"Reports <DMARC@ours.example>", TRUE, TRUE},
        {"Reports <dmarc@ours.example>", FALSE, FALSE},
        {"xdmarc@ours.example", TRUE, FALSE},
        {"<x-dmarc@ours.example>", TRUE, FALSE},
        {"dmarc@ours.example.org", TRUE, FALSE},
        {">", TRUE, FALSE},
        {"", TRUE, FALSE},
    };
    Judged judged;
    judge(&judged, POSTERN_DMARC_PASS, POSTERN_DMARC_POLICY_REJECT);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
        judged.mail_case.header_from = (char *)(guintptr)cases[i].from;
        judged.findings->dmarc.result = cases[i].passes ? POSTERN_DMARC_PASS : POSTERN_DMARC_FAIL;
        g_assert_true(
            postern_tally_add_dmarc(rows, 7, &judged.mail_case, judged.findings, "dmarc@ours.example"));
        g_assert_cmpuint(postern_tally_rows_count(rows), ==, cases[i].ours ? 0 : 1);
    }
    for (guint i = 0; i <= POSTERN_CLIENT_UNKNOWN; i++) {
        judged.mail_case.client_class = (PosternClientClass)i;
        if (i != POSTERN_CLIENT_OTHER)
            assert_row(&judged, "");
    }
    judged.mail_case.client_class = POSTERN_CLIENT_OTHER;
    judged.findings->dmarc.result = POSTERN_DMARC_NONE;
    assert_row(&judged, "");
    release(&judged);
}

static void test_records(void)
{
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    g_auto(GStrv) words = g_strsplit(
        "spf fail dkim fail:a.example,pass:b.example dmarc pass:b.example virus unscannable:encrypted", " ",
        -1);
    const PosternRecord record = {.who.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
                                  .server = "192.0.2.9:25",
                                  .findings = words,
                                  .decided = TRUE,
                                  .action = POSTERN_ACTION_ACCEPT,
                                  .would = POSTERN_ACTION_REJECT,
                                  .check = "virus"};
    g_assert_true(postern_tally_add_record(rows, 7, &record));
    g_autofree char *text = text_of(rows);
    static const char *const has[] = {"action|accept",     "would|reject", "check|virus",
                                      "spf|fail",          "dkim|pass",    "dmarc|pass",
                                      "virus|unscannable", "tls|TLSv1.3",  "server_tls|none"};
    for (gsize i = 0; i < G_N_ELEMENTS(has); i++) {
        g_autofree char *line = g_strdup_printf("1 7 %s|b.example 1\n", has[i]);
        if (strstr(text, line) == NULL)
            g_error("no %s in %s", line, text);
    }
    const PosternSessionRecord session = {.throttled = "x", .reasons = "y"};
    g_autoptr(PosternTallyRows) sessions = postern_tally_rows_new();
    g_assert_true(postern_tally_add_session(sessions, 7, &session));
    g_assert_cmpuint(postern_tally_rows_count(sessions), ==, 2);
}

static PosternTallyStore *open_store(guint max_rows)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = NULL;
    const PosternTallyStoreOptions options = {.path = ":memory:", .keep_days = 3, .max_rows = max_rows};
    PosternTallyStore *store = postern_tally_store_open(&options, &aside, &error);
    g_assert_no_error(error);
    return store;
}

static gint64 ask(PosternTallyStore *store, const char *statement)
{
    gint64 number = 0;
    g_assert_true(postern_database_number(postern_tally_store_database(store), statement, &number, NULL));
    return number;
}

/* So many different rows of a day, now that day. */
static guint add_many(PosternTallyStore *store, guint day, guint from, guint number)
{
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    g_autoptr(GError) error = NULL;
    guint lost = 0;
    for (guint i = from; i < from + number; i++) {
        g_autofree char *domain = g_strdup_printf("%u.example", i);
        g_assert_true(count(rows, day, "spf", "pass", domain));
        postern_tally_rows_set_policy(rows, day, domain, "v=DMARC1");
    }
    g_assert_true(postern_tally_store_add(store, rows, NULL, (gint64)day * 86400, &lost, &error));
    g_assert_no_error(error);
    return lost;
}

static void test_store_adds_up_and_forgets(void)
{
    g_autoptr(PosternTallyStore) store = open_store(10000);
    g_assert_cmpuint(add_many(store, DAY, 0, 10), ==, 0);
    g_assert_cmpuint(add_many(store, DAY, 5, 10), ==, 0);
    g_assert_cmpint(ask(store, "SELECT count(*) FROM count"), ==, 15);
    g_assert_cmpint(ask(store, "SELECT total(messages) FROM count"), ==, 20);
    g_assert_cmpint(ask(store, "SELECT count(*) FROM policy"), ==, 15);
    for (guint day = DAY + 1; day < DAY + 10; day++)
        g_assert_cmpuint(add_many(store, day, 0, 600), ==, 0); /* so that it counts them now and then */
    g_assert_cmpint(ask(store, "SELECT min(day) FROM count"), >=, DAY + 5);
    g_assert_cmpint(ask(store, "SELECT min(day) FROM policy"), >=, DAY + 5);
}

/* A flood of new domains has half at most; what is known is counted on, and the day before stays. */
static void test_store_is_bounded(void)
{
    g_autoptr(PosternTallyStore) store = open_store(10000);
    g_assert_cmpuint(add_many(store, DAY, 0, 3000), ==, 0);
    guint lost = 0;
    for (guint i = 0; i < 20; i++)
        lost += add_many(store, DAY + 1, i * 2000, 2000);
    g_assert_cmpuint(lost, >, 30000);
    g_assert_cmpint(ask(store, "SELECT count(*) FROM count"), <=, 10000);
    g_assert_cmpint(ask(store, "SELECT count(*) FROM count WHERE day = 20000"), ==, 3000);
    g_assert_cmpuint(add_many(store, DAY + 1, 0, 10), ==, 0);
    g_assert_cmpint(ask(store, "SELECT messages FROM count WHERE day = 20001 AND domain = '5.example'"), ==,
                    2);
    g_assert_cmpuint(add_many(store, DAY + 2, 0, 4000), ==, 0);
    g_assert_cmpint(ask(store, "SELECT count(*) FROM count"), <=, 10000);
}

static void test_thread(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "report", NULL);
    g_autofree char *text = g_strdup_printf("[report]\nstore = %s\ninterval = 1h\n", path);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", &error);
    const PosternRecord record = {.decided = TRUE};
    PosternTally *tally = postern_tally_start(configuration);
    for (guint i = 0; i < 5; i++)
        postern_tally_note_message(tally, &record);
    postern_tally_free(tally); /* writes what waits, whatever the interval is */
    g_autofree char *aside = NULL;
    const PosternTallyStoreOptions options = {
        .path = path, .keep_days = 3, .max_rows = 1000, .must_exist = TRUE};
    PosternTallyStore *store = postern_tally_store_open(&options, &aside, &error);
    g_assert_no_error(error);
    g_assert_cmpint(ask(store, "SELECT messages FROM count WHERE kind = 'action'"), ==, 5);
    postern_tally_store_free(store);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    postern_tally_note_message(NULL, &record);
    postern_tally_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tally/rows", test_rows);
    g_test_add_func("/tally/rows_are_bounded", test_rows_are_bounded);
    g_test_add_func("/tally/dispositions", test_dispositions);
    g_test_add_func("/tally/identifiers", test_identifiers);
    g_test_add_func("/tally/who_is_reported", test_who_is_reported);
    g_test_add_func("/tally/records", test_records);
    g_test_add_func("/tally/store_adds_up_and_forgets", test_store_adds_up_and_forgets);
    g_test_add_func("/tally/store_is_bounded", test_store_is_bounded);
    g_test_add_func("/tally/thread", test_thread);
    return g_test_run();
}
