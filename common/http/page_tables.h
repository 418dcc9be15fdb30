/*
 * The parts of the status page that are tables, and how values are shown in it.
 */
#pragma once

#include "http/page.h"

/* Appends a value as people read it: 1,234; 1.5 MiB; 3 h 2 min. */
void postern_page_append_value(GString *out, PosternUnit unit, double value);
void postern_page_append_duration(GString *out, double seconds);

/* Each appends a section. */
void postern_page_append_observed(GString *out, const PosternPageFacts *facts);
void postern_page_append_refusals(GString *out, const PosternCounters *counters);
void postern_page_append_clients(GString *out, const GPtrArray *clients);
void postern_page_append_servers(GString *out, const GPtrArray *servers);
void postern_page_append_verdicts(GString *out, const PosternCounters *counters);
void postern_page_append_latencies(GString *out, const PosternCounters *counters);
