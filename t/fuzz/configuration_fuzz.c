/*
 * A configuration file of anybody's octets: what is taken can be dumped, is taken again, and says the same;
 * what is refused comes with lines of printable text.
 */
#include <string.h>

#include "base/configuration.h"
#include "base/endpoint.h"
#include "base/nearest.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length);

static void check_message(const GError *error)
{
    g_assert_nonnull(error);
    for (const char *octet = error->message; *octet != '\0'; octet++)
        g_assert_true(*octet == '\n' || (*octet >= 0x20 && *octet <= 0x7e));
}

static void check_dump(const PosternConfiguration *configuration)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dumped = postern_configuration_dump(configuration);
    g_autoptr(PosternConfiguration) again =
        postern_configuration_parse(dumped, strlen(dumped), "dumped", &error);
    g_assert_no_error(error);
    g_autofree char *dumped_again = postern_configuration_dump(again);
    g_assert_cmpstr(dumped, ==, dumped_again);
}

static void use_as_text(const guint8 *data, gsize length)
{
    static const char *const names[] = {"listen", "backend", NULL};
    g_autofree char *text = g_strndup((const char *)data, length);
    GInetSocketAddress *endpoint = postern_endpoint_parse(text, NULL);
    g_clear_object(&endpoint);
    postern_nearest_name(text, names);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse((const char *)data, length, "fuzz", &error);

    if (configuration != NULL)
        check_dump(configuration);
    else
        check_message(error);
    use_as_text(data, length);
    return 0;
}
