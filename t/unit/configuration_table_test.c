#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/log.h"
#include "base/option.h"
#include "verdict/policy.h"

static gsize size_of(const PosternOption *option)
{
    switch (option->type) {
    case POSTERN_OPTION_OCTETS:
        return sizeof(guint64);
    case POSTERN_OPTION_STRING:
    case POSTERN_OPTION_LIST:
        return sizeof(gpointer);
    default:
        return sizeof(guint);
    }
}

static void test_rows(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) groups = g_hash_table_new(g_str_hash, g_str_equal);

    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        g_assert_true(g_hash_table_add(names, g_strdup_printf("%s %s", option->group, option->key)));
        if (i == 0 || strcmp(options[i - 1].group, option->group) != 0)
            g_assert_true(g_hash_table_add(groups, (gpointer)(guintptr)option->group));
        g_assert_cmpuint(strspn(option->key, "abcdefghijklmnopqrstuvwxyz_46"), ==, strlen(option->key));
        g_assert_cmpuint(strlen(option->text), >, 10);
        g_assert_cmpuint(strlen(option->text), <=, 100);
        g_assert_null(strchr(option->text, '\n'));
        g_assert_true(g_str_has_suffix(option->text, "."));
        g_assert_cmpuint(option->minimum, <=, option->maximum);
        g_assert_true((option->type == POSTERN_OPTION_CHOICE) == (option->choices != NULL));
        if (option->type == POSTERN_OPTION_NUMBER || option->type == POSTERN_OPTION_DURATION)
            g_assert_cmpuint(option->maximum, <=, G_MAXUINT);
    }
}

static void test_defaults_are_allowed(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++) {
        g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
        g_autoptr(GError) error = NULL;
        gpointer place = G_STRUCT_MEMBER_P(configuration, options[i].offset);
        g_assert_true(postern_configuration_value_set(place, &options[i], options[i].initial, &error));
        g_assert_no_error(error);
        g_autofree char *text = postern_configuration_value_text(place, &options[i]);
        g_assert_cmpstr(text, ==, options[i].initial);
    }
}

/* No field is without its row, no two rows share one: what no row covers, but the named groups, whose
 * name hostname is, octet_rate in the one place, the room of the checks, the lines of the file and what the
 * command line says, is at most the padding of one member. */
static void test_rows_cover_the_structure(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    guint8 covered[sizeof(PosternConfiguration)] = {0};

    for (gsize i = 0; i < length; i++)
        for (gsize octet = 0; octet < size_of(&options[i]); octet++)
            g_assert_cmpuint(covered[options[i].offset + octet]++, ==, 0);
    for (gsize octet = 0; octet < sizeof(GHashTable *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, policies) + octet]++;
    for (gsize octet = 0; octet < sizeof(GHashTable *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, classes) + octet]++;
    for (gsize octet = 0; octet < sizeof(GHashTable *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, lists) + octet]++;
    for (gsize octet = 0; octet < sizeof(GHashTable *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, groups) + octet]++;
    for (gsize octet = 0; octet < sizeof(GHashTable *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, lines) + octet]++;
    for (gsize octet = 0; octet < sizeof(char *); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, given_inspector) + octet]++;
    for (gsize octet = 0; octet < sizeof(guint); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, class.rates[POSTERN_COUNT_KIBIBYTES]) + octet]++;
    for (gsize octet = 0; octet < sizeof(gboolean); octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, proxy.hostname_of_machine) + octet]++;
    for (gsize octet = 0; octet < sizeof(PosternCheckOptions) * POSTERN_CHECKS_MAX; octet++)
        covered[G_STRUCT_OFFSET(PosternConfiguration, policy.of_checks) + octet]++;
    gsize gap = 0;
    for (gsize octet = 0; octet < sizeof covered; octet++) {
        gap = covered[octet] ? 0 : gap + 1;
        g_assert_cmpuint(gap, <, sizeof(guint64));
        if (gap > 0)
            g_assert_cmpuint(octet % sizeof(guint64), >=, sizeof(guint32));
    }
}

static void assert_choice(const char *group, const char *key, guint index, const char *word)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++) {
        if (strcmp(options[i].group, group) == 0 && strcmp(options[i].key, key) == 0) {
            g_assert_cmpuint(g_strv_length((char **)(guintptr)options[i].choices), >, index);
            g_assert_cmpstr(options[i].choices[index], ==, word);
            return;
        }
    }
    g_assert_not_reached();
}

