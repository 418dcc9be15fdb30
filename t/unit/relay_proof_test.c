#include "proxy/servers/relay_proof.h"

#include <string.h>

#define SAFE POSTERN_RELAY_SAFE
#define OPEN POSTERN_RELAY_OPEN
#define UNCLEAR POSTERN_RELAY_UNCLEAR

#define DENIED "554 5.7.1 <%s>: Relay access denied"
#define OK "250 2.1.5 Ok"
#define NO_NAME "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]"
#define NO_REVERSE "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"
#define GREY "450 4.2.0 <%s>: Recipient address rejected: Greylisted, try again"
#define NULL_MX                                                                                              \
    "556 5.1.10 <%s>: Recipient address rejected: Domain example.com does not accept mail (nullMX)"
#define NO_DOMAIN "450 4.1.2 <%s>: Recipient address rejected: Domain not found"
#define HELO "554 5.7.1 <mx.test>: Helo command rejected: You are not me"
#define LISTED "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bogons.test; open relay"
#define REJECT "554 5.7.1 <%s>: Recipient address rejected: Access denied"
#define CUSTOM "550 5.7.1 <%s>: Recipient address rejected: not one of ours"
#define NO_RELAY_FOR_YOU "554 5.7.1 <x[192.0.2.1]>: Client host rejected: Relay access denied"
#define NO_USER "550 5.1.1 <%s>: Recipient address rejected: User unknown in virtual mailbox table"

/* The answers to two foreign recipients and a control; %s is the recipient. NULL: none came. */
static const struct {
    const char *name, *literal, *control;
    PosternRelayState state;
    PosternRelayState ordinary; /* if the control is the administrator's own */
} rows[] = {
    /* A refusal to relay, as servers say it. */
    {DENIED, DENIED, OK, SAFE, SAFE},
    {"454 4.7.1 <%s>: Relay access denied", "454 4.7.1 <%s>: Relay access denied", OK, SAFE, SAFE},
    {"450 4.7.1 <%s>: Relay access denied", DENIED, GREY, SAFE, SAFE},
    {"550 5.7.1 <%s>... Relaying denied", "550 5.7.1 <%s>... Relaying denied", OK, SAFE, SAFE},
    {"550 relay not permitted", "501 <%s>: domain literals not allowed", OK, SAFE, SAFE},
    {"550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "501 5.1.3 Invalid address", OK,
     SAFE, SAFE},
    {"553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", NO_DOMAIN, OK, SAFE, SAFE},
    {"550 I cannot deliver mail for {%s}", "550 I cannot deliver mail for {%s}", OK, SAFE, SAFE},
    {DENIED, DENIED, NO_USER, SAFE, SAFE},
    {NULL_MX, DENIED, OK, SAFE, SAFE},
    {NO_DOMAIN, DENIED, OK, SAFE, SAFE},
    {DENIED, DENIED, GREY, SAFE, SAFE},
    {REJECT, REJECT, OK, UNCLEAR, SAFE},
    {CUSTOM, CUSTOM, OK, UNCLEAR, SAFE},
    /* It takes what is foreign, whatever else it says. */
    {OK, OK, OK, OPEN, OPEN},
    {NULL_MX, OK, OK, OPEN, OPEN},
    {OK, DENIED, OK, OPEN, OPEN},
    {DENIED, "251 will forward", OK, OPEN, OPEN},
    {OK, OK, GREY, OPEN, OPEN},
    {OK, OK, NULL, OPEN, OPEN},
    /* The client, its name, its HELO, the sender, the domain: none of it is a refusal to relay. */
    {NO_NAME, NO_NAME, NO_NAME, UNCLEAR, UNCLEAR},
    {NO_REVERSE, NO_REVERSE, NO_REVERSE, UNCLEAR, UNCLEAR},
    {HELO, HELO, HELO, UNCLEAR, UNCLEAR},
    {LISTED, LISTED, LISTED, UNCLEAR, UNCLEAR},
    {GREY, GREY, GREY, UNCLEAR, UNCLEAR},
    {NULL_MX, "501 5.1.3 Bad address", OK, UNCLEAR, UNCLEAR},
    {NO_DOMAIN, NO_DOMAIN, OK, UNCLEAR, UNCLEAR},
    {REJECT, REJECT, REJECT, UNCLEAR, UNCLEAR},
    {DENIED, DENIED, DENIED, UNCLEAR, UNCLEAR}, /* to all the same */
    /* A postmaster who is exempt from it all. */
    {NO_NAME, NO_NAME, OK, UNCLEAR, UNCLEAR},
    {HELO, HELO, OK, UNCLEAR, UNCLEAR},
    {LISTED, LISTED, OK, UNCLEAR, UNCLEAR},
    {NO_RELAY_FOR_YOU, NO_RELAY_FOR_YOU, OK, UNCLEAR, UNCLEAR},
    {GREY, GREY, OK, UNCLEAR, UNCLEAR},
    /* It left before the end. */
    {DENIED, "421 4.7.0 Too many errors", OK, SAFE, SAFE},
    {DENIED, NULL, OK, SAFE, SAFE},
    {DENIED, DENIED, NULL, UNCLEAR, UNCLEAR},
    {DENIED, NULL, NULL, UNCLEAR, UNCLEAR},
    {"421 4.7.0 Too many errors", NULL, NULL, UNCLEAR, UNCLEAR},
};

