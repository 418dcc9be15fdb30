/*
 * The status page: one HTML document with its style and script inside, complete without the script, which
 * adds a live chart and brings the page up to date. All untrusted text in it is escaped.
 */
#pragma once

#include "http/history.h"
#include "http/status.h"

typedef struct {
    const char *program;
    gint64 started; /* microseconds since 1970 */
    const PosternCounters *counters;
    const PosternStatus *status;
    const PosternHistory *history;
} PosternPageFacts;

/* The document, a new string. */
char *postern_page(const PosternPageFacts *facts);
/* What its script draws: a JSON object of numbers; a new string. */
char *postern_page_json(const PosternPageFacts *facts);
/* The Content-Security-Policy for it: nothing but that style and script, and nothing from elsewhere; a new
 * string. */
char *postern_page_policy(void);

/* Appends text, which may be untrusted, as HTML: at most limit characters, nothing that changes the
 * direction of what stands beside it, nothing invisible. */
void postern_page_append_text(GString *out, const char *text, gsize limit);
