/*
 * A session with a clamd of the test, which says what it likes: nothing but a reply to each command is
 * believed.
 */
#include "checks/virus/clamd.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_US (20 * G_USEC_PER_SEC)
#define SOON_US (G_USEC_PER_SEC / 5)

typedef struct {
    int sockets[2]; /* ours, and its */
    const char *says;
    gsize length;
    gboolean closes;
    GThread *thread;
} FakeClamd;

/* It reads all that comes, and says all it has to say at once. */
static gpointer serve(gpointer data)
{
    FakeClamd *fake = data;
    char octets[65536];
    if (read(fake->sockets[1], octets, sizeof octets) > 0 && fake->length > 0)
        g_assert_cmpint(send(fake->sockets[1], fake->says, fake->length, MSG_NOSIGNAL), >, 0);
    if (fake->closes)
        shutdown(fake->sockets[1], SHUT_WR);
    while (read(fake->sockets[1], octets, sizeof octets) > 0) {
    }
    return NULL;
}

static void fake_begin(FakeClamd *fake, const char *says, gsize length, gboolean closes)
{
    *fake = (FakeClamd){.says = says, .length = length, .closes = closes};
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fake->sockets), ==, 0);
    fake->thread = g_thread_new("clamd", serve, fake);
}

static void fake_end(FakeClamd *fake)
{
    close(fake->sockets[0]);
    g_thread_join(fake->thread);
    close(fake->sockets[1]);
}

#define SAYS(text) text, sizeof text

static const struct {
    const char *says;
    gsize length;
    gboolean closes;
    const char *word, *reason; /* of what is found in two files */
} cases[] = {
    {SAYS("1: fd[3]: OK\0002: fd[3]: OK"), FALSE, "clean", NULL},
    {SAYS("2: fd[3]: OK\0001: fd[3]: OK"), FALSE, "clean", NULL},
    {SAYS("2: fd[3]: A.Virus FOUND\0001: fd[3]: OK"), FALSE, "infected:A.Virus", NULL},
    {SAYS("1: fd[3]: Heuristics.Encrypted.Zip FOUND\0002: fd[3]: OK"), FALSE, "unscannable:encrypted",
     "b.zip: Heuristics.Encrypted.Zip"},
    {SAYS("1: fd[3]: Heuristics.Limits.Exceeded.MaxFiles FOUND\0002: fd[3]: B FOUND"), FALSE, "infected:B",
     NULL},
    /* What was passed is sent, and refused again. */
    {SAYS("1: No file descriptor received. ERROR\0002: fd[3]: OK\0003: stream: OK"), FALSE, "clean", NULL},
    {SAYS("1: No file descriptor received. ERROR\0002: fd[3]: OK\0003: no memory ERROR"), FALSE,
     "error:scan_error", "clamd: b.zip: no memory"},
    /* It ends, or says less or more or other than it was asked. */
    {SAYS(""), TRUE, "error:scan_error", NULL},
    {NULL, 0, TRUE, "error:scan_error", "clamd: it has ended the connection: a limit"},
    {NULL, 0, FALSE, "error:scan_error", "clamd: no answer in time"},
    {SAYS("1: fd[3]: OK"), TRUE, "error:scan_error", "clamd: it has ended the connection"},
    {SAYS("1: fd[3]: OK"), FALSE, "error:scan_error", "clamd: no answer in time"},
    {SAYS("1: fd[3]: OK\0001: fd[3]: OK"), FALSE, "error:scan_error", "clamd: it says what was not asked"},
    {SAYS("1: fd[3]: OK\0003: fd[3]: OK"), FALSE, "error:scan_error", "clamd: it says what was not asked"},
    {SAYS("fd[3]: OK\000fd[3]: OK"), FALSE, "error:scan_error", "clamd: it says what was not asked"},
    {SAYS("1: PONG\0002: PONG"), FALSE, "error:scan_error", "clamd: b.zip: PONG"},
    {SAYS("1: OK\0002: OK"), FALSE, "error:scan_error", "clamd: b.zip: OK"},
    {SAYS("COMMAND READ TIMED OUT ERROR"), FALSE, "error:scan_error",
     "clamd: it says what was not asked: COMMAND READ TIMED OUT"},
};

