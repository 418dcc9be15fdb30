#include "unit/dmarc_fixture.h"

#include "checks/dmarc/walk.h"

static void test_path(void)
{
    static const struct {
        const char *domain;
        const char *names;
    } cases[] = {
        {"com", "com"},
        {"example.com", "example.com com"},
        {"a.b.c.d.e.f.g", "a.b.c.d.e.f.g b.c.d.e.f.g c.d.e.f.g d.e.f.g e.f.g f.g g"},
        {"a.b.c.d.e.f.g.h", "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"},
        {"z.a.b.c.d.e.f.g.h", "z.a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h"},
        {"a.b.c.d.e.f.g.h.i.j.mail.example.com",
         "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com "
         "i.j.mail.example.com j.mail.example.com mail.example.com example.com com"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) names = g_string_new(NULL);
        PosternDmarcPath path;

        postern_dmarc_path(cases[i].domain, &path);
        for (guint j = 0; j < path.count; j++)
            g_string_append_printf(names, "%s%s", j > 0 ? " " : "", path.names[j]);
        g_assert_cmpstr(names->str, ==, cases[i].names);
    }
}

#define REJECT "_dmarc.example.com TXT \"v=DMARC1; p=reject; sp=none; np=quarantine\"\n"

/* What is asked for: all names of a walk, and for identifiers only what alignment hangs on. */
static void test_questions(void)
{
    static const struct {
        DmarcCase item;
        const char *questions; /* sorted */
    } cases[] = {
        {{NULL, REJECT, "a@example.com", "pass example.com", "pass example.com", NULL},
         "_dmarc.com TXT, _dmarc.example.com TXT"},
        {{NULL, REJECT, "a@example.com", "pass evil.com", "pass example.net", NULL},
         "_dmarc.com TXT, _dmarc.example.com TXT"},
        {{NULL, REJECT, "a@example.com", "pass b.example.com", "pass s.example.com, fail t.example.com",
          NULL},
         "_dmarc.b.example.com TXT, _dmarc.com TXT, _dmarc.example.com TXT, _dmarc.s.example.com TXT, "
         "_dmarc.t.example.com TXT"},
        {{NULL, REJECT, "a@sub.example.com", NULL, "pass example.com", NULL},
         "_dmarc.com TXT, _dmarc.example.com TXT, _dmarc.sub.example.com TXT, sub.example.com A, "
         "sub.example.com CNAME"},
        {{NULL, "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"\n", "a@example.com",
          "pass b.example.com", "pass s.example.com", NULL},
         "_dmarc.com TXT, _dmarc.example.com TXT"},
        {{NULL, "_dmarc.example.com TXT \"v=DMARC1; p=reject; adkim=s\"\n", "a@example.com",
          "pass b.example.com", "pass s.example.com", NULL},
         "_dmarc.b.example.com TXT, _dmarc.com TXT, _dmarc.example.com TXT"},
        {{NULL, "", "a@example.com", "pass b.example.com", "pass s.example.com", NULL},
         "_dmarc.com TXT, _dmarc.example.com TXT"},
        {{NULL, REJECT, "nobody", "pass b.example.com", "pass s.example.com", NULL}, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_autoptr(PosternFindings) findings = dmarc_run(&cases[i].item, answers);
        g_autoptr(GPtrArray) asked = postern_answers_answered(answers);
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint j = 0; j < asked->len; j++) {
            const PosternQuestion *question = g_ptr_array_index(asked, j);

            g_string_append_printf(text, "%s%s %s", j > 0 ? ", " : "", question->name,
                                   postern_dns_type_name(question->type));
        }
        g_assert_cmpstr(text->str, ==, cases[i].questions);
    }
}

static char *describe_all(const PosternFindings *findings)
{
    g_autofree char *concluded = dmarc_describe(&findings->dmarc);
    GString *text = g_string_new(concluded);

    for (guint i = 0; i < findings->dmarc.organizations->len; i++) {
        const PosternDmarcOrganization *item = g_ptr_array_index(findings->dmarc.organizations, i);

        g_string_append_printf(text, "\n%s %s", item->domain, item->organizational);
    }
    for (guint i = 0; i < findings->steps->len; i++)
        g_string_append_printf(text, "\n%s",
                               ((const PosternStep *)g_ptr_array_index(findings->steps, i))->text);
    return g_string_free(text, FALSE);
}

