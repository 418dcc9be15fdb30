#include "base/configuration.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "verdict/policy.h"

static void test_defaults(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_assert_cmpstr(configuration->log.destination, ==, "stderr");
    g_assert_cmpuint(configuration->log.level, ==, POSTERN_LOG_INFO);
    g_assert_cmpstr(configuration->proxy.listen[0], ==, "127.0.0.1:2525");
    g_assert_null(configuration->proxy.listen[1]);
    g_assert_cmpstr(configuration->proxy.backend[0], ==, "127.0.0.1:10025");
    g_assert_cmpstr(configuration->proxy.hostname, !=, "");
    g_assert_nonnull(configuration->proxy.recipient_domains);
    g_assert_null(configuration->proxy.recipient_domains[0]);
    g_assert_cmpuint(configuration->proxy.backend_data_end_timeout_ms, ==, 600000);
    g_assert_cmpuint(configuration->proxy.message_size, ==, POSTERN_MESSAGE_DEFAULT_OCTETS);
    g_assert_true(configuration->proxy.inspect);
    g_assert_cmpuint(configuration->policy.virus, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpuint(configuration->policy.unscannable, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpuint(configuration->policy.spf_fail, ==, POSTERN_ACTION_MARK);
}

static void test_values(void)
{
    static const char text[] = "\xef\xbb\xbf# comment\r\n\r\n"
                               "[proxy]\r\n"
                               "  backend =  192.0.2.1:25  \r\n"
                               "hostname=mx.example.org\n"
                               "\tmode=observe\n"
                               "[virus]\n"
                               "[proxy]\n"
                               "threads=2";
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, sizeof text - 1, "test.conf", &error);
    g_assert_no_error(error);
    g_assert_cmpstr(configuration->proxy.backend[0], ==, "192.0.2.1:25");
    g_assert_cmpstr(configuration->proxy.hostname, ==, "mx.example.org");
    g_assert_cmpuint(configuration->proxy.mode, ==, POSTERN_MODE_OBSERVE);
    g_assert_cmpuint(configuration->proxy.threads, ==, 2);
    g_assert_true(configuration->virus.scan);
}

static char *mistakes_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_configuration_parse(text, strlen(text), "test.conf", &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    return g_strdup(error->message);
}

static const struct {
    const char *text, *says;
} mistaken[] = {
    {"[proxi]\nlisten=1", "test.conf: line 1: [proxi]: there is no such group (did you mean 'proxy'?)"},
    {"[other]\n",
     "test.conf: line 1: [other]: there is no such group; there are log, proxy, tls, milter, dns, inspector, "
     "virus, "
     "content, clients, policy, sign, capsule, http, screen, greylist, class, list, report, servers, and "
     "policies of your own, [policy NAME]"},
    {"[polcy strict]\nspf_fail=1",
     "test.conf: line 1: [polcy strict]: there is no such group (did you mean 'policy strict'?)"},
    {"[policy:strict]\n",
     "test.conf: line 1: [policy:strict]: there is no such group (did you mean 'policy strict'?)"},
    {"[policy a b]\nspf_fail=reject",
     "test.conf: line 1: [policy a b]: is no policy: write [policy NAME], NAME "
     "of at most 32 letters, digits, '-' "
     "and '_'"},
    {"[policy  a]\n", "test.conf: line 1: [policy  a]: is no policy: write [policy NAME], NAME of at most 32 "
                      "letters, digits, '-' "
                      "and '_'"},
    {"[policy strict]\nspf_fial=reject",
     "test.conf: line 2: [policy strict] spf_fial: there is no such key (did you mean 'spf_fail'?)"},
    {"[policy strict]\nspf_fail=rejct",
     "test.conf: line 2: [policy strict] spf_fail: 'rejct' is not one of accept, mark, quarantine, discard, "
     "tempfail, reject (did you mean 'reject'?)"},
    {"[policy strict]\ndatabase=/a",
     "test.conf: line 2: [policy strict] database: there is no such key here (did you mean 'database' of "
     "[virus]?)"},
    {"[policy strict]\nsign=no\n[policy]\n[policy strict]\nsign=no",
     "test.conf: line 2: [policy strict] sign: stands again in line 5: keep one"},
    {"[proxy]\nlisten_=1",
     "test.conf: line 2: [proxy] listen_: there is no such key (did you mean 'listen'?)"},
    {"[proxy]\nqqqqq=1", "test.conf: line 2: [proxy] qqqqq: there is no such key; --dump-config shows all"},
    {"[proxy]\nworkers=1", "test.conf: line 2: [proxy] workers: there is no such key here (did you mean "
                           "'workers' of [inspector]?)"},
    {"[proxy]\nmode=obsreve",
     "test.conf: line 2: [proxy] mode: 'obsreve' is not one of enforce, observe (did you mean 'observe'?)"},
    {"[proxy]\nthreads=65",
     "test.conf: line 2: [proxy] threads: '65' is out of range: a number from 0 to 64"},
    {"[proxy]\nthreads=6 # six", "test.conf: line 2: [proxy] threads: '6 # six' is not a whole number (a "
                                 "comment needs a line of its own)"},
    {"[proxy]\nthreads=1\n\nthreads=1",
     "test.conf: line 2: [proxy] threads: stands again in line 4: keep one"},
    {"[proxy]\nthreads=1\n[dns]\n[proxy]\nthreads=1",
     "test.conf: line 2: [proxy] threads: stands again in line 5: keep one"},
    {"[proxy]\nhostname=a\\qb",
     "test.conf: line 2: [proxy] hostname: has a backslash that means nothing: write \\\\ for one"},
    {"threads=1",
     "test.conf: line 1: 'threads' stands before the first group: put it below a line such as [proxy]"},
    {"\n[proxy\nmode=x", "test.conf: line 2: '[proxy' is not a group: write [NAME]"},
    {"[]\nmode=x", "test.conf: line 1: '[' is not a group: write [NAME]"},
    {"[proxy]\nmode",
     "test.conf: line 2: 'mode' is not [GROUP], KEY = VALUE or a # comment on a line of its own"},
    {"[proxy]\n;mode=observe", "test.conf: line 2: ';mode=observe' is not [GROUP], KEY = VALUE or a # "
                               "comment on a line of its own"},
    {"[proxy]\nmode[de]=observe", "test.conf: line 2: 'mode[de]' is not a key: write KEY = VALUE"},
    {"[proxy]\n=observe", "test.conf: line 2: '' is not a key: write KEY = VALUE"},
    {"[proxy]\n\x1b[2J\x07", "test.conf: line 2: '\\x1b[2J\\x07' is not [GROUP], KEY = VALUE or a # "
                             "comment on a line of its own"},
    {"[proxy]\nlisten=127.0.0.1:25;127.0.0.1:25",
     "test.conf: line 2: [proxy] listen: '127.0.0.1:25' stands there twice"},
};

static void test_mistakes(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(mistaken); i++) {
        g_autofree char *diagnostics = mistakes_of(mistaken[i].text);
        g_assert_cmpstr(diagnostics, ==, mistaken[i].says);
    }
}

