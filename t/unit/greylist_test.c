#include "greylist/greylist.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "verdict/check.h"

static const PosternGreylistTimes times = {.delay_s = 300, .window_s = 3600, .lifetime_s = 7200};

/* What is seen at which second, from 1000 on, and what it has to wait for. */
static void test_judge(void)
{
    static const struct {
        gint64 now;
        guint wait;
        gboolean is_new;
    } seen[] = {
        {1000, 300, TRUE},  {1100, 200, FALSE}, {1299, 1, FALSE},    {1300, 0, FALSE}, {1301, 0, FALSE},
        {8500, 0, FALSE},   {15700, 0, FALSE},  {22901, 300, TRUE}, /* known too long ago */
        {26502, 300, TRUE}, {26802, 0, FALSE},                      /* came back too late, and again */
        {26801, 0, FALSE},  {20000, 0, FALSE}, /* the clock was set back: it has passed */
        {27200, 0, FALSE},  {34401, 300, TRUE}, {34400, 300, FALSE}, /* and here it had not yet */
        {34699, 1, FALSE},  {34700, 0, FALSE},
    };
    PosternGreylistEntry entry = {.first = 0};
    for (gsize i = 0; i < G_N_ELEMENTS(seen); i++) {
        gboolean is_new;
        g_assert_cmpuint(postern_greylist_judge(&entry, &times, seen[i].now, &is_new), ==, seen[i].wait);
        g_assert_cmpint(is_new, ==, seen[i].is_new);
    }
}

static PosternEnvelope *envelope_of(const char *client)
{
    PosternEnvelope *envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&envelope->client, client));
    return envelope;
}

static void add_signature(PosternFindings *findings, const char *domain, PosternDkimResult result)
{
    PosternDkimFinding *dkim = g_new0(PosternDkimFinding, 1);
    dkim->domain = g_strdup(domain);
    dkim->result = result;
    g_ptr_array_add(findings->dkim.signatures, dkim);
}

static void assert_identities(const PosternEnvelope *envelope, const PosternFindings *findings,
                              const char *expected)
{
    g_autoptr(GPtrArray) identities = postern_greylist_identities(envelope, findings, 24, 64);
    g_ptr_array_add(identities, NULL);
    g_autofree char *text = g_strjoinv(" ", (char **)identities->pdata);
    g_assert_cmpstr(text, ==, expected);
}

static void test_identities(void)
{
    g_autoptr(PosternEnvelope) envelope = envelope_of("192.0.2.77");
    g_autoptr(PosternEnvelope) other = envelope_of("2001:db8:1:2:3::4");
    g_autoptr(PosternFindings) findings = postern_findings_new();
    assert_identities(envelope, findings, "network:192.0.2.0/24");
    assert_identities(other, findings, "network:2001:db8:1:2::/64");
    findings->spf.domain = g_strdup("Example.ORG");
    findings->spf.result = POSTERN_SPF_SOFTFAIL;
    add_signature(findings, "broken.example", POSTERN_DKIM_FAIL);
    assert_identities(envelope, findings, "network:192.0.2.0/24");
    findings->spf.result = POSTERN_SPF_PASS;
    assert_identities(envelope, findings, "domain:example.org");
    add_signature(findings, "pool.example", POSTERN_DKIM_PASS);
    add_signature(findings, "example.org", POSTERN_DKIM_PASS);
    assert_identities(envelope, findings, "domain:example.org domain:pool.example");
    findings->spf.helo = TRUE; /* a name that anybody chooses for each host */
    assert_identities(envelope, findings, "domain:pool.example domain:example.org");
}

typedef struct {
    char *folder;
    char *path;
} Folder;

static void set_up(Folder *folder, gconstpointer data)
{
    folder->folder = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    folder->path = g_build_filename(folder->folder, "greylist", NULL);
}

static void tear_down(Folder *folder, gconstpointer data)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *path = g_strconcat(folder->path, ends[i], NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(folder->folder), ==, 0);
    g_free(folder->folder);
    g_free(folder->path);
}

static PosternGreylistStore *open_store(const char *path, guint entries, guint64 octets)
{
    const PosternGreylistStoreOptions options = {path, entries, octets, times};
    return postern_greylist_sqlite_new(&options);
}

