#include "scan/explain.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "verdict/rules.h"

static void add_line(GString *out, const char *key, const char *text, gsize maximum)
{
    g_string_append_printf(out, "    %-12s ", key);
    postern_escape_append(out, text, strlen(text), maximum);
    g_string_append_c(out, '\n');
}

static void append_address(GString *out, int family, const char *octets, gsize length)
{
    char text[INET6_ADDRSTRLEN] = "?";
    if (length == (family == AF_INET ? 4 : 16))
        (void)inet_ntop(family, octets, text, sizeof text);
    g_string_append(out, text);
}

static void append_record(GString *out, PosternDnsType type, GBytes *record)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(record, &length);
    switch (type) {
    case POSTERN_DNS_A:
        append_address(out, AF_INET, octets, length);
        break;
    case POSTERN_DNS_AAAA:
        append_address(out, AF_INET6, octets, length);
        break;
    case POSTERN_DNS_MX:
        if (length >= 2)
            g_string_append_printf(out, "%u ", (guint)(guchar)octets[0] << 8 | (guchar)octets[1]);
        g_string_append_len(out, length >= 2 ? octets + 2 : octets, (gssize)(length >= 2 ? length - 2 : 0));
        break;
    case POSTERN_DNS_TXT:
        g_string_append_c(out, '"');
        postern_escape_append(out, octets, length, POSTERN_LOG_VALUE_MAX_OCTETS);
        g_string_append_c(out, '"');
        break;
    case POSTERN_DNS_PTR:
    case POSTERN_DNS_CNAME:
    case POSTERN_DNS_SRV:
    case POSTERN_DNS_TLSA:
        g_string_append_len(out, octets, (gssize)length);
        break;
    }
}

static char *describe_source(const PosternAnswer *answer)
{
    switch (answer->source) {
    case POSTERN_ANSWER_SOURCE_NETWORK:
        return g_strdup_printf(" [network or cache, %u ms]", answer->milliseconds);
    case POSTERN_ANSWER_SOURCE_FILE:
        return g_strdup(" [file]");
    case POSTERN_ANSWER_SOURCE_CAPSULE:
        return g_strdup(" [capsule]");
    case POSTERN_ANSWER_SOURCE_UNKNOWN:
        return g_strdup("");
    }
    return g_strdup("");
}

/* Records are escaped one by one: the backslashes of that are not to be escaped again. */
static void add_answer(GString *out, const PosternQuestion *question, const PosternAnswer *answer)
{
    g_autofree char *source = describe_source(answer);
    g_string_append_printf(out, "    %-12s ", "DNS");
    postern_escape_append(out, question->name, strlen(question->name), POSTERN_LOG_VALUE_MAX_OCTETS);
    g_string_append_printf(out, " %s: ", postern_dns_type_name(question->type));
    if (answer->status != POSTERN_ANSWER_RECORDS)
        g_string_append(out, postern_answer_status_name(answer->status));
    for (guint i = 0; i < answer->records->len; i++) {
        g_string_append(out, i > 0 ? "; " : "");
        append_record(out, question->type, g_ptr_array_index(answer->records, i));
    }
    g_string_append_printf(out, "%s\n", source);
}

static void add_answers(GString *out, const PosternAnswers *answers)
{
    g_autoptr(GPtrArray) questions = postern_answers_answered(answers);
    for (guint i = 0; i < questions->len; i++) {
        const PosternQuestion *question = g_ptr_array_index(questions, i);
        add_answer(out, question, postern_answers_get(answers, question));
    }
}

/* By check: the order in which they ended is chance. */
static void add_steps(GString *out, const PosternFindings *findings)
{
    for (guint check = 1; check <= POSTERN_CHECKS_ALL; check <<= 1)
        for (guint i = 0; i < findings->steps->len; i++) {
            const PosternStep *step = g_ptr_array_index(findings->steps, i);
            if (step->check != check)
                continue;
            g_autofree char *text =
                g_strconcat(postern_check_name((PosternChecks)check), ": ", step->text, NULL);
            add_line(out, "Step", text, POSTERN_STEP_MAX_OCTETS);
        }
}

static void add_rule(const PosternRuleNote *note, gpointer user_data)
{
    GString *out = user_data;
    g_autofree char *option = note->group != NULL ? g_strdup_printf("[%s] %s = %s", note->group, note->name,
                                                                    postern_action_name(note->configured))
                                                  : g_strdup("always");
    g_autofree char *text =
        g_strdup_printf("%s: %s (%s)%s%s: %s", note->name, postern_action_name(note->action), option,
                        note->suspended ? ", not for this client, sender or these recipients" : "",
                        note->decides ? ", which decides" : "", note->text);
    add_line(out, "Policy", text, POSTERN_LOG_VALUE_MAX_OCTETS * 2);
}

char *postern_scan_explain(const PosternAnswers *answers, const PosternFindings *findings,
                           const PosternCase *mail_case)
{
    GString *out = g_string_new(NULL);
    const PosternVerdict *verdict = mail_case->verdict;
    const PosternPolicy policy = postern_case_policy(mail_case);
    PosternFacts facts = {.policy = &policy,
                          .findings = findings,
                          .envelope = postern_case_envelope(mail_case),
                          .header_unsafe = g_strcmp0(verdict->check, "header") == 0,
                          .header_problem = verdict->header_problem};
    add_answers(out, answers);
    add_steps(out, findings);
    postern_rules_explain(&facts, add_rule, out);
    if (verdict->check == NULL)
        add_line(out, "Policy", "no row asks for anything: accepted", POSTERN_LOG_VALUE_MAX_OCTETS);
    return g_string_free(out, FALSE);
}
