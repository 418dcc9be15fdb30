/* Findings that nobody vouches for: what is taken goes out and comes back the same, and all that is made of
 * findings can be made of these. */
#include <string.h>

#include "verdict/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GByteArray *encode(const PosternFindings *findings)
{
    GByteArray *octets = g_byte_array_new();
    postern_findings_encode(findings, octets);
    return octets;
}

static void begin(gpointer depth, const char *name, gboolean list)
{
    ++*(guint *)depth;
}

static void end(gpointer depth, gboolean list)
{
    --*(guint *)depth;
}

static void tell_text(gpointer depth, const char *name, const char *text)
{
    g_assert(name != NULL && (text == NULL || strstr(text, "(null)") == NULL));
}

static void tell_number(gpointer depth, const char *name, gint64 number)
{
    g_assert(name != NULL);
}

static void tell_boolean(gpointer depth, const char *name, gboolean value)
{
    g_assert(name != NULL && (value == FALSE || value == TRUE));
}

static void judge(const PosternFindings *findings)
{
    g_autoptr(PosternPolicy) policy = postern_policy_new();
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    guint depth = 0;
    const PosternJson json = {begin, end, tell_text, tell_number, tell_boolean, &depth};
    policy->checks = POSTERN_CHECKS_ALL;
    policy->received_spf = TRUE;
    g_ptr_array_add(policy->trusted_sealers, g_strdup("a.example"));
    g_ptr_array_add(policy->allowed_senders, g_strdup("a.example"));

    g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);

    /* What was not scanned, or not found clean, does not pass as if it were. */
    if (findings->virus.result == POSTERN_VIRUS_NOT_CHECKED || findings->virus.result == POSTERN_VIRUS_ERROR)
        g_assert(verdict->action == POSTERN_ACTION_TEMPFAIL || verdict->action == POSTERN_ACTION_REJECT);
    if (findings->virus.result == POSTERN_VIRUS_INFECTED)
        g_assert(verdict->action == POSTERN_ACTION_REJECT);
    postern_checks_lines(findings, verdict, tell_text, &depth);
    postern_checks_json(findings, verdict, &json);
    postern_checks_counts(findings, tell_text, &depth);
    g_assert(depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternFindings) first = postern_findings_decode(data, size, &error);

    g_assert(!first == !!error);
    if (!first || memmem(data, size, "(null)", strlen("(null)")) != NULL)
        return 0;

    g_autoptr(GByteArray) once = encode(first);
    g_autoptr(PosternFindings) second = postern_findings_decode(once->data, once->len, &error);

    g_assert(second && !error);

    g_autoptr(GByteArray) twice = encode(second);

    g_assert(once->len == twice->len && memcmp(once->data, twice->data, once->len) == 0);
    postern_findings_conclude(second);
    g_strfreev(postern_findings_words(second));
    judge(second);
    return 0;
}
