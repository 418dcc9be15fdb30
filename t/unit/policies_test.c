#include "verdict/policies.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/limits.h"

typedef struct {
    char *directory;
    char *table;
} Folder;

static void folder_set_up(Folder *folder, gconstpointer data)
{
    folder->directory = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_assert_nonnull(folder->directory);
    folder->table = g_build_filename(folder->directory, "recipients", NULL);
}

static void folder_tear_down(Folder *folder, gconstpointer data)
{
    g_unlink(folder->table);
    g_assert_cmpint(g_rmdir(folder->directory), ==, 0);
    g_free(folder->table);
    g_free(folder->directory);
}

static PosternConfiguration *configuration_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);

    g_assert_no_error(error);
    return configuration;
}

static PosternPolicies *policies_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration = configuration_of(text);
    PosternPolicies *policies = postern_policies_new(configuration, "mx.example.org", FALSE, &error);

    g_assert_no_error(error);
    return policies;
}

static PosternPolicies *policies_with_table(Folder *folder, const char *text, const char *table,
                                            GError **error)
{
    g_autofree char *whole = g_strdup_printf("%s\n[clients]\nrecipients = %s\n", text, folder->table);
    g_autoptr(PosternConfiguration) configuration = configuration_of(whole);

    g_assert_true(g_file_set_contents(folder->table, table, -1, NULL));
    return postern_policies_new(configuration, "mx.example.org", FALSE, error);
}

static void test_classes(void)
{
    static const struct {
        const char *client; /* NULL: not known */
        const char *login;
        PosternClientClass class;
    } cases[] = {
        {"192.0.2.1", NULL, POSTERN_CLIENT_OTHER},
        {"192.0.2.1", "", POSTERN_CLIENT_OTHER},
        {"192.0.2.1", "user", POSTERN_CLIENT_AUTHENTICATED},
        {"10.1.2.3", "user", POSTERN_CLIENT_AUTHENTICATED},
        {"10.1.2.3", NULL, POSTERN_CLIENT_OWN_NETWORK},
        {"::ffff:10.1.2.3", NULL, POSTERN_CLIENT_OWN_NETWORK},
        {"11.0.0.1", NULL, POSTERN_CLIENT_OTHER},
        {"2001:db8::25", NULL, POSTERN_CLIENT_TRUSTED_RELAY},
        {"2001:db8::26", NULL, POSTERN_CLIENT_OTHER},
        {"10.9.9.9", NULL, POSTERN_CLIENT_OWN_NETWORK},
        {NULL, NULL, POSTERN_CLIENT_OTHER},
    };
    static const struct {
        const char *address;
        gboolean is;
    } trusted[] = {{"10.1.2.3", TRUE}, {"2001:db8::25", TRUE}, {"127.0.0.1", TRUE},
                   {"::1", TRUE},      {"192.0.2.1", FALSE},   {"2001:db8::26", FALSE}};
    g_autoptr(PosternPolicies) policies =
        policies_of("[clients]\nown_networks=10.0.0.0/8\ntrusted_relays=2001:db8::25;10.9.9.9\n");

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternEnvelope) envelope = postern_envelope_new();

        if (cases[i].client)
            g_assert_true(postern_address_parse(&envelope->client, cases[i].client));
        envelope->login = g_strdup(cases[i].login);
        g_assert_cmpint(postern_policies_client_class(policies, envelope), ==, cases[i].class);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(trusted); i++) {
        PosternAddress address;

        g_assert_true(postern_address_parse(&address, trusted[i].address));
        g_assert_cmpint(postern_policies_trust(&address, policies), ==, trusted[i].is);
    }
    g_assert_cmpstr(postern_client_class_name(POSTERN_CLIENT_TRUSTED_RELAY), ==, "trusted_relay");
    g_assert_cmpstr(postern_client_class_name((PosternClientClass)4), ==, "unknown");
}