static void test_all_mistakes_at_once(void)
{
    g_autofree char *diagnostics =
        mistakes_of("nonsense\n[proxy]\nthreads=x\nmode=y\nlissten=1\n[virus]\nscan=2\n[w]\n");
    g_auto(GStrv) lines = g_strsplit(diagnostics, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 6);
    for (char **line = lines; *line != NULL; line++)
        g_assert_true(g_str_has_prefix(*line, "test.conf: "));
}

static void test_very_many_mistakes(void)
{
    g_autoptr(GString) text = g_string_new("[proxy]\n");
    for (guint i = 0; i < POSTERN_CONFIGURATION_DIAGNOSTICS_MAX + 7; i++)
        g_string_append_printf(text, "key%u=1\n", i);
    g_autofree char *diagnostics = mistakes_of(text->str);
    g_auto(GStrv) lines = g_strsplit(diagnostics, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, POSTERN_CONFIGURATION_DIAGNOSTICS_MAX + 1);
    g_assert_cmpstr(lines[POSTERN_CONFIGURATION_DIAGNOSTICS_MAX], ==, "test.conf: and 7 mistakes more");
}

#define PIN "7777777777777777777777777777777777777777777777777777777777777777"

/* Groups that agree with one another or not; text goes on behind [proxy]. */
static const struct {
    const char *text;
    const char *says; /* NULL: all is well */
} agreements[] = {
    {"backend=127.0.0.1:10025;192.0.2.1:25 backup", NULL},
    {"backend=127.0.0.1:10025;127.0.0.1:10025 backup", "'127.0.0.1:10025 backup' stands there twice"},
    {"backend=[2001:db8::1]:25;[2001:DB8:0::1]:25", "'[2001:DB8:0::1]:25' stands there twice"},
    {"backend=192.0.2.1:25;lmtp:192.0.2.1:25", NULL},
    {"[servers a]\naddress=127.0.0.1:2525", "[servers a] address: '127.0.0.1:2525' is where the proxy"},
    {"[servers a]\nlimit=3", "[servers a] address: must name a server"},
    {"[servers]\naddress=192.0.2.1:25\n[servers a]", NULL},
    {"[servers default]\naddress=192.0.2.1:25", "[servers default]: is the name of the group whose servers"},
    {"\n[tls]\nserver_pins=" PIN "\nserver_authorities=/a", "[tls] server_authorities: is of no use beside"},
    {"\n[tls]\nserver_key=/a", "[tls] server_key: is of no use without server_certificate"},
    {"\n[tls]\nserver_key=/a\nserver_certificate=/b\nserver_pins=" PIN, NULL},
    {"[servers a]\naddress=192.0.2.1:25\ntls_pins=" PIN "\ntls_authorities=/a",
     "[servers a] tls_authorities: is of no use beside tls_pins"},
    {"[servers a]\naddress=192.0.2.1:25\ntls_authorities=/a\n[tls]\nserver_pins=" PIN,
     "[servers a] tls_authorities: is of no use beside [tls] server_pins"},
    {"[servers a]\naddress=192.0.2.1:25\ntls=verify\ntls_authorities=/a\n[tls]\nserver_pins=" PIN, NULL},
    {"[servers a]\naddress=192.0.2.1:25\ntls_pins=" PIN "\n[tls]\nserver_authorities=/a", NULL},
    {"[servers a]\naddress=192.0.2.1:25\ntls_key=/a\n[tls]\nserver_certificate=/b",
     "[servers a] tls_key: is of no use without tls_certificate"},
    {"client_address=xforward", NULL},
    {"client_address=none\nlisten=127.0.0.1:25;[::1]:25", NULL},
    {"client_address=none\nlisten=127.0.0.1:25;[::]:25", "[proxy] recipient_domains: must name your domains"},
    {"client_address=xforward\nlisten=0.0.0.0:25", "with client_address = xforward"},
    {"client_address=xforward\nlisten=0.0.0.0:25\nrecipient_domains=a.example", NULL},
    {"client_address=xclient\nlisten=0.0.0.0:25", NULL},
    {"listen=127.0.0.1:25;127.0.0.1:10025",
     "[proxy] backend: '127.0.0.1:10025' is where the proxy itself listens"},
    {"listen=0.0.0.0:10025", "mail would go round in a loop"},
    {"listen=[::]:10025", NULL},
    {"listen=[::]:25\nbackend=[::1]:25", "mail would go round in a loop"},
    {"listen=[2001:db8::1]:25\nbackend=[2001:db8:0::1]:25", "mail would go round in a loop"},
    {"message_size=10M\nmessage_memory=9M", "[proxy] message_memory: is less than message_size"},
    {"message_size=10M\nmessage_memory=10M", NULL},
    {"\n[class]\nnetworks=192.0.2.0/24", "[class] networks: is of a [class NAME]"},
    {"\n[class]\nnames=example.org", "[class] names: is of a [class NAME]"},
    {"\n[class a]\nnetworks=192.0.2.0/24\nnames=example.org", NULL},
    {"\n[screen]\nipv4_network=31\nipv4_prefix=30", "[screen] ipv4_network: is more than ipv4_prefix"},
    {"\n[screen]\nipv6_network=64\nipv6_prefix=56", "[screen] ipv6_network: is more than ipv6_prefix"},
    {"\n[screen]\nipv4_network=30\nipv4_prefix=30", NULL},
    {"\n[greylist]\ndelay=1h\nretry_hours=1", "[greylist] delay: is not less than retry_hours"},
    {"\n[greylist]\ndelay=59m\nretry_hours=1", NULL},
    {"min_data_rate=513\n[screen]\ndata_rate=1K", "[screen] data_rate: is less than two of"},
    {"min_data_rate=512\n[screen]\ndata_rate=1K", NULL},
    {"min_data_rate=512\n[screen]\ndata_rate=0", NULL},
    {"[dns]\nanswers=/a\nservers=127.0.0.1", "[dns] answers: takes the place of the network"},
    {"[dns]\nanswers=/a", NULL},
    {"listen=0.0.0.0:25\ntrusted_clients=192.0.2.1; 0.0.0.0/0",
     "[proxy] trusted_clients: '0.0.0.0/0' is everybody"},
    {"listen=127.0.0.1:25\ntrusted_clients=0.0.0.0/0", NULL},
    {"listen=0.0.0.0:25\ntrusted_clients=0.0.0.0/1; 128.0.0.0/1",
     "[proxy] trusted_clients: '0.0.0.0/1' is everybody"},
    {"listen=0.0.0.0:25\ntrusted_clients=64.0.0.0/3; 192.0.2.1; 96.0.0.0/3",
     "[proxy] trusted_clients: all of them together are everybody"},
    /* A milter, and a server in front, bring external clients to a program that listens on loopback alone. */
    {"[clients]\nown_networks=0.0.0.0/0", "[clients] own_networks: '0.0.0.0/0' is everybody"},
    {"[clients]\nown_networks=::/0", "[clients] own_networks: '::/0' is everybody"},
    {"listen=0.0.0.0:25\n[clients]\nown_networks=::ffff:0:0/96", "[clients] own_networks"},
    {"[clients]\nown_networks=10.0.0.0/8; 127.0.0.0/8; 192.168.0.0/16; fe80::/10; fc00::/7", NULL},
    {"[clients]\ntrusted_relays=0.0.0.0/1", "[clients] trusted_relays"},
    {"[policy]\nallow_clients=192.0.2.1; 0.0.0.0/0", "[policy] allow_clients"},
    {"[policy a]\nallow_clients=2000::/3", "[policy a] allow_clients"},
    {"role=before_queue_filter", "[proxy] trusted_clients: must name the mail servers"},
    {"role=before_queue_filter\ntrusted_clients=192.0.2.1\nclient_address=xforward\nlisten=0.0.0.0:25", NULL},
    {"submission_listen=127.0.0.1:26", NULL},
    {"submission_listen=127.0.0.1:26\nauth=off", "[proxy] submission_listen: is for users who log in"},
    {"role=before_queue_filter\ntrusted_clients=127.0.0.1\nsubmission_listen=127.0.0.1:2525",
     "[proxy] submission_listen: '127.0.0.1:2525' stands there twice"},
    {"role=before_queue_filter\ntrusted_clients=127.0.0.1\nsubmission_listen=0.0.0.0:10025",
     "mail would go round in a loop"},
    {"role=before_queue_filter\ntrusted_clients=127.0.0.1\nsubmission_listen=127.0.0.1:26", NULL},
    {"[clients]\nauthenticated_policy=users", "authenticated_policy: there is no group [policy users]"},
    {"[clients]\nown_networks_policy=submision",
     "[clients] own_networks_policy: there is no group [policy submision] (did you mean 'submission'?)"},
    {"[clients]\nauthenticated_policy=users\nown_networks_policy=\n[policy users]", NULL},
    {"[policy]\nchecks=dmarc;spf", "[policy] checks: has dmarc, which is made of what spf and dkim find"},
    {"[policy a]\nchecks=dmarc", "[policy a] checks: has dmarc"},
    {"[policy]\nchecks=virus\ntrusted_sealers=a.example", "[policy] trusted_sealers: override"},
    {"[policy a]\nchecks=virus\n[policy]\ntrusted_sealers=a.example", NULL},
    {"[policy]\nsign=yes", "[policy] sign: needs keys"},
    {"[policy submission]\nsign=yes",
     "[policy submission] sign: needs keys: name their file in [sign] table"},
    {"[policy submission]\nsign=yes\n[sign]\ntable=/etc/postern/keys", NULL},
    {"[policy strict]\nsign=yes", "[policy strict] sign: needs keys"},
    {"[policy]\nsign=yes\n[sign]\ntable=/etc/postern/keys", NULL},
};

