/*
 * What each state of a session allows, in one table.
 */
#pragma once

#include "proxy/session/session.h"

enum {
    POSTERN_SESSION_READS_LINES = 1 << 0,      /* of commands */
    POSTERN_SESSION_READS_OCTETS = 1 << 1,     /* of a message, or dropped */
    POSTERN_SESSION_HAS_MESSAGE = 1 << 2,      /* one comes in */
    POSTERN_SESSION_WAITS_FOR_CLIENT = 1 << 3, /* client_timeout, or client_data_timeout in a message */
};

/* Appends what each state is like, a line each, with tabs between. */
void postern_session_describe_states(GString *out);
/* Whether its state has any of these traits. */
gboolean postern_session_is(const PosternSession *session, guint traits);
