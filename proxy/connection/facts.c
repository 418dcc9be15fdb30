#include "dns/client_name.h"
#include "proxy/connection/thread_private.h"

/* One of what is asked of the DNS about a client: they do not wait for one another. */
typedef enum {
    FACT_NAME,
    FACT_LISTS,
    FACT_CHECK, /* all of check CLIENT, for its rules */
    FACTS,
} FactKind;

typedef struct {
    PosternClientFacts *facts;
    PosternAnswers *answers; /* NULL: it is known, or not wanted */
    gpointer ask;
    FactKind kind;
} Fact;

struct PosternClientFacts {
    PosternClient *client;
    PosternAddress address;
    PosternEnvelope *envelope; /* of FACT_CHECK, or NULL */
    Fact each[FACTS];
};

static void end_fact(Fact *fact)
{
    if (fact->answers != NULL)
        fact->facts->client->thread->world->functions->ask_cancel(fact->ask);
    fact->ask = NULL;
    g_clear_pointer(&fact->answers, postern_answers_unref);
}

void postern_client_forget_facts(PosternClient *client)
{
    PosternClientFacts *facts = client->facts;
    for (guint i = 0; facts != NULL && i < FACTS; i++)
        end_fact(&facts->each[i]);
    if (facts != NULL)
        postern_envelope_free(facts->envelope);
    g_clear_pointer(&client->facts, g_free);
}

/* FALSE: it needs answers. */
static gboolean conclude_name(const Fact *fact)
{
    PosternClient *client = fact->facts->client;
    const PosternAddress *address = &fact->facts->address;
    g_autofree char *name = NULL;
    g_autofree char *reverse = NULL;
    gboolean temporary = FALSE;
    if (postern_dns_client_name(address->family, &address->ipv4, fact->answers, &name, &reverse,
                                &temporary) == 0)
        return FALSE;
    PosternSession *session = postern_client_connection_session(postern_client_resume(client));
    postern_session_client_reverse_name(session, reverse);
    postern_session_client_name(session, name, temporary, postern_thread_now(client->thread));
    return TRUE;
}

static gboolean conclude_lists(const Fact *fact)
{
    PosternClient *client = fact->facts->client;
    gint64 now = postern_thread_now(client->thread);
    g_autoptr(PosternClientFinding) finding = postern_client_finding_new();
    if (!postern_client_check_lists(client->settings->client_rules, &fact->facts->address, now, fact->answers,
                                    finding))
        return FALSE;
    if (finding->vouched)
        postern_screen_allow(&client->screen);
    else if (finding->weight > 0)
        postern_screen_note(&client->screen, POSTERN_REASON_LISTED, finding->weight, now);
    return TRUE;
}

static gboolean conclude_check(const Fact *fact)
{
    PosternClient *client = fact->facts->client;
    gint64 now = postern_thread_now(client->thread);
    const char *hostname = client->settings->configuration->proxy.hostname;
    g_autoptr(PosternFindings) findings = postern_findings_new();
    if (postern_client_check(client->settings->client_rules, fact->facts->envelope, hostname,
                             postern_screen_history(&client->screen), now, fact->answers, findings) == 0)
        return FALSE;
    postern_session_client_checked(postern_client_connection_session(postern_client_resume(client)),
                                   g_steal_pointer(&findings), now);
    return TRUE;
}

static void look_up(Fact *fact);

static void on_answers(gpointer user_data)
{
    Fact *fact = user_data;
    PosternProxyThread *thread = fact->facts->client->thread;
    postern_thread_mark_client(thread, fact->facts->client->number);
    fact->ask = NULL;
    look_up(fact);
    postern_thread_run(thread);
}

static void look_up(Fact *fact)
{
    static gboolean (*const conclude[FACTS])(const Fact *) = {
        [FACT_NAME] = conclude_name, [FACT_LISTS] = conclude_lists, [FACT_CHECK] = conclude_check};
    PosternClientFacts *facts = fact->facts;
    PosternWorld *world = facts->client->thread->world;
    if (!conclude[fact->kind](fact)) {
        fact->ask = world->functions->ask(world, postern_address_client_number(&facts->address),
                                          fact->answers, on_answers, fact);
        return;
    }
    end_fact(fact);
    for (guint i = 0; i < FACTS; i++)
        if (facts->each[i].answers != NULL)
            return;
    postern_client_forget_facts(facts->client);
}

static PosternClientFacts *facts_new(PosternClient *client, const PosternAddress *address)
{
    PosternClientFacts *facts = g_new0(PosternClientFacts, 1);
    facts->client = client;
    facts->address = *address;
    for (guint i = 0; i < FACTS; i++) {
        facts->each[i].facts = facts;
        facts->each[i].kind = i;
    }
    client->facts = facts;
    return facts;
}

static void look_up_name_and_lists(PosternClient *client, const PosternEnvelope *envelope)
{
    postern_client_forget_facts(client);
    PosternClientFacts *facts = facts_new(client, &envelope->client);
    facts->each[FACT_NAME].answers = postern_answers_new();
    if (postern_client_rules_look_up(client->settings->client_rules) &&
        postern_screen_is_watched(&client->screen)) {
        facts->each[FACT_LISTS].answers = postern_answers_new();
        look_up(&facts->each[FACT_LISTS]);
    }
    look_up(&facts->each[FACT_NAME]);
}

void postern_client_look_up(PosternClient *client, const PosternEnvelope *envelope, gboolean rules)
{
    if (!rules) {
        look_up_name_and_lists(client, envelope);
        return;
    }
    PosternClientFacts *facts = client->facts != NULL ? client->facts : facts_new(client, &envelope->client);
    postern_envelope_free(facts->envelope);
    facts->envelope = postern_envelope_copy(envelope);
    end_fact(&facts->each[FACT_CHECK]);
    facts->each[FACT_CHECK].answers = postern_answers_new();
    look_up(&facts->each[FACT_CHECK]);
}