static PosternReply *reply_of(const char *text, const char *path)
{
    if (text == NULL)
        return NULL;
    g_auto(GStrv) parts = g_strsplit(text, "%s", -1);
    g_autofree char *whole = g_strjoinv(path, parts);
    return postern_reply_new((guint)g_ascii_strtoull(whole, NULL, 10), whole + strlen("550 "));
}

static void add(GPtrArray *recipients, const char *path, PosternRelayRole role, const char *text)
{
    PosternRelayRecipient *recipient = postern_relay_recipient_new(path, role);
    recipient->reply = reply_of(text, path);
    g_ptr_array_add(recipients, recipient);
}

static void free_recipient(gpointer recipient)
{
    postern_relay_recipient_free(recipient);
}

/* A server that delivers into mailboxes alone relays nothing that it knows no mailbox for. */
static void test_lmtp(void)
{
    static const struct {
        const char *foreign, *control;
        gboolean ordinary;
        PosternRelayState state;
    } answers[] = {
        {NO_USER, OK, TRUE, SAFE}, {NO_USER, OK, FALSE, UNCLEAR}, {NO_USER, NO_USER, TRUE, UNCLEAR},
        {GREY, OK, TRUE, UNCLEAR}, {OK, OK, TRUE, OPEN},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_autoptr(GPtrArray) recipients = g_ptr_array_new_with_free_func(free_recipient);
        g_autoptr(PosternReply) mail = postern_reply_new(250, "Ok");
        g_autofree char *reason = NULL;
        add(recipients, "relay-probe@example.com", POSTERN_RELAY_FOREIGN, answers[i].foreign);
        add(recipients, "joe@example.org",
            answers[i].ordinary ? POSTERN_RELAY_MAILBOX : POSTERN_RELAY_POSTMASTER, answers[i].control);
        g_assert_cmpint(postern_relay_proof_judge(mail, recipients, TRUE, &reason), ==, answers[i].state);
    }
}

static PosternRelayState judge(gsize row, gboolean ordinary, const char *mail)
{
    g_autoptr(GPtrArray) recipients = g_ptr_array_new_with_free_func(free_recipient);
    g_autoptr(PosternReply) reply = reply_of(mail, "");
    g_autofree char *reason = NULL;
    add(recipients, "relay-probe@example.com", POSTERN_RELAY_FOREIGN, rows[row].name);
    add(recipients, "relay-probe@[192.0.2.2]", POSTERN_RELAY_FOREIGN, rows[row].literal);
    add(recipients, ordinary ? "joe@example.org" : "postmaster",
        ordinary ? POSTERN_RELAY_MAILBOX : POSTERN_RELAY_POSTMASTER, rows[row].control);
    PosternRelayState state = postern_relay_proof_judge(reply, recipients, FALSE, &reason);
    g_assert_cmpuint(strlen(reason), >, 10);
    return state;
}

