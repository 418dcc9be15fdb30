/*
 * Findings for a closing line of the log: the same words at every door.
 */
#pragma once

#include "base/log.h"
#include "verdict/findings.h"

/*
 * "spf", "pass", "dkim", "pass:example.org,fail:example.net", "dmarc", "fail:example.org", "arc", "none",
 * "virus", "infected:NAME"; and "signed", DOMAIN where it got a signature of ours. The caller's
 * (g_strfreev()).
 */
char **postern_findings_words(const PosternFindings *findings);

/* Adds words, key by key; NULL adds nothing. */
void postern_findings_log(char *const *words, PosternLogLine *line);
