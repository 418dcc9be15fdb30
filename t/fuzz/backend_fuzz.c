#include "proxy/servers/backend.h"

#include <string.h>

#include "split.h"

/*
 * The input is a list of events: an octet that chooses one, then what it takes. What the machine promises is
 * checked after each: one last event, a deadline whenever an answer is awaited, whole command lines, and no
 * DATA_REPLY, RCPT_REPLY or FINAL_REPLY that was not asked for.
 */
typedef struct {
    const uint8_t *data;
    size_t size;
    PosternBackend *backend;
    gint64 now;
    gboolean over;
    gboolean resetting;
    guint mails, recipients, datas, finals; /* asked for and not answered */
} Fuzz;

static guint take(Fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static void count_down(guint *count)
{
    g_assert_cmpuint(*count, >, 0);
    (*count)--;
}

static void check_event(Fuzz *fuzz, const PosternBackendEvent *event)
{
    g_assert_false(fuzz->over);
    switch (event->kind) {
    case POSTERN_BACKEND_MAIL_REPLY:
        count_down(&fuzz->mails);
        break;
    case POSTERN_BACKEND_RCPT_REPLY:
        count_down(&fuzz->recipients);
        break;
    case POSTERN_BACKEND_DATA_REPLY:
        count_down(&fuzz->datas);
        break;
    case POSTERN_BACKEND_FINAL_REPLY:
        count_down(&fuzz->finals);
        break;
    case POSTERN_BACKEND_FAILED:
        g_assert_nonnull(event->text);
        fuzz->over = TRUE;
        break;
    case POSTERN_BACKEND_ENDED:
        fuzz->over = TRUE;
        break;
    case POSTERN_BACKEND_RESET_DONE:
        g_assert_true(fuzz->resetting);
        fuzz->resetting = FALSE;
        break;
    case POSTERN_BACKEND_START_TLS:
        postern_backend_tls_begins(fuzz->backend, take(fuzz) % 8 == 0, fuzz->now);
        break;
    case POSTERN_BACKEND_READY:
    case POSTERN_BACKEND_IDENTIFIED:
        break;
    }
}

static void check(Fuzz *fuzz)
{
    PosternBackendEvent *event;
    while ((event = postern_backend_next_event(fuzz->backend)) != NULL) {
        check_event(fuzz, event);
        postern_backend_event_free(event);
    }
    PosternBackendState state = postern_backend_state(fuzz->backend);
    gint64 deadline = postern_backend_deadline(fuzz->backend);
    GString *output = postern_backend_output(fuzz->backend);
    g_assert_cmpint(fuzz->over, ==, state == POSTERN_BACKEND_CLOSED);
    if (state == POSTERN_BACKEND_CLOSED)
        g_assert_true(deadline == G_MAXINT64 && output->len == 0);
    else if (state != POSTERN_BACKEND_IDLE && state != POSTERN_BACKEND_ENVELOPE)
        g_assert_cmpint(deadline, <, G_MAXINT64);
    if (fuzz->mails + fuzz->recipients + fuzz->datas + fuzz->finals > 0 && !fuzz->over)
        g_assert_cmpint(deadline, <, G_MAXINT64);
    g_assert_true(output->len == 0 || g_str_has_suffix(output->str, "\r\n"));
    g_string_truncate(output, 0);
}

static void receive(Fuzz *fuzz)
{
    size_t wanted = take(fuzz);
    size_t length = MIN(wanted, fuzz->size);
    g_autofree char *piece = g_malloc(MAX(length, 1));
    memcpy(piece, fuzz->data, length);
    fuzz->data += length;
    fuzz->size -= length;
    postern_backend_receive(fuzz->backend, piece, length, fuzz->now);
}

/* Answers that are whole and in place, so that the deep states are met. */
static void receive_usual(Fuzz *fuzz)
{
    static const char *const usual[] = {
        "220 mta\r\n",
        "250 ok\r\n",
        "354 go\r\n",
        "250-mta\r\n250-PIPELINING\r\n250-XFORWARD ADDR HELO\r\n250 XCLIENT ADDR NAME\r\n",
        "550 5.1.1 no\r\n",
        "451-a\r\n451 b\r\n",
        "421 bye\r\n",
        "250 mta\r\n",
        "250-mta\r\n250-STARTTLS\r\n250-XFORWARD ADDR HELO\r\n250 XCLIENT ADDR NAME\r\n",
    };
    const char *text = usual[take(fuzz) % G_N_ELEMENTS(usual)];
    postern_backend_receive(fuzz->backend, text, strlen(text), fuzz->now);
}

/* Only what the picture in proxy/servers/backend.h allows. */
static void command(Fuzz *fuzz, PosternEnvelope *envelope)
{
    PosternBackendState state = postern_backend_state(fuzz->backend);
    guint what = take(fuzz) % 8;
    gboolean idle = state == POSTERN_BACKEND_IDLE;
    gboolean open = state == POSTERN_BACKEND_ENVELOPE && fuzz->datas == 0 && !fuzz->resetting;
    if (what == 0 && idle) {
        guint flags = take(fuzz);
        const PosternBackendClient client = {.envelope = envelope,
                                             .name_temporary = (flags & 1) != 0,
                                             .identifier = (flags & 2) != 0 ? "4711ABC" : NULL,
                                             .local = (flags & 4) != 0};
        postern_backend_identify(fuzz->backend, &client, fuzz->now);
    } else if (what == 1 && idle) {
        fuzz->mails++;
        postern_backend_mail(fuzz->backend, "a@x.test", "", fuzz->now);
    } else if (what == 2 && open) {
        fuzz->recipients++;
        postern_backend_recipient(fuzz->backend, "b@y.test", "", fuzz->now);
    } else if (what == 3 && open) {
        fuzz->datas++;
        postern_backend_data(fuzz->backend, fuzz->now);
    } else if (what == 4 && (idle || open)) {
        fuzz->mails = fuzz->recipients = 0;
        fuzz->resetting = TRUE;
        postern_backend_reset(fuzz->backend, fuzz->now);
    } else if (what == 5 && state == POSTERN_BACKEND_SENDING) {
        fuzz->finals++;
        postern_backend_message_sent(fuzz->backend, fuzz->now);
    } else if (what == 6) {
        postern_backend_progress(fuzz->backend, FALSE, fuzz->now);
    } else if (what == 7 && (idle || open)) {
        fuzz->mails = fuzz->recipients = 0;
        postern_backend_quit(fuzz->backend, fuzz->now);
    }
}

static void step(Fuzz *fuzz, PosternEnvelope *envelope)
{
    switch (take(fuzz) % 8) {
    case 0:
        postern_backend_connected(fuzz->backend, fuzz->now);
        break;
    case 1:
        receive(fuzz);
        break;
    case 2:
    case 3:
        receive_usual(fuzz);
        break;
    case 4:
    case 5:
        command(fuzz, envelope);
        break;
    case 6:
        fuzz->now += (gint64)take(fuzz) * 8;
        postern_backend_timer(fuzz->backend, fuzz->now);
        break;
    default:
        if (take(fuzz) < 16)
            postern_backend_closed(fuzz->backend, take(fuzz) % 2 == 0 ? NULL : "reset", fuzz->now);
        break;
    }
    check(fuzz);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Fuzz fuzz = {.data = data, .size = size, .now = 1000};
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    guint ways = take(&fuzz);
    PosternBackendOptions options = {.hostname = "mx.test",
                                     .client_address = (PosternClientAddress)(ways % 3),
                                     .tls = (PosternTls)(ways / 3 % 4),
                                     .connect_timeout_ms = 1000,
                                     .timeout_ms = 1000,
                                     .data_end_timeout_ms = 2000};
    postern_address_parse(&envelope->client, "2001:db8::1");
    envelope->helo = g_strdup("client.test");
    envelope->client_name = g_strnfill(take(&fuzz), take(&fuzz) % 2 == 0 ? '+' : 'n');
    fuzz.backend = postern_backend_new(&options, fuzz.now);
    while (fuzz.size > 0)
        step(&fuzz, envelope);
    postern_backend_free(fuzz.backend);
    return 0;
}