static void test_store_keeps_what_ended(Folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    const PosternGreylistEntry entry = {now - 400, now, TRUE};
    PosternGreylistEntry found;
    PosternGreylistStore *store = open_store(folder->path, 1000, 1 << 20);
    g_assert_true(store->functions->begin(store, &error));
    g_assert_true(store->functions->put(store, "domain:a.example", &entry, &error));
    g_assert_true(store->functions->end(store, &error));
    g_assert_true(store->functions->begin(store, &error)); /* never ended: as if killed */
    g_assert_true(store->functions->put(store, "domain:b.example", &entry, &error));
    store->functions->free(store);
    store = open_store(folder->path, 1000, 1 << 20);
    g_assert_true(store->functions->begin(store, &error));
    g_assert_true(store->functions->get(store, "domain:a.example", &found, &error));
    g_assert_true(found.first == entry.first && found.last == entry.last && found.passed);
    g_assert_true(store->functions->get(store, "domain:b.example", &found, &error));
    g_assert_cmpint(found.first, ==, 0);
    store->functions->free(store);
}

/* A flood of new names pushes out nobody who has passed, and the file stays below its bound. */
static void test_store_is_bounded(Folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    const guint64 octets_max = 1 << 20;
    PosternGreylistEntry found;
    GStatBuf status;
    PosternGreylistStore *store = open_store(folder->path, 5000, octets_max);
    for (guint i = 0; i < 60000; i++) {
        const PosternGreylistEntry entry = {now, now, i < 100};
        g_autofree char *identity = g_strdup_printf("domain:%0*u.example", 20 + (int)(i % 180), i);
        if (i % 1000 == 0)
            g_assert_true(store->functions->begin(store, &error));
        if (!store->functions->put(store, identity, &entry, &error))
            g_error("%u: %s", i, error->message);
        if (i % 1000 == 999)
            g_assert_true(store->functions->end(store, &error));
    }
    for (guint i = 0; i < 100; i++) {
        g_autofree char *identity = g_strdup_printf("domain:%0*u.example", 20 + (int)(i % 180), i);
        g_assert_true(store->functions->get(store, identity, &found, &error));
        g_assert_true(found.passed);
    }
    store->functions->free(store);
    g_assert_cmpint(g_stat(folder->path, &status), ==, 0);
    g_assert_cmpuint((guint64)status.st_size, <=, octets_max);
}

typedef struct {
    struct event_base *loop;
    guint left;
    guint results[POSTERN_GREYLIST_FAILED + 1];
} Asked;

static void on_done(const PosternGreylistFinding *finding, gpointer user_data)
{
    Asked *asked = user_data;
    asked->results[finding->result]++;
    if (--asked->left == 0)
        event_base_loopbreak(asked->loop);
}

/* Through the thread: many at once, some cancelled, and the port may end while the thread still answers. */
static void test_asks(Folder *folder, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup_printf("[greylist]\nfile = %s\ndelay = 10s\n", folder->path);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", &error);
    g_autoptr(PosternGreylist) greylist = postern_greylist_new(configuration);
    Asked asked = {.loop = event_base_new()};
    PosternGreylistPort *port = postern_greylist_port_new(asked.loop, greylist, &error);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternEnvelope) envelope = envelope_of("192.0.2.77");
    const gint64 seen[] = {1000000, 1000009, 1000010};
    const guint results[] = {POSTERN_GREYLIST_NEW, POSTERN_GREYLIST_WAITING, POSTERN_GREYLIST_PASSED};
    for (guint i = 0; i < G_N_ELEMENTS(seen); i++) {
        asked.left = 1;
        (void)postern_greylist_ask(port, envelope, findings, seen[i], on_done, &asked);
        event_base_dispatch(asked.loop);
        g_assert_cmpuint(asked.results[results[i]], ==, 1);
    }
    for (asked.left = 0; asked.left < 3000; asked.left++)
        (void)postern_greylist_ask(port, envelope, findings, seen[2] + 1, on_done, &asked);
    postern_greylist_cancel(postern_greylist_ask(port, envelope, findings, seen[2], on_done, &asked));
    event_base_dispatch(asked.loop);
    g_assert_cmpuint(asked.results[POSTERN_GREYLIST_PASSED], ==, 3001);
    for (guint i = 0; i < 100; i++)
        postern_greylist_cancel(postern_greylist_ask(port, envelope, findings, seen[2], on_done, &asked));
    postern_greylist_port_free(port);
    event_base_free(asked.loop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/greylist/judge", test_judge);
    g_test_add_func("/greylist/identities", test_identities);
    g_test_add("/greylist/store-keeps-what-ended", Folder, NULL, set_up, test_store_keeps_what_ended,
               tear_down);
    g_test_add("/greylist/store-is-bounded", Folder, NULL, set_up, test_store_is_bounded, tear_down);
    g_test_add("/greylist/asks", Folder, NULL, set_up, test_asks, tear_down);
    return g_test_run();
}
