#include "tally/failures.h"

#include <string.h>

#include "base/limits.h"
#include "mail/envelope.h"
#include "tally/evaluation.h"
#include "tally/store.h"

#define NOW ((gint64)20000 * 86400 + 5 * 3600 + 60)

static const guint8 key[POSTERN_REDACTION_KEY_OCTETS] = "a key";

static char *redact(const char *header)
{
    g_autoptr(PosternHeader) parsed = postern_header_parse(header, strlen(header));
    return g_string_free(postern_redact_header(parsed, key), FALSE);
}

/* The letters that take the place of a local part. */
static char *letters_of(const char *local_part)
{
    g_autofree char *address = g_strconcat(local_part, "@x", NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    postern_redact_text(out, address, strlen(address), key);
    g_assert_true(g_str_has_suffix(out->str, "@x"));
    g_assert_cmpuint(out->len, ==, 18);
    return g_strndup(out->str, 16);
}

/* None of them may leave "secret" anywhere. */
static const char *const hidden[] = {
    "From: secret@d.example\r\n",
    "From: \"Mr Secret\" <secret@d.example>\r\n",
    "From: \"secret\"@d.example\r\n",
    "From: \"a\\\"secret\"@d.example\r\n",
    "From: x \"secret@d.example\r\n",
    "From: secret (secret) @ (secret) d.example\r\n",
    "From: =?utf-8?q?secret?= <x@d.example>, secret@e.example\r\n",
    "To: bounce-secret=a.example@list.example\r\n",
    "To: undisclosed secret:;\r\n",
    "Received: from a by b for <secret@c.example>; Tue, 1 Dec 2026 10:00:00 +0000\r\n",
    "Received: from a by b for secret; Tue, 1 Dec 2026 10:00:00 +0000\r\n",
    "Received: from a (Authenticated sender: secret) by b\r\n",
    "Received: from a (unknown [192.0.2.1])\r\n\t(AUTH: LOGIN secret) by b\r\n",
    "Received: from a (secret) @b by c\r\n",
    "Received: from secret%40a.example@relay by c\r\n",
    "Received: from secret%40a.example by c\r\n",
    "Return-Path: <secret@d.example>\r\n",
    "Received-SPF: pass envelope-from=\"secret@d.example\"\r\n",
    "Authentication-Results: x; auth=pass smtp.auth=secret smtp.mailfrom=secret@d.example\r\n",
    "DKIM-Signature: v=1; i=secret@d.example; z=Subject:secret|To:secret; b=x\r\n",
    "DKIM-Signature: v=1;\r\n z =From:secret;b=x\r\n",
    "Subject: secret\r\n",
    "X-Original-To: secret@here.example\r\n",
    "Delivered-To: secret\r\n",
    "Content-Type: text/plain; name=\"secret.doc\"\r\n",
    "List-Id: secret people <list.d.example>\r\n",
    "List-Unsubscribe: <mailto:leave-secret@list.example>\r\n",
};

static void test_what_is_hidden(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hidden); i++) {
        g_autofree char *header = g_strconcat(hidden[i], "\r\nsecret\r\n", NULL);
        g_autofree char *told = redact(header);
        g_autofree char *lower = g_ascii_strdown(told, -1);
        if (strstr(lower, "secret") != NULL)
            g_error("%s became %s", hidden[i], told);
    }
}

static void test_what_is_told(void)
{
    g_autofree char *a = letters_of("a"), *b = letters_of("b"), *again = letters_of("a");
    g_assert_cmpstr(a, ==, again);
    g_assert_cmpstr(a, !=, b);
    g_autofree char *told = redact("Received: from m.example (m.example [192.0.2.1])\r\n\tby n.example for "
                                   "<b@n.example>; Tue, 1 Dec 2026 10:00:00 +0000\r\n"
                                   "DKIM-Signature: v=1; d=d.example; i=a@d.example; b=abc=\r\n"
                                   "From: A Name <a@d.example>\r\nTo: b@n.example, c@o.example\r\n"
                                   "Subject: x\r\nMessage-ID: <1.2@d.example>\r\nX-Other: y\r\n\r\nbody\r\n");
    g_autofree char *c = letters_of("c");
    g_autofree char *expected =
        g_strdup_printf("Received: from m.example (m.example [192.0.2.1]) by n.example for\r\n"
                        " <%s@n.example>; Tue, 1 Dec 2026 10:00:00 +0000\r\n"
                        "DKIM-Signature: v=1; d=d.example; i=%s@d.example; b=abc=\r\n"
                        "From: <%s@d.example>\r\nTo: <%s@n.example>, <%s@o.example>\r\n"
                        "Message-ID: <1.2@d.example>\r\n",
                        b, a, a, b, c);
    g_assert_cmpstr(told, ==, expected);
    static const guint8 other_key[POSTERN_REDACTION_KEY_OCTETS] = "another";
    g_autoptr(GString) other = g_string_new(NULL);
    postern_redact_text(other, "a@x", 3, other_key);
    g_assert_false(g_str_has_prefix(other->str, a));
}

