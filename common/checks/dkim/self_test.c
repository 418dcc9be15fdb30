#include "checks/check.h"

#include <string.h>

#include "base/error.h"

/* RFC 8463 A.2 and A.3. */
static const struct {
    const char *name;
    const char *record;
} sample_keys[] = {
    {"brisbane._domainkey.football.example.com",
     "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
    {"test._domainkey.football.example.com",
     "v=DKIM1; k=rsa; "
     "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi"
     "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
     "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kr"
     "yOTIKT+l/K4w3QIDAQAB"},
};

static const char sample[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                             " d=football.example.com; i=@football.example.com;\r\n"
                             " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                             " subject : date : message-id : from : subject : date;\r\n"
                             " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                             " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
                             " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
                             "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                             " d=football.example.com; i=@football.example.com;\r\n"
                             " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                             " date : message-id : from : subject : date;\r\n"
                             " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                             " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
                             " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
                             " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
                             "From: Joe SixPack <joe@football.example.com>\r\n"
                             "To: Suzie Q <suzie@shopping.example.net>\r\n"
                             "Subject: Is dinner ready?\r\n"
                             "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                             "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
                             "\r\n"
                             "Hi.\r\n"
                             "\r\n"
                             "We lost the game.  Are you hungry yet?\r\n"
                             "\r\n"
                             "Joe.\r\n";

#define SAMPLE_SIGNED_AT 1528637909

static PosternAnswers *sample_answers(void)
{
    PosternAnswers *answers = postern_answers_new();
    for (gsize i = 0; i < G_N_ELEMENTS(sample_keys); i++) {
        g_autoptr(PosternQuestion) question = postern_question_new(sample_keys[i].name, POSTERN_DNS_TXT);
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
        postern_answer_add(answer, sample_keys[i].record, strlen(sample_keys[i].record));
        postern_answers_add(answers, question, answer);
    }
    return answers;
}

static gboolean expect(PosternDkimEngine *engine, const char *message, PosternDkimResult wanted,
                       GError **error)
{
    g_autoptr(PosternAnswers) answers = sample_answers();
    g_autoptr(PosternHeader) header = postern_header_parse(message, strlen(message));
    g_autoptr(PosternFindings) findings = postern_findings_new();
    postern_check_dkim(engine, message, strlen(message), header, SAMPLE_SIGNED_AT, answers, findings);
    gboolean right = findings->dkim.signatures->len == G_N_ELEMENTS(sample_keys);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        if (finding->result == wanted)
            continue;
        g_clear_error(error);
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                    "the verifier finds the %s sample of RFC 8463 %s (%s), where %s is right",
                    finding->algorithm, postern_dkim_result_name(finding->result),
                    finding->reason != NULL ? finding->reason : "no reason",
                    postern_dkim_result_name(wanted));
        right = FALSE;
    }
    return right;
}

gboolean postern_dkim_engine_self_test(PosternDkimEngine *engine, GError **error)
{
    g_autofree char *changed = g_strdup(sample);
    *strstr(changed, "hungry") = 'H';
    return expect(engine, sample, POSTERN_DKIM_PASS, error) &&
           expect(engine, changed, POSTERN_DKIM_FAIL, error);
}
