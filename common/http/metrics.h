/*
 * Metrics as Prometheus reads them (text format 0.0.4): what counters hold, and what a status says.
 */
#pragma once

#include "base/counters.h"
#include "http/status.h"

#define POSTERN_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All of it, a new string. program: its name, for postern_info. */
char *postern_metrics(const char *program, const PosternCounters *counters, const PosternStatus *status);
