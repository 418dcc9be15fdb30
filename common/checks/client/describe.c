#include "base/configuration/check.h"
#include "base/limits.h"
#include "checks/client/client.h"
#include "verdict/check.h"

typedef struct {
    guint listed; /* here and below: PosternAction */
    guint listed_from;
    guint no_name;
    guint unconfirmed_name;
    guint helo_ours;
    guint helo_literal;
    guint helo_malformed;
    guint suspect;
    guint suspect_from;
} Options;

G_STATIC_ASSERT(sizeof(Options) <= POSTERN_CHECK_OPTIONS_MAX_OCTETS);

#define OPTION(member) POSTERN_OPTION_OF_CHECK(POSTERN_CHECK_INDEX_CLIENT, Options, member)
#define ACTION(key, member, text)                                                                            \
    {                                                                                                        \
        "policy", key, POSTERN_OPTION_CHOICE, OPTION(member), 0, 0, postern_actions, "accept", text          \
    }

static const PosternOption options[] = {
    ACTION("client_listed", listed,
           "Action if the weights of the [list NAME]s that the client is on reach "
           "client_listed_from."),
    {"policy", "client_listed_from", POSTERN_OPTION_NUMBER, OPTION(listed_from), 1, POSTERN_POINTS_MAX, NULL,
     "3", "Sum of the weights of DNS lists from which client_listed applies."},
    ACTION("client_no_name", no_name, "Action if the client's address has no name in the reverse tree."),
    ACTION("client_unconfirmed_name", unconfirmed_name,
           "Action if the name of the client's address does not have that address in turn."),
    ACTION("helo_ours", helo_ours, "Action if the client calls itself by our name in HELO."),
    ACTION("helo_literal", helo_literal, "Action if HELO is an address that is not the client's."),
    ACTION("helo_malformed", helo_malformed,
           "Action if HELO is neither a domain of several labels nor an address literal."),
    ACTION("client_suspect", suspect,
           "Action if the proxy remembers so many points of suspicion of the client."),
    {"policy", "client_suspect_from", POSTERN_OPTION_NUMBER, OPTION(suspect_from), 1, POSTERN_POINTS_MAX,
     NULL, "10", "Points of suspicion from which client_suspect applies; the proxy alone knows them."},
    {NULL},
};

static const char *const name_results[] = {
    [POSTERN_CLIENT_NAME_NOT_CHECKED] = "not_checked", [POSTERN_CLIENT_NAME_CONFIRMED] = "confirmed",
    [POSTERN_CLIENT_NAME_UNCONFIRMED] = "unconfirmed", [POSTERN_CLIENT_NAME_NONE] = "none",
    [POSTERN_CLIENT_NAME_TEMPERROR] = "temperror",
};
static const char *const helo_results[] = {
    [POSTERN_CLIENT_HELO_NOT_CHECKED] = "not_checked",
    [POSTERN_CLIENT_HELO_SOUND] = "sound",
    [POSTERN_CLIENT_HELO_OURS] = "ours",
    [POSTERN_CLIENT_HELO_LITERAL] = "other_address",
    [POSTERN_CLIENT_HELO_MALFORMED] = "malformed",
};
static const char *const list_results[] = {
    [POSTERN_LISTED_WAITING] = "waiting",
    [POSTERN_LISTED_NO] = "no",
    [POSTERN_LISTED_YES] = "listed",
    [POSTERN_LISTED_FAILED] = "failed",
};

const char *postern_client_name_result(guint result)
{
    return postern_choice(name_results, result);
}

static const PosternField listing_fields[] = {
    {POSTERN_FIELD_TEXT_OF(PosternClientListing, name), .json = "name"},
    {POSTERN_FIELD_TEXT_OF(PosternClientListing, zone), .json = "zone"},
    {POSTERN_FIELD_CHOICE(PosternClientListing, result, list_results), .json = "result"},
    {POSTERN_FIELD_NUMBER_OF(PosternClientListing, weight, POSTERN_POINTS_MAX), .json = "weight"},
    {POSTERN_FIELD_BOOLEAN_OF(PosternClientListing, allow), .json = "allow"},
    {.name = NULL},
};
static void listing_free(gpointer listing);
static const PosternStructure listing_structure = {
    .size = sizeof(PosternClientListing), .fields = listing_fields, .free = listing_free};

