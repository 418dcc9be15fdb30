#include "dns/resolver.h"

#include <event2/event.h>
#include <unistd.h>

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

static gboolean check_answers(const char *path, GError **error)
{
    g_autoptr(PosternAnswersFile) file = postern_answers_file_load(path, error);
    g_prefix_error(error, "[dns] answers: ");
    return file != NULL;
}

gboolean postern_resolver_check_configuration(const PosternConfiguration *configuration, GError **error)
{
    const char *answers = configuration->dns.answers, *anchors = configuration->dns.trust_anchor_file;
    if (answers[0] != '\0')
        return access(answers, R_OK) != 0 || check_answers(answers, error);
    if (anchors[0] != '\0' && access(anchors, R_OK) != 0)
        return TRUE;
    struct event_base *loop = event_base_new();
    g_autoptr(PosternResolver) resolver =
        postern_resolver_from_configuration(loop, configuration, NULL, 1, error);
    gboolean made = resolver != NULL;
    g_clear_pointer(&resolver, postern_resolver_free);
    event_base_free(loop);
    if (!made && anchors[0] != '\0')
        g_prefix_error(error, "[dns] trust_anchor_file: are there DS or DNSKEY records in %s? ", anchors);
    return made;
}
