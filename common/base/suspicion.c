#include "base/suspicion.h"

#include <string.h>

#include "base/limits.h"

const PosternSuspicion postern_suspicions[POSTERN_REASONS] = {
    [POSTERN_REASON_EARLY_TALKER] = {"early_talker", 6, TRUE, "spoke before its greeting", TRUE},
    [POSTERN_REASON_EARLY_DATA] = {"early_data", 2, TRUE, "sent a message before it was asked to", TRUE},
    [POSTERN_REASON_PIPELINING] = {"pipelining", 3, TRUE, "sent commands ahead that it may not send so",
                                   TRUE},
    [POSTERN_REASON_HELO_OURS] = {"helo_ours", 6, TRUE, "called itself by our name or address", TRUE},
    [POSTERN_REASON_HELO_LITERAL] = {"helo_literal", 3, FALSE, "gave an address that it does not have"},
    [POSTERN_REASON_NO_NAME] = {"no_name", 1, FALSE, "has an address without a name"},
    [POSTERN_REASON_LISTED] = {"listed", 1, FALSE, "is on DNS lists: times their weight"},
    [POSTERN_REASON_REFUSED_RECIPIENT] = {"refused_recipient", 1, TRUE,
                                          "wrote to refused recipients, more than twice"},
    [POSTERN_REASON_ERROR] = {"error", 1, TRUE, "made a mistake in a command"},
    [POSTERN_REASON_AUTH_FAILURE] = {"auth_failure", 2, TRUE, "failed to log in"},
    [POSTERN_REASON_REFUSED_MESSAGE] = {"refused_message", 3, TRUE, "sent a message that was refused", TRUE},
    [POSTERN_REASON_TIMEOUT] = {"timeout", 1, TRUE, "fell silent in the middle of a message"},
    [POSTERN_REASON_OVER_LIMIT] = {"over_limit", 2, TRUE, "was over a limit of its class"},
    [POSTERN_REASON_BLOCKED] = {"blocked", POSTERN_POINTS_MAX, FALSE, "is blocked by the administrator"},
};

gboolean postern_suspicion_parse(const char *text, PosternReason *ret_reason, guint *ret_points)
{
    const char *equals = strchr(text, '=');
    guint64 points = 0;
    if (equals == NULL || !g_ascii_string_to_unsigned(equals + 1, 10, 0, POSTERN_POINTS_MAX, &points, NULL))
        return FALSE;
    for (guint i = 0; i < POSTERN_REASONS; i++) {
        const char *name = postern_suspicions[i].name;
        if (strlen(name) != (gsize)(equals - text) || strncmp(name, text, strlen(name)) != 0)
            continue;
        *ret_reason = i;
        *ret_points = (guint)points;
        return TRUE;
    }
    return FALSE;
}

char *postern_suspicion_names(guint mask)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < POSTERN_REASONS; i++)
        if ((mask & 1U << i) != 0)
            g_string_append_printf(names, "%s%s", names->len > 0 ? "," : "", postern_suspicions[i].name);
    return g_string_free(names, FALSE);
}
