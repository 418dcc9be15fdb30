#include "inspector_client/spf_prefetch.h"

#include <string.h>

#include "base/limits.h"

#define MX_PREFERENCE_OCTETS 2

static void add(GPtrArray *questions, const PosternAnswers *answers, const char *name)
{
    if (name == NULL || strchr(name, '.') == NULL || name[0] == '[')
        return;
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    if (question != NULL && postern_answers_get(answers, question) == NULL)
        g_ptr_array_add(questions, g_steal_pointer(&question));
}

GPtrArray *postern_spf_prefetch_questions(const PosternEnvelope *envelope, gboolean helo_too,
                                          const PosternAnswers *answers)
{
    GPtrArray *questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    g_autofree char *domain = envelope->sender != NULL ? postern_path_domain(envelope->sender) : NULL;
    add(questions, answers, domain);
    if (domain == NULL || helo_too)
        add(questions, answers, envelope->helo);
    return questions;
}

/* What the records that are known lead to. */
typedef struct {
    const PosternAnswers *answers;
    const PosternAddress *client;
    GPtrArray *questions;
    guint terms; /* that ask the DNS */
    guint voids; /* answers to them without a record */
    gboolean guessed;
} Follow;

static void add_question(Follow *follow, const char *name, PosternDnsType type)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, type);
    const PosternAnswer *answer = question != NULL ? postern_answers_get(follow->answers, question) : NULL;
    if (answer != NULL)
        follow->voids += answer->records->len == 0 ? 1 : 0;
    if (question == NULL || follow->voids > POSTERN_SPF_VOID_LOOKUPS_MAX)
        follow->guessed = FALSE;
    else if (answer == NULL && follow->questions->len < POSTERN_SPF_PREFETCH_QUESTIONS_MAX &&
             !g_ptr_array_find_with_equal_func(follow->questions, question, postern_question_equal, NULL))
        g_ptr_array_add(follow->questions, g_steal_pointer(&question));
}

static void add_addresses(Follow *follow, const char *name)
{
    add_question(follow, name, follow->client->family == AF_INET6 ? POSTERN_DNS_AAAA : POSTERN_DNS_A);
}

/* The addresses of the servers that an answer names, once it is there. */
static void add_servers(Follow *follow, const char *name)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_MX);
    const PosternAnswer *answer = question != NULL ? postern_answers_get(follow->answers, question) : NULL;
    add_question(follow, name, POSTERN_DNS_MX);
    if (answer == NULL)
        return;
    follow->guessed = follow->guessed && answer->records->len <= POSTERN_SPF_MX_NAMES_MAX;
    for (guint i = 0; i < answer->records->len && follow->guessed; i++) {
        gsize length = 0;
        const char *octets = g_bytes_get_data(answer->records->pdata[i], &length);
        if (length > MX_PREFERENCE_OCTETS) {
            g_autofree char *server = g_strndup(octets + MX_PREFERENCE_OCTETS, length - MX_PREFERENCE_OCTETS);
            add_addresses(follow, server);
        }
    }
}

static void add_record(Follow *follow, const char *name)
{
    add_question(follow, name, POSTERN_DNS_TXT);
}

/* Terms that ask for what their text names, or for the domain itself (RFC 7208 5.2 to 5.4, 6.1). */
static const struct {
    const char *name;
    gboolean needs_domain;
    void (*add)(Follow *follow, const char *domain);
} asking[] = {
    {"include:", TRUE, add_record},
    {"redirect=", TRUE, add_record},
    {"a", FALSE, add_addresses},
    {"mx", FALSE, add_servers},
};

/* TRUE if text says of addresses alone (5.1, 5.6); *ret_matches: the client has one of them. */
static gboolean read_addresses(const Follow *follow, const char *text, gboolean *ret_matches)
{
    gboolean ipv4 = g_str_has_prefix(text, "ip4:");
    *ret_matches = strcmp(text, "all") == 0;
    if (*ret_matches || (!ipv4 && !g_str_has_prefix(text, "ip6:")))
        return *ret_matches;
    g_auto(GStrv) parts = g_strsplit(text + strlen("ip4:"), "/", 2);
    guint64 bits = ipv4 ? 32 : 128;
    PosternAddress network;
    *ret_matches = postern_address_parse(&network, parts[0]) &&
                   (parts[1] == NULL || g_ascii_string_to_unsigned(parts[1], 10, 0, bits, &bits, NULL)) &&
                   postern_address_in_network(follow->client, &network, (guint)bits);
    return TRUE;
}

static void follow_term(Follow *follow, const char *owner, const char *text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(asking); i++) {
        gsize length = strlen(asking[i].name);
        if (!g_str_has_prefix(text, asking[i].name))
            continue;
        const char *rest = text + length;
        gboolean named = asking[i].needs_domain || *rest == ':';
        if (!named && *rest != '\0' && *rest != '/')
            continue;
        rest += named && !asking[i].needs_domain ? 1 : 0;
        g_autofree char *domain = named ? g_strndup(rest, strcspn(rest, "/")) : g_strdup(owner);
        follow->guessed =
            follow->guessed && strchr(domain, '%') == NULL && ++follow->terms <= POSTERN_SPF_LOOKUPS_MAX;
        if (follow->guessed)
            asking[i].add(follow, domain);
        return;
    }
    follow->guessed = FALSE;
}

/* Terms are tried in their order: nothing behind one that matches is asked for. */
static void follow_record(Follow *follow, const char *owner, GBytes *record)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(record, &length);
    if (length > POSTERN_SPF_RECORD_MAX_OCTETS) {
        follow->guessed = FALSE;
        return;
    }
    g_autofree char *text = g_ascii_strdown(octets, (gssize)length);
    char *rest = text;
    (void)strsep(&rest, " "); /* the version */
    for (const char *term; (term = strsep(&rest, " ")) != NULL && follow->guessed;) {
        const char *mechanism = term + strspn(term, "+-~?");
        gboolean matches = FALSE;
        if (*mechanism != '\0' && !read_addresses(follow, mechanism, &matches))
            follow_term(follow, owner, mechanism);
        if (matches)
            return;
    }
}

/* The one SPF record of an answer, or NULL: of several none holds (4.5). */
static GBytes *find_record(const PosternAnswer *answer)
{
    GBytes *found = NULL;
    for (guint i = 0; i < answer->records->len; i++) {
        gsize length = 0, version = strlen("v=spf1");
        const char *octets = g_bytes_get_data(answer->records->pdata[i], &length);
        if (length < version || g_ascii_strncasecmp(octets, "v=spf1", version) != 0 ||
            (length > version && octets[version] != ' '))
            continue;
        if (found != NULL)
            return NULL;
        found = answer->records->pdata[i];
    }
    return found;
}

GPtrArray *postern_spf_prefetch_follow(const PosternEnvelope *envelope, const PosternAnswers *answers,
                                       gboolean *ret_enough)
{
    g_autoptr(GPtrArray) known = postern_answers_answered(answers);
    Follow follow = {.answers = answers,
                     .client = &envelope->client,
                     .questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free),
                     .guessed = TRUE};
    for (guint i = 0; i < known->len && follow.guessed; i++) {
        const PosternQuestion *question = known->pdata[i];
        GBytes *record =
            question->type == POSTERN_DNS_TXT ? find_record(postern_answers_get(answers, question)) : NULL;
        if (record != NULL)
            follow_record(&follow, question->name, record);
    }
    if (!follow.guessed)
        g_ptr_array_set_size(follow.questions, 0);
    *ret_enough = follow.guessed && follow.questions->len == 0;
    return follow.questions;
}
