#include "proxy/session/session.h"

#include <string.h>

#include "split.h"
#include "wire/data.h"

/*
 * The input is a list of events: an octet that chooses one, then what it takes: octets of the client, of the
 * MTA, time, a verdict, an end of either side. A real PosternBackend stands between the session and the
 * octets of the MTA. Checked: replies are lines of SMTP, 2xx after a dot comes only with the MTA's own,
 * nothing is left at the end.
 */
typedef struct {
    const uint8_t *data;
    size_t size;
    gint64 now;
    PosternProxySettings *settings;
    PosternSession *session;
    PosternBackend *backend;
    gboolean wanted, lent, offered, inspecting, closed, name_wanted;
    gboolean pretend;        /* the MTA's answers are made up, all good */
    PosternMessage *message; /* SEND_MESSAGE, to be sent */
    GString *wire;           /* of the client, not taken yet */
    guint finals, accepted;  /* replies to a dot, and 2xx among them */
    guint logged_accepted;
} Fuzz;

static guint take(Fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static void drop_backend(Fuzz *fuzz)
{
    g_clear_pointer(&fuzz->backend, postern_backend_free);
    g_clear_pointer(&fuzz->message, postern_message_unref);
    fuzz->lent = fuzz->offered = FALSE;
}

static void answer(Fuzz *fuzz, const char *text)
{
    if (fuzz->backend != NULL)
        postern_backend_receive(fuzz->backend, text, strlen(text), fuzz->now);
}

/* Each line that went out gets the answer that a content MTA gives. */
static void pretend(Fuzz *fuzz, const char *commands)
{
    g_auto(GStrv) lines = g_strsplit(commands, "\r\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        if (g_str_has_prefix(lines[i], "EHLO"))
            answer(fuzz, "250-mta\r\n250-8BITMIME\r\n250-DSN\r\n250-PIPELINING\r\n250 XCLIENT ADDR NAME\r\n");
        else if (g_str_has_prefix(lines[i], "XCLIENT"))
            answer(fuzz, "220 mta\r\n");
        else if (g_str_equal(lines[i], "DATA"))
            answer(fuzz, "354 go\r\n");
        else if (lines[i][0] != '\0')
            answer(fuzz, "250 ok\r\n");
}

static void open_backend(Fuzz *fuzz)
{
    PosternBackendOptions options = {.hostname = "mx.test",
                                     .client_address = POSTERN_CLIENT_ADDRESS_XCLIENT,
                                     .connect_timeout_ms = 1000,
                                     .timeout_ms = 1000,
                                     .data_end_timeout_ms = 2000};
    fuzz->backend = postern_backend_new(&options, fuzz->now);
    postern_backend_connected(fuzz->backend, fuzz->now);
    answer(fuzz, "220 mta\r\n");
    g_string_truncate(postern_backend_output(fuzz->backend), 0);
    pretend(fuzz, "EHLO mx.test\r\n");
}

static void send_message(Fuzz *fuzz, const PosternEdits *edits, PosternMessage *message)
{
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, edits, NULL);
    g_autoptr(GByteArray) wire = g_byte_array_new();
    PosternDataEncoder encoder;
    const char *octets = NULL;
    gsize length = 0;
    postern_data_encoder_init(&encoder);
    while (postern_message_reader_next(reader, 1000, &octets, &length) > 0)
        g_assert_cmpint(postern_data_encoder_next(&encoder, octets, length, wire), ==, 0);
    g_assert_cmpint(postern_data_encoder_end(&encoder, wire), ==, 0);
    fuzz->message = postern_message_ref(message);
}

static void act(Fuzz *fuzz, PosternSessionAction *action)
{
    g_assert_false(fuzz->closed);
    switch (action->kind) {
    case POSTERN_SESSION_BORROW:
        g_assert_false(fuzz->wanted || fuzz->lent);
        fuzz->wanted = TRUE;
        break;
    case POSTERN_SESSION_BORROW_CANCEL:
        fuzz->wanted = FALSE;
        break;
    case POSTERN_SESSION_OFFER:
        g_assert_true(fuzz->lent && !fuzz->offered);
        fuzz->offered = TRUE;
        break;
    case POSTERN_SESSION_RETURN:
    case POSTERN_SESSION_ABANDON:
        drop_backend(fuzz);
        break;
    case POSTERN_SESSION_SEND_MESSAGE:
        if (fuzz->lent)
            send_message(fuzz, action->edits, action->message);
        break;
    case POSTERN_SESSION_INSPECT_MESSAGE:
        fuzz->inspecting = TRUE;
        break;
    case POSTERN_SESSION_INSPECT_CANCEL:
        fuzz->inspecting = FALSE;
        break;
    case POSTERN_SESSION_LOOK_UP_NAME:
        fuzz->name_wanted = TRUE;
        break;
    case POSTERN_SESSION_INSPECT_ORIGIN:
        g_assert_nonnull(action->envelope);
        break;
    case POSTERN_SESSION_INSPECT_ENVELOPE:
    case POSTERN_SESSION_INSPECT_HEADER:
        break;
    case POSTERN_SESSION_KEEP:
        break;
    case POSTERN_SESSION_LOG:
        fuzz->logged_accepted += strstr(postern_log_line_text(action->line), " delivery=accepted") != NULL;
        break;
    case POSTERN_SESSION_CLOSE:
        fuzz->closed = TRUE;
        break;
    }
}

static gboolean run_actions(Fuzz *fuzz)
{
    PosternSessionAction action;
    gboolean any = FALSE;
    while (postern_session_next_action(fuzz->session, &action)) {
        act(fuzz, &action);
        postern_session_action_clear(&action);
        any = TRUE;
    }
    return any;
}

static gboolean run_backend(Fuzz *fuzz)
{
    if (fuzz->backend == NULL)
        return FALSE;
    GString *output = postern_backend_output(fuzz->backend);
    g_autofree char *commands = g_strdup(output->str);
    g_string_truncate(output, 0);
    if (fuzz->pretend && commands[0] != '\0')
        pretend(fuzz, commands);
    g_autoptr(PosternBackendEvent) event = postern_backend_next_event(fuzz->backend);
    if (event == NULL)
        return FALSE;
    if (event->kind == POSTERN_BACKEND_FINAL_REPLY) {
        fuzz->finals++;
        fuzz->accepted += postern_reply_class(event->reply) == 2;
    }
    if (fuzz->lent)
        postern_session_backend_event(fuzz->session, event, fuzz->now);
    if (event->kind == POSTERN_BACKEND_FAILED)
        drop_backend(fuzz);
    return TRUE;
}

static void check_replies(const GString *output)
{
    g_auto(GStrv) lines = g_strsplit(output->str, "\r\n", -1);
    g_assert_true(output->len == 0 || g_str_has_suffix(output->str, "\r\n"));
    g_assert_cmpuint(strlen(output->str), ==, output->len);
    for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
        g_assert_true(lines[i][0] >= '2' && lines[i][0] <= '5' && strlen(lines[i]) >= 4);
        for (const char *at = lines[i]; *at != '\0'; at++)
            g_assert_true(*at >= ' ' && *at <= '~');
    }
}