static void test_lines_can_be_sent(void)
{
    g_autoptr(GString) header = g_string_new("Received: \x01\x80\xff\rfrom\x7f ");
    for (guint i = 0; i < 20000; i++)
        g_string_append(header, i % 1000 == 0 ? " " : "x");
    for (guint i = 0; i < 500; i++)
        g_string_append(header, "\r\nTo: a@b.example");
    g_string_append(header, "\r\n\r\n");
    g_autofree char *told = redact(header->str);
    g_assert_cmpuint(strlen(told), <=, POSTERN_FAILURE_HEADER_MAX_OCTETS);
    g_auto(GStrv) lines = g_strsplit(told, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_assert_cmpuint(strlen(lines[i]), <=, 998);
        for (const char *octet = lines[i]; *octet != '\0'; octet++)
            g_assert_true(*octet >= ' ' && *octet <= '~');
    }
}

typedef struct {
    PosternCase mail_case;
    PosternVerdict verdict;
    PosternPolicy *policy;
    PosternEnvelope *envelope;
    PosternFindings *findings;
    PosternDmarcAuthor *author;
    char receiver[16], results[80];
} Judged;

/* Mail of 192.0.2.1 that fails, from d.example, whose owner publishes record. */
static void judge(Judged *judged, const char *record)
{
    *judged = (Judged){.findings = postern_findings_new()};
    judged->envelope = postern_envelope_new();
    judged->policy = postern_policy_new();
    judged->policy->checks = POSTERN_CHECKS_ALL;
    g_assert_true(postern_address_parse(&judged->envelope->client, "192.0.2.1"));
    judged->envelope->sender = g_strdup("joe@d.example");
    judged->author = g_new0(PosternDmarcAuthor, 1);
    judged->author->domain = g_strdup("d.example");
    judged->author->record_domain = g_strdup("d.example");
    judged->author->record = g_strdup(record);
    judged->author->organizational = g_strdup("d.example");
    judged->author->policy = POSTERN_DMARC_POLICY_REJECT;
    g_ptr_array_add(judged->findings->dmarc.authors, judged->author);
    judged->findings->dmarc.decisive = judged->author;
    judged->findings->dmarc.result = POSTERN_DMARC_FAIL;
    g_strlcpy(judged->results, "mx.example; spf=fail smtp.mailfrom=joe@d.example; dmarc=fail",
              sizeof judged->results);
    judged->verdict.authentication_results = judged->results;
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

static void add_signature(Judged *judged, const char *domain, PosternDkimResult result)
{
    PosternDkimFinding *signature = postern_dkim_finding_new();
    signature->domain = g_strdup(domain);
    signature->selector = g_strdup("s1");
    signature->result = result;
    g_ptr_array_add(judged->findings->dkim.signatures, signature);
}

static PosternTallyFailure *note(const Judged *judged)
{
    return postern_tally_failure_new(&judged->mail_case, judged->findings, "dmarc@ours.example", NOW);
}

/* Which report a message gives: SPF and the signature of d.example as said. */
static const struct {
    const char *record;
    PosternSpfResult spf;
    PosternDkimResult dkim;
    const char *which;
} wanted[] = {
    {"v=DMARC1; p=reject", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=reject; fo=1", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=reject; ruf=", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=reject; ruf=mailto:a@d.example", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, "dmarc"},
    {"v=DMARC1; p=reject; ruf=mailto:a@d.example", POSTERN_SPF_PASS, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=reject; ruf=mailto:a@d.example", POSTERN_SPF_FAIL, POSTERN_DKIM_PASS, NULL},
    {"v=DMARC1; p=reject; ruf=mailto:a@d.example; fo=x", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, "dmarc"},
    {"v=DMARC1; p=reject; ruf=mailto:a@d.example; psd=y", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=1", POSTERN_SPF_PASS, POSTERN_DKIM_FAIL, "dmarc"},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=1", POSTERN_SPF_PASS, POSTERN_DKIM_PASS, NULL},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=d", POSTERN_SPF_PASS, POSTERN_DKIM_FAIL, "signature"},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=D", POSTERN_SPF_FAIL, POSTERN_DKIM_PASS, NULL},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=s", POSTERN_SPF_SOFTFAIL, POSTERN_DKIM_PASS, "spf"},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=s", POSTERN_SPF_PASS, POSTERN_DKIM_FAIL, NULL},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo= d : s", POSTERN_SPF_FAIL, POSTERN_DKIM_PASS, "spf"},
    {"v=DMARC1; p=none; ruf=mailto:a@d.example; fo=0:d:s", POSTERN_SPF_FAIL, POSTERN_DKIM_FAIL, "dmarc"},
};

static void test_what_is_asked_for(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        Judged judged;
        judge(&judged, wanted[i].record);
        judged.findings->spf.result = wanted[i].spf;
        judged.findings->spf.domain = g_strdup("d.example");
        add_signature(&judged, "d.example", wanted[i].dkim);
        if (wanted[i].spf == POSTERN_SPF_PASS || wanted[i].dkim == POSTERN_DKIM_PASS)
            judged.findings->dmarc.result = POSTERN_DMARC_PASS;
        g_autoptr(PosternTallyFailure) failure = note(&judged);
        g_autofree char *which =
            failure != NULL ? g_strndup(failure->cause, strcspn(failure->cause, " ")) : NULL;
        if (g_strcmp0(which, wanted[i].which) != 0)
            g_error("%s: %s", wanted[i].record, which);
        release(&judged);
    }
}

