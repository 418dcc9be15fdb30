/* Findings from a stranger: whatever is taken goes out and comes back the same. */
#include "verdict/findings.h"

#include "variant_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {
    "spf",          "dkim",          "virus",     "attachments", "attachment_count", "not_run",
    "dkim_checked", "mime_problem",  "result",    "helo",        "domain",           "explanation",
    "problem",      "selector",      "identity",  "algorithm",   "signature_start",  "key_bits",
    "body_covered", "body_unsigned", "no_author", "testing",     "reason",           "name",
    "type",         "size",          NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;

    g_autoptr(GVariant) variant = variant_input_read(data, size, keys);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternFindings) first = postern_findings_from_variant(variant, &error);

    g_assert(!first == !!error);
    if (!first)
        return 0;

    g_autoptr(GVariant) once = g_variant_ref_sink(postern_findings_to_variant(first));
    g_autoptr(PosternFindings) second = postern_findings_from_variant(once, &error);

    g_assert(second && !error);

    g_autoptr(GVariant) twice = g_variant_ref_sink(postern_findings_to_variant(second));
    g_autoptr(PosternFindings) third = postern_findings_from_variant(twice, NULL);
    g_autoptr(GVariant) thrice = g_variant_ref_sink(postern_findings_to_variant(third));

    g_assert(g_variant_equal(twice, thrice));
    return 0;
}
