#include "wire/manners.h"

static void test_greetings(void)
{
    static const struct {
        const char *greeting;
        PosternMailServer server;
    } rows[] = {
        {"mx.test ESMTP Postfix", POSTERN_MAIL_SERVER_POSTFIX},
        {"mx.test ESMTP Postfix (Debian/GNU)", POSTERN_MAIL_SERVER_POSTFIX},
        {"mx.test ESMTP Exim 4.96 Tue, 01 Dec 2026 03:00:00 +0000", POSTERN_MAIL_SERVER_EXIM},
        {"mx.test ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Tue, 1 Dec 2026", POSTERN_MAIL_SERVER_SENDMAIL},
        {"mx.test ESMTP OpenSMTPD", POSTERN_MAIL_SERVER_OPENSMTPD},
        {"mx.test ESMTP", POSTERN_MAIL_SERVER_OTHER},
        {"postfix.test ESMTP", POSTERN_MAIL_SERVER_OTHER},
        {"Eximious", POSTERN_MAIL_SERVER_OTHER},
        {"", POSTERN_MAIL_SERVER_OTHER},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(postern_mail_server_of(rows[i].greeting), ==, rows[i].server);
}

/* Which of Postfix, Exim, Sendmail and OpenSMTPD take a name: as they themselves do (t/bench). */
static void test_names(void)
{
    static const struct {
        const char *name, *takers;
    } rows[] = {
        {"client.example", "PESO"},     {"client", "PESO"},
        {"client.example.", "PES"},     {"[192.0.2.1]", "PESO"},
        {"[IPv6:2001:db8::1]", "PESO"}, {"[2001:db8::1]", "PESO"},
        {"[IPv4:192.0.2.1]", "PES"},    {"[IPv4:x]", "PS"},
        {"[192.0.2.256]", "PS"},        {"[x", "PS"},
        {"x_y.example", "PSO"},         {"-x.example", "PES"},
        {"client..example", "PES"},     {"client:25", "PS"},
        {"a@client.example", "P"},      {"client.example more words", "P"},
        {"b\xc3\xbcro.example", "P"},   {"", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) takers = g_string_new(NULL);
        for (guint server = POSTERN_MAIL_SERVER_POSTFIX; server <= POSTERN_MAIL_SERVER_OPENSMTPD; server++)
            if (postern_manners_of(server)->takes_name(rows[i].name))
                g_string_append_c(takers, "?PESO"[server]);
        g_assert_cmpstr(takers->str, ==, rows[i].takers);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/manners/greetings", test_greetings);
    g_test_add_func("/manners/names", test_names);
    return g_test_run();
}
