#include "proxy/session/states.h"

#include "proxy/session/private.h"

static const struct {
    const char *name;
    guint traits;
} states[] = {
    [POSTERN_SESSION_COMMAND] = {"command", POSTERN_SESSION_READS_LINES | POSTERN_SESSION_WAITS_FOR_CLIENT},
    [POSTERN_SESSION_STARTING_TLS] = {"starting TLS", POSTERN_SESSION_WAITS_FOR_CLIENT},
    [POSTERN_SESSION_AUTHENTICATING] = {"authenticating", 0},
    [POSTERN_SESSION_ASKING] = {"asking", 0},
    [POSTERN_SESSION_DATA] = {"data", POSTERN_SESSION_READS_OCTETS | POSTERN_SESSION_HAS_MESSAGE |
                                          POSTERN_SESSION_WAITS_FOR_CLIENT},
    [POSTERN_SESSION_CHUNK] = {"chunk", POSTERN_SESSION_READS_OCTETS | POSTERN_SESSION_HAS_MESSAGE |
                                            POSTERN_SESSION_WAITS_FOR_CLIENT},
    [POSTERN_SESSION_BETWEEN_CHUNKS] = {"between chunks", POSTERN_SESSION_READS_LINES |
                                                              POSTERN_SESSION_HAS_MESSAGE |
                                                              POSTERN_SESSION_WAITS_FOR_CLIENT},
    [POSTERN_SESSION_INSPECTING] = {"inspecting", 0},
    [POSTERN_SESSION_DELIVERING] = {"delivering", 0},
    [POSTERN_SESSION_CLOSING] = {"closing", 0},
    [POSTERN_SESSION_PARKED] = {"parked", 0},
};

gboolean postern_session_is(const PosternSession *session, guint traits)
{
    return (states[session->state].traits & traits) != 0;
}

void postern_session_describe_states(GString *out)
{
    static const char *const names[] = {"lines", "octets", "message", "client"};
    for (gsize i = 0; i < POSTERN_SESSION_PARKED; i++) {
        g_string_append(out, states[i].name);
        for (gsize j = 0; j < G_N_ELEMENTS(names); j++)
            g_string_append_printf(out, "\t%s", (states[i].traits >> j & 1) != 0 ? names[j] : "-");
        g_string_append_c(out, '\n');
    }
}

const char *postern_session_state_name(PosternSessionState state)
{
    return states[state].name;
}

void postern_session_place_states(PosternProxySettings *settings)
{
    for (guint i = 0; i < POSTERN_STATES_COUNTED; i++)
        settings->state_places[i] =
            postern_counters_place(settings->counters, "session_states", states[i].name);
}

void postern_session_count_state(const PosternProxySettings *settings, PosternSessionState state, int change)
{
    postern_counters_add_at(settings->counters, settings->state_places[state], (guint64)(gint64)change);
}
