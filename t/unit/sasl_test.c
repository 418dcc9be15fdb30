#include "wire/sasl.h"

#include <string.h>

static void test_mechanisms(void)
{
    guint both = postern_sasl_mechanisms_parse("PLAIN LOGIN");
    guint some = postern_sasl_mechanisms_parse(
        "login\tEXTERNAL  SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS NONSENSE plain PLAIN");
    g_autofree char *names = postern_sasl_mechanisms_names(some);
    g_autofree char *none = postern_sasl_mechanisms_names(0);
    g_assert_cmpuint(both, ==, some);
    g_assert_cmpstr(names, ==, " PLAIN LOGIN");
    g_assert_cmpstr(none, ==, "");
    g_assert_cmpuint(postern_sasl_mechanisms_parse("PLAI PLAINS"), ==, 0);
}

static void test_base64(void)
{
    static const char *const good[] = {"", "YQ==", "YWI=", "YWJj", "+/A=", "AAAAAAAA"};
    static const char *const bad[] = {
        "=", "====", "YQ", "YQ=", "Y Q=", "YQ==YQ==", "YQ=\t", "*", "-_A=", "YWJjZ", "YWJ\xc3\xa4"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(postern_sasl_is_base64(good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(postern_sasl_is_base64(bad[i]));
}

static char *user_of(const char *mechanism, const char *text, gsize length)
{
    g_autofree char *response = g_base64_encode((const guchar *)text, length);
    return postern_sasl_user(postern_sasl_mechanisms_parse(mechanism), response);
}

static void test_user(void)
{
    static const struct {
        const char *mechanism;
        const char *text;
        gsize length;
        const char *user; /* NULL: it cannot be read */
    } rows[] = {
        {"PLAIN", "\0ada\0secret", 11, "ada"},
        {"PLAIN", "boss\0ada\0secret", 15, "ada"},
        {"PLAIN", "\0ada@example.org\0", 17, "ada@example.org"},
        {"PLAIN", "\0\xc3\xa4\0x", 5, "\xc3\xa4"},
        {"PLAIN", "ada\0secret", 10, NULL},
        {"PLAIN", "ada", 3, NULL},
        {"PLAIN", "", 0, NULL},
        {"PLAIN", "\0\0secret", 8, NULL},
        {"PLAIN", "\0a\nb\0secret", 11, NULL},
        {"PLAIN", "\0\xff\0secret", 9, NULL},
        {"LOGIN", "ada", 3, "ada"},
        {"LOGIN", "a\0da", 4, NULL},
        {"LOGIN", "", 0, NULL},
        {"CRAM-MD5", "ada lovelace 0123", 17, "ada lovelace"},
        {"CRAM-MD5", "ada", 3, NULL},
        {"SCRAM-SHA-256", "n,,n=ada,r=x", 12, NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *user = user_of(rows[i].mechanism, rows[i].text, rows[i].length);
        g_assert_cmpstr(user, ==, rows[i].user);
    }
    g_autofree char *longest = g_strnfill(255, 'a');
    g_autofree char *longer = g_strnfill(256, 'a');
    g_autofree char *taken = user_of("LOGIN", longest, 255);
    g_autofree char *refused = user_of("LOGIN", longer, 256);
    g_assert_cmpstr(taken, ==, longest);
    g_assert_null(refused);
    g_assert_null(postern_sasl_user(postern_sasl_mechanisms_parse("LOGIN"), "no base64!"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/sasl/mechanisms", test_mechanisms);
    g_test_add_func("/wire/sasl/base64", test_base64);
    g_test_add_func("/wire/sasl/user", test_user);
    return g_test_run();
}