static void test_choices_are_the_enumerations(void)
{
    static const struct {
        guint action;
        const char *word;
    } actions[] = {
        {POSTERN_ACTION_ACCEPT, "accept"},         {POSTERN_ACTION_MARK, "mark"},
        {POSTERN_ACTION_QUARANTINE, "quarantine"}, {POSTERN_ACTION_DISCARD, "discard"},
        {POSTERN_ACTION_TEMPFAIL, "tempfail"},     {POSTERN_ACTION_REJECT, "reject"},
    };
    static const char *const rows[] = {"virus",        "unscannable",      "spf_fail",    "spf_softfail",
                                       "spf_error",    "spf_helo",         "dkim_fail",   "dkim_error",
                                       "dmarc_reject", "dmarc_quarantine", "dmarc_error", "from_invalid",
                                       "sign_error",   "header_ambiguous"};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(actions); j++)
            assert_choice("policy", rows[i], actions[j].action, actions[j].word);
    assert_choice("log", "level", POSTERN_LOG_ERROR, "error");
    assert_choice("log", "level", POSTERN_LOG_WARNING, "warning");
    assert_choice("log", "level", POSTERN_LOG_NOTICE, "notice");
    assert_choice("log", "level", POSTERN_LOG_INFO, "info");
    assert_choice("log", "level", POSTERN_LOG_DEBUG, "debug");
    assert_choice("proxy", "client_address", POSTERN_CLIENT_ADDRESS_XCLIENT, "xclient");
    assert_choice("proxy", "client_address", POSTERN_CLIENT_ADDRESS_XFORWARD, "xforward");
    assert_choice("proxy", "client_address", POSTERN_CLIENT_ADDRESS_NONE, "none");
    assert_choice("proxy", "client_address", POSTERN_CLIENT_ADDRESS_PROXY_V1, "proxy-v1");
    assert_choice("proxy", "client_address", POSTERN_CLIENT_ADDRESS_PROXY_V2, "proxy-v2");
    assert_choice("proxy", "mode", POSTERN_MODE_ENFORCE, "enforce");
    assert_choice("proxy", "mode", POSTERN_MODE_OBSERVE, "observe");
    assert_choice("proxy", "bare_newline", POSTERN_BARE_NEWLINE_REJECT, "reject");
    assert_choice("proxy", "bare_newline", POSTERN_BARE_NEWLINE_REPAIR, "repair");
    assert_choice("proxy", "role", POSTERN_ROLE_EDGE, "edge");
    assert_choice("proxy", "role", POSTERN_ROLE_BEFORE_QUEUE_FILTER, "before_queue_filter");
    assert_choice("inspector", "spf_engine", POSTERN_SPF_ENGINE_POSTERN, "postern");
    assert_choice("inspector", "spf_engine", POSTERN_SPF_ENGINE_LIBSPF2, "libspf2");
    assert_choice("screen", "pause", POSTERN_PAUSE_NOBODY, "nobody");
    assert_choice("screen", "pause", POSTERN_PAUSE_SUSPECTS, "suspects");
    assert_choice("screen", "pause", POSTERN_PAUSE_UNKNOWN, "unknown");
    assert_choice("class", "over_limit", POSTERN_OVER_LIMIT_SLOW, "slow");
    assert_choice("class", "over_limit", POSTERN_OVER_LIMIT_TEMPFAIL, "tempfail");
    assert_choice("class", "over_limit", POSTERN_OVER_LIMIT_CLOSE, "close");
    assert_choice("capsule", "which", POSTERN_CAPSULE_REFUSED, "refused");
    assert_choice("capsule", "which", POSTERN_CAPSULE_ALL, "all");
}

static void assert_stable(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) once = postern_configuration_parse(text, strlen(text), "once", &error);
    g_assert_no_error(error);
    g_autofree char *dumped = postern_configuration_dump(once);
    g_autoptr(PosternConfiguration) twice =
        postern_configuration_parse(dumped, strlen(dumped), "twice", &error);
    g_assert_no_error(error);
    g_autofree char *again = postern_configuration_dump(twice);
    g_assert_cmpstr(dumped, ==, again);

    g_autofree char *changed = postern_configuration_dump_changed(once);
    g_autoptr(PosternConfiguration) shortest =
        postern_configuration_parse(changed, strlen(changed), "shortest", &error);
    g_assert_no_error(error);
    g_autofree char *dumped_shortest = postern_configuration_dump(shortest);
    g_assert_cmpstr(dumped, ==, dumped_shortest);
}

static void test_changed_has_only_what_differs(void)
{
    static const char text[] = "[policy]\nspf_fail = reject\nvirus = reject\n"
                               "[policy plain]\nspf_fail = reject\n"
                               "[policy lax]\nspf_fail = mark\n"
                               "[policy submission]\n"
                               "[proxy]\nbackend_wait = 30s\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) defaults = postern_configuration_new();
    g_autofree char *nothing = postern_configuration_dump_changed(defaults);
    g_assert_cmpstr(nothing, ==, "");
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, sizeof text - 1, "test", &error);
    g_assert_no_error(error);
    g_autofree char *changed = postern_configuration_dump_changed(configuration);
    g_assert_cmpstr(changed, ==,
                    "[policy]\nspf_fail = reject\n\n[policy lax]\nspf_fail = mark\n\n[policy plain]\n");
}

