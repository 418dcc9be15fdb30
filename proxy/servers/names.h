/*
 * Servers that are written by name: the addresses that the DNS has for them, each a server of its own. Pure:
 * it runs again until all its questions are answered (dns/answers.h).
 */
#pragma once

#include "base/configuration.h"
#include "dns/answers.h"
#include "proxy/servers/server.h"

typedef struct {
    GPtrArray *servers;     /* of PosternServerSettings * */
    GHashTable *unanswered; /* a set of what there was no answer for: "A HOST", "AAAA HOST"; or NULL */
    guint ttl;              /* seconds that they hold */
    char *problem;          /* why there are none, or some may be missing; else NULL */
    char *left_out;         /* the address that is left out as our own, and why; else NULL */
} PosternNamedServers;

/*
 * What the DNS has for named, which has a host: its A and AAAA records, or those of the targets of its SRV
 * records, with their priority, and their weight divided among the addresses of a target (RFC 2782).
 * Addresses that nothing can be sent to are left out, and of many targets those of the last priorities.
 * FALSE: it needs answers.
 */
gboolean postern_named_servers_find(const PosternServerSettings *named, PosternAnswers *answers,
                                    PosternNamedServers *ret_found);
/* Addresses where the proxy itself listens are left out: mail would go round. */
void postern_named_servers_leave_out_own(PosternNamedServers *found, const PosternServerSettings *named,
                                         const PosternConfiguration *configuration);
void postern_named_servers_clear(PosternNamedServers *found);
/* TRUE if server, that was found before, may be there still: its kind of address was not answered for. */
gboolean postern_named_servers_may_have(const PosternNamedServers *found,
                                        const PosternServerSettings *server);
