/*
 * The world of a thread of the proxy on a libevent loop: sockets, libunbound, postern-inspector.
 */
#pragma once

#include <event2/event.h>

#include "dns/resolver.h"
#include "greylist/greylist.h"
#include "inspector_client/client.h"
#include "proxy/connection/world.h"

typedef struct {
    PosternWorld world;
    struct event_base *loop;
    PosternResolver *resolver;
    PosternInspectorClient *inspector; /* or NULL: nothing is inspected */
    PosternGreylistPort *greylist;     /* or NULL: nobody is greylisted */
    int wake;                          /* a pipe: an octet that comes out wakes the loop */
} PosternEventWorld;

/* Its functions; loop and resolver must outlive all that was made by them. */
extern const PosternWorldFunctions postern_event_world_functions;
