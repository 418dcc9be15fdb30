/*
 * What one SPF evaluation costs, by our own engine and by libspf2, both reading the same table of answers
 * that has them all. Rounds are interleaved, times are of the processor, and the median of the rounds counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "checks/spf/libspf2_dns.h"
#include "unit/spf_fixture.h"

#define ROUNDS 41
#define EVALUATIONS 2000 /* a round */

typedef struct {
    const char *name;
    const char *zone;
    SpfQuestion question;
    PosternSpfResult result;
} Case;

static const Case cases[] = {
    {"one record, ip4 matches",
     "one.example TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n",
     {"192.0.2.1", "h.example", "user@one.example"},
     POSTERN_SPF_PASS},
    {"an include of many networks",
     "two.example TXT \"v=spf1 include:spf.protection.example -all\"\n"
     "spf.protection.example TXT \"v=spf1 ip4:198.51.100.0/25 ip4:198.51.100.128/26 ip4:203.0.113.0/26 "
     "ip4:203.0.113.64/26 ip6:2001:db8:400::/48 ip6:2001:db8:403::/48 ip4:203.0.113.128/25 ip4:192.0.2.0/24 "
     "-all\"\n",
     {"192.0.2.1", "h.example", "user@two.example"},
     POSTERN_SPF_PASS},
    {"redirect and three includes",
     "three.example TXT \"v=spf1 redirect=_spf.big.example\"\n"
     "_spf.big.example TXT \"v=spf1 include:_net1.big.example include:_net2.big.example "
     "include:_net3.big.example "
     "~all\"\n"
     "_net1.big.example TXT \"v=spf1 ip4:198.51.100.0/27 ip4:198.51.100.32/27 ip4:198.51.100.64/27 "
     "ip4:198.51.100.96/27 ip4:198.51.100.128/27 ip4:198.51.100.160/27 ip4:198.51.100.192/27 "
     "ip4:198.51.100.224/27 ip4:203.0.113.0/28 ip4:203.0.113.16/28 ip4:203.0.113.32/28 ~all\"\n"
     "_net2.big.example TXT \"v=spf1 ip6:2001:db8:1::/48 ip6:2001:db8:2::/48 ip6:2001:db8:3::/48 "
     "ip6:2001:db8:4::/48 ip6:2001:db8:5::/48 ip6:2001:db8:6::/48 ~all\"\n"
     "_net3.big.example TXT \"v=spf1 ip4:203.0.113.64/28 ip4:203.0.113.80/28 ip4:203.0.113.96/28 "
     "ip4:192.0.2.0/24 "
     "~all\"\n",
     {"192.0.2.1", "h.example", "user@three.example"},
     POSTERN_SPF_PASS},
    {"ten look-ups, no match",
     "four.example TXT \"v=spf1 a mx a:a1.example a:a2.example a:a3.example include:i1.example "
     "include:i2.example "
     "exists:%{ir}.e.example a:a4.example a:a5.example -all\"\n"
     "four.example A 203.0.113.1\nfour.example MX 10 m1.example\nfour.example MX 20 m2.example\n"
     "m1.example A 203.0.113.2\nm2.example A 203.0.113.3\n"
     "a1.example A 203.0.113.4\na2.example A 203.0.113.5\na3.example A 203.0.113.6\na4.example A "
     "203.0.113.7\n"
     "a5.example A 203.0.113.8\ni1.example TXT \"v=spf1 ip4:198.51.100.0/24 -all\"\n"
     "i2.example TXT \"v=spf1 ip4:203.0.113.0/26 -all\"\n",
     {"192.0.2.1", "h.example", "user@four.example"},
     POSTERN_SPF_FAIL},
};

typedef enum {
    OURS,
    LIBSPF2,
    LIBSPF2_NEW,
    LIBSPF2_BARE,
    ENGINES,
} Engine;

static const char *const engine_names[ENGINES] = {"ours", "libspf2", "libspf2 with a new server",
                                                  "bare libspf2"};

static double now_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

typedef struct {
    PosternLibspf2Engine *libspf2;
    SPF_server_t *bare;
    PosternEnvelope envelope;
    PosternAnswers *answers;
} Bench;

static SPF_errcode_t no_explanation(SPF_server_t *server, const char *domain, char **buffer, size_t *length)
{
    (*buffer)[0] = '\0';
    return SPF_E_SUCCESS;
}

