/*
 * Capsules of messages, where [capsule] wants them.
 */
#pragma once

#include "milter/outcome.h"

/* Keeps session's message, which is at its end, by judgement; returns at once. */
void postern_milter_capture(const PosternMilterSession *session, const PosternMilterOutcome *outcome);
