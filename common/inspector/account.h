/*
 * What the pool remembers of a client whose mail is inspected: how much processor time it took lately, and
 * how often it cost a worker. Pure; times are monotonic microseconds.
 */
#pragma once

#include "inspector/crashes.h"
#include "inspector_client/packet.h"

#define POSTERN_USAGE_SLICES 12

/* A sum over sliding time. */
typedef struct {
    gint64 newest; /* the number of its newest slice */
    gint64 microseconds[POSTERN_USAGE_SLICES];
} PosternUsage;

/* Adds microseconds that were used until now. */
void postern_usage_add(PosternUsage *usage, gint64 microseconds, gint64 now);
/* The sum over the last POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS. */
gint64 postern_usage_sum(const PosternUsage *usage, gint64 now);

typedef struct {
    guint user;     /* whose program asks */
    guint64 client; /* whose mail it is, as that program says: postern_address_client_number() */
} PosternAccountKey;

typedef struct {
    PosternAccountKey key;
    PosternCrashes crashes; /* workers lost to it: crashes, and scans over their time */
    gint64 paused_until;    /* 0: not paused */
    PosternUsage usage;
    gint64 told;        /* when the log was told that it is heavy; 0: never */
    guint waiting;      /* requests in a queue */
    guint running;      /* requests in a worker */
    guint slow;         /* of them, those that have run for long */
    gint64 started_sum; /* of when those began */
} PosternAccount;

/* A request of the account cost a worker at now. TRUE: with this one it must pause. */
gboolean postern_account_note_crash(PosternAccount *account, gint64 now);
gboolean postern_account_is_paused(const PosternAccount *account, gint64 now);

/* A request of it is given to a worker at now, and leaves it, having used microseconds of processor time. */
void postern_account_begin(PosternAccount *account, gint64 now);
void postern_account_end(PosternAccount *account, gint64 started, gint64 microseconds, gint64 now);

/* TRUE if it has used its budget of processor time, requests under way included. */
gboolean postern_account_is_heavy(const PosternAccount *account, gint64 now);

/* TRUE if nothing is remembered that still matters. */
gboolean postern_account_is_idle(const PosternAccount *account, gint64 now);