static void test_answers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("row %d", (int)i);
        g_assert_cmpint(judge(i, FALSE, "250 2.1.0 Ok"), ==, rows[i].state);
        g_assert_cmpint(judge(i, TRUE, "250 2.1.0 Ok"), ==, rows[i].ordinary);
    }
}

/* "reject" may be for the client; an address that is perhaps the back-end's own tells. */
static void test_guess(void)
{
    static const struct {
        const char *foreign, *guess;
        PosternRelayState state;
    } guesses[] = {
        {REJECT, OK, SAFE},
        {REJECT, NO_USER, SAFE},
        {REJECT, REJECT, UNCLEAR},
        {REJECT, GREY, UNCLEAR},
        {REJECT, DENIED, UNCLEAR},
        {DENIED, DENIED, SAFE},
        {DENIED, REJECT, SAFE},
        {CUSTOM, OK, UNCLEAR},
        {NO_NAME, OK, UNCLEAR},
        {DENIED, NULL, SAFE},
        {OK, OK, OPEN},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(guesses); i++) {
        g_autoptr(GPtrArray) recipients = g_ptr_array_new_with_free_func(free_recipient);
        g_autoptr(PosternReply) mail = postern_reply_new(250, "Ok");
        g_autofree char *reason = NULL;
        add(recipients, "relay-probe@example.com", POSTERN_RELAY_FOREIGN, guesses[i].foreign);
        add(recipients, "postmaster", POSTERN_RELAY_POSTMASTER, OK);
        add(recipients, "relay-probe@[192.0.2.25]", POSTERN_RELAY_GUESS, guesses[i].guess);
        g_test_message("guess %d", (int)i);
        g_assert_cmpint(postern_relay_proof_judge(mail, recipients, FALSE, &reason), ==, guesses[i].state);
    }
}

/* What comes after a MAIL that was refused proves nothing. */
static void test_mail_refused(void)
{
    static const char *const replies[] = {"550 5.7.1 relay access denied", "450 4.7.1 later", NULL};
    for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
        g_assert_cmpint(judge(0, TRUE, replies[i]), ==, UNCLEAR);
}

/* The log can show it: one line, and not too long. */
static void test_reason(void)
{
    g_autoptr(GPtrArray) recipients = g_ptr_array_new_with_free_func(free_recipient);
    g_autoptr(PosternReply) mail = postern_reply_new(250, "Ok");
    g_autofree char *reason = NULL;
    g_autofree char *text = g_strnfill(5000, 'x');
    g_autofree char *line = g_strconcat("550 \x01\xff", text, NULL);
    add(recipients, "relay-probe@example.com", POSTERN_RELAY_FOREIGN, line);
    add(recipients, "postmaster", POSTERN_RELAY_POSTMASTER, NO_NAME);
    g_assert_cmpint(postern_relay_proof_judge(mail, recipients, FALSE, &reason), ==, UNCLEAR);
    g_assert_nonnull(strstr(reason, "foreign <relay-probe@example.com>: \"550 "));
    g_assert_nonnull(strstr(reason, "control <postmaster>: \"" NO_NAME "\""));
    g_assert_cmpuint(strlen(reason), <, 500);
    for (const char *at = reason; *at != '\0'; at++)
        g_assert_true(g_ascii_isprint(*at));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/relay-proof/answers", test_answers);
    g_test_add_func("/relay-proof/guess", test_guess);
    g_test_add_func("/relay-proof/lmtp", test_lmtp);
    g_test_add_func("/relay-proof/mail-refused", test_mail_refused);
    g_test_add_func("/relay-proof/reason", test_reason);
    return g_test_run();
}
