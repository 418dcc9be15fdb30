/*
 * Who may have one of a bounded number of things, such as connections or questions under way, when more want
 * one than there are. Fair by client: each client has a line of its own, and the lines take turns. A client
 * never holds more than is left free for the others, so that there is always one for a client that has none:
 * n clients that want all they can get leave the n+1st part.
 *
 * Places may be of several sections, each served apart, such as threads that keep connections of their own.
 * What comes free in a section goes to its own places, but only so often while another section waits. Shares
 * are of the whole queue. Pure; who shares it between threads holds a lock.
 */
#pragma once

#include <glib.h>

typedef struct PosternFairQueue PosternFairQueue;
typedef struct PosternFairClient PosternFairClient;
typedef struct PosternFairLine PosternFairLine;

/* A client that has no share: it may hold all there is, and has a line as any other. */
#define POSTERN_FAIR_QUEUE_NOBODY G_GUINT64_CONSTANT(0)

typedef enum {
    POSTERN_FAIR_PLACE_NONE,
    POSTERN_FAIR_PLACE_WAITING,
    POSTERN_FAIR_PLACE_ADMITTED,
} PosternFairPlaceState;

typedef enum {
    POSTERN_FAIR_TURN_LAST,   /* behind the others of its client */
    POSTERN_FAIR_TURN_FIRST,  /* before them */
    POSTERN_FAIR_TURN_SOONER, /* in a line of its client's before these: one of POSTERN_FAIR_QUEUE_TURNS turns
                               * is for those behind, if there are any */
    POSTERN_FAIR_TURN_LATER,  /* in one behind these, likewise */
} PosternFairTurn;

#define POSTERN_FAIR_QUEUE_TURNS 4

/* How often a section is passed over while it waits, until it is before all others. */
#define POSTERN_FAIR_QUEUE_PASSED_EMPTY_MAX 4  /* one that has nothing */
#define POSTERN_FAIR_QUEUE_PASSED_FACTOR_MAX 2 /* one that has something: times the capacity */

/* A place in the queue; a member of what it belongs to, zeroed at first, with data set. */
typedef struct {
    gpointer data;
    guint section; /* 0, or as its owner has set it */
    GList link;    /* in its client's line, while WAITING; data is the place */
    PosternFairLine *line;
    PosternFairClient *client;
    PosternFairPlaceState state;
} PosternFairPlace;

/* capacity: how many may be admitted at the same time. */
PosternFairQueue *postern_fair_queue_new(guint capacity);
/* Whoever is admitted already stays so. */
void postern_fair_queue_set_capacity(PosternFairQueue *queue, guint capacity);
/* All places must have left. */
void postern_fair_queue_free(PosternFairQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternFairQueue, postern_fair_queue_free)

/* place (NONE) waits in a line of client, any number that names it. Both lines of a client have shares. */
void postern_fair_queue_wait(PosternFairQueue *queue, PosternFairPlace *place, guint64 client,
                             PosternFairTurn turn);
/* The next of those who wait in section and may go, ADMITTED from now on; NULL: none may, or another section
 * is before it. */
PosternFairPlace *postern_fair_queue_admit_in(PosternFairQueue *queue, guint section);
/* One that waits in section, of a client that has nothing: whatever others were admitted for, it is not for
 * what section has to give now. NULL: there is none. */
PosternFairPlace *postern_fair_queue_admit_needy(PosternFairQueue *queue, guint section);
/* postern_fair_queue_admit_in() for a queue of one section, 0. */
PosternFairPlace *postern_fair_queue_admit(PosternFairQueue *queue);
/* place, in whatever state, is NONE. */
void postern_fair_queue_leave(PosternFairQueue *queue, PosternFairPlace *place);

/* Places WAITING, of all clients. */
guint postern_fair_queue_waiting(const PosternFairQueue *queue);
/* Clients that wait and have nothing: one that comes free would be for them, and for no other. */
guint postern_fair_queue_needy(const PosternFairQueue *queue);
/* Lines with somebody in them. */
guint postern_fair_queue_lines(const PosternFairQueue *queue);
/* Places WAITING of the client of place (not NONE), in whatever section. */
guint postern_fair_queue_waiting_with(const PosternFairPlace *place);
/* TRUE if as many are admitted as may be. */
gboolean postern_fair_queue_is_full(const PosternFairQueue *queue);
