#include "milter/import/import.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/configuration.h"
#include "milter/import/file.h"
#include "milter/import/networks.h"

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

/* opendkim's exceptions: the longest network that holds an address decides. */
static void test_exceptions(void)
{
    static const struct {
        const char *items, *left, *odd;
    } cases[] = {
        {"192.0.2.0/30 !192.0.2.1", "192.0.2.2/31 192.0.2.0", ""},
        {"192.0.2.0/30 !192.0.2.0/31 192.0.2.1", "192.0.2.2/31 192.0.2.1", ""},
        {"192.0.2.1 !192.0.2.1", "", ""},
        {"!10.0.0.0/8 192.0.2.1", "192.0.2.1", ""},
        {"10.0.0.0/8 !10.128.0.0/9", "10.0.0.0/9", ""},
        {"10.0.0.1/8", "10.0.0.0/8", ""},
        {"2001:db8::/126 !2001:db8::3", "2001:db8::/127 2001:db8::2", ""},
        {"::ffff:192.0.2.0/120 !192.0.2.128/25", "192.0.2.0/25", ""},
        {"192.0.2.0/24 !mail.example.org name", "192.0.2.0/24", "!mail.example.org, name"},
        {"0.0.0.0/0 !128.0.0.0/1 192.0.2.0/33", "0.0.0.0/1", "192.0.2.0/33"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) items = g_strsplit(cases[i].items, " ", -1);
        g_autoptr(GString) odd = g_string_new(NULL);
        g_autoptr(GPtrArray) networks = postern_import_networks((const char *const *)items, odd);
        g_ptr_array_add(networks, NULL);
        g_autofree char *left = g_strjoinv(" ", (char **)networks->pdata);
        g_assert_cmpstr(left, ==, cases[i].left);
        g_assert_cmpstr(odd->str, ==, cases[i].odd);
    }
}

/* Files as people have them: each of one program, and what has to be in the result. */
static const struct {
    const char *text, *lines;
} realistic[] = {
    /* Debian's opendkim.conf with a table of keys. */
    {"Syslog yes\nSyslogSuccess yes\nCanonicalization relaxed/simple\nMode sv\nSubDomains no\n"
     "OversignHeaders From\nUserID opendkim\nUMask 007\nSocket local:/run/opendkim/opendkim.sock\n"
     "PidFile /run/opendkim/opendkim.pid\nTrustAnchorFile /usr/share/dns/root.key\n"
     "KeyTable refile:@keys@\nSigningTable refile:/etc/opendkim/signing.table\n"
     "InternalHosts refile:@hosts@\nExternalIgnoreList refile:@hosts@\n",
     "own_networks = 127.0.0.1; 192.0.2.0/31; 192.0.2.3|#   example.org mail /etc/dkim/mail.private|"
     "#   local:/run/opendkim/opendkim.sock|trust_anchor_file = /usr/share/dns/root.key|sign = yes"},
    /* One domain, over TCP. */
    {"Domain example.org, example.net\nSelector 2024\nKeyFile /etc/dkimkeys/2024.private\n"
     "Socket inet:8891@localhost\nInternalHosts csl:127.0.0.1,[::1],192.0.2.7\nAuthservID HOSTNAME\n"
     "On-BadSignature quarantine\nOn-DNSError tempfail\nNameservers 127.0.0.1\n",
     "own_networks = 127.0.0.1; ::1; 192.0.2.7|#   example.org 2024 /etc/dkimkeys/2024.private|"
     "#   example.net 2024 /etc/dkimkeys/2024.private|dkim_fail = quarantine|dkim_error = tempfail|"
     "servers = 127.0.0.1"},
    /* It verifies alone. */
    {"Mode v\nDomain example.org\nSelector s\nKeyFile /k\nSocket inet:8891@127.0.0.1\nAlwaysAddARHeader "
     "yes\n",
     "#   opendkim Mode v: its keys sign nothing, and are not taken over"},
    {"AuthservID HOSTNAME\nTrustedAuthservIDs HOSTNAME\nRejectFailures false\nSPFSelfValidate true\n"
     "IgnoreAuthenticatedClients true\nPublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n"
     "Socket local:/var/spool/postfix/opendmarc/opendmarc.sock\nUMask 0002\nUserID opendmarc\n",
     "dmarc_reject = quarantine|#   local:/var/spool/postfix/opendmarc/opendmarc.sock"},
    {"AuthservID mx.example.org\nRejectFailures true\nIgnoreHosts @hosts@\nHoldQuarantinedMessages true\n"
     "HistoryFile /var/run/opendmarc/opendmarc.dat\nSocket inet:8893@localhost\nSyslog true\n",
     "hostname = mx.example.org|dmarc_reject = reject|dmarc_quarantine = quarantine|"
     "allow_clients = 192.0.2.0/31; 192.0.2.3|#   inet:8893@localhost|"
     "#   opendmarc HistoryFile /var/run/opendmarc/opendmarc.dat: see [report] dmarc and postern-report(8)"},
    {"FailureReports true\nFailureReportsSentBy dmarc@example.org\nDomainWhitelist example.com\n"
     "RequiredHeaders yes\nSocket inet:54321@localhost\n",
     "trusted_sealers = example.com|from_invalid = reject|"
     "#   opendmarc FailureReports true: see [report] failures and postern-report(8)"},
    {"MilterSocket /var/run/clamav/clamav-milter.ctl\nFixStaleSocket true\nUser clamav\n"
     "ClamdSocket unix:/var/run/clamav/clamd.ctl\nOnClean Accept\nOnInfected Reject\nOnFail Defer\n"
     "AddHeader Replace\nLogSyslog true\nMaxFileSize 25M\nSupportMultipleRecipients false\n",
     "clamd = /var/run/clamav/clamd.ctl|virus = reject|scan_error = tempfail|scan_size = 25M|"
     "#   /var/run/clamav/clamav-milter.ctl"},
    {"MilterSocket inet:7357@localhost\nClamdSocket tcp:127.0.0.1:3310\nClamdSocket tcp:192.0.2.5:3310\n"
     "OnInfected Quarantine\nOnFail Accept\nLocalNet local\nLocalNet 192.168.0.0/24\nAllowList /etc/wl\n",
     "clamd = 127.0.0.1:3310|virus = quarantine|scan_error = mark|#   inet:7357@localhost|"
     "#   clamav-milter ClamdSocket tcp:192.0.2.5:3310: [virus] clamd is 127.0.0.1:3310 already"},
    {"ClamdSocket tcp:clamd.example.org:3310\nOnInfected Blackhole\nSkipAuthenticated ^bob$\n"
     "RejectMsg Infected %v\nVirusAction /bin/x\n",
     "virus = discard|#   clamav-milter VirusAction /bin/x: no program is run"},
    /* Debian's own, and two that were changed. */
    {"debugLevel = 1\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\nPermError_reject = False\n"
     "TempError_Defer = False\nskip_addresses = 127.0.0.0/8,::ffff:127.0.0.0/104,::1\n",
     "spf_helo = reject|spf_fail = reject|spf_softfail = mark|spf_error = mark|mode = enforce"},
    {"HELO_reject = False\nMail_From_reject = SPF_Not_Pass\nTempError_Defer = True\nHeader_Type = AR\n"
     "Whitelist = 192.0.2.0/24,198.51.100.7\nDomain_Whitelist = example.com,example.net\n",
     "spf_helo = mark|spf_fail = reject|spf_softfail = reject|received_spf = no|"
     "allow_clients = 192.0.2.0/24; 198.51.100.7|allow_senders = example.com; example.net"},
    {"defaultSeedOnly = 0\nHELO_reject = No_Check\nMail_From_reject = Softfail\nLookup_Time = 10\n"
     "Domain_Whitelist_PTR = yahoo.com\n",
     "mode = observe|spf_helo = accept|spf_softfail = reject|timeout = 10s|"
     "#   policyd-spf Domain_Whitelist_PTR yahoo.com: a reverse name exempts nobody from SPF"},
};