static void test_dump_is_stable(void)
{
    assert_stable("");
    assert_stable("[log]\ndestination=/var/log/a\\\\b c#d;e\nlevel=debug\n"
                  "[proxy]\nlisten=0.0.0.0:25;[::]:25\nhostname=mx.example.org\nbackend=192.0.2.1:25\n"
                  "client_address=none\nrecipient_domains=a.example,b.example\ninspect=no\nmode=observe\n"
                  "message_size=1234567\nbackend_wait=1234ms\nbare_newline=repair\n"
                  "[dns]\nservers=127.0.0.1@5353;::1\ncache=1M\n"
                  "[inspector]\nsocket=/run/postern/inspector\ntemporary_size=3M\n"
                  "[policy]\nvirus=quarantine\nspf_fail=reject\nallow_clients=192.0.2.0/24\n"
                  "exempt_recipients=postmaster;abuse\n");
    assert_stable("[policy b-2]\nspf_fail=reject\nchecks=\n[policy a_1]\n[policy]\nspf_softfail=tempfail\n"
                  "[policy submission]\nsubject_tag=a \\\\ [x]\nsign=no\n"
                  "[clients]\nauthenticated_policy=b-2\nown_networks_policy=\n");
}

/* hostname is the machine's name where the file says none; the file still says none. */
static void test_dump_keeps_the_name_unsaid(void)
{
    g_autoptr(PosternConfiguration) unsaid = postern_configuration_new();
    g_autoptr(PosternConfiguration) said = postern_configuration_parse(
        "[proxy]\nhostname = mx.example.org\n", strlen("[proxy]\nhostname = mx.example.org\n"), "test", NULL);
    g_autofree char *without = postern_configuration_dump(unsaid);
    g_autofree char *with = postern_configuration_dump(said);

    g_assert_cmpstr(unsaid->proxy.hostname, !=, "");
    g_assert_nonnull(strstr(without, "\n[proxy]\n"));
    g_assert_nonnull(strstr(without, "default: empty; a reload takes it)\nhostname =\n"));
    g_assert_nonnull(strstr(with, "\nhostname = mx.example.org\n"));
}

static void test_dump_names_policies(void)
{
    static const char text[] = "[policy strict]\nspf_fail = reject\n";
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, sizeof text - 1, "test", NULL);
    g_autofree char *dumped = postern_configuration_dump(configuration);
    const char *policy = strstr(dumped, "\n[policy]\n");
    const char *strict = strstr(dumped, "\n[policy strict]\n");
    const char *submission = strstr(dumped, "\n[policy submission]\n");
    const char *sign = strstr(dumped, "\n[sign]\n");

    g_assert_true(policy != NULL && strict > policy && submission > strict && sign > submission);
    g_assert_nonnull(g_strstr_len(strict, submission - strict, "\nspf_fail = reject\n"));
    g_assert_nonnull(g_strstr_len(policy, strict - policy, "\nspf_fail = mark\n"));
    g_assert_nonnull(g_strstr_len(submission, sign - submission, "\nchecks = virus; rules\n"));
}

static void test_dump_names_every_row(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_autofree char *dumped = postern_configuration_dump(configuration);

    for (gsize i = 0; i < length; i++) {
        g_autofree char *assignment = g_strdup_printf("\n%s =", options[i].key);
        g_assert_nonnull(strstr(dumped, assignment));
        g_assert_nonnull(strstr(dumped, options[i].text));
    }
    g_assert_nonnull(strstr(dumped, "\nmessage_size = 50M\n"));
    g_assert_nonnull(strstr(dumped, "\nrecipient_domains =\n"));
    g_assert_nonnull(
        strstr(dumped, "(one of mark, quarantine, tempfail, reject; default: tempfail; a reload takes it)"));
}

static void test_document(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    g_autofree char *manual = postern_configuration_document();
    g_auto(GStrv) lines = g_strsplit(manual, "\n", -1);
    guint begun = 0, ended = 0, items = 0;

    for (gsize i = 0; i < length; i++) {
        g_autofree char *item = g_strdup_printf("\n.It Cm %s\n", options[i].key);
        g_assert_nonnull(strstr(manual, item));
    }
    for (char **line = lines; *line != NULL; line++) {
        begun += g_str_has_prefix(*line, ".Bl ");
        ended += g_str_has_prefix(*line, ".El");
        items += g_str_has_prefix(*line, ".It ");
    }
    g_assert_cmpuint(begun, ==, ended);
    g_assert_cmpuint(begun, ==, 19);
    g_assert_cmpuint(items, ==, length + 4);
    g_assert_nonnull(strstr(manual, "\n.It Op policy Ar NAME\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration-table/rows", test_rows);
    g_test_add_func("/configuration-table/defaults-are-allowed", test_defaults_are_allowed);
    g_test_add_func("/configuration-table/rows-cover-the-structure", test_rows_cover_the_structure);
    g_test_add_func("/configuration-table/choices-are-the-enumerations", test_choices_are_the_enumerations);
    g_test_add_func("/configuration-table/dump-is-stable", test_dump_is_stable);
    g_test_add_func("/configuration-table/changed-has-only-what-differs", test_changed_has_only_what_differs);
    g_test_add_func("/configuration-table/dump-names-every-row", test_dump_names_every_row);
    g_test_add_func("/configuration-table/dump-keeps-the-name-unsaid", test_dump_keeps_the_name_unsaid);
    g_test_add_func("/configuration-table/dump-names-policies", test_dump_names_policies);
    g_test_add_func("/configuration-table/document", test_document);
    return g_test_run();
}
