/*
 * The content check alone, as the inspector runs it.
 */
#pragma once

#include "checks/check.h"

static inline void content_check(PosternContentEngine *engine, const char *octets, gsize length,
                                 PosternFindings *findings)
{
    const PosternEngines engines = {.content = engine};
    const PosternCheckRun run = {
        .engines = &engines, .octets = octets, .length = length, .findings = findings};
    g_assert_cmpuint(postern_checks_run(&run, POSTERN_CHECK_CONTENT, POSTERN_STAGE_WHOLE), ==,
                     POSTERN_CHECK_CONTENT);
}
