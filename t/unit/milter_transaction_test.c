#include "milter/transaction.h"

#include <string.h>

#include "base/limits.h"

static PosternMilterSettings *settings_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    PosternMilterSettings *settings = postern_milter_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    return settings;
}

static PosternMilterTransaction *transaction_of(const char *text)
{
    g_autoptr(PosternMilterSettings) settings = settings_of(text);
    return postern_milter_transaction_new(settings);
}

static void assert_octets(PosternMessage *message, const char *expected)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    g_autofree char *found = g_strndup(octets, length);
    g_assert_cmpstr(found, ==, expected);
}

static void test_fields(void)
{
    static const struct {
        const char *name;
        const char *value;
        gboolean leading_space;
        const char *field;
    } cases[] = {
        {"Subject", " plain", TRUE, "Subject: plain\r\n"},
        {"Subject", "  two  ", TRUE, "Subject:  two  \r\n"},
        {"Subject", "none", TRUE, "Subject:none\r\n"},
        {"Subject", "", TRUE, "Subject:\r\n"},
        {"Subject", "plain", FALSE, "Subject: plain\r\n"},
        {"Subject", " a\n\tb\n c", TRUE, "Subject: a\r\n\tb\r\n c\r\n"},
        {"Subject", " a\r\n\tb", TRUE, "Subject: a\r\n\tb\r\n"},
        {"Subject", "\n b", TRUE, "Subject:\r\n b\r\n"},
        {"Subject", " a\rb", TRUE, "Subject: a\rb\r\n"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternMilterTransaction) transaction = transaction_of("");
        postern_milter_transaction_add_field(transaction, cases[i].name, cases[i].value,
                                             cases[i].leading_space);
        postern_milter_transaction_end_header(transaction);
        g_autoptr(PosternMessage) header = postern_milter_transaction_header(transaction);
        g_autofree char *expected = g_strconcat(cases[i].field, "\r\n", NULL);
        assert_octets(header, expected);
        postern_milter_transaction_end(transaction);
        assert_octets(transaction->message, expected);
    }
}

static void test_whole(void)
{
    g_autoptr(PosternMilterTransaction) transaction = transaction_of("");
    postern_milter_transaction_add_field(transaction, "A", " 1", TRUE);
    postern_milter_transaction_end_header(transaction);
    postern_milter_transaction_end_header(transaction);
    postern_milter_transaction_add_field(transaction, "Late", " field", TRUE);
    g_assert_true(postern_milter_transaction_add_body(transaction, "bo", 2));
    g_assert_true(postern_milter_transaction_add_body(transaction, "", 0));
    g_assert_true(postern_milter_transaction_add_body(transaction, "dy\r\n", 4));
    postern_milter_transaction_end(transaction);
    g_assert_cmpint(transaction->extent, ==, POSTERN_MILTER_WHOLE);
    assert_octets(transaction->message, "A: 1\r\n\r\nbody\r\n");
    g_assert_cmpuint(transaction->octets, ==, 14);
}

/* A server that leaves steps out: the header ends with what comes after it. */
static void test_missing_steps(void)
{
    g_autoptr(PosternMilterTransaction) body_first = transaction_of("");
    postern_milter_transaction_add_body(body_first, "x", 1);
    postern_milter_transaction_end(body_first);
    assert_octets(body_first->message, "\r\nx");
    g_autoptr(PosternMilterTransaction) nothing = transaction_of("");
    postern_milter_transaction_end(nothing);
    assert_octets(nothing->message, "\r\n");
}

static void test_too_big(void)
{
    g_autoptr(PosternMilterTransaction) transaction = transaction_of("[milter]\nmessage_size = 1K\n");
    char piece[600] = {0};
    postern_milter_transaction_add_field(transaction, "A", " 1", TRUE);
    g_assert_true(postern_milter_transaction_add_body(transaction, piece, sizeof piece));
    g_assert_false(postern_milter_transaction_add_body(transaction, piece, sizeof piece));
    g_assert_false(postern_milter_transaction_add_body(transaction, "x", 1));
    postern_milter_transaction_end(transaction);
    g_assert_cmpint(transaction->extent, ==, POSTERN_MILTER_TOO_BIG);
    g_assert_cmpuint(postern_message_size(transaction->message), ==, 608);
    g_assert_cmpuint(transaction->octets, ==, 1209);
}

static void test_no_room(void)
{
    g_autoptr(PosternMilterSettings) settings =
        settings_of("[milter]\nmessage_size = 100K\nmessage_memory = 100K\n");
    g_autoptr(PosternMilterTransaction) first = postern_milter_transaction_new(settings);
    g_autoptr(PosternMilterTransaction) second = postern_milter_transaction_new(settings);
    g_autofree char *piece = g_malloc0(90 * 1024);
    g_assert_true(postern_milter_transaction_add_body(first, piece, 90 * 1024));
    g_assert_false(postern_milter_transaction_add_body(second, piece, 90 * 1024));
    postern_milter_transaction_end(second);
    g_assert_cmpint(second->extent, ==, POSTERN_MILTER_NO_ROOM);
    g_assert_null(second->message);
    postern_milter_transaction_end(first);
    g_assert_cmpint(first->extent, ==, POSTERN_MILTER_WHOLE);
    g_clear_pointer(&first, postern_milter_transaction_free);
    g_assert_cmpuint(postern_budget_used(settings->budget), ==, 0);
}

static void test_big_header(void)
{
    g_autoptr(PosternMilterTransaction) transaction = transaction_of("");
    g_autofree char *value = g_strnfill(POSTERN_HEADER_BLOCK_MAX_OCTETS, 'v');
    postern_milter_transaction_add_field(transaction, "A", value, TRUE);
    postern_milter_transaction_end_header(transaction);
    g_assert_null(postern_milter_transaction_header(transaction));
    postern_milter_transaction_end(transaction);
    g_assert_cmpint(transaction->extent, ==, POSTERN_MILTER_WHOLE);
}

static void test_settings(void)
{
    g_autoptr(PosternMilterSettings) observing = settings_of(
        "[milter]\nmode = observe\nhostname = milter.example\n[proxy]\nhostname = proxy.example\n");
    g_assert_true(observing->observe);
    g_assert_true(postern_policies_of(observing->policies, POSTERN_CLIENT_OTHER, NULL)->observe);
    g_assert_cmpstr(observing->receiver, ==, "milter.example");
    g_autoptr(PosternMilterSettings) enforcing =
        settings_of("[proxy]\nmode = observe\nhostname = proxy.example\n");
    g_assert_false(enforcing->observe);
    g_assert_cmpstr(enforcing->receiver, ==, "proxy.example");
    g_assert_false(enforcing->by_recipient);
}

static void test_settings_that_cannot_be(void)
{
    static const char text[] = "[clients]\nrecipients = /nonexistent/recipients\n";
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    g_assert_null(postern_milter_settings_new(configuration, NULL, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "/nonexistent/recipients"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-transaction/fields", test_fields);
    g_test_add_func("/milter-transaction/whole", test_whole);
    g_test_add_func("/milter-transaction/missing-steps", test_missing_steps);
    g_test_add_func("/milter-transaction/too-big", test_too_big);
    g_test_add_func("/milter-transaction/no-room", test_no_room);
    g_test_add_func("/milter-transaction/big-header", test_big_header);
    g_test_add_func("/milter-transaction/settings", test_settings);
    g_test_add_func("/milter-transaction/settings-that-cannot-be", test_settings_that_cannot_be);
    return g_test_run();
}
