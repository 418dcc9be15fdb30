#include "verdict/rules.h"

static gboolean spf_fail_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_FAIL;
}

/* RFC 7208 5.5: what "ptr" cannot find out is no match; here it is no reason to refuse for good. */
static gboolean spf_is_uncertain(const PosternCase *facts)
{
    return facts->findings->spf.uncertain;
}

static gboolean spf_softfail_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_SOFTFAIL;
}

static gboolean spf_error_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_TEMPERROR;
}

static gboolean spf_helo_applies(const PosternCase *facts)
{
    return facts->findings->spf_helo.result == POSTERN_SPF_FAIL;
}

static gboolean spf_helo_is_uncertain(const PosternCase *facts)
{
    return facts->findings->spf_helo.uncertain;
}

static void append_who_sends_for_whom(const PosternCase *facts, const char *verb, GString *text)
{
    g_autofree char *address = postern_address_to_string(&facts->envelope->client);
    gboolean known = facts->envelope->client.family != AF_UNSPEC;
    const char *domain = facts->findings->spf.domain;

    g_string_append_printf(text, "%s %s to send mail from %s", known ? address : "client", verb,
                           postern_row_has_text(domain) ? domain : "this domain");
}

static void describe_spf_fail(const PosternCase *facts, gboolean inside, GString *text)
{
    const char *explanation = facts->findings->spf.explanation;

    g_string_append(text, "SPF check failed: ");
    if (postern_row_has_text(explanation))
        g_string_append(text, explanation);
    else
        append_who_sends_for_whom(facts, "is not allowed", text);
}

static void describe_spf_softfail(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "SPF check: softfail: ");
    append_who_sends_for_whom(facts, "is probably not allowed", text);
}

static void describe_spf_error(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "SPF check: temporary error");
    postern_row_add_in_brackets(text, facts->findings->spf.problem);
}

static void describe_spf_helo(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternSpfFinding *spf = &facts->findings->spf_helo;
    g_autofree char *address = postern_address_to_string(&facts->envelope->client);

    g_string_append(text, "SPF check of HELO failed: ");
    if (postern_row_has_text(spf->explanation))
        g_string_append(text, spf->explanation);
    else
        g_string_append_printf(text, "%s is not allowed to call itself %s", address,
                               postern_row_has_text(spf->domain) ? spf->domain : "so");
}

const PosternRow postern_rules_spf[] = {
    {"spf_fail", POSTERN_CHECK_SPF, spf_fail_applies, POSTERN_ROW_POLICY(spf_fail), TRUE, spf_is_uncertain,
     "550 5.7.23", "451 4.7.23", describe_spf_fail},
    {"spf_softfail", POSTERN_CHECK_SPF, spf_softfail_applies, POSTERN_ROW_POLICY(spf_softfail), TRUE,
     spf_is_uncertain, "550 5.7.23", "451 4.7.23", describe_spf_softfail},
    {"spf_error", POSTERN_CHECK_SPF, spf_error_applies, POSTERN_ROW_POLICY(spf_error), TRUE,
     postern_row_always, "451 4.7.24", "451 4.7.24", describe_spf_error},
    {"spf_helo", POSTERN_CHECK_SPF_HELO, spf_helo_applies, POSTERN_ROW_POLICY(spf_helo), TRUE,
     spf_helo_is_uncertain, "550 5.7.23", "451 4.7.23", describe_spf_helo},
    {NULL},
};
