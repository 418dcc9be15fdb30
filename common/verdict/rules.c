#include "verdict/rules.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

gboolean postern_row_always(const PosternCase *facts)
{
    return TRUE;
}

gboolean postern_row_has_text(const char *text)
{
    return text && *text;
}

void postern_row_add_in_brackets(GString *text, const char *detail)
{
    if (postern_row_has_text(detail))
        g_string_append_printf(text, " (%s)", detail);
}

const PosternRow *const postern_rules_lists[] = {postern_rules_content,    postern_rules_spf,
                                                 postern_rules_dkim,       postern_rules_dmarc,
                                                 postern_rules_inspection, NULL};

PosternAction postern_row_configured_action(const PosternRow *row, const PosternCase *facts)
{
    if (row->action_offset == POSTERN_ROW_ALWAYS_REJECT)
        return POSTERN_ACTION_REJECT;
    if (row->action_offset == POSTERN_ROW_ALWAYS_TEMPFAIL)
        return POSTERN_ACTION_TEMPFAIL;
    return *(const PosternAction *)(gconstpointer)((const char *)facts->policy + row->action_offset);
}

/* What rests on an error that passes is not refused, nor lost, for good. */
static PosternAction row_action(const PosternRow *row, const PosternCase *facts)
{
    PosternAction action = postern_row_configured_action(row, facts);

    if ((action == POSTERN_ACTION_REJECT || action == POSTERN_ACTION_DISCARD) && row->is_temporary &&
        row->is_temporary(facts))
        action = POSTERN_ACTION_TEMPFAIL;
    return action;
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

static gboolean is_allowed_sender(const PosternPolicy *policy, const char *domain)
{
    g_autofree char *lower = domain ? g_ascii_strdown(domain, -1) : NULL;

    return lower && g_ptr_array_find_with_equal_func(policy->allowed_senders, lower, g_str_equal, NULL);
}

/* Never by what a message only says: From may be anybody's. */
static gboolean sender_is_allowed(const PosternCase *facts)
{
    const PosternPolicy *policy = facts->policy;
    const PosternFindings *findings = facts->findings;

    if ((policy->checks & POSTERN_CHECK_SPF) && findings->spf.result == POSTERN_SPF_PASS &&
        !findings->spf.helo && is_allowed_sender(policy, findings->spf.domain))
        return TRUE;
    for (guint i = 0; (policy->checks & POSTERN_CHECK_DKIM) && i < findings->dkim->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim, i);

        if (dkim->result == POSTERN_DKIM_PASS && is_allowed_sender(policy, dkim->domain))
            return TRUE;
    }
    return FALSE;
}

gboolean postern_case_is_suspended(const PosternCase *facts)
{
    return sender_is_allowed(facts) ||
           postern_networks_contain(facts->policy->allowed_networks, &facts->envelope->client) ||
           recipients_are_exempt(facts);
}

static void add_list(const PosternRow *rows, const PosternCase *facts, const PosternRow **deciding,
                     PosternAction *action)
{
    gboolean suspended = postern_case_is_suspended(facts);

    for (const PosternRow *row = rows; row->name; row++) {
        gboolean wanted = row->checks == 0 || (row->checks & facts->policy->checks);

        if (!wanted || (row->suspendable && suspended) || !row->applies(facts))
            continue;

        PosternAction own = row_action(row, facts);

        if (own > *action) {
            *action = own;
            *deciding = row;
        }
    }
}

const PosternRow *postern_rules_decide_list(const PosternRow *rows, const PosternCase *facts,
                                            PosternAction *ret_action)
{
    const PosternRow *deciding = NULL;

    *ret_action = POSTERN_ACTION_ACCEPT;
    add_list(rows, facts, &deciding, ret_action);
    return deciding;
}

const PosternRow *postern_rules_decide(const PosternCase *facts, PosternAction *ret_action)
{
    const PosternRow *deciding = NULL;

    *ret_action = POSTERN_ACTION_ACCEPT;
    for (gsize i = 0; postern_rules_lists[i]; i++)
        add_list(postern_rules_lists[i], facts, &deciding, ret_action);
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
    return postern_escape_for_header(g_string_free(text, FALSE));
}
