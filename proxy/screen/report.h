/*
 * What an administrator asks about clients, and bids: a line of words, and text for people as the answer.
 *
 *   status                  the clients that stand out, and why
 *   explain ADDRESS [NAME]  what is known of one, and how it would be treated; NAME is its verified name, or
 *                           "-" if it has none: without it classes that have names are left out
 *   block ADDRESS SECONDS   it is turned away for so long, its connections too
 *   release ADDRESS SECONDS it is not, what it did is forgotten, and it is no suspect for so long
 *
 * SECONDS may be 0: neither holds any more.
 */
#pragma once

#include "proxy/screen/screen.h"

/* Appends the answer to request to out; FALSE: it says what is wrong with request. now: monotonic
 * milliseconds. */
gboolean postern_report(PosternClientTable *table, const PosternScreenRules *rules, const char *request,
                        gint64 now, GString *out);

/* Tells of the clients that stand out, a few, those first that an order of an administrator's is about, then
 * those with most points. */
void postern_report_each(PosternClientTable *table, gint64 now, PosternClientTold told, gpointer user_data);
