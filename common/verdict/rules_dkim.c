#include "verdict/rules.h"

static gboolean has_signature(const PosternCase *facts, PosternDkimResult result)
{
    const GPtrArray *dkim = facts->findings->dkim;

    for (guint i = 0; i < dkim->len; i++)
        if (((const PosternDkimFinding *)g_ptr_array_index(dkim, i))->result == result)
            return TRUE;
    return FALSE;
}

/* A signature that could not even be tried, for its key is gone or it is malformed, proves nothing: the
 * message is as one without it (RFC 6376 6.1). */
static gboolean dkim_fail_applies(const PosternCase *facts)
{
    return !has_signature(facts, POSTERN_DKIM_PASS) && has_signature(facts, POSTERN_DKIM_FAIL);
}

static gboolean dkim_error_applies(const PosternCase *facts)
{
    return !has_signature(facts, POSTERN_DKIM_PASS) && has_signature(facts, POSTERN_DKIM_TEMPERROR);
}

/* A signature whose key could not be had may be a good one. */
static gboolean some_key_is_missing(const PosternCase *facts)
{
    return has_signature(facts, POSTERN_DKIM_TEMPERROR);
}

/* The first signature with that result; there is one. */
static const PosternDkimFinding *first_signature(const PosternCase *facts, PosternDkimResult result)
{
    const GPtrArray *dkim = facts->findings->dkim;

    for (guint i = 0; i < dkim->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(dkim, i);

        if (finding->result == result)
            return finding;
    }
    return NULL;
}

static void describe_dkim_fail(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding = first_signature(facts, POSTERN_DKIM_FAIL);

    g_string_append(text, "No passing DKIM signature: ");
    if (finding && postern_row_has_text(finding->reason))
        g_string_append(text, finding->reason);
    else
        g_string_append_printf(text, "that of %s is wrong",
                               finding && postern_row_has_text(finding->domain) ? finding->domain
                                                                                : "this domain");
}

static void describe_dkim_error(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding = first_signature(facts, POSTERN_DKIM_TEMPERROR);

    g_string_append(text, "DKIM check: temporary error");
    postern_row_add_in_brackets(text, finding ? finding->reason : NULL);
}

static gboolean sign_error_applies(const PosternCase *facts)
{
    return facts->findings->signatures.problem != NULL;
}

static void describe_sign_error(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be signed");
    if (inside)
        postern_row_add_in_brackets(text, facts->findings->signatures.problem);
}

/* 451 4.4.3: RFC 3463 3.5, for RFC 7372 has none for a missing key. */
const PosternRow postern_rules_dkim[] = {
    {"dkim_fail", POSTERN_CHECK_DKIM, dkim_fail_applies, POSTERN_ROW_POLICY(dkim_fail), TRUE,
     some_key_is_missing, "550 5.7.20", "451 4.7.20", describe_dkim_fail},
    {"dkim_error", POSTERN_CHECK_DKIM, dkim_error_applies, POSTERN_ROW_POLICY(dkim_error), TRUE,
     postern_row_always, "451 4.4.3", "451 4.4.3", describe_dkim_error},
    {"sign_error", POSTERN_CHECK_SIGN, sign_error_applies, POSTERN_ROW_POLICY(sign_error), TRUE,
     postern_row_always, "451 4.3.0", "451 4.3.0", describe_sign_error},
    {NULL},
};
