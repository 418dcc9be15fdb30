/*
 * SPF evaluated over zones that the input makes up: it must end within the limits of rounds and questions,
 * and must not depend on the order in which its questions are answered.
 */
#include "checks/check.h"

#include <stdint.h>
#include <string.h>

#include "base/limits.h"

#define NAMES 12
#define TERMS_MAX 14

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stream of octets that begins at a place which a question decides, so that its answer is always the same.
 */
typedef struct {
    const uint8_t *data;
    size_t size;
    guint at;
} Stream;

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

static guint next_octet(Stream *stream)
{
    guint at = stream->at++;

    return stream->size == 0 ? 0 : (stream->data[at % stream->size] + (guint)(at / stream->size)) & 0xff;
}

static void append_name(GString *out, Stream *stream)
{
    static const char *const forms[] = {
        "d%u.example",
        "%%{d}.d%u.example",
        "%%{l}.d%u.example",
        "%%{p}.d%u.example",
        "%%{ir}.%%{v}.d%u.example",
        "%%{h}.d%u.example",
        "%%{s}%%{s}%%{S}.d%u.example",
        "d%u",
    };
    guint choice = next_octet(stream);
    const char *form = choice < 200 ? forms[0] : forms[choice % G_N_ELEMENTS(forms)];
    g_autofree char *number = g_strdup_printf("%u", next_octet(stream) % NAMES);
    g_auto(GStrv) parts = g_strsplit(form, "%u", 2);
    g_auto(GStrv) percents = g_strsplit(parts[0], "%%", -1);
    g_autofree char *head = g_strjoinv("%", percents);

    g_string_append(out, head);
    g_string_append(out, number);
    g_string_append(out, parts[1]);
}

static void append_term(GString *out, Stream *stream)
{
    static const struct {
        const char *text;
        gboolean named;
    } terms[] = {
        {"include:", TRUE},
        {"include:", TRUE},
        {"a:", TRUE},
        {"mx:", TRUE},
        {"mx:", TRUE},
        {"exists:", TRUE},
        {"ptr:", TRUE},
        {"redirect=", TRUE},
        {"exp=", TRUE},
        {"-exists:", TRUE},
        {"a", FALSE},
        {"mx", FALSE},
        {"ptr", FALSE},
        {"-all", FALSE},
        {"~ip4:192.0.2.1", FALSE},
        {"a//0", FALSE},
        {"mx/0", FALSE},
        {"?ip6:::/0", FALSE},
        {"x=%{i}", FALSE},
        {"ip4:198.51.100.0/24", FALSE},
    };
    guint choice = next_octet(stream);

    g_string_append_c(out, ' ');
    if (choice >= 0xf8) {
        g_string_append_c(out, (char)next_octet(stream));
        return;
    }
    choice %= G_N_ELEMENTS(terms);
    g_string_append(out, terms[choice].text);
    if (terms[choice].named)
        append_name(out, stream);
}

static void add_text(PosternAnswer *answer, Stream *stream)
{
    g_autoptr(GString) text = g_string_new("v=spf1");
    guint count = next_octet(stream) % TERMS_MAX;

    if (next_octet(stream) >= 0xf0)
        g_string_assign(text, "%{l} at %{c} is %{p}, not %{o} %{t} %{r}");
    else
        for (guint i = 0; i < count; i++)
            append_term(text, stream);
    postern_answer_add(answer, text->str, text->len);
}

static void add_address(PosternAnswer *answer, Stream *stream, gsize length)
{
    guint8 address[16] = {192, 0, 2, 1};

    if (next_octet(stream) >= 0x30)
        address[3] = (guint8)next_octet(stream);
    postern_answer_add(answer, address, next_octet(stream) == 0xff ? length - 1 : length);
}

static void add_host(PosternAnswer *answer, Stream *stream, const char *preference, gsize length)
{
    g_autoptr(GString) record = g_string_new_len(preference, (gssize)length);

    if (next_octet(stream) < 0xf8)
        g_string_append_printf(record, "d%u.example", next_octet(stream) % (4 * NAMES));
    postern_answer_add(answer, record->str, record->len);
}