static void run(Fuzz *fuzz)
{
    gboolean any = TRUE;
    while (any) {
        any = run_actions(fuzz) || run_backend(fuzz);
        gsize taken = postern_session_receive(fuzz->session, fuzz->wire->str, fuzz->wire->len, fuzz->now);
        g_string_erase(fuzz->wire, 0, (gssize)taken);
        any = any || taken > 0;
        check_replies(postern_session_output(fuzz->session));
        if (postern_session_has_our_turn(fuzz->session))
            postern_session_our_turn_ends(fuzz->session, fuzz->wire->len > 0);
        g_string_truncate(postern_session_output(fuzz->session), 0);
    }
    g_assert_cmpuint(fuzz->logged_accepted, <=, fuzz->accepted);
    g_assert_cmpint(fuzz->closed, ==, postern_session_state(fuzz->session) == POSTERN_SESSION_CLOSING);
    if (fuzz->closed)
        g_assert_false(fuzz->lent || fuzz->wanted || fuzz->inspecting);
}

static void take_octets(Fuzz *fuzz, GString *target)
{
    size_t wanted = take(fuzz);
    size_t length = MIN(wanted, fuzz->size);
    g_string_append_len(target, (const char *)fuzz->data, (gssize)length);
    fuzz->data += length;
    fuzz->size -= length;
}

