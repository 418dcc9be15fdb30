#include "base/configuration.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "judge/policy.h"

static void test_defaults(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_assert_cmpstr(configuration->log.destination, ==, "stderr");
    g_assert_cmpuint(configuration->log.level, ==, POSTERN_LOG_INFO);
    g_assert_cmpstr(configuration->proxy.listen[0], ==, "127.0.0.1:2525");
    g_assert_null(configuration->proxy.listen[1]);
    g_assert_cmpstr(configuration->proxy.backend, ==, "127.0.0.1:10025");
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
    g_assert_cmpstr(configuration->proxy.backend, ==, "192.0.2.1:25");
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

static void test_mistakes(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"[proxi]\nlisten=1", "test.conf: [proxi]: there is no such group (did you mean 'proxy'?)"},
        {"[other]\n",
         "test.conf: [other]: there is no such group; there are log, proxy, milter, dns, inspector, virus, "
         "policy"},
        {"[proxy]\nlisten_=1", "test.conf: [proxy] listen_: there is no such key (did you mean 'listen'?)"},
        {"[proxy]\nqqqqq=1", "test.conf: [proxy] qqqqq: there is no such key; --dump-config shows all"},
        {"[proxy]\nworkers=1",
         "test.conf: [proxy] workers: there is no such key here (did you mean 'workers' of [inspector]?)"},
        {"[proxy]\nmode=obsreve",
         "test.conf: [proxy] mode: 'obsreve' is not one of enforce, observe (did you mean 'observe'?)"},
        {"[proxy]\nthreads=65", "test.conf: [proxy] threads: '65' is out of range: a number from 0 to 64"},
        {"[proxy]\nthreads=6 # six",
         "test.conf: [proxy] threads: '6 # six' is not a whole number (a comment needs a line of its own)"},
        {"[proxy]\nthreads=1\n\nthreads=1",
         "test.conf: [proxy] threads: stands in line 2 and again in line 4: keep one"},
        {"[proxy]\nthreads=1\n[dns]\n[proxy]\nthreads=1",
         "test.conf: [proxy] threads: stands in line 2 and again in line 5: keep one"},
        {"[proxy]\nhostname=a\\qb",
         "test.conf: [proxy] hostname: has a backslash that means nothing: write \\\\ for one"},
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
         "test.conf: [proxy] listen: '127.0.0.1:25' stands there twice"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *mistakes = mistakes_of(cases[i].text);
        g_assert_cmpstr(mistakes, ==, cases[i].says);
    }
}

static void test_all_mistakes_at_once(void)
{
    g_autofree char *mistakes =
        mistakes_of("nonsense\n[proxy]\nthreads=x\nmode=y\nlissten=1\n[virus]\nscan=2\n[w]\n");
    g_auto(GStrv) lines = g_strsplit(mistakes, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 6);
    for (char **line = lines; *line != NULL; line++)
        g_assert_true(g_str_has_prefix(*line, "test.conf: "));
}

static void test_very_many_mistakes(void)
{
    g_autoptr(GString) text = g_string_new("[proxy]\n");
    for (guint i = 0; i < POSTERN_CONFIGURATION_MISTAKES_MAX + 7; i++)
        g_string_append_printf(text, "key%u=1\n", i);
    g_autofree char *mistakes = mistakes_of(text->str);
    g_auto(GStrv) lines = g_strsplit(mistakes, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, POSTERN_CONFIGURATION_MISTAKES_MAX + 1);
    g_assert_cmpstr(lines[POSTERN_CONFIGURATION_MISTAKES_MAX], ==, "test.conf: and 7 mistakes more");
}

static void test_agreement(void)
{
    static const struct {
        const char *text;
        const char *says; /* NULL: all is well */
    } cases[] = {
        {"client_address=xforward", NULL},
        {"client_address=none\nlisten=127.0.0.1:25;[::1]:25", NULL},
        {"client_address=none\nlisten=127.0.0.1:25;[::]:25",
         "[proxy] recipient_domains: must name your domains"},
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
        {"[dns]\nanswers=/a\nservers=127.0.0.1", "[dns] answers: takes the place of the network"},
        {"[dns]\nanswers=/a", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[proxy]\n%s\n", cases[i].text);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternConfiguration) configuration =
            postern_configuration_parse(text, strlen(text), "test.conf", &error);
        if (cases[i].says == NULL) {
            g_assert_no_error(error);
            g_assert_nonnull(configuration);
            continue;
        }
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
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
    g_test_add_func("/configuration/files", test_files);
    return g_test_run();
}
