/*
 * Two engines, made by different people, judge the same records, made up by a seed. Where they differ, the
 * cause must be one that is known, told by what the engines themselves say of their way.
 * POSTERN_SPF_SEED and POSTERN_SPF_RECORDS take the places of the seed and of the number of zones.
 */
#include <stdio.h>

#include "unit/spf_fixture.h"
#include "unit/spf_zone_maker.h"

#define SEED 7208
#define ZONES 4000

/* A difference that the dice seldom find. */
#define SELDOM                                                                                               \
    "d0.example TXT \"v=spf1 a:x.%{p} -all\"\n"                                                              \
    "1.2.0.192.in-addr.arpa PTR d1.example\n"                                                                \
    "1.2.0.192.in-addr.arpa PTR d0.example\n"                                                                \
    "d0.example A 192.0.2.1\n"                                                                               \
    "d1.example A 192.0.2.1\n"                                                                               \
    "x.d0.example A 192.0.2.1\n"

typedef struct {
    PosternFindings *ours;
    PosternFindings *theirs;
    char *our_steps;
    char *their_steps;
    const SpfQuestion *question;
} Pair;

/* A known difference; patterns are of GRegex, NULL: any. */
typedef struct {
    const char *name;
    PosternSpfResult our_result, their_result; /* NOT_CHECKED: any */
    const char *ours;                          /* in our steps */
    const char *theirs;                        /* in those of libspf2 */
    const char *either;                        /* in one of both */
} Cause;

#define ANY POSTERN_SPF_NOT_CHECKED
#define PERMERROR POSTERN_SPF_PERMERROR
#define TEMPERROR POSTERN_SPF_TEMPERROR

static const Cause causes[] = {
    {"libspf2 lets loopback pass", ANY, POSTERN_SPF_PASS, NULL, "every loopback address"},
    {"libspf2 counts no void look-ups", PERMERROR, ANY, "more than 2 terms whose names"},
    {"libspf2 counts the look-ups of each include alone", PERMERROR, ANY, "more than 10 terms that ask"},
    {"libspf2 takes no prefix length of 0", ANY, PERMERROR, NULL, NULL, "(ip[46]|a|mx)[^\" ]*/0+[ /\"]"},
    {"libspf2 takes a failing reverse look-up for an error", ANY, TEMPERROR, NULL,
     "arpa PTR: (servfail|timeout)"},
    {"libspf2 takes over 10 reverse names for an error", ANY, PERMERROR, NULL,
     "arpa PTR: records, 1[1-9] of them"},
    {"libspf2 loses a character of a macro that counts its parts", ANY, ANY, NULL, NULL, "%\\{[A-Za-z][0-9]"},
    {"libspf2 takes a domain-spec that is none", PERMERROR, ANY,
     "not a domain-spec|an address where a domain belongs"},
    {"libspf2 takes a prefix length that is none", PERMERROR, ANY, "not a prefix length"},
    {"libspf2 takes a modifier twice", PERMERROR, ANY, "given twice"},
    {"libspf2 takes a value that is no macro-string", PERMERROR, ANY, "not a macro-string"},
    {"libspf2 follows redirect= where it stands", ANY, ANY, NULL, NULL,
     "\"v=spf1[^\"]* redirect=\\S+ (\\S+=\\S* )*[^= ]+[ \"]"},
    {"libspf2 takes the first validated name for %{p}, not the best", ANY, ANY, NULL, NULL, "%\\{[Pp]"},
};

static gboolean applies(const Cause *cause, const Pair *pair)
{
    return (cause->our_result == POSTERN_SPF_NOT_CHECKED || cause->our_result == pair->ours->spf.result) &&
           (cause->their_result == POSTERN_SPF_NOT_CHECKED ||
            cause->their_result == pair->theirs->spf.result) &&
           (cause->ours == NULL || g_regex_match_simple(cause->ours, pair->our_steps, 0, 0)) &&
           (cause->theirs == NULL || g_regex_match_simple(cause->theirs, pair->their_steps, 0, 0)) &&
           (cause->either == NULL || g_regex_match_simple(cause->either, pair->our_steps, 0, 0) ||
            g_regex_match_simple(cause->either, pair->their_steps, 0, 0));
}

