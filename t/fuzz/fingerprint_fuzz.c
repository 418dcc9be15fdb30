/*
 * The trace of a message of any octets is bounded, all of it, and its fingerprint does not hang on it.
 */
#include "mail/fingerprint.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void find(const guint8 *data, gsize size, guint8 ret_fingerprint[POSTERN_FINGERPRINT_OCTETS])
{
    g_autoptr(GBytes) octets = g_bytes_new(data, size);
    g_autoptr(PosternMessage) message = postern_message_from_octets(octets);
    if (!postern_fingerprint(message, 1, ret_fingerprint))
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    guint8 with[POSTERN_FINGERPRINT_OCTETS], without[POSTERN_FINGERPRINT_OCTETS];
    gsize trace = size > 0 ? postern_fingerprint_trace((const char *)data, size) : 0;
    if (trace > size || trace > POSTERN_TRACE_MAX_OCTETS ||
        (trace > 0 && postern_fingerprint_trace((const char *)data + trace, size - trace) != 0))
        abort();
    if (trace == size) /* nothing is left, and of nothing there is no fingerprint */
        return 0;
    find(data, size, with);
    find(data + trace, size - trace, without);
    if (memcmp(with, without, sizeof with) != 0)
        abort();
    return 0;
}