/* Answers some of what is noted, in an order of its own; at least one. */
static void answer_some(PosternAnswers *answers, const PosternAnswersFile *zone)
{
    GPtrArray *noted = postern_answers_questions(answers);
    guint count = (guint)g_test_rand_int_range(1, (gint)noted->len + 1);

    while (count-- > 0) {
        guint which = (guint)g_test_rand_int_range(0, (gint)noted->len);
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(noted, which));

        postern_answers_add(answers, question, postern_answers_file_answer(zone, question));
    }
}

static char *run_in_any_order(const DmarcCase *item)
{
    g_autoptr(GString) octets = dmarc_header(item);
    g_autoptr(PosternHeader) header = postern_header_parse(octets->str, octets->len);
    g_autoptr(PosternEnvelope) envelope = dmarc_envelope(item);
    g_autoptr(PosternAnswersFile) zone = dmarc_zone(item->zone);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();

    findings->explain = TRUE;
    while (postern_check_dmarc(header, envelope, answers, findings) == 0) {
        g_assert_cmpuint(findings->dmarc.authors->len, ==, 0);
        g_assert_cmpuint(findings->steps->len, ==, 0);
        answer_some(answers, zone);
    }
    dmarc_add_results(item, findings);
    postern_findings_conclude(findings);
    return describe_all(findings);
}

static void test_any_order(void)
{
    static const DmarcCase cases[] = {
        {NULL, REJECT "_dmarc.m.example.com TXT \"v=DMARC1; p=none; psd=n\"\nx.example.com A 192.0.2.1\n",
         "a@x.example.com", "pass b.m.example.com", "pass s.m.example.com, fail t.example.com", NULL},
        {NULL, REJECT "_dmarc.example.net TXT \"v=DMARC1; p=none\"\n_dmarc.net TXT !SERVFAIL\n",
         "a@ghost.example.com, b@u.example.net", "pass b.example.net",
         "pass s.example.com, pass u.example.net", NULL},
        {NULL, "_dmarc.e TXT \"v=DMARC1; p=reject; psd=y\"\n_dmarc.d.e TXT \"v=DMARC1; p=none\"\n",
         "a@1.2.3.4.5.6.7.a.b.c.d.e", "pass x.y.d.e", "pass d.e, pass z.d.e", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_autoptr(PosternFindings) findings = dmarc_run(&cases[i], answers);
        g_autofree char *expected = describe_all(findings);

        for (guint times = 0; times < 200; times++) {
            g_autofree char *found = run_in_any_order(&cases[i]);

            g_assert_cmpstr(found, ==, expected);
        }
    }
}

/* A message that names very many domains raises few questions, and none of its own domains passes by it. */
static void test_bounded(void)
{
    static const char zone[] = "_dmarc.example.com TXT \"v=DMARC1; p=reject\"\n";
    g_autoptr(GString) signatures = g_string_new(NULL);
    g_autoptr(GString) from = g_string_new(NULL);

    for (guint i = 0; i < 30; i++)
        g_string_append_printf(signatures, "%spass a.b.c.d%u.e.example.com", i > 0 ? ", " : "", i);
    for (guint i = 0; i < 30; i++)
        g_string_append_printf(from, "a@q.b.c.d.e.f.g%u.example.com, ", i);
    DmarcCase one = {NULL, zone, "a@example.com", "pass a.b.c.d.e.f.example.com", signatures->str, NULL};
    DmarcCase many = {NULL, zone, from->str, "pass a.b.c.d.e.f.example.com", signatures->str, NULL};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = dmarc_run(&one, answers);

    g_assert_cmpuint(findings->dmarc.organizations->len, ==, POSTERN_DKIM_SIGNATURES_MAX + 1);
    g_assert_cmpuint(postern_answers_count(answers), <=, POSTERN_DMARC_QUESTIONS_MAX);
    g_assert_cmpint(findings->dmarc.result, ==, POSTERN_DMARC_PASS);
    g_autoptr(PosternAnswers) others = postern_answers_new();
    g_autoptr(PosternFindings) crowd = dmarc_run(&many, others);

    g_assert_cmpuint(crowd->dmarc.authors->len, ==, POSTERN_DMARC_AUTHORS_MAX);
    g_assert_true(crowd->dmarc.from_invalid);
    g_assert_cmpint(crowd->dmarc.result, !=, POSTERN_DMARC_PASS);
}

/* A sender whose SPF record asks for as much as RFC 7208 allows does not make DMARC end in a temporary error.
 */
static void test_beside_spf(void)
{
    static const DmarcCase item = {NULL, REJECT, "a@example.com", "temperror evil.net", "temperror evil.net",
                                   NULL};
    g_autoptr(GString) zone = g_string_new("evil.net TXT \"v=spf1");
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternEnvelope) envelope = dmarc_envelope(&item);
    g_autoptr(PosternFindings) spf = postern_findings_new();

    for (guint i = 0; i < POSTERN_SPF_LOOKUPS_MAX; i++)
        g_string_append_printf(zone, " mx:m%u.evil.net", i);
    g_string_append(zone, " -all\"\n");
    for (guint i = 0; i < POSTERN_SPF_LOOKUPS_MAX * POSTERN_SPF_MX_NAMES_MAX; i++)
        g_string_append_printf(zone, "m%u.evil.net MX 1 h%u.evil.net\nh%u.evil.net A 192.0.2.9\n",
                               i / POSTERN_SPF_MX_NAMES_MAX, i, i);
    g_autoptr(PosternAnswersFile) file = dmarc_zone(zone->str);

    g_assert_true(postern_address_parse(&envelope->client, "192.0.2.1"));
    while (postern_check_spf(envelope, "mx.example", 0, answers, spf) == 0)
        dmarc_answer(answers, file);
    g_assert_cmpint(spf->spf.result, ==, POSTERN_SPF_FAIL);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(GString) octets = dmarc_header(&item);
    g_autoptr(PosternHeader) header = postern_header_parse(octets->str, octets->len);
    g_autoptr(PosternAnswersFile) own = dmarc_zone(REJECT);

    while (postern_check_dmarc(header, envelope, answers, findings) == 0)
        dmarc_answer(answers, own);
    dmarc_add_results(&item, findings);
    postern_findings_conclude(findings);
    g_assert_cmpint(findings->dmarc.result, ==, POSTERN_DMARC_FAIL);
}

