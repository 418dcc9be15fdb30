#include "milter/offer.h"

#include <libmilter/mfapi.h>

#define EDITS (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
#define POSTFIX_ACTIONS (EDITS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST | SMFIF_CHGFROM | SMFIF_ADDRCPT)
#define EVERY_STEP 0x1fffffUL
#define ALWAYS_SILENT (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH)
#define SILENT (ALWAYS_SILENT | SMFIP_NR_RCPT)
#define REGISTERED (SMFIP_NODATA | SMFIP_NOUNKNOWN)

static void test_everything_offered(void)
{
    PosternMilterOffer offer;
    g_assert_true(
        postern_milter_offer_answer(&offer, POSTFIX_ACTIONS, EVERY_STEP, REGISTERED | SMFIP_SKIP, FALSE));
    g_assert_cmphex(offer.actions, ==, EDITS | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
    g_assert_cmphex(offer.steps, ==, REGISTERED | SILENT | SMFIP_SKIP | SMFIP_HDR_LEADSPC);
    g_assert_true(offer.leading_space && offer.skip && offer.quarantine && offer.macros);
    g_assert_false(offer.recipients);
}

/* MAIL may be refused, and a skipped body is an answer to a piece of it: neither may be silent. */
static void test_where_a_refusal_is_given_a_reply_is_awaited(void)
{
    PosternMilterOffer offer;
    for (unsigned long steps = 0; steps <= 0x1ff; steps++) {
        unsigned long offered = (steps << 12) | (steps & 1 ? SMFIP_SKIP : 0) | SMFIP_NR_MAIL;
        g_assert_true(postern_milter_offer_answer(&offer, EDITS, offered, 0, FALSE));
        g_assert_cmphex(offer.steps & SMFIP_NR_MAIL, ==, 0);
        g_assert_false((offer.steps & SMFIP_SKIP) != 0 && (offer.steps & SMFIP_NR_BODY) != 0);
        g_assert_cmphex(offer.steps & ~offered, ==, 0);
        g_assert_cmpint(offer.skip, ==, (offered & SMFIP_SKIP) != 0);
    }
}

/* With policies of their own recipients may be refused, and a server that waits for them anyhow is told so.
 */
static void test_recipients(void)
{
    PosternMilterOffer offer;
    g_assert_true(postern_milter_offer_answer(&offer, POSTFIX_ACTIONS, EVERY_STEP, 0, TRUE));
    g_assert_cmphex(offer.steps & SILENT, ==, SILENT & ~(unsigned long)SMFIP_NR_RCPT);
    g_assert_true(offer.recipients);
    g_assert_true(postern_milter_offer_answer(&offer, POSTFIX_ACTIONS,
                                              EVERY_STEP & ~(unsigned long)SMFIP_NR_RCPT, 0, FALSE));
    g_assert_true(offer.recipients);
    postern_milter_offer_usual(&offer);
    g_assert_false(offer.recipients);
}

/* Of what has no callback of ours libmilter itself returns a reply: it must not be said that none comes. */
static void test_steps_without_a_callback_are_not_silent(void)
{
    PosternMilterOffer offer;
    for (unsigned refuse = 0; refuse <= 1; refuse++) {
        g_assert_true(postern_milter_offer_answer(&offer, POSTFIX_ACTIONS, EVERY_STEP, 0, refuse != 0));
        g_assert_false(postern_milter_offer_is_silent(&offer, SMFIP_NR_DATA));
        g_assert_false(postern_milter_offer_is_silent(&offer, SMFIP_NR_UNKN));
        g_assert_true(postern_milter_offer_is_silent(&offer, SMFIP_NR_CONN));
        g_assert_true(postern_milter_offer_is_silent(&offer, SMFIP_NR_HDR));
        g_assert_cmpint(postern_milter_offer_is_silent(&offer, SMFIP_NR_RCPT), ==, refuse == 0);
    }
}

/* A new client on an old connection whose negotiation is not known: what is said to every server. */
static void test_usual(void)
{
    PosternMilterOffer offer;
    postern_milter_offer_usual(&offer);
    g_assert_cmphex(offer.steps, ==, ALWAYS_SILENT);
}

static void test_old_server(void)
{
    PosternMilterOffer offer;
    g_assert_true(postern_milter_offer_answer(&offer, EDITS, 0, REGISTERED, FALSE));
    g_assert_cmphex(offer.actions, ==, EDITS);
    g_assert_cmphex(offer.steps, ==, REGISTERED);
    g_assert_false(offer.leading_space || offer.skip || offer.quarantine || offer.macros);
    g_assert_true(postern_milter_offer_answer(&offer, EDITS, SMFIP_NR_BODY, 0, FALSE));
    g_assert_cmphex(offer.steps, ==, SMFIP_NR_BODY);
}

static void test_server_without_edits(void)
{
    PosternMilterOffer offer;
    g_assert_false(postern_milter_offer_answer(&offer, 0, EVERY_STEP, 0, FALSE));
    g_assert_false(
        postern_milter_offer_answer(&offer, SMFIF_ADDHDRS | SMFIF_QUARANTINE, EVERY_STEP, 0, FALSE));
    g_assert_false(postern_milter_offer_answer(&offer, SMFIF_CHGHDRS, EVERY_STEP, 0, FALSE));
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
