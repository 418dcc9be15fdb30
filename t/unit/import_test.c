#include "milter/import/import.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/configuration.h"
#include "milter/import/file.h"

static void test_settings(void)
{
    g_autoptr(GPtrArray) settings =
        postern_settings_parse("# comment\n\n Key  value one # behind\nOther=x\nThird = \"a b\"\nBare\n");
    static const struct {
        const char *key, *value;
    } expected[] = {{"Key", "value one"}, {"Other", "x"}, {"Third", "a b"}, {"Bare", ""}};
    g_assert_cmpuint(settings->len, ==, G_N_ELEMENTS(expected));
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        const PosternSetting *setting = settings->pdata[i];
        g_assert_cmpstr(setting->key, ==, expected[i].key);
        g_assert_cmpstr(setting->value, ==, expected[i].value);
    }
}

/* Every row that gives a line names an option that there is, with words that it takes. */
static void test_rows(void)
{
    gsize length;
    const PosternImportRow *rows = postern_import_rows(&length);
    for (gsize i = 0; i < length; i++) {
        if (rows[i].option == NULL || rows[i].kind == POSTERN_IMPORT_KEY)
            continue;
        g_auto(GStrv) pairs = g_strsplit(rows[i].kind == POSTERN_IMPORT_MAP ? rows[i].text : "", " ", -1);
        for (char **pair = pairs; *pair != NULL; pair++) {
            g_autoptr(GError) error = NULL;
            g_autofree char *text =
                g_strdup_printf("[%s]\n%s = %s\n", rows[i].group, rows[i].option, strchr(*pair, '=') + 1);
            g_autoptr(PosternConfiguration) configuration =
                postern_configuration_parse(text, strlen(text), "row", &error);
            g_assert_no_error(error);
        }
    }
}

static char *import(const char *folder, const char *const *texts)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; texts[i] != NULL; i++) {
        g_autofree char *name = g_strdup_printf("%u.conf", i);
        g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
        g_assert_true(g_file_set_contents(paths->pdata[i], texts[i], -1, NULL));
    }
    g_ptr_array_add(paths, NULL);
    char *text = postern_import((const char *const *)paths->pdata, &error);
    g_assert_no_error(error);
    for (guint i = 0; texts[i] != NULL; i++)
        g_unlink(paths->pdata[i]);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "imported", &error);
    g_assert_no_error(error);
    return text;
}

static void assert_has(const char *text, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);
    if (strstr(text, whole) == NULL)
        g_error("'%s' is not in:\n%s", line, text);
}

