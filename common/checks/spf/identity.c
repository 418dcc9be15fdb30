#include "checks/spf/identity.h"

#include <string.h>

#include "checks/spf/domain.h"

#define POSTMASTER "postmaster"

void postern_spf_identity_clear(PosternSpfIdentity *identity)
{
    g_free(identity->local_part);
    g_free(identity->domain);
    g_free(identity->ascii);
    *identity = (PosternSpfIdentity){0};
}

static void tell(const PosternEnvelope *envelope, const PosternSpfIdentity *identity,
                 PosternFindings *findings)
{
    g_autofree char *client = NULL;

    if (!findings->explain)
        return;
    client = postern_address_to_string(&envelope->client);
    postern_findings_step(findings, POSTERN_CHECK_SPF, "client %s, %s %s@%s", client,
                          identity->helo ? "HELO as" : "MAIL FROM", identity->local_part,
                          identity->ascii != NULL ? identity->ascii : identity->domain);
}

gboolean postern_spf_identity_find(const PosternEnvelope *envelope, PosternFindings *findings,
                                   PosternSpfIdentity *identity)
{
    const char *sender = envelope->sender;
    const char *at = sender != NULL ? strrchr(sender, '@') : NULL;

    identity->helo = at == NULL || at[1] == '\0';
    if (envelope->client.family != AF_INET && envelope->client.family != AF_INET6) {
        postern_findings_step(findings, POSTERN_CHECK_SPF, "the client is not known");
        return FALSE;
    }
    if (identity->helo && (envelope->helo == NULL || envelope->helo[0] == '\0')) {
        postern_findings_step(findings, POSTERN_CHECK_SPF, "no identity to check");
        findings->spf.result = POSTERN_SPF_NONE;
        return FALSE;
    }
    if (identity->helo || at == sender)
        identity->local_part = g_strdup(POSTMASTER);
    else
        identity->local_part = g_strndup(sender, (gsize)(at - sender));
    identity->domain = g_ascii_strdown(identity->helo ? envelope->helo : at + 1, -1);
    identity->ascii = postern_spf_domain_to_ascii(identity->domain);
    tell(envelope, identity, findings);
    return TRUE;
}