static void say_usual(Fuzz *fuzz)
{
    static const char *const usual[] = {
        "EHLO c.test\r\n",
        "MAIL FROM:<a@x.test>\r\n",
        "MAIL FROM:<> SIZE=100 BODY=8BITMIME RET=HDRS\r\n",
        "RCPT TO:<b@y.test>\r\n",
        "RCPT TO:<b@z.test> NOTIFY=NEVER\r\n",
        "DATA\r\n",
        "A: b\r\n\r\nx\r\n",
        ".\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "QUIT\r\n",
        "x\n.\r\n",
        "RCPT TO:<b%q@y.test>\r\n",
        "BDAT 3\r\n",
        "HELO c\r\n",
        "BOGUS\r\n",
        "XFORWARD NAME=c.test ADDR=192.0.2.9 HELO=a+20b IDENT=4B\r\n",
        "XFORWARD ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE] SOURCE=LOCAL\r\n",
        "XCLIENT ADDR=192.0.2.9\r\n",
        "XCLIENT NAME=[TEMPUNAVAIL] ADDR=198.51.100.9 LOGIN=me HELO=o.test\r\n",
        "MAIL FROM:<\303\244@x.test> SMTPUTF8 AUTH=<> ENVID=e\r\n",
        "POST / HTTP/1.1\r\n",
        "Received: from h (c [192.0.2.5]) by r with ESMTP id 1\r\n",
    };
    g_string_append(fuzz->wire, usual[take(fuzz) % G_N_ELEMENTS(usual)]);
}

static void serve_borrow(Fuzz *fuzz)
{
    if (!fuzz->wanted)
        return;
    fuzz->wanted = FALSE;
    if (take(fuzz) % 8 == 0) {
        postern_session_borrow_failed(fuzz->session, "none", fuzz->now);
        return;
    }
    open_backend(fuzz);
    g_autoptr(PosternBackendEvent) ready = postern_backend_next_event(fuzz->backend);
    g_assert_cmpint(ready->kind, ==, POSTERN_BACKEND_READY);
    fuzz->lent = TRUE;
    postern_session_borrowed(fuzz->session, fuzz->backend, fuzz->now);
}

static void inspected(Fuzz *fuzz)
{
    if (!fuzz->inspecting)
        return;
    g_autoptr(PosternFindings) findings = postern_findings_new();
    guint kind = take(fuzz) % (POSTERN_VIRUS_KINDS + 3);
    if (kind < POSTERN_VIRUS_KINDS)
        postern_virus_finding_note(&findings->virus, (PosternVirusKind)kind, "kind");
    else if (kind == POSTERN_VIRUS_KINDS)
        postern_virus_finding_infected(&findings->virus, "Eicar");
    else if (kind > POSTERN_VIRUS_KINDS + 1)
        postern_virus_finding_clean(&findings->virus);
    fuzz->inspecting = FALSE;
    postern_session_inspected(fuzz->session, findings, NULL, fuzz->now);
}

static void pass_time(Fuzz *fuzz)
{
    if (fuzz->name_wanted)
        postern_session_client_name(fuzz->session, NULL, take(fuzz) % 2 == 1, fuzz->now);
    fuzz->name_wanted = FALSE;
    fuzz->now += (gint64)take(fuzz) * 40;
    if (fuzz->backend != NULL)
        postern_backend_timer(fuzz->backend, fuzz->now);
    if (postern_session_deadline(fuzz->session) <= fuzz->now)
        postern_session_timer(fuzz->session, fuzz->now);
}

