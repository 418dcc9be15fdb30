#include "checks/spf/domain.h"

#include <idn2.h>
#include <string.h>

#include "base/limits.h"

/* More octets than the UTF-8 of any name of POSTERN_DOMAIN_NAME_MAX_OCTETS needs. */
#define UNICODE_NAME_MAX_OCTETS (4 * POSTERN_DOMAIN_NAME_MAX_OCTETS)

static char *unicode_to_ascii(const char *domain)
{
    char *converted = NULL;
    char *ascii;

    if (!g_utf8_validate(domain, -1, NULL))
        return NULL;
    if (idn2_to_ascii_8z(domain, &converted, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return NULL;
    ascii = g_ascii_strdown(converted, -1);
    idn2_free(converted);
    return ascii;
}

char *postern_spf_domain_to_ascii(const char *domain)
{
    char *ascii;
    gsize length;

    if (g_str_is_ascii(domain))
        ascii = g_ascii_strdown(domain, -1);
    else if (strlen(domain) > UNICODE_NAME_MAX_OCTETS)
        return NULL;
    else
        ascii = unicode_to_ascii(domain);
    if (ascii == NULL)
        return NULL;
    length = strlen(ascii);
    if (length > 0 && ascii[length - 1] == '.')
        ascii[length - 1] = '\0';
    return ascii;
}