/* Nothing but the library and its look-ups: no check of the identity, no finding. */
static PosternSpfResult evaluate_bare(const Bench *bench, PosternFindings *findings)
{
    PosternSpfLibspf2Dns dns;
    SPF_request_t *request = SPF_request_new(bench->bare);
    SPF_response_t *response = NULL;
    SPF_result_t result;

    postern_spf_libspf2_dns_init(&dns, bench->answers, findings);
    dns.server.get_exp = no_explanation;
    bench->bare->resolver = &dns.server;
    SPF_request_set_ipv4(request, bench->envelope.client.ipv4);
    SPF_request_set_helo_dom(request, bench->envelope.helo);
    SPF_request_set_env_from(request, bench->envelope.sender);
    SPF_request_query_mailfrom(request, &response);
    result = SPF_response_result(response);
    SPF_response_free(response);
    SPF_request_free(request);
    bench->bare->resolver = NULL;
    return result == SPF_RESULT_PASS   ? POSTERN_SPF_PASS
           : result == SPF_RESULT_FAIL ? POSTERN_SPF_FAIL
                                       : POSTERN_SPF_NOT_CHECKED;
}

static PosternSpfResult evaluate(Engine engine, const Bench *bench, PosternFindings *bare_findings)
{
    g_autoptr(PosternFindings) findings = NULL;
    g_autoptr(PosternLibspf2Engine) own = NULL;

    if (engine == LIBSPF2_BARE)
        return evaluate_bare(bench, bare_findings);
    findings = postern_findings_new();
    if (engine == LIBSPF2_NEW)
        own = postern_libspf2_engine_new();
    if (engine == OURS)
        postern_check_spf(&bench->envelope, SPF_FIXTURE_RECEIVER, SPF_FIXTURE_NOW, bench->answers, findings);
    else
        postern_check_spf_libspf2(own != NULL ? own : bench->libspf2, &bench->envelope, SPF_FIXTURE_RECEIVER,
                                  SPF_FIXTURE_NOW, bench->answers, findings);
    return findings->spf.result;
}

/* Microseconds of one evaluation in a round. */
static double run_round(Engine engine, const Bench *bench, PosternSpfResult expected)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();
    double began = now_seconds();

    for (guint i = 0; i < EVALUATIONS; i++) {
        PosternSpfResult result = evaluate(engine, bench, findings);

        if (result != expected) {
            fprintf(stderr, "spf_bench: %s says %s\n", engine_names[engine], postern_spf_result_name(result));
            exit(1);
        }
    }
    return (now_seconds() - began) / EVALUATIONS * 1e6;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *values, gsize count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

/* Microseconds an evaluation, of each engine. */
static void measure(const Case *test, Bench *bench, double *ret_microseconds)
{
    double times[ENGINES][ROUNDS];
    g_autoptr(PosternAnswersFile) zone = spf_fixture_zone(test->zone);
    g_autofree char *helo = g_strdup(test->question.helo), *sender = g_strdup(test->question.sender);

    bench->answers = postern_answers_new();
    bench->envelope = (PosternEnvelope){.helo = helo, .sender = sender};
    g_assert_true(postern_address_parse(&bench->envelope.client, test->question.client));
    postern_findings_free(spf_fixture_run(NULL, zone, &test->question, bench->answers, FALSE, NULL));
    postern_findings_free(
        spf_fixture_run(bench->libspf2, zone, &test->question, bench->answers, FALSE, NULL));
    for (guint round = 0; round < ROUNDS; round++)
        for (guint turn = 0; turn < ENGINES; turn++) {
            Engine engine = (turn + round) % ENGINES;

            times[engine][round] = run_round(engine, bench, test->result);
        }
    for (guint engine = 0; engine < ENGINES; engine++)
        ret_microseconds[engine] = median(times[engine], ROUNDS);
    postern_answers_unref(bench->answers);
}

/* The exit status is 1 where our engine costs more than even the bare library, in any case. */
int main(void)
{
    g_autoptr(PosternLibspf2Engine) libspf2 = postern_libspf2_engine_new();
    Bench bench = {.libspf2 = libspf2, .bare = SPF_server_new_dns(NULL, 0)};
    SPF_response_t *response = NULL;
    int status = 0;

    /* As the engine does: the library's own would be expanded for each result but pass. */
    SPF_server_set_explanation(bench.bare, "", &response);
    SPF_response_free(response);
    printf("SPF, microseconds of the processor an evaluation, medians of %d rounds of %d\n", ROUNDS,
           EVALUATIONS);
    printf("%-30s %8s %8s %8s %8s %7s %7s\n", "", "ours", "libspf2", "+server", "bare", "ratio", "to bare");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        double times[ENGINES];

        measure(&cases[i], &bench, times);
        printf("%-30s %8.2f %8.2f %8.2f %8.2f %7.2f %7.2f\n", cases[i].name, times[OURS], times[LIBSPF2],
               times[LIBSPF2_NEW], times[LIBSPF2_BARE], times[OURS] / times[LIBSPF2],
               times[OURS] / times[LIBSPF2_BARE]);
        if (times[OURS] > times[LIBSPF2_BARE])
            status = 1;
    }
    printf(
        "libspf2: our second engine; +server: with a new server for each; bare: the library alone, without\n"
        "the identity and the finding that ours includes. All read the same table of answers. Ratios: ours "
        "to\n"
        "libspf2, ours to the bare library\n");
    SPF_server_free(bench.bare);
    return status;
}
