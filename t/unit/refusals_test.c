#include "proxy/servers/refusals.h"

#include <string.h>

#include "base/limits.h"

#define KEEP_MS 60000

static PosternRefusals *refusals_for(guint maximum)
{
    PosternRefusals *refusals = postern_refusals_new();
    postern_refusals_begin(refusals, maximum, KEEP_MS);
    return refusals;
}

static void note(PosternRefusals *refusals, const char *recipient, guint code, const char *text, gint64 now)
{
    g_autoptr(PosternReply) reply = postern_reply_new(code, text);
    postern_refusals_note(refusals, postern_refusals_generation(refusals), recipient, reply, now);
}

/* reply: "CODE TEXT", or NULL: none. */
static void expect(PosternRefusals *refusals, const char *recipient, gint64 now, const char *reply)
{
    g_autoptr(PosternReply) found = postern_refusals_find(refusals, recipient, now);
    g_autofree char *text = found != NULL ? postern_reply_to_text(found) : NULL;
    g_assert_cmpstr(text, ==, reply);
}

/* Only what is the mailbox's own, whoever sends and asks. */
static void test_kept_replies(void)
{
    static const struct {
        guint code;
        const char *text;
        gboolean kept;
    } rows[] = {
        {550, "5.1.1 <a@x.test>: User unknown", TRUE},
        {553, "5.1.1 User unknown", TRUE},
        {550, "5.1.1", TRUE},
        {551, "5.1.6 Moved", TRUE},
        {550, "5.1.10 Null MX", FALSE},
        {550, "5.1.2 No such host", FALSE},
        {553, "5.1.3 Bad syntax", FALSE},
        {550, "5.7.1 Access denied", FALSE},
        {550, "5.2.1 Disabled", FALSE},
        {552, "5.2.2 Full", FALSE},
        {550, "5.1.0 Address rejected", FALSE},
        {550, "User unknown", FALSE},
        {450, "4.1.1 Greylisted", FALSE},
        {450, "5.1.1 Odd", FALSE},
        {250, "2.1.5 Ok", FALSE},
        {550, "", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternRefusals) refusals = refusals_for(5);
        note(refusals, "a@x.test", rows[i].code, rows[i].text, 0);
        g_assert_cmpuint(postern_refusals_size(refusals), ==, rows[i].kept);
        g_autofree char *text = g_strdup_printf("%u %s", rows[i].code, rows[i].text);
        expect(refusals, "a@x.test", 0, rows[i].kept ? text : NULL);
    }
}

static void test_recipients(void)
{
    g_autoptr(PosternRefusals) refusals = refusals_for(5);
    note(refusals, "Joe@x.test", 550, "5.1.1 Joe", 0);
    expect(refusals, "Joe@X.Test", 0, "550 5.1.1 Joe");
    expect(refusals, "joe@x.test", 0, NULL);
    expect(refusals, "Joe@y.test", 0, NULL);
    note(refusals, "Joe@X.TEST", 551, "5.1.6 Joe has moved", 1); /* it is one, and what was said last holds */
    expect(refusals, "Joe@x.test", 1, "551 5.1.6 Joe has moved");
    g_assert_cmpuint(postern_refusals_size(refusals), ==, 1);
    note(refusals, "postmaster", 550, "5.1.1 None", 1);
    expect(refusals, "postmaster", 1, "550 5.1.1 None");
    expect(refusals, "Postmaster", 1, NULL);
    note(refusals, "\"A@B\"@x.test", 550, "5.1.1 Quoted", 1);
    expect(refusals, "\"a@B\"@x.test", 1, NULL);
    expect(refusals, "\"A@B\"@X.test", 1, "550 5.1.1 Quoted");
}

static void test_time(void)
{
    g_autoptr(PosternRefusals) refusals = refusals_for(5);
    note(refusals, "a@x.test", 550, "5.1.1 a", 0);
    note(refusals, "b@x.test", 550, "5.1.1 b", 10);
    expect(refusals, "a@x.test", KEEP_MS - 1, "550 5.1.1 a");
    expect(refusals, "a@x.test", KEEP_MS, NULL);
    note(refusals, "c@x.test", 550, "5.1.1 c", KEEP_MS);
    g_assert_cmpuint(postern_refusals_size(refusals), ==, 2);
    expect(refusals, "b@x.test", KEEP_MS, "550 5.1.1 b");
}

/* Whatever is asked for, and however long the answers are. */
static void test_bounds(void)
{
    g_autoptr(PosternRefusals) refusals = refusals_for(100);
    for (guint i = 0; i < 1000; i++) {
        g_autofree char *recipient = g_strdup_printf("user%u@x.test", i);
        note(refusals, recipient, 550, "5.1.1 User unknown", i);
        g_assert_cmpuint(postern_refusals_size(refusals), ==, MIN(i + 1, 100));
    }
    expect(refusals, "user899@x.test", 1000, NULL);
    expect(refusals, "user900@x.test", 1000, "550 5.1.1 User unknown");
    g_autofree char *words = g_strnfill(POSTERN_KEPT_REFUSAL_MAX_OCTETS, 'x');
    memcpy(words, "5.1.1 ", strlen("5.1.1 "));
    note(refusals, "long@x.test", 550, words, 1000);
    expect(refusals, "long@x.test", 1000, NULL);
}

static void test_begin(void)
{
    g_autoptr(PosternRefusals) refusals = postern_refusals_new();
    note(refusals, "a@x.test", 550, "5.1.1 a", 0);
    expect(refusals, "a@x.test", 0, NULL);
    postern_refusals_begin(refusals, 3, 10);
    note(refusals, "a@x.test", 550, "5.1.1 a", 0);
    expect(refusals, "a@x.test", 9, "550 5.1.1 a");
    postern_refusals_begin(refusals, 3, 10);
    expect(refusals, "a@x.test", 9, NULL);
    note(refusals, "a@x.test", 550, "5.1.1 a", 0);
    postern_refusals_begin(refusals, 0, 10);
    note(refusals, "a@x.test", 550, "5.1.1 a", 0);
    g_assert_cmpuint(postern_refusals_size(refusals), ==, 0);
}

/* What was asked before a reload is answered after it. */
static void test_answer_of_before(void)
{
    g_autoptr(PosternRefusals) refusals = refusals_for(5);
    g_autoptr(PosternReply) reply = postern_reply_new(550, "5.1.1 Before");
    guint before = postern_refusals_generation(refusals);
    postern_refusals_begin(refusals, 5, KEEP_MS);
    postern_refusals_note(refusals, before, "a@x.test", reply, 0);
    expect(refusals, "a@x.test", 0, NULL);
    note(refusals, "a@x.test", 550, "5.1.1 Now", 0);
    postern_refusals_note(refusals, before, "a@x.test", reply, 0);
    expect(refusals, "a@x.test", 0, "550 5.1.1 Now");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/refusals/kept-replies", test_kept_replies);
    g_test_add_func("/refusals/recipients", test_recipients);
    g_test_add_func("/refusals/time", test_time);
    g_test_add_func("/refusals/bounds", test_bounds);
    g_test_add_func("/refusals/begin", test_begin);
    g_test_add_func("/refusals/answer-of-before", test_answer_of_before);
    return g_test_run();
}