static Pair ask_both(PosternLibspf2Engine *libspf2, const char *text, const SpfQuestion *question)
{
    Pair pair = {.question = question};

    pair.ours = spf_fixture_ask(NULL, text, question, NULL);
    pair.theirs = spf_fixture_ask(libspf2, text, question, NULL);
    pair.our_steps = spf_fixture_steps(pair.ours);
    pair.their_steps = spf_fixture_steps(pair.theirs);
    return pair;
}

static void pair_clear(Pair *pair)
{
    postern_findings_free(pair->ours);
    postern_findings_free(pair->theirs);
    g_free(pair->our_steps);
    g_free(pair->their_steps);
}

/* The index of the cause, or -1: the engines agree, or -2: nobody knows. */
static int classify(const Pair *pair)
{
    if (pair->ours->spf.result == pair->theirs->spf.result)
        return -1;
    for (guint i = 0; i < G_N_ELEMENTS(causes); i++)
        if (applies(&causes[i], pair))
            return (int)i;
    return -2;
}

static guint number_from(const char *variable, guint otherwise)
{
    const char *text = g_getenv(variable);

    return text != NULL ? (guint)g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static void test_differential(void)
{
    static const SpfQuestion questions[] = {
        {"192.0.2.1", "d1.example", "u-ser@d0.example"},
        {"2001:db8::1", "d2.example", "user@d0.example"},
        {"198.51.100.7", "d0.example", ""},
        {"127.0.0.1", "h.example", "user@d0.example"},
    };
    const guint seed = number_from("POSTERN_SPF_SEED", SEED),
                zones = number_from("POSTERN_SPF_RECORDS", ZONES);
    g_autoptr(GRand) dice = g_rand_new_with_seed(seed);
    g_autoptr(PosternLibspf2Engine) libspf2 = postern_libspf2_engine_new();
    guint counts[G_N_ELEMENTS(causes)] = {0}, agreed = 0, unknown = 0,
          results[POSTERN_SPF_PERMERROR + 1] = {0};

    for (guint i = 0; i < zones; i++) {
        g_autofree char *text = i == 0 ? g_strdup(SELDOM) : spf_zone_make(dice);
        const SpfQuestion *question = &questions[i % 32 == 31 ? 3 : i % 3];
        Pair pair = ask_both(libspf2, text, question);
        int cause = classify(&pair);

        results[pair.ours->spf.result]++;
        agreed += cause == -1;
        if (cause >= 0)
            counts[cause]++;
        if (cause == -2 && unknown++ < 5)
            g_test_message(
                "zone %u, client %s, sender <%s>: ours %s, libspf2 %s\n%s\nOURS\n%s\nLIBSPF2\n%s", i,
                question->client, question->sender, postern_spf_result_name(pair.ours->spf.result),
                postern_spf_result_name(pair.theirs->spf.result), text, pair.our_steps, pair.their_steps);
        pair_clear(&pair);
    }
    g_test_message("seed %u: of %u zones the engines agree on %u; %u differences have no known cause", seed,
                   zones, agreed, unknown);
    for (guint i = 0; i < G_N_ELEMENTS(results); i++)
        g_test_message("%6u  ours: %s", results[i], postern_spf_result_name(i));
    for (guint i = 0; i < G_N_ELEMENTS(causes); i++) {
        g_test_message("%6u  %s", counts[i], causes[i].name);
        /* A cause that never comes up would only hide others. */
        if (zones >= ZONES)
            g_assert_cmpuint(counts[i], >, 0);
    }
    g_assert_cmpuint(unknown, ==, 0);
    g_assert_cmpuint(agreed, >, zones / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spf/differential", test_differential);
    return g_test_run();
}
