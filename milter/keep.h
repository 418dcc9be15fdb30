/*
 * Capsules of messages, where [capsule] wants them.
 */
#pragma once

#include "milter/judgement.h"

/* Keeps session's message, which is at its end, by judgement; returns at once. */
void postern_milter_keep(const PosternMilterSession *session, const PosternMilterJudgement *judgement);
