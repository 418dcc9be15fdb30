/*
 * Keeps libmilter's threads moving. Its controller hands a session that has something to say to an idle
 * thread, but does not see at once that the thread is idle no more: of several sessions that speak at the
 * same moment only one gets it, and the others wait until some thread is done with something. If threads
 * wait for verdicts that may take as long as the slowest scan. So, while any waits, a connection of our own
 * says something harmless now and then: for that a thread is started or comes free, and it looks for who was
 * left.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "base/milter_socket.h"

typedef struct PosternMilterWakeUp PosternMilterWakeUp;

/* On loop, for [milter] socket = place. It never is freed: it ends with the process. */
PosternMilterWakeUp *postern_milter_wake_up_new(struct event_base *loop, const char *place);

/* libmilter listens at place now, which is taken over. From the loop. */
void postern_milter_wake_up_move(PosternMilterWakeUp *wake_up, PosternMilterSocket *place);

/* A message waits for its verdict: nudges from now on, until none does. From the loop. */
void postern_milter_wake_up_start(PosternMilterWakeUp *wake_up);