static void end_something(Fuzz *fuzz)
{
    switch (take(fuzz) % 16) {
    case 7 ... 9:
        if (fuzz->offered)
            postern_session_recalled(fuzz->session, fuzz->now);
        break;
    case 0:
        postern_session_client_closed(fuzz->session, fuzz->now);
        break;
    case 1:
        postern_session_let_go(fuzz->session, "Service shutting down", fuzz->now);
        break;
    case 2:
        postern_session_end(fuzz->session, "Busy", fuzz->now);
        break;
    case 3 ... 6:
        if (fuzz->backend != NULL)
            postern_backend_closed(fuzz->backend, NULL, fuzz->now);
        break;
    default:
        break;
    }
}

static void step(Fuzz *fuzz)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    switch (take(fuzz) % 10) {
    case 0:
        take_octets(fuzz, fuzz->wire);
        break;
    case 1:
    case 2:
        say_usual(fuzz);
        break;
    case 3:
        take_octets(fuzz, octets);
        answer(fuzz, octets->str);
        break;
    case 4:
        fuzz->pretend = !fuzz->pretend;
        break;
    case 5:
        serve_borrow(fuzz);
        break;
    case 6:
        if (fuzz->message != NULL && fuzz->lent) {
            g_clear_pointer(&fuzz->message, postern_message_unref);
            postern_backend_message_sent(fuzz->backend, fuzz->now);
            answer(fuzz, fuzz->pretend ? "250 queued\r\n" : "");
        }
        break;
    case 7:
        inspected(fuzz);
        break;
    case 8:
        pass_time(fuzz);
        break;
    default:
        end_something(fuzz);
        break;
    }
    run(fuzz);
}

static PosternProxySettings *settings_for(guint flags)
{
    g_autofree char *text = g_strdup_printf(
        "[proxy]\nhostname = mx.test\nmessage_size = 1K\nmessage_memory = 70K\nmax_recipients = "
        "4\nmax_refused_recipients = 2\n"
        "bare_newline = %s\ninspect = %s\n%s%s%s[clients]\ntrusted_relays = 198.51.100.0/24\n",
        flags & 1 ? "repair" : "reject", flags & 2 ? "no" : "yes",
        flags & 4 ? "recipient_domains = y.test\n" : "", flags & 8 ? "trusted_clients = 192.0.2.1\n" : "",
        (flags & 24) == 24 ? "role = before_queue_filter\nfilter_timeout = 2s\n" : "");
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "fuzz", NULL);
    g_assert_nonnull(configuration);
    return postern_proxy_settings_new(configuration, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz fuzz = {.data = data, .size = size, .now = 1000, .pretend = TRUE, .wire = g_string_new(NULL)};
    const PosternEhlo ehlo = {.capabilities = POSTERN_CAPABILITY_8BITMIME | POSTERN_CAPABILITY_DSN};
    PosternAddress client;
    guint flags = take(&fuzz);
    fuzz.settings = settings_for(flags);
    g_assert_true(postern_address_parse(&client, "192.0.2.1"));
    fuzz.session = postern_session_new(fuzz.settings, &client, (flags & 32) != 0, fuzz.now);
    postern_session_set_capabilities(fuzz.session, &ehlo);
    postern_session_client_name(fuzz.session, NULL, FALSE, fuzz.now);
    while (fuzz.size > 0)
        step(&fuzz);
    postern_session_client_closed(fuzz.session, fuzz.now);
    run_actions(&fuzz);
    drop_backend(&fuzz);
    postern_session_free(fuzz.session);
    g_assert_cmpuint(postern_budget_used(fuzz.settings->budget), ==, 0);
    postern_proxy_settings_unref(fuzz.settings);
    g_string_free(fuzz.wire, TRUE);
    return 0;
}