static char *with_files(const char *text, const char *keys, const char *hosts)
{
    g_autoptr(GString) out = g_string_new(text);
    g_string_replace(out, "@keys@", keys, 0);
    g_string_replace(out, "@hosts@", hosts, 0);
    return g_strdup(out->str);
}

/* Each setting is in the result, or needless. */
static void assert_told(const char *text, const char *result)
{
    gsize length;
    const PosternImportRow *rows = postern_import_rows(&length);
    g_autoptr(GPtrArray) settings = postern_settings_parse(text);
    for (guint i = 0; i < settings->len; i++) {
        const PosternSetting *setting = settings->pdata[i];
        gboolean told = strstr(result, setting->key) != NULL || strcmp(setting->value, "HOSTNAME") == 0;
        for (gsize j = 0; j < length; j++)
            told = told || (g_ascii_strcasecmp(rows[j].key, setting->key) == 0 &&
                            (rows[j].kind == POSTERN_IMPORT_NEEDLESS ||
                             rows[j].kind == POSTERN_IMPORT_SOCKET || rows[j].kind == POSTERN_IMPORT_KEY));
        if (!told && strstr(setting->value, "127.") == NULL)
            g_error("%s is not told of in:\n%s", setting->key, result);
    }
}

static void test_realistic_files(void)
{
    g_autofree char *folder = g_dir_make_tmp("postern-import-XXXXXX", NULL);
    g_autofree char *keys = g_build_filename(folder, "key.table", NULL);
    g_autofree char *hosts = g_build_filename(folder, "trusted.hosts", NULL);
    g_assert_true(g_file_set_contents(keys,
                                      "mail._domainkey.example.org example.org:mail:/etc/dkim/mail.private\n"
                                      "any %:mail:/etc/dkim/%.private\n",
                                      -1, NULL));
    g_assert_true(g_file_set_contents(
        hosts, "# ours\n127.0.0.1\nlocalhost\n192.0.2.0/30\n!192.0.2.2\n*.example.org\n", -1, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(realistic); i++) {
        g_autofree char *text = with_files(realistic[i].text, keys, hosts);
        const char *const texts[] = {text, NULL};
        g_autofree char *result = import(folder, texts);
        g_auto(GStrv) lines = g_strsplit(realistic[i].lines, "|", -1);
        for (char **line = lines; *line != NULL; line++)
            assert_has(result, *line);
        assert_told(text, result);
    }
    g_unlink(keys);
    g_unlink(hosts);
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
    g_test_add_func("/import/exceptions", test_exceptions);
    g_test_add_func("/import/realistic_files", test_realistic_files);
    g_test_add_func("/import/settings", test_settings);
    g_test_add_func("/import/rows", test_rows);
    g_test_add_func("/import/four-files", test_four_files);
    g_test_add_func("/import/key-table", test_key_table);
    g_test_add_func("/import/what-cannot-be-taken", test_what_cannot_be_taken);
    g_test_add_func("/import/no-file", test_no_file);
    return g_test_run();
}
