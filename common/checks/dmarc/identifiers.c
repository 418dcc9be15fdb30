#include "checks/dmarc/identifiers.h"

#include <string.h>

#include "checks/dkim/select.h"
#include "checks/dkim/signature.h"
#include "checks/spf/domain.h"
#include "dns/question.h"

static void identifier_free(gpointer data)
{
    PosternDmarcIdentifier *identifier = data;

    g_free(identifier->domain);
    g_free(identifier);
}

static void add(GPtrArray *identifiers, const char *domain, gboolean spf)
{
    g_autofree char *ascii = postern_spf_domain_to_ascii(domain);
    g_autoptr(PosternQuestion) question = ascii != NULL ? postern_question_new(ascii, POSTERN_DNS_TXT) : NULL;

    if (question == NULL)
        return;
    PosternDmarcIdentifier *identifier = g_new0(PosternDmarcIdentifier, 1);

    identifier->domain = g_steal_pointer(&ascii);
    identifier->spf = spf;
    g_ptr_array_add(identifiers, identifier);
}

static void add_envelope(GPtrArray *identifiers, const PosternEnvelope *envelope)
{
    const char *at = envelope->sender != NULL ? strrchr(envelope->sender, '@') : NULL;
    const char *domain = at != NULL && at[1] != '\0' ? at + 1 : envelope->helo;

    if (domain != NULL)
        add(identifiers, domain, TRUE);
}

GPtrArray *postern_dmarc_identifiers(const PosternHeader *header, const PosternEnvelope *envelope)
{
    GPtrArray *identifiers = g_ptr_array_new_with_free_func(identifier_free);
    g_autoptr(GPtrArray) signatures = postern_dkim_select(header);

    add_envelope(identifiers, envelope);
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimSignature *signature = g_ptr_array_index(signatures, i);

        if (!signature->decided)
            add(identifiers, signature->finding->domain, FALSE);
    }
    return identifiers;
}
