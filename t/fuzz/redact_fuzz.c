/*
 * A stranger's header, redacted for a failure report: lines that SMTP takes, within the bound, and no local
 * part of an address.
 */
#include "tally/redact.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const guint8 key[POSTERN_REDACTION_KEY_OCTETS] = "a key";
    static const char header[] = "From: secret@d.example\r\n";
    g_autofree char *octets = g_malloc(sizeof header + size);
    memcpy(octets, header, strlen(header));
    if (size > 0)
        memcpy(octets + strlen(header), data, size);
    g_autoptr(PosternHeader) parsed = postern_header_parse(octets, strlen(header) + size);
    g_autoptr(GString) told = postern_redact_header(parsed, key);
    require(told->len <= POSTERN_FAILURE_HEADER_MAX_OCTETS && strlen(told->str) == told->len);
    require(memmem(data, size, "secret", 6) != NULL || strstr(told->str, "secret") == NULL);
    gsize column = 0;
    for (gsize i = 0; i < told->len; i++) {
        char octet = told->str[i];
        require((octet >= ' ' && octet <= '~') || octet == '\r' || octet == '\n');
        require(octet != '\r' || told->str[i + 1] == '\n');
        require(octet != '\n' || (i > 0 && told->str[i - 1] == '\r'));
        column = octet == '\n' ? 0 : column + 1;
        require(column <= 999);
    }
    return 0;
}
