#include "milter/libmilter/negotiation.h"

#include <libmilter/mfapi.h>

#define EDITS (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
#define POSTFIX_ACTIONS (EDITS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST | SMFIF_CHGFROM | SMFIF_ADDRCPT)
#define EVERY_STEP 0x1fffffUL
#define ALWAYS_SILENT (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH)
#define SILENT (ALWAYS_SILENT | SMFIP_NR_RCPT)
#define REGISTERED (SMFIP_NODATA | SMFIP_NOUNKNOWN)

static void test_everything_offered(void)
{
    PosternMilterNegotiation negotiation;
    g_assert_true(postern_milter_negotiation_answer(&negotiation, POSTFIX_ACTIONS, EVERY_STEP,
                                                    REGISTERED | SMFIP_SKIP, 0));
    g_assert_cmphex(negotiation.actions, ==, EDITS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
    g_assert_cmphex(negotiation.steps, ==, REGISTERED | SILENT | SMFIP_SKIP | SMFIP_HDR_LEADSPC);
    g_assert_true(negotiation.leading_space && negotiation.skip && negotiation.quarantine &&
                  negotiation.macros);
    g_assert_false(negotiation.recipients);
}

/* MAIL may be refused, and a skipped body is an answer to a piece of it: neither may be silent. */
static void test_where_a_refusal_is_given_a_reply_is_awaited(void)
{
    PosternMilterNegotiation negotiation;
    for (unsigned long steps = 0; steps <= 0x1ff; steps++) {
        unsigned long offered = (steps << 12) | (steps & 1 ? SMFIP_SKIP : 0) | SMFIP_NR_MAIL;
        g_assert_true(postern_milter_negotiation_answer(&negotiation, EDITS, offered, 0, 0));
        g_assert_cmphex(negotiation.steps & SMFIP_NR_MAIL, ==, 0);
        g_assert_false((negotiation.steps & SMFIP_SKIP) != 0 && (negotiation.steps & SMFIP_NR_BODY) != 0);
        g_assert_cmphex(negotiation.steps & ~offered, ==, 0);
        g_assert_cmpint(negotiation.skip, ==, (offered & SMFIP_SKIP) != 0);
    }
}

/* With policies of their own recipients may be refused, and a server that waits for them anyhow is told so.
 */
static void test_recipients(void)
{
    PosternMilterNegotiation negotiation;
    g_assert_true(
        postern_milter_negotiation_answer(&negotiation, POSTFIX_ACTIONS, EVERY_STEP, 0, SMFIP_NR_RCPT));
    g_assert_cmphex(negotiation.steps & SILENT, ==, SILENT & ~(unsigned long)SMFIP_NR_RCPT);
    g_assert_true(negotiation.recipients);
    g_assert_true(postern_milter_negotiation_answer(&negotiation, POSTFIX_ACTIONS,
                                                    EVERY_STEP & ~(unsigned long)SMFIP_NR_RCPT, 0, 0));
    g_assert_true(negotiation.recipients);
    postern_milter_negotiation_usual(&negotiation);
    g_assert_false(negotiation.recipients);
}

/* Of what has no callback of ours libmilter itself returns a reply: it must not be said that none comes. */
static void test_steps_without_a_callback_are_not_silent(void)
{
    PosternMilterNegotiation negotiation;
    for (unsigned refuse = 0; refuse <= 1; refuse++) {
        g_assert_true(postern_milter_negotiation_answer(&negotiation, POSTFIX_ACTIONS, EVERY_STEP, 0,
                                                        refuse != 0 ? SMFIP_NR_RCPT : 0));
        g_assert_false(postern_milter_negotiation_is_silent(&negotiation, SMFIP_NR_DATA));
        g_assert_false(postern_milter_negotiation_is_silent(&negotiation, SMFIP_NR_UNKN));
        g_assert_true(postern_milter_negotiation_is_silent(&negotiation, SMFIP_NR_CONN));
        g_assert_true(postern_milter_negotiation_is_silent(&negotiation, SMFIP_NR_HDR));
        g_assert_cmpint(postern_milter_negotiation_is_silent(&negotiation, SMFIP_NR_RCPT), ==, refuse == 0);
    }
}

/* A new client on an old connection whose negotiation is not known: what is said to every server. */
static void test_usual(void)
{
    PosternMilterNegotiation negotiation;
    postern_milter_negotiation_usual(&negotiation);
    g_assert_cmphex(negotiation.steps, ==, ALWAYS_SILENT);
}

static void test_old_server(void)
{
    PosternMilterNegotiation negotiation;
    g_assert_true(postern_milter_negotiation_answer(&negotiation, EDITS, 0, REGISTERED, 0));
    g_assert_cmphex(negotiation.actions, ==, EDITS);
    g_assert_cmphex(negotiation.steps, ==, REGISTERED);
    g_assert_false(negotiation.leading_space || negotiation.skip || negotiation.quarantine ||
                   negotiation.macros);
    g_assert_true(postern_milter_negotiation_answer(&negotiation, EDITS, SMFIP_NR_BODY, 0, 0));
    g_assert_cmphex(negotiation.steps, ==, SMFIP_NR_BODY);
}

static void test_server_without_edits(void)
{
    PosternMilterNegotiation negotiation;
    g_assert_false(postern_milter_negotiation_answer(&negotiation, 0, EVERY_STEP, 0, 0));
    g_assert_false(
        postern_milter_negotiation_answer(&negotiation, SMFIF_ADDHDRS | SMFIF_QUARANTINE, EVERY_STEP, 0, 0));
    g_assert_false(postern_milter_negotiation_answer(&negotiation, SMFIF_CHGHDRS, EVERY_STEP, 0, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-offer/everything", test_everything_offered);
    g_test_add_func("/milter-offer/replies", test_where_a_refusal_is_given_a_reply_is_awaited);
    g_test_add_func("/milter-offer/recipients", test_recipients);
    g_test_add_func("/milter-offer/without-a-callback", test_steps_without_a_callback_are_not_silent);
    g_test_add_func("/milter-offer/usual", test_usual);
    g_test_add_func("/milter-offer/old-server", test_old_server);
    g_test_add_func("/milter-offer/without-edits", test_server_without_edits);
    return g_test_run();
}
