/*
 * A configuration file of anybody's octets: what is taken can be dumped, is taken again, and says the same;
 * what is refused comes with lines of printable text.
 */
#include <string.h>

#include "base/configuration.h"
#include "base/configuration/private.h"
#include "base/endpoint.h"
#include "base/limits.h"
#include "base/suggestion.h"

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

    g_autofree char *changed = postern_configuration_dump_changed(configuration);
    g_autoptr(PosternConfiguration) from_changed =
        postern_configuration_parse(changed, strlen(changed), "changed", &error);
    g_assert_no_error(error);
    g_autofree char *dumped_from_changed = postern_configuration_dump(from_changed);
    g_assert_cmpstr(dumped, ==, dumped_from_changed);
}

/* Every policy has all its values, and those that clients name exist. */
static void check_policies(const PosternConfiguration *configuration)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "policy");

    g_assert_cmpuint(names->len, <=, POSTERN_POLICIES_MAX);
    g_assert_nonnull(postern_configuration_policy(configuration, "submission"));
    g_assert_nonnull(
        postern_configuration_policy(configuration, configuration->clients.authenticated_policy));
    g_assert_nonnull(postern_configuration_policy(configuration, configuration->clients.own_networks_policy));
    for (guint i = 0; i < names->len; i++)
        for (gsize j = 0; j < length; j++) {
            gconstpointer place = postern_configuration_place(configuration, names->pdata[i], &options[j]);
            g_autofree char *text = postern_configuration_value_text(place, &options[j]);
            g_assert_nonnull(text);
        }
}

static void use_as_text(const guint8 *data, gsize length)
{
    static const char *const names[] = {"listen", "backend", NULL};
    g_autofree char *text = g_strndup((const char *)data, length);
    GInetSocketAddress *endpoint = postern_endpoint_parse(text, NULL);
    g_clear_object(&endpoint);
    postern_suggestion_for_name(text, names);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse((const char *)data, length, "fuzz", &error);

    if (configuration != NULL) {
        check_dump(configuration);
        check_policies(configuration);
    } else {
        check_message(error);
    }
    use_as_text(data, length);
    return 0;
}
