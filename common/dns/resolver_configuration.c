#include "dns/resolver.h"

PosternResolver *postern_resolver_from_configuration(struct event_base *loop,
                                                     const PosternConfiguration *configuration,
                                                     PosternAnswersFile *file, guint shares, GError **error)
{
    const char *anchors = configuration->dns.trust_anchor_file;
    const PosternResolverOptions options = {
        .servers = (const char *const *)configuration->dns.servers,
        .timeout_ms = configuration->dns.timeout_ms,
        .cache_octets = (guint)(configuration->dns.cache_octets / MAX(shares, 1)),
        .trust_anchor_file = *anchors != '\0' ? anchors : NULL,
    };

    return file != NULL ? postern_resolver_new_from_file(loop, file)
                        : postern_resolver_new(loop, &options, error);
}
