/*
 * What a session tells of the room that its message takes (proxy/screen/transfers.h), and asks of others.
 */
#pragma once

#include "proxy/session/private.h"

/* octets of its message have come, or (0) it may take more room than before. */
void postern_session_note_room(PosternSession *session, guint64 octets, gint64 now);
/* Its message takes no room any more. */
void postern_session_forget_room(PosternTransaction *transaction);