static void test_steps(void)
{
    static const DmarcCase item = {NULL,
                                   "_dmarc.example.com TXT \"v=DMARC1; p=reject; np=none; t=y\"\n"
                                   "_dmarc.s.example.com TXT \"x\"\n",
                                   "a@ghost.example.com",
                                   NULL,
                                   "pass s.example.com",
                                   NULL};
    static const char *const expected[] = {
        "_dmarc.ghost.example.com: nxdomain",
        "_dmarc.example.com: v=DMARC1; p=reject; np=none; t=y",
        "_dmarc.com: nxdomain",
        "Organizational Domain of ghost.example.com: example.com",
        "ghost.example.com does not exist",
        "policy for ghost.example.com: none, by the record of example.com, eased by t=y",
        "_dmarc.s.example.com: TXT, but no DMARC Policy Record",
    };
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = dmarc_run(&item, answers);

    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        const PosternStep *step = g_ptr_array_index(findings->steps, i);

        g_assert_cmpstr(step->text, ==, expected[i]);
        g_assert_cmpuint(step->check, ==, POSTERN_CHECK_DMARC);
    }
}

/* What was found before is replaced, not added to. */
static void test_again(void)
{
    static const DmarcCase item = {NULL, REJECT, "a@example.com", "pass b.example.com", NULL, NULL};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = dmarc_run(&item, answers);
    g_autoptr(GString) octets = dmarc_header(&item);
    g_autoptr(PosternHeader) header = postern_header_parse(octets->str, octets->len);
    g_autoptr(PosternEnvelope) envelope = dmarc_envelope(&item);

    g_assert_cmpint(postern_check_dmarc(header, envelope, answers, findings), ==, 1);
    g_assert_cmpuint(findings->dmarc.authors->len, ==, 1);
    g_assert_cmpuint(findings->dmarc.organizations->len, ==, 1);
    g_assert_cmpint(findings->dmarc.result, ==, POSTERN_DMARC_NOT_CHECKED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dmarc/path", test_path);
    g_test_add_func("/dmarc/questions", test_questions);
    g_test_add_func("/dmarc/any-order", test_any_order);
    g_test_add_func("/dmarc/bounded", test_bounded);
    g_test_add_func("/dmarc/beside-spf", test_beside_spf);
    g_test_add_func("/dmarc/steps", test_steps);
    g_test_add_func("/dmarc/again", test_again);
    return g_test_run();
}