static void test_policies_of_classes(void)
{
    g_autoptr(PosternPolicies) built_in = policies_of("");
    g_autoptr(PosternPolicies) own =
        policies_of("[clients]\nauthenticated_policy=users\nown_networks_policy=\n[policy users]\n");
    const struct {
        const PosternPolicies *policies;
        PosternClientClass class;
        const char *name;
    } cases[] = {
        {built_in, POSTERN_CLIENT_AUTHENTICATED, "submission"},
        {built_in, POSTERN_CLIENT_OWN_NETWORK, "submission"},
        {built_in, POSTERN_CLIENT_TRUSTED_RELAY, ""},
        {built_in, POSTERN_CLIENT_OTHER, ""},
        {own, POSTERN_CLIENT_AUTHENTICATED, "users"},
        {own, POSTERN_CLIENT_OWN_NETWORK, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const PosternPolicy *policy = postern_policies_of(cases[i].policies, cases[i].class, NULL);
        const GPtrArray *all = postern_policies_of_class(cases[i].policies, cases[i].class);

        g_assert_cmpstr(policy->name, ==, cases[i].name);
        g_assert_cmpstr(policy->authserv_id, ==, "mx.example.org");
        g_assert_true(policy == postern_policies_of(cases[i].policies, cases[i].class, "a@example.org"));
        g_assert_cmpuint(all->len, ==, 1);
        g_assert_true(all->pdata[0] == policy);
    }
}

static void test_recipients(Folder *folder, gconstpointer data)
{
    static const char table[] = "# the table\n"
                                "Boss@Example.org  strict\r\n"
                                "\texample.org\tlax # all others\n"
                                "\n"
                                "postmaster@ mild\n"
                                "boss+urgent@example.org mild\n"
                                "xn--bcher-kva.example strict\n"
                                "example.net strict";
    static const struct {
        const char *recipient;
        const char *policy;
    } cases[] = {
        {"boss@example.org", "strict"},
        {"BOSS@EXAMPLE.ORG", "strict"},
        {"boss@example.org.", "strict"},
        {"boss+x@example.org", "strict"},
        {"boss+urgent@example.org", "mild"},
        {"other@example.org", "lax"},
        {"+boss@example.org", "lax"},
        {"postmaster@example.org", "lax"},
        {"postmaster@example.com", "mild"},
        {"Postmaster+x@example.com", "mild"},
        {"postmaster", "mild"},
        {"boss@sub.example.org", ""},
        {"boss@example.com", ""},
        {"\"boss\"@example.com", ""},
        {"\"boss\"@example.org", "strict"},
        {"\"bo\\ss+x\"@Example.org", "strict"},
        {"\"Boss@example.org\"@example.com", ""},
        {"\"\"@example.org", "lax"},
        {"\"boss@example.org", "lax"},
        {"\"boss\\\"@example.org", "lax"},
        {"boss@b\xc3\xbc"
         "cher.example",
         "strict"},
        {"x@y@example.net", "strict"},
        {"", ""},
        {"@", ""},
        {"+@", ""},
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternPolicies) policies = policies_with_table(
        folder, "[policy strict]\n[policy lax]\n[policy mild]\n[policy unused]\n", table, &error);

    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const PosternPolicy *policy = postern_policies_of(policies, POSTERN_CLIENT_OTHER, cases[i].recipient);
        const PosternPolicy *user =
            postern_policies_of(policies, POSTERN_CLIENT_AUTHENTICATED, cases[i].recipient);

        g_assert_cmpstr(policy->name, ==, cases[i].policy);
        g_assert_true(policy ==
                      postern_policies_of(policies, POSTERN_CLIENT_TRUSTED_RELAY, cases[i].recipient));
        g_assert_cmpstr(user->name, ==, "submission");
    }
    g_assert_cmpstr(postern_policies_of(policies, POSTERN_CLIENT_OTHER, NULL)->name, ==, "");
    g_assert_cmpuint(postern_policies_of_class(policies, POSTERN_CLIENT_OTHER)->len, ==, 4);
}