static void listing_free(gpointer listing)
{
    postern_structure_free(&listing_structure, listing);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_CHOICE(PosternClientFinding, name, name_results), .json = "name"},
    {POSTERN_FIELD_TEXT_OF(PosternClientFinding, reverse_name), .json = "reverse_name"},
    {POSTERN_FIELD_LIST_OF(PosternClientFinding, lists, POSTERN_LIST_ITEMS_MAX, listing_structure),
     .json = "lists"},
    {POSTERN_FIELD_NUMBER_OF(PosternClientFinding, weight, G_MAXUINT32), .json = "weight"},
    {POSTERN_FIELD_BOOLEAN_OF(PosternClientFinding, vouched), .json = "vouched"},
    {POSTERN_FIELD_CHOICE(PosternClientFinding, helo, helo_results), .json = "helo"},
    {POSTERN_FIELD_TEXT_OF(PosternClientFinding, network), .json = "network"},
    {.name = "network_action",
     .type = POSTERN_FIELD_NUMBER,
     .offset = G_STRUCT_OFFSET(PosternClientFinding, network_action),
     .maximum = POSTERN_ACTION_REJECT,
     .names = postern_actions,
     .json = "network_action"},
    {POSTERN_FIELD_TEXT_OF(PosternClientFinding, network_text)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternClientFinding, good), .json = "good"},
    {POSTERN_FIELD_NUMBER_OF(PosternClientFinding, points, G_MAXUINT16), .json = "points"},
    {.name = NULL},
};

static const Options *options_of(const PosternCheckOptions *of_checks)
{
    return (gconstpointer)&of_checks[POSTERN_CHECK_INDEX_CLIENT];
}

static gboolean is_listed(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternClientFinding *client = &facts->findings->client;
    return !client->vouched && client->weight > 0 &&
           client->weight >= options_of(facts->policy->of_checks)->listed_from;
}

static gboolean has_name_result(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternClientFinding *client = &facts->findings->client;
    return !client->vouched && client->name == *(const guint *)rule->data;
}

static gboolean has_helo(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternClientFinding *client = &facts->findings->client;
    return !client->vouched && client->helo == *(const guint *)rule->data;
}

static gboolean has_network(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternClientFinding *client = &facts->findings->client;
    return client->network != NULL && client->network_action == *(const guint *)rule->data;
}

static gboolean is_suspect(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternClientFinding *client = &facts->findings->client;
    return !client->vouched && client->points >= options_of(facts->policy->of_checks)->suspect_from;
}

static void describe_suspect(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                             GString *text)
{
    g_string_append(text, "What you did before is suspicious");
    if (inside)
        g_string_append_printf(text, " (%u points)", facts->findings->client.points);
}

static char *address_of(const PosternFacts *facts)
{
    return postern_address_to_string(&facts->envelope->client);
}

/* What a list is called towards others. */
static const char *title(const PosternClientListing *listing)
{
    return listing->zone != NULL ? listing->zone : listing->name;
}

static void describe_listed(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                            GString *text)
{
    const GPtrArray *lists = facts->findings->client.lists;
    g_autofree char *address = address_of(facts);
    const char *before = " is on DNS lists: ";
    g_string_append(text, address);
    for (guint i = 0; i < lists->len; i++) {
        const PosternClientListing *listing = g_ptr_array_index(lists, i);
        if (listing->result != POSTERN_LISTED_YES || listing->allow)
            continue;
        g_string_append_printf(text, "%s%s", before, title(listing));
        if (inside)
            g_string_append_printf(text, " ([list %s], weight %u)", listing->name, listing->weight);
        before = ", ";
    }
}

static void describe_no_name(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                             GString *text)
{
    g_autofree char *address = address_of(facts);
    g_string_append_printf(text, "%s has no name in the DNS", address);
}

static void describe_unconfirmed(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                                 GString *text)
{
    g_autofree char *address = address_of(facts);
    const char *name = facts->findings->client.reverse_name;
    g_string_append_printf(text, "%s is called %s, which does not have that address", address,
                           postern_rule_has_text(name) ? name : "something");
}

static void describe_helo(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const char *helo = facts->envelope->helo;
    g_string_append_printf(text, "HELO %s ", postern_rule_has_text(helo) ? helo : "of yours");
    switch ((PosternClientHelo) * (const guint *)rule->data) {
    case POSTERN_CLIENT_HELO_OURS:
        g_string_append(text, "is our own name");
        break;
    case POSTERN_CLIENT_HELO_LITERAL:
        g_string_append(text, "is not your address");
        break;
    default:
        g_string_append(text, "is no domain name of a host, and no address literal");
    }
}

static void describe_network(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                             GString *text)
{
    const PosternClientFinding *client = &facts->findings->client;
    g_autofree char *address = address_of(facts);
    if (client->network_text != NULL)
        g_string_append(text, client->network_text);
    else
        g_string_append_printf(text, "Mail from %s is not taken here", address);
    if (inside)
        g_string_append_printf(text, " ([clients] networks: %s)", client->network);
}

static const guint no_name = POSTERN_CLIENT_NAME_NONE, unconfirmed = POSTERN_CLIENT_NAME_UNCONFIRMED,
                   ours = POSTERN_CLIENT_HELO_OURS, other_address = POSTERN_CLIENT_HELO_LITERAL,
                   malformed = POSTERN_CLIENT_HELO_MALFORMED, mark = POSTERN_ACTION_MARK,
                   quarantine = POSTERN_ACTION_QUARANTINE, tempfail = POSTERN_ACTION_TEMPFAIL,
                   reject = POSTERN_ACTION_REJECT;

