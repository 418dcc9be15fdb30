#include "base/configuration/private.h"

#include <string.h>

#include "base/error.h"
#include "base/option.h"

#define TEN "ssssssssss"
#define SOCKET_PATH_106 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "ssssss" /* with its slash 107, which fit */

static const PosternOption *find(const char *group, const char *key)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++)
        if (strcmp(options[i].group, group) == 0 && strcmp(options[i].key, key) == 0)
            return &options[i];
    g_error("there is no option [%s] %s", group, key);
}

static gpointer place(PosternConfiguration *configuration, const PosternOption *option)
{
    return G_STRUCT_MEMBER_P(configuration, option->offset);
}

/* What a value is taken for, and said again. */
static void test_taken(void)
{
    static const struct {
        const char *group, *key, *text, *again;
    } cases[] = {
        {"proxy", "inspect", "yes", "yes"},
        {"proxy", "inspect", "No", "no"},
        {"proxy", "inspect", "true", "yes"},
        {"proxy", "inspect", "false", "no"},
        {"proxy", "threads", "0", "0"},
        {"proxy", "threads", "064", "64"},
        {"proxy", "message_size", "1024", "1K"},
        {"proxy", "message_size", "1025", "1025"},
        {"proxy", "message_size", "10m", "10M"},
        {"proxy", "message_size", "1G", "1G"},
        {"proxy", "message_size", "2048K", "2M"},
        {"proxy", "backend_wait", "0", "0"},
        {"proxy", "backend_wait", "90", "90s"},
        {"proxy", "backend_wait", "500ms", "500ms"},
        {"proxy", "backend_wait", "120s", "2m"},
        {"proxy", "backend_wait", "24h", "24h"},
        {"proxy", "mode", "observe", "observe"},
        {"proxy", "hostname", "mx1.Example.org", "mx1.Example.org"},
        {"proxy", "hostname", "", ""},
        {"proxy", "recipient_domains", " Example.ORG ;xn--bcher-kva.example, b.example;",
         "example.org; xn--bcher-kva.example; b.example"},
        {"proxy", "recipient_domains", ";,;", ""},
        {"proxy", "listen", "[::1]:25,127.0.0.1:25", "[::1]:25; 127.0.0.1:25"},
        {"proxy", "user", "_mail-1", "_mail-1"},
        {"dns", "servers", "::1@53;fe80::1%br-lan.5@53;fe80::2%3", "::1@53; fe80::1%br-lan.5@53; fe80::2%3"},
        {"policy", "virus", "tempfail", "tempfail"},
        {"policy", "virus", "accept", "accept"},
        {"policy", "unscannable", "mark", "mark"},
        {"policy", "allow_clients", "192.0.2.0/24;2001:db8::/32;198.51.100.7",
         "192.0.2.0/24; 2001:db8::/32; 198.51.100.7"},
        {"policy", "exempt_recipients", "Postmaster;abuse", "postmaster; abuse"},
        {"policy", "checks", "SPF, dkim;Virus", "spf; dkim; virus"},
        {"policy", "checks", "", ""},
        {"policy", "trusted_sealers", "Lists.Example.ORG", "lists.example.org"},
        {"policy", "subject_tag", "[SUSPECT]", "[SUSPECT]"},
        {"policy", "dmarc_reject", "reject", "reject"},
        {"policy", "from_invalid", "discard", "discard"},
        {"proxy", "role", "before_queue_filter", "before_queue_filter"},
        {"proxy", "role", "border", "edge"}, /* its word of before */
        {"inspector", "spf_engine", "libspf2", "libspf2"},
        {"capsule", "which", "all", "all"},
        {"clients", "own_networks", "10.0.0.0/8", "10.0.0.0/8"},
        {"log", "destination", "/var/log/postern.log", "/var/log/postern.log"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
        g_autoptr(GError) error = NULL;
        const PosternOption *option = find(cases[i].group, cases[i].key);
        g_assert_true(
            postern_configuration_value_set(place(configuration, option), option, cases[i].text, &error));
        g_assert_no_error(error);
        g_autofree char *again = postern_configuration_value_text(place(configuration, option), option);
        g_assert_cmpstr(again, ==, cases[i].again);
    }
}

static const struct {
    const char *group, *key, *text, *says;
} wrong[] = {
    {"proxy", "inspect", "", "neither yes nor no"},
    {"proxy", "inspect", "maybe", "neither yes nor no"},
    {"proxy", "threads", "", "not a whole number"},
    {"proxy", "threads", "-1", "not a whole number"},
    {"proxy", "threads", "+1", "not a whole number"},
    {"proxy", "threads", "1.5", "not a whole number"},
    {"proxy", "threads", "1K", "not a whole number"},
    {"proxy", "threads", "65", "out of range: a number from 0 to 64"},
    {"proxy", "threads", "99999999999999999999999", "out of range"},
    {"proxy", "message_size", "K", "not a size"},
    {"proxy", "message_size", "10MB", "not a size"},
    {"proxy", "message_size", "10 M", "not a size"},
    {"proxy", "message_size", "0", "out of range: a size from 1K to 1024G"},
    {"proxy", "message_size", "1025G", "out of range"},
    {"proxy", "message_size", "18446744073709551615G", "out of range"},
    {"proxy", "message_size", "17179869185G", "out of range"},
    {"proxy", "backend_wait", "1d", "not a time"},
    {"proxy", "backend_wait", "1m30s", "not a time"},
    {"proxy", "backend_wait", "25h", "out of range: a time from 0 to 24h"},
    {"proxy", "backend_wait", "18446744073709551615h", "out of range"},
    {"proxy", "backend_timeout", "0", "out of range: a time from 1ms to 24h"},
    {"proxy", "mode", "", "not one of enforce, observe"},
    {"proxy", "mode", "obsreve", "did you mean 'observe'?"},
    {"proxy", "mode", "Observe", "did you mean 'observe'?"},
    {"proxy", "hostname", "under_score.example", "not a domain name"},
    {"proxy", "hostname", "example.org.", "not a domain name"},
    {"proxy", "hostname", "-a.example", "not a domain name"},
    {"proxy", "hostname", "a..example", "not a domain name"},
    {"proxy", "hostname", "192.0.2.1", "not a domain name"},
    {"proxy", "hostname",
     "b\xc3\xbc"
     "cher.example",
     "xn--"},
    {"proxy", "recipient_domains", "example.org; user@example.net",
     "'user@example.net' is not a domain name"},
    {"proxy", "recipient_domains", "*", "not a domain name"},
    {"proxy", "listen", "", "has 0 items and should be a list of 1 to 32"},
    {"proxy", "listen", "localhost:25", "names are not looked up"},
    {"proxy", "backend", "", "has 0 items"},
    {"proxy", "backend", "127.0.0.1:25 weight=0", "'weight=0' is no number from 1 to 256"},
    {"proxy", "backend", "127.0.0.1:25 weight=257", "'weight=257' is no number"},
    {"proxy", "backend", "127.0.0.1:25 limit=-1", "'limit=-1' is no number"},
    {"proxy", "backend", "127.0.0.1:25 reserve", "'reserve' is none of weight=N, limit=N, backup and drain"},
    {"servers", "address", "backup", "has no port"},
    {"proxy", "backend", "0.0.0.0:25", "cannot be connected to"},
    {"proxy", "backend", "[ff02::1]:25", "cannot be connected to"},
    {"proxy", "user", "a b", "not the name of a user"},
    {"proxy", "user", "-u", "not the name of a user"},
    {"proxy", "user", "root:root", "not the name of a user"},
    {"dns", "servers", "127.0.0.1:53", "ADDRESS@PORT"},
    {"dns", "servers", "127.0.0.1@0", "ADDRESS@PORT"},
    {"dns", "servers", "dns.example", "ADDRESS@PORT"},
    {"dns", "servers", "fe80::1%", "%INTERFACE"},
    {"dns", "servers", "fe80::1%eth0%eth1", "%INTERFACE"},
    {"dns", "servers", "fe80::1%no/name", "%INTERFACE"},
    {"dns", "servers", "fe80::1%longer-than-a-name", "%INTERFACE"},
    {"dns", "servers", "2001:db8::1%eth0", "%INTERFACE"},
    {"dns", "servers", "169.254.0.1%eth0", "%INTERFACE"},
    {"dns", "servers", "%eth0", "%INTERFACE"},
    {"dns", "answers", "answers.txt", "not an absolute path"},
    {"inspector", "temporary_directory", "tmp", "not an absolute path"},
    {"inspector", "worker_memory", "79M", "a size from 80M to 1024G"},
    {"policy", "unscannable", "discard", "in silence"},
    {"policy", "spf_error", "discard", "is for good"},
    {"milter", "socket", "8891", "no place for a milter"},
    {"milter", "socket", "inet:8891", "names no address"},
    {"milter", "socket", "inet:0@127.0.0.1", "no valid port"},
    {"milter", "socket", "inet:8891@localhost", "names are not looked up"},
    {"virus", "clamd", "clamd.ctl", "is not the socket of a clamd"},
    {"virus", "clamd", "localhost:3310", "is not the socket of a clamd"},
    {"virus", "clamd", "/" SOCKET_PATH_106 "x", "path too long for a socket"},
    {"http", "listen", "unix:/" SOCKET_PATH_106 "x", "path too long for a socket"},
    {"http", "milter_listen", "unix:/" SOCKET_PATH_106 "x", "path too long for a socket"},
    {"milter", "socket", "unix:/" SOCKET_PATH_106 "x", "path too long for a socket"},
    {"milter", "socket", "local:/" SOCKET_PATH_106 "x", "path too long for a socket"},
    {"inspector", "socket", "/" SOCKET_PATH_106 "x", "107"},
    {"screen", "control", "/" SOCKET_PATH_106 "x", "107"},
    {"proxy", "backend", "unix:/" SOCKET_PATH_106 "x", "socket"},
    {"milter", "socket", "inet:8891@::1", "no address of its kind"},
    {"milter", "socket", "unix:postern.sock", "no absolute path"},
    {"milter", "socket_mode", "0670", "no mode of a socket"},
    {"milter", "socket_mode", "888", "no mode of a socket"},
    {"policy", "virus", "rejct", "did you mean 'reject'?"},
    {"policy", "spf_error", "reject", "is for good"},
    {"policy", "dkim_error", "reject", "is for good"},
    {"policy", "unscannable", "accept", "in silence"},
    {"policy", "hops", "tempfail", "for ever"},
    {"policy", "from_invalid", "tempfail", "for ever"},
    {"policy", "header_ambiguous", "tempfail", "for ever"},
    {"policy", "dmarc_error", "reject", "is for good"},
    {"policy", "sign_error", "discard", "is for good"},
    {"policy", "checks", "spf; iprev", "'iprev' is no check"},
    {"policy", "subject_tag", "b\xc3\xb6se", "not printable ASCII"},
    {"policy", "subject_tag", "0123456789012345678901234567890123456789012345678901234567890123456789",
     "is too long"},
    {"policy", "trusted_sealers", "*.example.org", "not a domain name"},
    {"proxy", "role", "border-guard", "not one of edge, before_queue_filter"},
    {"proxy", "trusted_clients", "mail.example.org", "not a network"},
    {"proxy", "submission_listen", "127.0.0.1", "'127.0.0.1'"},
    {"proxy", "filter_timeout", "999ms", "out of range"},
    {"inspector", "spf_engine", "libspf", "did you mean 'libspf2'?"},
    {"clients", "trusted_relays", "10.0.0.1/8", "no bit set behind"},
    {"clients", "recipients", "recipients", "not an absolute path"},
    {"sign", "table", "keys", "not an absolute path"},
    {"capsule", "size", "1K", "out of range"},
    {"policy", "allow_clients", "192.0.2.1/24", "no bit set behind"},
    {"policy", "allow_clients", "192.0.2.0/33", "not a network"},
    {"policy", "allow_clients", "0/0", "not a network"},
    {"policy", "allow_clients", "10", "not a network"},
    {"policy", "allow_clients", "10.0/16", "not a network"},
    {"policy", "allow_clients", "0x7f000001", "not a network"},
    {"policy", "allow_clients", "192.0.2.0/", "not a network"},
    {"policy", "allow_clients", "192.0.2.0/-1", "not a network"},
    {"policy", "allow_clients", "example.org", "not a network"},
    {"policy", "exempt_recipients", "abuse@example.org", "not a local part"},
    {"policy", "exempt_recipients", "two words", "not a local part"},
    {"log", "destination", "syslogd", "neither stderr nor syslog"},
    {"log", "destination", "/var/log/a\nb", "control character"},
    {"log", "destination", "/var/log/a ", "ends with a space"},
};

static void test_refused(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
        g_autoptr(GError) error = NULL;
        const PosternOption *option = find(wrong[i].group, wrong[i].key);
        g_autofree char *before = postern_configuration_value_text(place(configuration, option), option);
        g_assert_false(
            postern_configuration_value_set(place(configuration, option), option, wrong[i].text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        if (strstr(error->message, wrong[i].says) == NULL)
            g_error("[%s] %s = %s: %s", wrong[i].group, wrong[i].key, wrong[i].text, error->message);
        g_autofree char *after = postern_configuration_value_text(place(configuration, option), option);
        g_assert_cmpstr(before, ==, after);
    }
}

static void test_too_much(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_autoptr(GString) items = g_string_new(NULL);
    for (guint i = 0; i < 1000; i++)
        g_string_append_printf(items, "d%u.example;", i);
    const PosternOption *option = find("proxy", "recipient_domains");
    g_assert_true(postern_configuration_value_set(place(configuration, option), option, items->str, NULL));
    g_assert_cmpuint(g_strv_length(configuration->proxy.recipient_domains), ==, 1000);
    g_string_append(items, "one-more.example");
    g_assert_false(postern_configuration_value_set(place(configuration, option), option, items->str, NULL));

    g_autofree char *path = g_strnfill(108, '/');
    option = find("inspector", "socket");
    g_assert_false(postern_configuration_value_set(place(configuration, option), option, path, NULL));
    path[107] = '\0';
    g_assert_true(postern_configuration_value_set(place(configuration, option), option, path, NULL));
}

static void test_milliseconds(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    const PosternOption *option = find("proxy", "backend_wait");
    g_assert_true(postern_configuration_value_set(place(configuration, option), option, "3", NULL));
    g_assert_cmpuint(configuration->proxy.backend_wait_ms, ==, 3000);
    g_assert_true(postern_configuration_value_set(place(configuration, option), option, "2h", NULL));
    g_assert_cmpuint(configuration->proxy.backend_wait_ms, ==, 7200000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration-value/taken", test_taken);
    g_test_add_func("/configuration-value/refused", test_refused);
    g_test_add_func("/configuration-value/too-much", test_too_much);
    g_test_add_func("/configuration-value/milliseconds", test_milliseconds);
    return g_test_run();
}
