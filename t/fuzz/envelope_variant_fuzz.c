/* Envelope from a stranger: whatever is taken goes out and comes back the same. */
#include "mail/envelope.h"

#include "variant_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {"client", "client_port",       "client_name", "helo",  "login",
                                   "sender", "sender_parameters", "session",     "esmtp", "recipients",
                                   NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;

    g_autoptr(GVariant) variant = variant_input_read(data, size, keys);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternEnvelope) first = postern_envelope_from_variant(variant, &error);

    g_assert(!first == !!error);
    if (!first)
        return 0;

    g_autoptr(GVariant) once = g_variant_ref_sink(postern_envelope_to_variant(first));
    g_autoptr(PosternEnvelope) second = postern_envelope_from_variant(once, &error);

    g_assert(second && !error);

    g_autoptr(GVariant) twice = g_variant_ref_sink(postern_envelope_to_variant(second));
    g_autoptr(PosternEnvelope) third = postern_envelope_from_variant(twice, NULL);
    g_autoptr(GVariant) thrice = g_variant_ref_sink(postern_envelope_to_variant(third));

    g_assert(g_variant_equal(twice, thrice));
    return 0;
}