static void test_who_is_never_told(void)
{
    Judged judged;
    judge(&judged, "v=DMARC1; p=reject; ruf=mailto:a@d.example");
    g_autoptr(PosternTallyFailure) failure = note(&judged);
    g_assert_nonnull(failure);
    judged.findings->dmarc.result = POSTERN_DMARC_TEMPERROR;
    g_assert_null(note(&judged));
    judged.findings->dmarc.result = POSTERN_DMARC_FAIL;
    judged.mail_case.client_class = POSTERN_CLIENT_OWN_NETWORK;
    g_assert_null(note(&judged));
    judged.mail_case.client_class = POSTERN_CLIENT_OTHER;
    judged.envelope->sender[0] = '\0';
    g_assert_null(note(&judged));
    release(&judged);
}

static gboolean describe(const Judged *judged, PosternTallyFailure *failure, const char *message)
{
    return postern_tally_failure_describe(failure, &judged->mail_case, judged->findings, message,
                                          strlen(message), key, NOW);
}

static void test_reports_are_not_reported(void)
{
    static const char *const messages[] = {
        "Auto-Submitted: auto-replied\r\n\r\n", "auto-submitted:\r\n auto-generated; x\r\n\r\n",
        "Content-Type: Multipart/Report; report-type=feedback-report\r\n\r\n"};
    Judged judged;
    judge(&judged, "v=DMARC1; p=reject; ruf=mailto:a@d.example");
    g_autoptr(PosternTallyFailure) failure = note(&judged);
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++)
        g_assert_false(describe(&judged, failure, messages[i]));
    g_assert_true(describe(&judged, failure, "Auto-Submitted: no\r\n\r\n"));
    release(&judged);
}

static void test_fields(void)
{
    Judged judged;
    judge(&judged, "v=DMARC1; p=reject; ruf=mailto:a@d.example");
    judged.findings->spf.result = POSTERN_SPF_FAIL;
    judged.findings->spf.domain = g_strdup("d.example");
    add_signature(&judged, "other.example", POSTERN_DKIM_FAIL);
    add_signature(&judged, "d.example", POSTERN_DKIM_FAIL);
    judged.mail_case.reply = judged.results; /* not 5xx */
    g_autoptr(PosternTallyFailure) failure = note(&judged);
    g_assert_true(describe(&judged, failure, "From: joe@d.example\r\n\r\n"));
    g_autofree char *joe = letters_of("joe");
    g_autofree char *sender = g_strdup_printf("\r\nOriginal-Mail-From: <%s@d.example>\r\n", joe);
    const char *const has[] = {
        "Feedback-Type: auth-failure\r\nVersion: 1\r\nUser-Agent: Postern/",
        "\r\nAuth-Failure: dmarc\r\n",
        "\r\nIdentity-Alignment: dkim, spf\r\n",
        "\r\nReported-Domain: d.example\r\n",
        "\r\nArrival-Date: Fri, 04 Oct 2024 05:01:00 +0000\r\n",
        "\r\nSource-IP: 192.0.2.1\r\n",
        "\r\nDelivery-Result: other\r\n",
        "\r\nDKIM-Domain: d.example\r\nDKIM-Identity: @d.example\r\nDKIM-Selector: s1\r\n",
        sender};
    for (gsize i = 0; i < G_N_ELEMENTS(has); i++)
        if (strstr(failure->fields, has[i]) == NULL)
            g_error("no %s in %s", has[i], failure->fields);
    g_assert_null(strstr(failure->fields, "joe"));
    g_assert_cmpstr(failure->spf_domain, ==, "d.example");
    g_assert_cmpuint(failure->hour, ==, 5);
    judged.findings->spf.domain[0] = 'e'; /* no longer aligned */
    g_autoptr(PosternTallyFailure) other = note(&judged);
    g_assert_cmpstr(other->spf_domain, ==, "");
    release(&judged);
}

