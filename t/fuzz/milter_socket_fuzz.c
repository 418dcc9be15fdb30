/* Places of a milter: what is taken is taken again in the form that it is given back in. */
#include <glib.h>
#include <stdint.h>

#include "base/milter_socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(text, &error);
    g_assert_true((place == NULL) == (error != NULL));
    if (place == NULL)
        return 0;
    g_autoptr(PosternMilterSocket) again = postern_milter_socket_parse(place->text, NULL);
    g_assert_nonnull(again);
    g_assert_cmpstr(again->text, ==, place->text);
    g_assert_cmpint(again->family, ==, place->family);
    g_assert_cmpmem(&again->address, again->length, &place->address, place->length);
    return 0;
}