static void test_agreement(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(agreements); i++) {
        g_autofree char *text = g_strdup_printf("[proxy]\n%s\n", agreements[i].text);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternConfiguration) configuration =
            postern_configuration_parse(text, strlen(text), "test.conf", &error);
        if (agreements[i].says == NULL) {
            g_assert_no_error(error);
            g_assert_nonnull(configuration);
            continue;
        }
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(strstr(error->message, agreements[i].says));
    }
}

static void assert_taken(const char *text, PosternConfiguration **ret_configuration)
{
    g_autoptr(GError) error = NULL;
    *ret_configuration = postern_configuration_parse(text, strlen(text), "test.conf", &error);
    g_assert_no_error(error);
    g_assert_nonnull(*ret_configuration);
}

/* What a policy does not say is as in [policy], wherever that stands. */
static void test_policies(void)
{
    g_autoptr(PosternConfiguration) configuration = NULL;
    assert_taken("[policy strict]\nspf_softfail = reject\nexempt_recipients =\n"
                 "[policy submission]\nvirus = tempfail\n"
                 "[policy]\nspf_fail = reject\nexempt_recipients = abuse\nsubject_tag = [S]\n"
                 "[policy strict]\ndkim_fail = reject\n[policy 9_-]\n",
                 &configuration);
    const PosternPolicyOptions *strict = postern_configuration_policy(configuration, "strict");
    const PosternPolicyOptions *submission = postern_configuration_policy(configuration, "submission");
    const PosternPolicyOptions *same = postern_configuration_policy(configuration, "9_-");

    g_assert_cmpuint(g_hash_table_size(configuration->policies), ==, 3);
    g_assert_true(postern_configuration_policy(configuration, "") == &configuration->policy);
    g_assert_null(postern_configuration_policy(configuration, "other"));
    g_assert_cmpuint(strict->spf_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpuint(strict->spf_softfail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpuint(strict->dkim_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_null(strict->exempt_recipients[0]);
    g_assert_cmpstr(strict->subject_tag, ==, "[S]");
    g_assert_cmpuint(configuration->policy.spf_softfail, ==, POSTERN_ACTION_MARK);
    g_assert_cmpuint(same->spf_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpstr(same->exempt_recipients[0], ==, "abuse");
    g_assert_true(same->exempt_recipients != configuration->policy.exempt_recipients);
    g_assert_cmpuint(submission->spf_fail, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpuint(submission->virus, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpstr(submission->subject_tag, ==, "[S]");
}

static void test_built_in_policy(void)
{
    g_autoptr(PosternConfiguration) without_file = postern_configuration_new();
    g_autoptr(PosternConfiguration) of_file = NULL;
    assert_taken("", &of_file);
    const PosternConfiguration *both[] = {without_file, of_file};

    for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
        const PosternPolicyOptions *policy = postern_configuration_policy(both[i], "submission");
        const guint actions[] = {policy->spf_fail,    policy->spf_softfail,    policy->spf_error,
                                 policy->dkim_fail,   policy->dkim_error,      policy->dmarc_reject,
                                 policy->dmarc_error, policy->dmarc_quarantine};

        g_assert_cmpuint(g_hash_table_size(both[i]->policies), ==, 1);
        g_assert_cmpstr(policy->checks[0], ==, "virus");
        g_assert_null(policy->checks[2]);
        g_assert_false(policy->sign);
        g_assert_false(policy->authentication_results);
        for (gsize j = 0; j < G_N_ELEMENTS(actions); j++)
            g_assert_cmpuint(actions[j], ==, POSTERN_ACTION_ACCEPT);
        g_assert_cmpuint(policy->virus, ==, POSTERN_ACTION_REJECT);
        g_assert_cmpuint(policy->sign_error, ==, POSTERN_ACTION_TEMPFAIL);
        g_assert_cmpuint(policy->from_invalid, ==, POSTERN_ACTION_QUARANTINE);
    }
}

static void test_too_many_policies(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 1; i < POSTERN_POLICIES_MAX; i++)
        g_string_append_printf(text, "[policy p%u]\nsign=no\n", i);
    g_autoptr(PosternConfiguration) configuration = NULL;
    assert_taken(text->str, &configuration);
    g_assert_cmpuint(g_hash_table_size(configuration->policies), ==, POSTERN_POLICIES_MAX);
    g_string_append(text, "[policy more]\n");
    g_autofree char *diagnostics = mistakes_of(text->str);
    g_assert_cmpstr(diagnostics, ==,
                    "test.conf: line 199: [policy more]: is one too many: there may be 100 of [policy NAME]");
}

static void test_approval(void)
{
    g_autofree char *of_file = postern_configuration_ok_message("/etc/hosts");
    g_autofree char *of_none = postern_configuration_ok_message(NULL);
    gboolean installed = g_file_test(POSTERN_CONFIGURATION_FILE, G_FILE_TEST_EXISTS);

    g_assert_cmpstr(of_file, ==, "/etc/hosts: no mistakes found");
    g_assert_true(g_str_has_prefix(of_none, installed ? POSTERN_CONFIGURATION_FILE ": no mistakes"
                                                      : "there is no " POSTERN_CONFIGURATION_FILE ": all"));
}

static void assert_unreadable(const char *path, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(postern_configuration_load(path, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_true(g_str_has_prefix(error->message, path));
    g_assert_nonnull(strstr(error->message, says));
}

static void write_file(const char *path, const char *text, gssize length)
{
    g_autoptr(GError) error = NULL;
    g_file_set_contents(path, text, length, &error);
    g_assert_no_error(error);
}

static void test_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = g_dir_make_tmp("postern-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(directory, "postern.conf", NULL);

    assert_unreadable(path, "No such file or directory: name an existing file");
    assert_unreadable(directory, "Is a directory: name the file in it");
    assert_unreadable("/dev/zero", "is larger than 1048576 octets");

    write_file(path, "[proxy]\nhostname=b\xfcro.example\n", -1);
    assert_unreadable(path, "line 2: octet 0xfc is not UTF-8 text");
    write_file(path, "[proxy]\n\n\0", 10);
    assert_unreadable(path, "line 3: octet 0x00 is not UTF-8 text");

    g_autofree char *large = g_strnfill(POSTERN_CONFIGURATION_FILE_MAX_OCTETS + 1, '\n');
    write_file(path, large, POSTERN_CONFIGURATION_FILE_MAX_OCTETS + 1);
    assert_unreadable(path, "is larger than 1048576 octets");
    write_file(path, large, POSTERN_CONFIGURATION_FILE_MAX_OCTETS);
    g_autoptr(PosternConfiguration) empty = postern_configuration_load(path, &error);
    g_assert_no_error(error);
    g_assert_nonnull(empty);

    write_file(path, "[proxy]\nthreads=7\n", -1);
    g_autoptr(PosternConfiguration) configuration = postern_configuration_load(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(configuration->proxy.threads, ==, 7);

    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration/defaults", test_defaults);
    g_test_add_func("/configuration/values", test_values);
    g_test_add_func("/configuration/mistakes", test_mistakes);
    g_test_add_func("/configuration/all-mistakes-at-once", test_all_mistakes_at_once);
    g_test_add_func("/configuration/very-many-mistakes", test_very_many_mistakes);
    g_test_add_func("/configuration/agreement", test_agreement);
    g_test_add_func("/configuration/policies", test_policies);
    g_test_add_func("/configuration/built-in-policy", test_built_in_policy);
    g_test_add_func("/configuration/too-many-policies", test_too_many_policies);
    g_test_add_func("/configuration/approval", test_approval);
    g_test_add_func("/configuration/files", test_files);
    return g_test_run();
}
