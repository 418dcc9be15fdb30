#include "judge/rows.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

#define ALWAYS_REJECT (-1)
#define POLICY(member) ((gssize)G_STRUCT_OFFSET(PosternPolicy, member))

static gboolean has_signature(const PosternCase *facts, PosternDkimResult result)
{
    const GPtrArray *dkim = facts->findings->dkim;

    for (guint i = 0; i < dkim->len; i++)
        if (((const PosternDkimFinding *)g_ptr_array_index(dkim, i))->result == result)
            return TRUE;
    return FALSE;
}

static gboolean virus_applies(const PosternCase *facts)
{
    return facts->findings->virus.result == POSTERN_VIRUS_INFECTED;
}

static gboolean unscannable_applies(const PosternCase *facts)
{
    PosternVirusResult result = facts->findings->virus.result;
    gboolean not_done = result == POSTERN_VIRUS_NOT_CHECKED || result == POSTERN_VIRUS_ERROR;

    return result == POSTERN_VIRUS_UNSCANNABLE || (not_done && facts->virus_required);
}

/* Our own trouble passes: it never makes a permanent refusal. */
static gboolean scan_was_not_done(const PosternCase *facts)
{
    return facts->findings->virus.result != POSTERN_VIRUS_UNSCANNABLE;
}

static gboolean header_applies(const PosternCase *facts)
{
    return facts->header_unsafe;
}

static gboolean spf_fail_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_FAIL;
}

static gboolean spf_softfail_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_SOFTFAIL;
}

static gboolean spf_error_applies(const PosternCase *facts)
{
    return facts->findings->spf.result == POSTERN_SPF_TEMPERROR;
}

static gboolean dkim_fail_applies(const PosternCase *facts)
{
    return !has_signature(facts, POSTERN_DKIM_PASS) &&
           (has_signature(facts, POSTERN_DKIM_FAIL) || has_signature(facts, POSTERN_DKIM_PERMERROR));
}

static gboolean dkim_error_applies(const PosternCase *facts)
{
    return !has_signature(facts, POSTERN_DKIM_PASS) && has_signature(facts, POSTERN_DKIM_TEMPERROR);
}

static gboolean always(const PosternCase *facts)
{
    return TRUE;
}

/* A signature whose key could not be had may be a good one. */
static gboolean some_key_is_missing(const PosternCase *facts)
{
    return has_signature(facts, POSTERN_DKIM_TEMPERROR);
}

static gboolean has_text(const char *text)
{
    return text && *text;
}

static void add_in_brackets(GString *text, const char *detail)
{
    if (has_text(detail))
        g_string_append_printf(text, " (%s)", detail);
}

static void describe_virus(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: virus found");
    add_in_brackets(text, facts->findings->virus.name);
}

static void describe_unscannable(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be scanned for viruses");
    if (inside)
        add_in_brackets(text, facts->findings->virus.reason);
}

static void describe_header(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: header has too many fields, or is too large");
}

static void append_who_sends_for_whom(const PosternCase *facts, const char *verb, GString *text)
{
    g_autofree char *address = postern_address_to_string(&facts->envelope->client);
    gboolean known = facts->envelope->client.family != AF_UNSPEC;
    const char *domain = facts->findings->spf.domain;

    g_string_append_printf(text, "%s %s to send mail from %s", known ? address : "client", verb,
                           has_text(domain) ? domain : "this domain");
}

static void describe_spf_fail(const PosternCase *facts, gboolean inside, GString *text)
{
    const char *explanation = facts->findings->spf.explanation;

    g_string_append(text, "SPF check failed: ");
    if (has_text(explanation))
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
    add_in_brackets(text, facts->findings->spf.problem);
}

/* The first signature with one of two results; there is one. */
static const PosternDkimFinding *first_signature(const PosternCase *facts, PosternDkimResult one,
                                                 PosternDkimResult other)
{
    const GPtrArray *dkim = facts->findings->dkim;

    for (guint i = 0; i < dkim->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(dkim, i);

        if (finding->result == one || finding->result == other)
            return finding;
    }
    return NULL;
}

static void describe_dkim_fail(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding = first_signature(facts, POSTERN_DKIM_FAIL, POSTERN_DKIM_PERMERROR);

    g_string_append(text, "No passing DKIM signature: ");
    if (finding && has_text(finding->reason))
        g_string_append(text, finding->reason);
    else
        g_string_append_printf(text, "that of %s is wrong",
                               finding && has_text(finding->domain) ? finding->domain : "this domain");
}

static void describe_dkim_error(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding =
        first_signature(facts, POSTERN_DKIM_TEMPERROR, POSTERN_DKIM_TEMPERROR);

    g_string_append(text, "DKIM check: temporary error");
    add_in_brackets(text, finding ? finding->reason : NULL);
}

