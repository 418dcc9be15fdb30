/*
 * Hostile DMARC Policy Records: whatever is taken for one begins as one must, and tags behind it change
 * nothing of what is no tag of theirs.
 */
#include "checks/dmarc/record.h"

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

static void require_valid(const PosternDmarcRecord *record)
{
    require((guint)record->policy <= POSTERN_DMARC_POLICY_REJECT);
    require((guint)record->subdomain_policy <= POSTERN_DMARC_POLICY_REJECT);
    require((guint)record->nonexistent_policy <= POSTERN_DMARC_POLICY_REJECT);
    require((guint)record->psd <= POSTERN_DMARC_PSD_NO);
    if (!record->usable)
        require(record->policy == POSTERN_DMARC_POLICY_NONE);
}

static gboolean same(const PosternDmarcRecord *a, const PosternDmarcRecord *b)
{
    return a->usable == b->usable && a->policy == b->policy && a->subdomain_policy == b->subdomain_policy &&
           a->nonexistent_policy == b->nonexistent_policy && a->psd == b->psd && a->testing == b->testing &&
           a->strict_dkim == b->strict_dkim && a->strict_spf == b->strict_spf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Names that a fuzzer does not come by: a tag that is there twice makes the record none. */
    static const char unknown[] = "; zz-not-known=1;;pct-not-known=0;=;";
    g_autofree char *octets = g_memdup2(size > 0 ? (gconstpointer)data : "", MAX(size, 1));
    PosternDmarcRecord record, longer;

    if (!postern_dmarc_record_parse(octets, size, &record))
        return 0;
    require(size >= strlen("v=DMARC1") && size <= POSTERN_DMARC_RECORD_MAX_OCTETS);
    require((octets[0] == 'v' || octets[0] == 'V') && g_strstr_len(octets, (gssize)size, "DMARC1") != NULL);
    require_valid(&record);
    g_autoptr(GString) text = g_string_new_len(octets, (gssize)size);

    g_string_append_len(text, unknown, sizeof unknown - 1);
    if (text->len <= POSTERN_DMARC_RECORD_MAX_OCTETS) {
        require(postern_dmarc_record_parse(text->str, text->len, &longer));
        require(same(&record, &longer));
    }
    return 0;
}