static PosternTallyFailure *failure_of(guint number, const char *domain)
{
    PosternTallyFailure *failure = g_new0(PosternTallyFailure, 1);
    failure->day = 20000;
    failure->domain = g_strdup(domain);
    failure->cause = g_strdup_printf("dmarc %u", number);
    failure->record = g_strdup("v=DMARC1");
    failure->spf_domain = g_strdup("");
    failure->fields = g_strdup("fields");
    failure->header = g_strdup("header");
    failure->incidents = 1;
    return failure;
}

static void add(PosternTallyFailures *failures, guint number, const char *domain)
{
    PosternTallyFailure *failure = failure_of(number, domain);
    if (postern_tally_failures_count(failures, failure))
        postern_tally_failure_free(failure);
    else
        postern_tally_failures_add(failures, failure);
}

static gint64 ask(PosternTallyStore *store, const char *statement)
{
    gint64 number = 0;
    g_assert_true(postern_database_number(postern_tally_store_database(store), statement, &number, NULL));
    return number;
}

/* Few of a domain and hour, in memory and in the store, whatever there is; like ones are counted. */
static void test_bounds(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *aside = NULL;
    guint lost = 0;
    const PosternTallyStoreOptions options = {.path = ":memory:", .keep_days = 3, .max_rows = 1000};
    g_autoptr(PosternTallyStore) store = postern_tally_store_open(&options, &aside, &error);
    g_assert_no_error(error);
    g_autoptr(PosternTallyRows) rows = postern_tally_rows_new();
    for (guint round = 0; round < 2; round++) {
        g_autoptr(PosternTallyFailures) failures = postern_tally_failures_new(3);
        for (guint i = 0; i < 20; i++)
            add(failures, i + 2 * round, "d.example");
        add(failures, 2, "d.example");
        g_assert_cmpuint(postern_tally_failures_length(failures), ==, 3);
        g_assert_true(postern_tally_store_add(store, rows, failures, NOW, &lost, &error));
        g_assert_no_error(error);
    }
    g_assert_cmpint(ask(store, "SELECT count(*) FROM failure"), ==, 3);
    g_assert_cmpint(ask(store, "SELECT incidents FROM failure WHERE cause = 'dmarc 2'"), ==, 4);
    g_autoptr(PosternTallyFailures) flood = postern_tally_failures_new(3);
    for (guint i = 0; i < POSTERN_FAILURES_WAITING_MAX + 100; i++) {
        g_autofree char *domain = g_strdup_printf("%u.example", i);
        add(flood, 1, domain);
    }
    g_assert_cmpuint(postern_tally_failures_length(flood), ==, POSTERN_FAILURES_WAITING_MAX);
    g_assert_true(postern_tally_store_add(store, rows, flood, NOW, &lost, &error));
    g_assert_cmpint(ask(store, "SELECT count(*) FROM failure"), ==, 10); /* of 1000 rows */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tally/failure/what_is_hidden", test_what_is_hidden);
    g_test_add_func("/tally/failure/what_is_told", test_what_is_told);
    g_test_add_func("/tally/failure/lines_can_be_sent", test_lines_can_be_sent);
    g_test_add_func("/tally/failure/what_is_asked_for", test_what_is_asked_for);
    g_test_add_func("/tally/failure/who_is_never_told", test_who_is_never_told);
    g_test_add_func("/tally/failure/reports_are_not_reported", test_reports_are_not_reported);
    g_test_add_func("/tally/failure/fields", test_fields);
    g_test_add_func("/tally/failure/bounds", test_bounds);
    return g_test_run();
}