static PosternAnswer *make_answer(const PosternQuestion *question, const uint8_t *data, size_t size)
{
    Stream stream = {data, size, postern_question_hash(question) % 4096};
    guint status = next_octet(&stream);
    guint count =
        question->type == POSTERN_DNS_TXT ? 1 + (status & 0x1f) / 0x1f : 1 + next_octet(&stream) % 12;
    PosternAnswer *answer;

    if (status >= 0xd8)
        return postern_answer_new((PosternAnswerStatus)(POSTERN_ANSWER_NXDOMAIN + status % 4));
    answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    for (guint i = 0; i < count; i++) {
        switch (question->type) {
        case POSTERN_DNS_TXT:
            add_text(answer, &stream);
            break;
        case POSTERN_DNS_MX:
            add_host(answer, &stream, "\0\1", 2);
            break;
        case POSTERN_DNS_PTR:
            add_host(answer, &stream, "", 0);
            break;
        default:
            add_address(answer, &stream, question->type == POSTERN_DNS_A ? 4 : 16);
        }
    }
    return answer;
}

static void check_finding(const PosternSpfFinding *finding)
{
    gboolean error = finding->result == POSTERN_SPF_TEMPERROR || finding->result == POSTERN_SPF_PERMERROR;

    require(finding->result >= POSTERN_SPF_NONE && finding->result <= POSTERN_SPF_PERMERROR);
    require(finding->domain != NULL);
    require(error == (finding->problem != NULL));
    if (finding->explanation != NULL) {
        require(finding->result == POSTERN_SPF_FAIL);
        require(strlen(finding->explanation) <= POSTERN_SPF_EXPLANATION_MAX_OCTETS);
        for (const char *at = finding->explanation; *at != '\0'; at++)
            require(*at >= 0x20 && *at <= 0x7e);
    }
}

static void finding_clear(PosternSpfFinding *finding)
{
    g_free(finding->domain);
    g_free(finding->explanation);
    g_free(finding->problem);
}

/* Runs to the end, with all questions answered after each run or only the last of them. */
static PosternSpfFinding run(const PosternEnvelope *envelope, const uint8_t *data, size_t size, gboolean all,
                             gboolean *ret_full)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    GPtrArray *noted = postern_answers_questions(answers);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    PosternSpfFinding finding;
    guint rounds = 1;

    while (postern_check_spf(envelope, "mx.example.org", 1700000000, answers, findings) == 0) {
        require(findings->spf.domain == NULL && findings->spf.explanation == NULL &&
                findings->spf.problem == NULL);
        require(noted->len > 0 && (!all || noted->len <= POSTERN_SPF_PREFETCH_QUESTIONS_MAX));
        require(++rounds <= (all ? POSTERN_QUESTION_ROUNDS_MAX : 2 * POSTERN_QUESTIONS_PER_MESSAGE_MAX));
        do {
            const PosternQuestion *question = g_ptr_array_index(noted, noted->len - 1);

            postern_answers_add(answers, question, make_answer(question, data, size));
        } while (all && noted->len > 0);
    }
    *ret_full = postern_answers_count(answers) + noted->len >= POSTERN_QUESTIONS_PER_MESSAGE_MAX;
    finding = findings->spf;
    findings->spf = (PosternSpfFinding){0};
    check_finding(&finding);
    return finding;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char helo[] = "d1.example", sender[] = "u-ser@d0.example", null_sender[] = "";
    PosternEnvelope envelope = {.client = {.family = AF_INET}, .helo = helo, .sender = sender};
    PosternSpfFinding together, apart;
    gboolean together_full, apart_full;

    if (size > 0 && data[0] % 8 == 1)
        envelope.sender = null_sender;
    if (size > 0 && data[0] % 4 == 2)
        envelope.client.family = AF_INET6;
    memcpy(&envelope.client.ipv6, "\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    together = run(&envelope, data, size, TRUE, &together_full);
    apart = run(&envelope, data, size, FALSE, &apart_full);
    if (!together_full && !apart_full) {
        require(together.result == apart.result);
        require(g_strcmp0(together.explanation, apart.explanation) == 0);
        require(g_strcmp0(together.problem, apart.problem) == 0);
    }
    finding_clear(&together);
    finding_clear(&apart);
    return 0;
}