/* Of equal actions the first row wins. 451 4.4.3: RFC 3463 3.5, for RFC 7372 has none for a missing key. */
static const PosternRow rows[] = {
    {"virus", virus_applies, POLICY(virus), FALSE, NULL, "550 5.7.1", "451 4.7.1", describe_virus},
    {"unscannable", unscannable_applies, POLICY(unscannable), FALSE, scan_was_not_done, "550 5.7.1",
     "451 4.7.1", describe_unscannable},
    {"header", header_applies, ALWAYS_REJECT, FALSE, NULL, "550 5.7.1", "451 4.7.1", describe_header},
    {"spf_fail", spf_fail_applies, POLICY(spf_fail), TRUE, NULL, "550 5.7.23", "451 4.7.23",
     describe_spf_fail},
    {"spf_softfail", spf_softfail_applies, POLICY(spf_softfail), TRUE, NULL, "550 5.7.23", "451 4.7.23",
     describe_spf_softfail},
    {"spf_error", spf_error_applies, POLICY(spf_error), TRUE, always, "451 4.7.24", "451 4.7.24",
     describe_spf_error},
    {"dkim_fail", dkim_fail_applies, POLICY(dkim_fail), TRUE, some_key_is_missing, "550 5.7.20", "451 4.7.20",
     describe_dkim_fail},
    {"dkim_error", dkim_error_applies, POLICY(dkim_error), TRUE, always, "451 4.4.3", "451 4.4.3",
     describe_dkim_error},
};

static PosternAction row_action(const PosternRow *row, const PosternCase *facts)
{
    PosternAction action = POSTERN_ACTION_REJECT;

    if (row->action_offset != ALWAYS_REJECT)
        action = *(const PosternAction *)(gconstpointer)((const char *)facts->policy + row->action_offset);
    if (action == POSTERN_ACTION_REJECT && row->is_temporary && row->is_temporary(facts))
        action = POSTERN_ACTION_TEMPFAIL;
    return action;
}

static gboolean client_is_allowed(const PosternCase *facts)
{
    const GArray *networks = facts->policy->allowed_networks;

    for (guint i = 0; i < networks->len; i++) {
        const PosternNetwork *network = &g_array_index(networks, PosternNetwork, i);

        if (postern_address_in_network(&facts->envelope->client, &network->address, network->bits))
            return TRUE;
    }
    return FALSE;
}

static gboolean recipient_is_exempt(const PosternPolicy *policy, const char *recipient)
{
    const char *at = strrchr(recipient, '@');
    g_autofree char *local_part = g_ascii_strdown(recipient, at ? at - recipient : -1);

    return g_ptr_array_find_with_equal_func(policy->exempt_recipients, local_part, g_str_equal, NULL);
}

static gboolean recipients_are_exempt(const PosternCase *facts)
{
    const GPtrArray *recipients = facts->envelope->recipients;

    for (guint i = 0; i < recipients->len; i++)
        if (!recipient_is_exempt(facts->policy, g_ptr_array_index(recipients, i)))
            return FALSE;
    return recipients->len > 0;
}

const PosternRow *postern_rows_decide(const PosternCase *facts, PosternAction *ret_action)
{
    gboolean suspended = client_is_allowed(facts) || recipients_are_exempt(facts);
    const PosternRow *deciding = NULL;

    *ret_action = POSTERN_ACTION_ACCEPT;
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((rows[i].suspendable && suspended) || !rows[i].applies(facts))
            continue;

        PosternAction action = row_action(&rows[i], facts);

        if (action > *ret_action) {
            *ret_action = action;
            deciding = &rows[i];
        }
    }
    return deciding;
}

char *postern_row_reply(const PosternRow *row, const PosternCase *facts, PosternAction action)
{
    gboolean delayed = action == POSTERN_ACTION_TEMPFAIL;
    const char *end = delayed ? ", try again later" : "";

    if (!delayed && action != POSTERN_ACTION_REJECT)
        return NULL;

    GString *text = g_string_new(delayed ? row->delayed : row->refused);

    g_string_append_c(text, ' ');
    row->describe(facts, FALSE, text);
    g_string_truncate(text, MIN(text->len, POSTERN_REFUSAL_MAX_OCTETS - strlen(end)));
    g_string_append(text, end);
    return postern_escape_for_reply(g_string_free(text, FALSE));
}

char *postern_row_quarantine(const PosternRow *row, const PosternCase *facts)
{
    GString *text = g_string_new(row->name);

    g_string_append(text, ": ");
    row->describe(facts, TRUE, text);
    g_string_truncate(text, MIN(text->len, (gsize)POSTERN_REFUSAL_MAX_OCTETS));
    return postern_escape_for_reply(g_string_free(text, FALSE));
}
