#include "base/configuration/private.h"
#include "base/option.h"

#include <string.h>

/* Items have blanks between. */
static const struct {
    const char *networks;
    gboolean everybody;
} rows[] = {
    {"", FALSE},
    {"0.0.0.0/0", TRUE},
    {"::/0", TRUE},
    {"0.0.0.0/1", TRUE},
    {"128.0.0.0/1", TRUE},
    {"0.0.0.0/1 128.0.0.0/1", TRUE},
    {"::/1", TRUE},
    {"8000::/1", FALSE}, /* nobody has such an address */
    {"2000::/3", TRUE},
    {"2000::/4", TRUE},
    {"2000::/5", TRUE},
    {"2000::/6", FALSE},
    {"2000::/6 3000::/6", TRUE},
    {"2000::/6 2000::/6 2000::/7 2400::/8", FALSE}, /* what overlaps counts once */
    {"2001:db8::/32 fc00::/7 fe80::/10 ::1", FALSE},
    {"::ffff:0:0/96", TRUE},
    {"::ffff:0.0.0.0/96", TRUE},
    {"::ffff:0.0.0.0/97", TRUE},
    {"::ffff:192.0.2.0/120", FALSE},
    {"::ffff:128.0.0.0/97 ::ffff:0.0.0.0/97", TRUE},
    {"10.0.0.0/8 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16", FALSE},
    {"224.0.0.0/3", FALSE},
    {"240.0.0.0/4 0.0.0.0/8", FALSE},
    {"64.0.0.0/2", TRUE},
    {"64.0.0.0/3", FALSE},
    {"64.0.0.0/3 96.0.0.0/3", TRUE},
    {"96.0.0.0/4 64.0.0.0/3 112.0.0.0/4", TRUE}, /* in any order */
    {"64.0.0.0/3 64.0.0.0/4 64.1.2.3", FALSE},
    {"64.0.0.0/3 2000::/6", FALSE}, /* each family by itself */
    {"255.255.255.255 0.0.0.0", FALSE},
    {"nonsense 1.2.3 ::/129", FALSE},
};

static void test_everybody(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) networks = g_strsplit(rows[i].networks, " ", -1);
        g_test_message("%s", rows[i].networks);
        g_assert_cmpint(postern_networks_are_everybody((const char *const *)networks), ==, rows[i].everybody);
    }
}

/* However finely everybody is cut into pieces. */
static void test_pieces(void)
{
    for (guint bits = 1; bits <= 9; bits++) {
        g_autoptr(GPtrArray) networks = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < 1U << bits; i++) {
            guint32 address = i << (32 - bits);
            g_ptr_array_add(networks,
                            g_strdup_printf("%u.%u.0.0/%u", address >> 24, address >> 16 & 0xff, bits));
        }
        g_ptr_array_add(networks, NULL);
        g_assert_true(postern_networks_are_everybody((const char *const *)networks->pdata));
        if (bits < 3)
            continue;
        g_ptr_array_set_size(networks, 1 << (bits - 3));
        g_ptr_array_add(networks, NULL);
        g_assert_false(postern_networks_are_everybody((const char *const *)networks->pdata));
    }
}

/* A list of networks that somebody is let in by is one of trust: the next one that is added, too. */
static void test_every_list_of_networks_has_the_rule(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    guint lists = 0;
    for (gsize i = 0; i < length; i++) {
        gboolean networks = options[i].check != NULL && options[i].check("192.0.2.0/24", NULL) &&
                            !options[i].check("nonsense", NULL);
        g_test_message("[%s] %s", options[i].group, options[i].key);
        g_assert_cmpint(networks, ==, options[i].trust != NULL);
        if (!networks)
            continue;
        lists++;
        g_assert_cmpint(options[i].type, ==, POSTERN_OPTION_LIST);
        gboolean proxy = strcmp(options[i].group, "proxy") == 0;
        g_autofree char *text =
            g_strdup_printf("[proxy]\nlisten=0.0.0.0:25\n%s%s%s%s=0.0.0.0/0\n", proxy ? "" : "[",
                            proxy ? "" : options[i].group, proxy ? "" : "]\n", options[i].key);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternConfiguration) configuration =
            postern_configuration_parse(text, strlen(text), "test.conf", &error);
        g_assert_null(configuration);
        g_assert_nonnull(strstr(error->message, "is everybody"));
    }
    g_assert_cmpuint(lists, >=, 9);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration-trust/everybody", test_everybody);
    g_test_add_func("/configuration-trust/pieces", test_pieces);
    g_test_add_func("/configuration-trust/every-list", test_every_list_of_networks_has_the_rule);
    return g_test_run();
}