#define OF_NETWORK(ACTION, data)                                                                             \
    {                                                                                                        \
        "client_network", POSTERN_CHECK_CLIENT, has_network, POSTERN_RULE_ALWAYS(POSTERN_ACTION_##ACTION),   \
            TRUE, NULL, "550 5.7.1", "450 4.7.1", describe_network, &(data)                                  \
    }
/* RFC 7372 3.3: 5.7.25, reverse DNS validation failed. */
#define OF_OPTION(name, member, applies, code, describe, data)                                               \
    {                                                                                                        \
        name, POSTERN_CHECK_CLIENT, applies, POSTERN_RULE_OPTION(CLIENT, Options, member), TRUE, NULL,       \
            "550 5." code, "450 4." code, describe, data                                                     \
    }

static const PosternRule rules[] = {
    OF_NETWORK(REJECT, reject),
    OF_NETWORK(TEMPFAIL, tempfail),
    OF_NETWORK(QUARANTINE, quarantine),
    OF_NETWORK(MARK, mark),
    OF_OPTION("client_listed", listed, is_listed, "7.1", describe_listed, NULL),
    OF_OPTION("client_no_name", no_name, has_name_result, "7.25", describe_no_name, &no_name),
    OF_OPTION("client_unconfirmed_name", unconfirmed_name, has_name_result, "7.25", describe_unconfirmed,
              &unconfirmed),
    OF_OPTION("client_suspect", suspect, is_suspect, "7.1", describe_suspect, NULL),
    OF_OPTION("helo_ours", helo_ours, has_helo, "7.1", describe_helo, &ours),
    OF_OPTION("helo_literal", helo_literal, has_helo, "7.1", describe_helo, &other_address),
    OF_OPTION("helo_malformed", helo_malformed, has_helo, "7.1", describe_helo, &malformed),
    {NULL},
};

/* Also if nothing is done about it: what is looked up is told. */
static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    const Options *of = options_of(policy->of_checks);
    g_autoptr(GPtrArray) lists = postern_configuration_names(configuration, "list");
    const guint accept = POSTERN_ACTION_ACCEPT;
    return lists->len > 0 || configuration->clients.networks[0] != '\0' || of->no_name != accept ||
           of->unconfirmed_name != accept || of->helo_ours != accept || of->helo_literal != accept ||
           of->helo_malformed != accept || of->suspect != accept;
}

static void set_failed(PosternFindings *findings, const char *reason)
{
    findings->client.name = POSTERN_CLIENT_NAME_TEMPERROR;
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    const PosternClientFinding *client = &findings->client;
    g_autoptr(GString) lists = g_string_new(NULL);
    if (client->name == POSTERN_CLIENT_NAME_NOT_CHECKED)
        return;
    for (guint i = 0; i < client->lists->len; i++) {
        const PosternClientListing *listing = g_ptr_array_index(client->lists, i);
        g_string_append_printf(lists, "%s%s%s", lists->len > 0 ? "," : "",
                               listing->result == POSTERN_LISTED_FAILED ? "failed:" : "", listing->name);
    }
    add(out, "client_name", postern_client_name_result(client->name));
    add(out, "lists", lists->str);
    add(out, "network", client->network);
    add(out, "helo_check", client->helo > POSTERN_CLIENT_HELO_SOUND ? helo_results[client->helo] : NULL);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternClientFinding *client = &findings->client;
    g_autoptr(GString) text = g_string_new(NULL);
    if (client->name == POSTERN_CLIENT_NAME_NOT_CHECKED)
        return;
    g_string_append_printf(text, "name %s", postern_client_name_result(client->name));
    postern_rule_add_in_brackets(text, client->reverse_name);
    for (guint i = 0; i < client->lists->len; i++) {
        const PosternClientListing *listing = g_ptr_array_index(client->lists, i);
        g_string_append_printf(text, ", %s %s", title(listing),
                               postern_choice(list_results, listing->result));
    }
    if (client->weight > 0)
        g_string_append_printf(text, ", weight %u", client->weight);
    if (client->helo != POSTERN_CLIENT_HELO_NOT_CHECKED)
        g_string_append_printf(text, ", HELO %s", postern_choice(helo_results, client->helo));
    if (client->network != NULL)
        g_string_append_printf(text, ", network %s: %s", client->network,
                               postern_actions[client->network_action]);
    add(out, "Client", text->str);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    if (findings->client.name == POSTERN_CLIENT_NAME_NOT_CHECKED)
        return;
    json->begin(json->out, "client", FALSE);
    postern_structure_tell(&postern_description_client.finding, &findings->client, json);
    json->end(json->out, FALSE);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    const GPtrArray *lists = findings->client.lists;
    for (guint i = 0; i < lists->len; i++)
        add(out, "DNS lists", ((const PosternClientListing *)g_ptr_array_index(lists, i))->name);
}

const PosternCheck postern_description_client = {
    .finding = {.size = sizeof(PosternClientFinding), .fields = fields},
    .options = options,
    .is_wanted = is_wanted,
    .rules = rules,
    .fail = set_failed,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
