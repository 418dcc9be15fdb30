/*
 * All that a thread of the proxy needs of the world outside, as a table of functions: the clock, timers,
 * connections to servers, DNS, inspections. event_world.h has it on libevent; in the simulation, the fuzzer
 * and the unit tests nothing waits, and the clock is theirs. Callbacks come from the loop, never from inside
 * a function of the table.
 */
#pragma once

#include "dns/answers.h"
#include "proxy/connection/transport.h"
#include "proxy/session/session.h"

typedef struct PosternWorld PosternWorld;
typedef struct PosternTimer PosternTimer; /* the world's own */

typedef void (*PosternWorldCallback)(gpointer user_data);
/* findings: to be read during the call. problem: what could not be done, for the log, or NULL. */
typedef void (*PosternWorldInspected)(const PosternFindings *findings, const char *problem,
                                      gpointer user_data);

typedef struct {
    /* Monotonic milliseconds. */
    gint64 (*now)(PosternWorld *world);

    /* A timer that is not set. */
    PosternTimer *(*timer_new)(PosternWorld *world, PosternWorldCallback callback, gpointer user_data);
    /* callback is called once at deadline, in place of what was set before; G_MAXINT64: never. */
    void (*timer_set)(PosternTimer *timer, gint64 deadline);
    /* NULL is allowed. */
    void (*timer_free)(PosternTimer *timer);

    /* A connection to address, in the making: WRITE, then finish_connect(). NULL and error if no descriptor
     * can be had. */
    PosternTransport *(*connect)(PosternWorld *world, const PosternAddress *address, GError **error);

    /* Asks all questions that are noted in answers, for the mail of client, as postern_resolver_ask(). The
     * ask ends with its callback, or with ask_cancel (NULL is allowed). */
    gpointer (*ask)(PosternWorld *world, guint64 client, PosternAnswers *answers, PosternWorldCallback done,
                    gpointer user_data);
    void (*ask_cancel)(gpointer ask);

    /*
     * Carries out an INSPECT_… or KEEP action of a session that has settings and envelope. *inspection, NULL
     * at first, is the world's: INSPECT_ENVELOPE begins one, INSPECT_CANCEL ends it. inspected is called once
     * after INSPECT_MESSAGE, unless the inspection ends before.
     */
    void (*inspect)(PosternWorld *world, gpointer *inspection, PosternSessionAction *action,
                    const PosternProxySettings *settings, const PosternEnvelope *envelope,
                    PosternWorldInspected inspected, gpointer user_data);
    /* NULL is allowed. */
    void (*inspection_free)(gpointer inspection);

    /* Writes a closing line, which is taken over. */
    void (*log)(PosternWorld *world, PosternLogLine *line);

    /* Calls postern_proxy_thread_look() soon, from the loop. From any thread. */
    void (*wake)(PosternWorld *world);

    /* Once, after a drain: the thread's clients and connections are all gone. */
    void (*drained)(PosternWorld *world);
} PosternWorldFunctions;

/* The head of each world. */
struct PosternWorld {
    const PosternWorldFunctions *functions;
};
