#include "verdict/identity.h"

#include <glib.h>
#include <string.h>

char *postern_identity_to_ascii(const char *address, const char *domain)
{
    const char *at = address ? strrchr(address, '@') : NULL;

    if (!address || !domain || !*domain || g_str_is_ascii(address) || !g_utf8_validate(address, -1, NULL) ||
        !g_str_is_ascii(domain))
        return g_strdup(address);
    g_autofree char *local_part = at ? g_strndup(address, (gsize)(at - address)) : NULL;

    if (!local_part || !g_str_is_ascii(local_part))
        return g_strdup(domain);
    return g_strdup_printf("%s@%s", local_part, domain);
}