static void test_wrong_tables(Folder *folder, gconstpointer data)
{
    static const struct {
        const char *table;
        const char *says;
    } cases[] = {
        {"a@example.org\n", "line 1: write ADDRESS NAME"},
        {"\n\na@example.org # strict\n", "line 3: write ADDRESS NAME"},
        {"a@example.org strict more\n", "line 1: write ADDRESS NAME"},
        {"a@example.org strikt\n", "line 1: there is no group [policy strikt] (did you mean 'strict'?)"},
        {"a@example.org qqqqq\n", "line 1: there is no group [policy qqqqq]"},
        {"a@example.org strict\nA@EXAMPLE.ORG strict\n", "line 2: 'A@EXAMPLE.ORG' stands there twice"},
        {"example..org strict\n", "line 1: 'example..org' is not a domain name"},
        {"@example.org strict\n", "line 1: '' is not a local part"},
        {"a@[192.0.2.1] strict\n", "line 1: '[192.0.2.1]' is not a domain name"},
        {"\"a\"@example.org strict\n", "is not a local part"},
        {"*.example.org strict\n", "is not a domain name"},
        {"@ strict\n", "is not a local part"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(policies_with_table(folder, "[policy strict]\n", cases[i].table, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_true(g_str_has_prefix(error->message, folder->table));
        if (!strstr(error->message, cases[i].says))
            g_error("%s", error->message);
    }
}

static void test_unreadable_tables(Folder *folder, gconstpointer data)
{
    g_autofree char *of_none =
        g_strdup_printf("[clients]\nrecipients = %s/nothing\n[policy a]\n", folder->directory);
    g_autofree char *of_folder = g_strdup_printf("[clients]\nrecipients = %s\n", folder->directory);
    g_autofree char *with_zero = g_strdup_printf("[clients]\nrecipients = %s\n", folder->table);
    const struct {
        const char *text, *says;
    } cases[] = {{of_none, "No such file or directory"},
                 {of_folder, "Is a directory"},
                 {with_zero, "line 1: has an octet 0"}};

    g_assert_true(g_file_set_contents(folder->table, "a\0b\n", 4, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternConfiguration) configuration = configuration_of(cases[i].text);
        g_autoptr(GError) error = NULL;

        g_assert_null(postern_policies_new(configuration, NULL, FALSE, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

static void test_largest_table(Folder *folder, gconstpointer data)
{
    g_autoptr(GString) table = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < POSTERN_RECIPIENT_POLICIES_MAX; i++)
        g_string_append_printf(table, "user%u@example.org strict\n", i);

    g_autoptr(PosternPolicies) policies =
        policies_with_table(folder, "[policy strict]\n", table->str, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(postern_policies_of(policies, POSTERN_CLIENT_OTHER, "user99999@example.org")->name, ==,
                    "strict");
    g_string_append(table, "one@more.example strict\n");
    g_assert_null(policies_with_table(folder, "[policy strict]\n", table->str, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_nonnull(strstr(error->message, "line 100001: is one too many"));
}

static void test_checks(Folder *folder, gconstpointer data)
{
    static const guint content = POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT;
    const guint own = content | POSTERN_CHECK_RULES;
    const guint verdict =
        own | POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC;
    g_autoptr(PosternPolicies) without_keys = policies_of("");
    g_autoptr(PosternPolicies) with_keys = policies_of("[sign]\ntable=/keys\n");
    g_autoptr(PosternPolicies) unscanned = policies_of("[virus]\nscan=no\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternPolicies) of_recipients = policies_with_table(
        folder, "[policy]\nchecks=spf\n[policy a]\nchecks=virus\n[policy b]\nchecks=dkim\n",
        "a@example.org a\n", &error);

    g_assert_no_error(error);
    g_assert_cmpuint(postern_policies_checks(without_keys, POSTERN_CLIENT_AUTHENTICATED), ==, own);
    g_assert_cmpuint(postern_policies_checks(without_keys, POSTERN_CLIENT_OTHER), ==, verdict);
    g_assert_cmpuint(postern_policies_checks(with_keys, POSTERN_CLIENT_AUTHENTICATED), ==,
                     own | POSTERN_CHECK_SIGN);
    g_assert_cmpuint(postern_policies_checks(with_keys, POSTERN_CLIENT_OTHER), ==, verdict);
    g_assert_cmpuint(postern_policies_checks(unscanned, POSTERN_CLIENT_AUTHENTICATED), ==,
                     POSTERN_CHECK_CONTENT | POSTERN_CHECK_RULES);
    g_assert_cmpuint(postern_policies_checks(of_recipients, POSTERN_CLIENT_OTHER), ==,
                     POSTERN_CHECK_SPF | content);
}

/* Anybody may write any From: only mail of our own clients is signed. */
static void test_signs_own_mail_alone(Folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternPolicies) policies = policies_with_table(
        folder, "[sign]\ntable=/keys\n[policy]\nsign=yes\n[policy a]\n", "a@example.org a\n", &error);

    g_assert_no_error(error);
    for (int class = POSTERN_CLIENT_AUTHENTICATED; class <= POSTERN_CLIENT_OTHER; class ++) {
        gboolean own = class == POSTERN_CLIENT_AUTHENTICATED || class == POSTERN_CLIENT_OWN_NETWORK;
        const PosternPolicy *policy =
            postern_policies_of(policies, (PosternClientClass) class, "a@example.org");
        guint all = postern_policies_checks(policies, (PosternClientClass) class);

        g_assert_cmpint(policy->sign, ==, own);
        g_assert_cmpuint(policy->checks & POSTERN_CHECK_SIGN, ==, own ? POSTERN_CHECK_SIGN : 0);
        g_assert_cmpuint(all & POSTERN_CHECK_SIGN, ==, own ? POSTERN_CHECK_SIGN : 0);
    }
}

static void test_observe(void)
{
    g_autoptr(PosternConfiguration) configuration = configuration_of("[policy a]\n");
    g_autoptr(PosternPolicies) policies = postern_policies_new(configuration, NULL, TRUE, NULL);
    g_autoptr(PosternPolicies) again = postern_policies_ref(policies);

    for (int class = POSTERN_CLIENT_AUTHENTICATED; class <= POSTERN_CLIENT_OTHER; class ++)
        g_assert_true(postern_policies_of(again, (PosternClientClass) class, NULL)->observe);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policies/classes", test_classes);
    g_test_add_func("/policies/policies-of-classes", test_policies_of_classes);
    g_test_add("/policies/recipients", Folder, NULL, folder_set_up, test_recipients, folder_tear_down);
    g_test_add("/policies/wrong-tables", Folder, NULL, folder_set_up, test_wrong_tables, folder_tear_down);
    g_test_add("/policies/unreadable-tables", Folder, NULL, folder_set_up, test_unreadable_tables,
               folder_tear_down);
    g_test_add("/policies/largest-table", Folder, NULL, folder_set_up, test_largest_table, folder_tear_down);
    g_test_add("/policies/checks", Folder, NULL, folder_set_up, test_checks, folder_tear_down);
    g_test_add("/policies/signs-own-mail-alone", Folder, NULL, folder_set_up, test_signs_own_mail_alone,
               folder_tear_down);
    g_test_add_func("/policies/observe", test_observe);
    return g_test_run();
}