static void test_answers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        FakeClamd fake;
        g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
        g_test_message("case %" G_GSIZE_FORMAT, i);
        fake_begin(&fake, cases[i].says, cases[i].length, cases[i].closes);
        gboolean hangs = cases[i].reason != NULL && strstr(cases[i].reason, "in time") != NULL;
        g_autoptr(PosternClamd) clamd = postern_clamd_new(
            fake.sockets[0], TRUE, TRUE, g_get_monotonic_time() + (hangs ? SOON_US : DEADLINE_US), &finding);
        gboolean whole = postern_clamd_scan(clamd, "octets", 6, "b.zip");
        whole = postern_clamd_scan(clamd, "octets", 6, NULL) && whole;
        whole = postern_clamd_wait(clamd) && whole;
        postern_virus_finding_clean(&finding);
        g_autofree char *word = postern_virus_finding_word(&finding);
        g_assert_cmpstr(word, ==, cases[i].word);
        g_assert_cmpint(whole, ==, finding.kinds[POSTERN_VIRUS_SCAN_ERROR] == NULL);
        if (cases[i].reason != NULL)
            g_assert_true(g_str_has_prefix(finding.reason, cases[i].reason));
        g_assert_cmpint(postern_clamd_passes(clamd), ==,
                        strstr(cases[i].says != NULL ? cases[i].says : "", "No file") == NULL);
        fake_end(&fake);
    }
}

/* One that finds nothing is not believed, whatever it says afterwards. */
static void test_proof(void)
{
    static const struct {
        const char *says;
        gsize length;
        const char *reason;
    } proofs[] = {
        {SAYS("1: fd[3]: Eicar-Test-Signature FOUND"), NULL},
        {SAYS("1: fd[3]: OK"), "clamd: it does not find the EICAR test file, and would miss viruses"},
        {SAYS("1: fd[3]: Heuristics.Encrypted.Zip FOUND"), "Heuristics.Encrypted.Zip"},
        {SAYS("2: fd[3]: Eicar-Test-Signature FOUND"),
         "clamd: it says what was not asked: Eicar-Test-Signature"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(proofs); i++) {
        FakeClamd fake;
        g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
        fake_begin(&fake, proofs[i].says, proofs[i].length, FALSE);
        g_autoptr(PosternClamd) clamd =
            postern_clamd_new(fake.sockets[0], TRUE, TRUE, g_get_monotonic_time() + DEADLINE_US, &finding);
        g_assert_cmpint(postern_clamd_prove(clamd), ==, proofs[i].reason == NULL);
        g_assert_cmpstr(finding.reason, ==, proofs[i].reason);
        g_assert_cmpint(finding.result, ==,
                        proofs[i].reason == NULL ? POSTERN_VIRUS_NOT_CHECKED : POSTERN_VIRUS_ERROR);
        if (proofs[i].reason != NULL)
            g_assert_false(postern_clamd_scan(clamd, "octets", 6, NULL));
        fake_end(&fake);
    }
}

static void test_version(void)
{
    FakeClamd fake;
    g_auto(PosternVirusFinding) finding = {POSTERN_VIRUS_NOT_CHECKED};
    fake_begin(&fake, SAYS("1: ClamAV 1.0.7/27500/Mon Dec 23 2024"), FALSE);
    g_autoptr(PosternClamd) clamd =
        postern_clamd_new(fake.sockets[0], TRUE, TRUE, g_get_monotonic_time() + DEADLINE_US, &finding);
    g_autofree char *version = postern_clamd_version(clamd);
    g_assert_cmpstr(version, ==, "ClamAV 1.0.7/27500/Mon Dec 23 2024");
    fake_end(&fake);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clamd/answers", test_answers);
    g_test_add_func("/clamd/proof", test_proof);
    g_test_add_func("/clamd/version", test_version);
    return g_test_run();
}