static void test_four_files(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-import-XXXXXX", NULL);
    static const char *const texts[] = {
        "Syslog yes\nDomain example.org\nSelector mail\nKeyFile /etc/dkimkeys/mail.private\n"
        "InternalHosts 127.0.0.1, localhost, 192.0.2.0/24, mail.example.org\nCanonicalization "
        "relaxed/simple\n"
        "ExternalIgnoreList 198.51.100.99\nOn-BadSignature reject\nSocket "
        "local:/run/opendkim/opendkim.sock\nUserID opendkim\nNewSetting x\n",
        "RejectFailures true\nAuthservID mx.example.org\nHistoryFile /var/x\nIgnoreHosts 198.51.100.1\n"
        "Socket inet:8893@localhost\n",
        "ClamdSocket unix:/run/clamav/clamd.ctl\nOnInfected Quarantine\nMaxFileSize 25M\nAddHeader Replace\n"
        "OnFail Sideways\n",
        "HELO_reject = Fail\nMail_From_reject = Softfail\nTestOnly = 0\nTempError_Defer = True\n"
        "skip_addresses = 127.0.0.0/8,::ffff:127.0.0.0/104,::1,203.0.113.7\n",
        NULL,
    };
    g_autofree char *text = import(folder, texts);
    static const char *const lines[] = {
        "# opendkim InternalHosts\nown_networks = 127.0.0.1; 192.0.2.0/24",
        "dkim_fail = reject",
        "table = /etc/postern/keys/table",
        "sign = yes",
        "#   example.org mail /etc/dkimkeys/mail.private",
        "#   local:/run/opendkim/opendkim.sock",
        "#   inet:8893@localhost",
        "dmarc_reject = reject",
        "hostname = mx.example.org",
        "clamd = /run/clamav/clamd.ctl",
        "virus = quarantine",
        "scan_size = 25M",
        "virus_status = all",
        "spf_helo = reject",
        "spf_fail = reject",
        "spf_softfail = reject",
        "spf_error = tempfail",
        "mode = observe",
        "allow_clients = 198.51.100.1; 203.0.113.7",
        "#   opendkim NewSetting x: has no equivalent that is known here",
        "#   clamav-milter OnFail Sideways: set [policy] scan_error yourself",
        "#   opendkim InternalHosts 127.0.0.1, localhost, 192.0.2.0/24, mail.example.org: mail.example.org: "
        "[clients] own_networks takes addresses only",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        assert_has(text, lines[i]);
    g_assert_null(strstr(text, "UserID"));
    g_assert_null(strstr(text, "; 198.51.100.99"));
    g_rmdir(folder);
}

static void test_key_table(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-import-XXXXXX", NULL);
    g_autofree char *table = g_build_filename(folder, "table", NULL);
    g_assert_true(
        g_file_set_contents(table, "a example.org:s1:/k/1\nb example.net:s2:/k/2\nc odd\n", -1, NULL));
    g_autofree char *setting = g_strdup_printf("KeyTable refile:%s\nInternalHosts /nowhere/at-all\n", table);
    const char *const texts[] = {setting, NULL};
    g_autofree char *text = import(folder, texts);
    assert_has(text, "#   example.org s1 /k/1");
    assert_has(text, "#   example.net s2 /k/2");
    assert_has(text, "#   opendkim c odd: is not DOMAIN:SELECTOR:FILE with an absolute path");
    g_assert_nonnull(strstr(text, "/nowhere/at-all"));
    assert_has(text,
               "#   opendkim InternalHosts 127.0.0.1, by default: set [clients] own_networks = 127.0.0.1 "
               "if mail of this machine is to be signed");
    g_unlink(table);
    g_rmdir(folder);
}

static void test_what_cannot_be_taken(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-import-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "other.conf", NULL);
    const char *const paths[] = {path, NULL};
    g_autoptr(GError) missing = NULL;
    g_assert_null(postern_import(paths, &missing));
    g_assert_nonnull(strstr(missing->message, path));
    g_autoptr(GError) other = NULL;
    g_assert_true(g_file_set_contents(path, "myhostname = mx.example.org\n", -1, NULL));
    g_assert_null(postern_import(paths, &other));
    g_assert_nonnull(
        strstr(other->message, "has no setting of opendkim, opendmarc, clamav-milter or policyd-spf"));
    g_autoptr(GError) binary = NULL;
    g_assert_true(g_file_set_contents(path, "\xff\xfe\x01", 3, NULL));
    g_assert_null(postern_import(paths, &binary));
    g_assert_nonnull(binary);
    g_autoptr(GError) empty = NULL;
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_null(postern_import(paths, &empty));
    g_assert_nonnull(empty);
    g_assert_true(g_file_set_contents(
        path, "Domain a\nPeerList ::ffff:127.0.0.0/104, 10.0.0.0/33, 10.0.0.1/x, 10.1.0.0/16\n", -1, NULL));
    g_autofree char *text = postern_import(paths, NULL);
    assert_has(text, "allow_clients = 10.1.0.0/16");
    assert_has(text, "#   opendkim PeerList ::ffff:127.0.0.0/104, 10.0.0.0/33, 10.0.0.1/x, 10.1.0.0/16: "
                     "10.0.0.0/33, 10.0.0.1/x: "
                     "[policy] allow_clients takes addresses only");
    g_unlink(path);
    g_rmdir(folder);
}

/* It does not wait for somebody who writes into a FIFO, in the place of a file or named by one. */
static void test_no_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-import-XXXXXX", NULL);
    g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
    g_autofree char *named = g_build_filename(folder, "opendkim.conf", NULL);
    g_autofree char *line = g_strdup_printf("Domain a\nPeerList refile:%s\nKeyTable %s\n", fifo, fifo);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    for (const char *const *one = (const char *const[]){fifo, "/dev/zero", folder, NULL}; *one != NULL;
         one++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_import((const char *const[]){*one, NULL}, &error));
        g_assert_nonnull(strstr(error->message, "is no file"));
    }
    g_assert_true(g_file_set_contents(named, line, -1, NULL));
    g_autofree char *text = postern_import((const char *const[]){named, NULL}, NULL);
    g_assert_nonnull(strstr(text, "fifo: is no file"));
    g_unlink(named);
    g_unlink(fifo);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/import/settings", test_settings);
    g_test_add_func("/import/rows", test_rows);
    g_test_add_func("/import/four-files", test_four_files);
    g_test_add_func("/import/key-table", test_key_table);
    g_test_add_func("/import/what-cannot-be-taken", test_what_cannot_be_taken);
    g_test_add_func("/import/no-file", test_no_file);
    return g_test_run();
}
