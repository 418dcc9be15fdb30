#include "milter/policy_match.h"

#include "base/configuration_check.h"
#include "mail/header.h"
#include "mail/received.h"
#include "milter/macros.h"

PosternClientClass postern_milter_policy_match_class(const PosternMilterSettings *settings,
                                                     const PosternEnvelope *envelope, gboolean local)
{
    PosternClientClass client_class = postern_policies_client_class(settings->policies, envelope);
    return local && client_class == POSTERN_CLIENT_OTHER ? POSTERN_CLIENT_OWN_NETWORK : client_class;
}

void postern_milter_policy_match_begin(PosternMilterPolicyMatch *choice,
                                       const PosternMilterSettings *settings, const PosternEnvelope *envelope,
                                       gboolean local, const char *server)
{
    gboolean by_server =
        settings->receiver_is_server && server != NULL && postern_configuration_check_domain(server, NULL);
    postern_milter_policy_match_clear(choice);
    choice->settings = settings;
    choice->receiver = g_strdup(by_server ? server : settings->receiver);
    choice->client_class = postern_milter_policy_match_class(settings, envelope, local);
}

void postern_milter_policy_match_clear(PosternMilterPolicyMatch *choice)
{
    g_clear_pointer(&choice->origin, postern_envelope_free);
    g_clear_pointer(&choice->receiver, g_free);
    *choice = (PosternMilterPolicyMatch){.settings = NULL};
}

/* Without SPF, DMARC can still pass by DKIM; it never fails then (verdict/dmarc.h). */
static PosternChecks possible(guint checks, gboolean client_known)
{
    return (PosternChecks)(client_known ? checks : checks & ~(guint)POSTERN_CHECKS_CLIENT);
}

PosternChecks postern_milter_policy_match_checks_begun(const PosternMilterPolicyMatch *choice,
                                                       const PosternEnvelope *envelope)
{
    gboolean relay = choice->client_class == POSTERN_CLIENT_TRUSTED_RELAY;
    return possible(postern_policies_checks(choice->settings->policies, choice->client_class),
                    relay || postern_milter_macros_is_stranger(envelope));
}

gboolean postern_milter_policy_match_may_refuse_at_mail(const PosternMilterPolicyMatch *choice,
                                                        const PosternEnvelope *envelope)
{
    const PosternMilterSettings *settings = choice->settings;
    return settings->configuration->milter.refuse_at_mail &&
           choice->client_class != POSTERN_CLIENT_TRUSTED_RELAY &&
           postern_milter_macros_is_stranger(envelope) &&
           postern_policies_may_refuse_at_mail(settings->policies, choice->client_class);
}

gboolean postern_milter_policy_match_add_recipient(PosternMilterPolicyMatch *choice, const char *recipient)
{
    const PosternPolicy *policy =
        postern_policies_of(choice->settings->policies, choice->client_class, recipient);
    if (choice->policy == NULL)
        choice->policy = policy;
    return choice->policy == policy || choice->settings->observe;
}

static gboolean is_trusted(const PosternAddress *address, gconstpointer networks)
{
    return postern_networks_contain(networks, address);
}

gboolean postern_milter_policy_match_find_origin(PosternMilterPolicyMatch *choice,
                                                 const PosternEnvelope *envelope, PosternMessage *header)
{
    gsize length = 0;
    const char *octets = choice->client_class == POSTERN_CLIENT_TRUSTED_RELAY
                             ? postern_message_octets(header, &length, NULL)
                             : NULL;
    if (octets == NULL)
        return FALSE;
    g_autoptr(PosternHeader) fields = postern_header_parse(octets, length);
    g_autoptr(PosternEnvelope) origin = postern_envelope_copy(envelope);
    if (!postern_received_find_client(fields, is_trusted,
                                      postern_policies_trusted_networks(choice->settings->policies), origin))
        return FALSE;
    postern_envelope_free(choice->origin);
    choice->origin = g_steal_pointer(&origin);
    return TRUE;
}

PosternPolicy postern_milter_policy_match_policy(const PosternMilterPolicyMatch *choice)
{
    PosternPolicy policy = choice->policy != NULL
                               ? *choice->policy
                               : *postern_policies_of(choice->settings->policies, choice->client_class, NULL);
    policy.authserv_id = choice->receiver;
    return policy;
}

const PosternEnvelope *postern_milter_policy_match_envelope(const PosternMilterPolicyMatch *choice,
                                                            const PosternEnvelope *envelope)
{
    if (choice->origin == NULL)
        return envelope;
    g_ptr_array_unref(choice->origin->recipients);
    choice->origin->recipients = g_ptr_array_ref(envelope->recipients);
    return choice->origin;
}

PosternChecks postern_milter_policy_match_checks(const PosternMilterPolicyMatch *choice,
                                                 const PosternEnvelope *envelope)
{
    gboolean known = choice->client_class == POSTERN_CLIENT_TRUSTED_RELAY
                         ? choice->origin != NULL
                         : postern_milter_macros_is_stranger(envelope);
    return possible(postern_milter_policy_match_policy(choice).checks, known);
}
