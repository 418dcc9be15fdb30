#include "checks/arc/chain.h"

#include <string.h>

#include "checks/arc/results.h"
#include "checks/dkim/tags.h"
#include "checks/spf/domain.h"
#include "dns/question.h"

#define RESULTS_FIELD "ARC-Authentication-Results"
#define MESSAGE_FIELD "ARC-Message-Signature"
#define SEAL_FIELD "ARC-Seal"

static void fail(PosternArcChain *chain, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* What was found first is told. */
static void fail(PosternArcChain *chain, const char *format, ...)
{
    va_list arguments;

    if (chain->problem != NULL)
        return;
    va_start(arguments, format);
    chain->problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
}

/* The link of instance, or NULL and the chain fails. */
static PosternArcLink *link_of(PosternArcChain *chain, const char *name, guint instance)
{
    if (instance == 0 || instance > POSTERN_ARC_SETS_MAX) {
        fail(chain, "the i= of a field %s is missing or not from 1 to %d", name, POSTERN_ARC_SETS_MAX);
        return NULL;
    }
    chain->count = MAX(chain->count, instance);
    return &chain->links[instance - 1];
}

static void add_results(PosternArcChain *chain, const PosternHeaderField *field)
{
    guint instance = postern_arc_results_instance(field->value, field->value_length);
    PosternArcLink *link = link_of(chain, RESULTS_FIELD, instance);

    if (link == NULL)
        return;
    if (link->results != NULL)
        fail(chain, "there are two fields " RESULTS_FIELD " with i=%u", instance);
    link->results = field;
}

static guint instance_of(const PosternTagList *tags)
{
    const char *text = postern_tag_list_get(tags, "i");
    gint64 number = 0;

    if (text == NULL || !postern_dkim_number(text, &number) || number > POSTERN_ARC_SETS_MAX)
        return 0;
    return (guint)number;
}

static void add_signature(PosternArcChain *chain, const PosternHeaderField *field, const char *name,
                          gsize offset)
{
    const char *problem = NULL;
    g_autoptr(PosternTagList) tags = postern_tag_list_parse(field->value, field->value_length, &problem);

    if (tags == NULL) {
        fail(chain, "a field %s is malformed: %s", name, problem);
        return;
    }
    guint instance = instance_of(tags);
    PosternArcLink *link = link_of(chain, name, instance);
    if (link == NULL)
        return;
    PosternArcSignature *signature = G_STRUCT_MEMBER_P(link, offset);
    if (signature->field != NULL) {
        fail(chain, "there are two fields %s with i=%u", name, instance);
        return;
    }
    signature->field = field;
    signature->tags = g_steal_pointer(&tags);
}

static void gather(PosternArcChain *chain, const PosternHeader *header)
{
    for (guint i = 0; i < header->fields->len && chain->problem == NULL; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        gboolean results = postern_header_field_is(field, RESULTS_FIELD);
        gboolean message = postern_header_field_is(field, MESSAGE_FIELD);
        gboolean seal = postern_header_field_is(field, SEAL_FIELD);

        if (!results && !message && !seal)
            continue;
        if (field->value_length > POSTERN_DKIM_FIELD_MAX_OCTETS)
            fail(chain, "a field of ARC is longer than %d octets", POSTERN_DKIM_FIELD_MAX_OCTETS);
        else if (results)
            add_results(chain, field);
        else if (message)
            add_signature(chain, field, MESSAGE_FIELD, G_STRUCT_OFFSET(PosternArcLink, message));
        else
            add_signature(chain, field, SEAL_FIELD, G_STRUCT_OFFSET(PosternArcLink, seal));
    }
}

static GBytes *decode(const char *value)
{
    g_autofree char *text = postern_dkim_collapse(value);
    gsize length = 0;

    if (*text == '\0' ||
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != strlen(text))
        return NULL;
    guint8 *octets = g_base64_decode(text, &length);
    return g_bytes_new_take(octets, length);
}

static gboolean is_domain(const char *text)
{
    for (const char *place = text; *place != '\0'; place++)
        if (!g_ascii_isalnum(*place) && *place != '-' && *place != '_' && *place != '.')
            return FALSE;
    return *text != '\0';
}

static void find_question(PosternArcChain *chain, PosternArcSignature *signature, const char *what,
                          guint instance)
{
    if (!is_domain(signature->domain) || !is_domain(signature->selector)) {
        fail(chain, "d= or s= of the %s %u is missing or no domain name", what, instance);
        return;
    }
    g_autofree char *name = g_strdup_printf("%s._domainkey.%s", signature->selector, signature->domain);
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    if (question == NULL)
        fail(chain, "d= and s= of the %s %u make no name that can be asked for", what, instance);
    else
        signature->question = g_strdup(question->name);
}

/* A tag that is a domain name: U-labels as A-labels, as in DKIM (RFC 8616 4); "" if there is none. */
static char *take_name(const PosternTagList *tags, const char *name)
{
    g_autofree char *value = postern_dkim_collapse(postern_tag_list_get(tags, name));
    char *ascii = g_str_is_ascii(value) ? NULL : postern_spf_domain_to_ascii(value);

    return ascii != NULL ? ascii : g_steal_pointer(&value);
}

/* What seal and signature have in common (RFC 8617 4.1.2, 4.1.3). */
static void read_signature(PosternArcChain *chain, PosternArcSignature *signature, const char *what,
                           guint instance)
{
    const PosternTagList *tags = signature->tags;
    const char *algorithm = postern_tag_list_get(tags, "a");
    const char *time = postern_tag_list_get(tags, "t");
    gint64 number = 0;

    signature->domain = take_name(tags, "d");
    signature->selector = take_name(tags, "s");
    signature->algorithm = g_strdup(algorithm);
    signature->signature = decode(postern_tag_list_get(tags, "b"));
    if (algorithm == NULL ||
        (strcmp(algorithm, "rsa-sha256") != 0 && strcmp(algorithm, "ed25519-sha256") != 0))
        fail(chain, "a= of the %s %u is missing or not known", what, instance);
    if (signature->signature == NULL)
        fail(chain, "b= of the %s %u is missing or not base64", what, instance);
    if (time != NULL && !postern_dkim_number(time, &number))
        fail(chain, "t= of the %s %u is no number", what, instance);
    find_question(chain, signature, what, instance);
}

static guint count_names(const char *list)
{
    guint count = 1;

    for (; *list != '\0'; list++)
        count += *list == ':';
    return count;
}

/* What only the newest ARC-Message-Signature is asked for. */
static void read_newest(PosternArcChain *chain, const PosternHeader *header)
{
    const PosternTagList *tags = chain->links[chain->count - 1].message.tags;
    const char *names = postern_tag_list_get(tags, "h");
    const char *covered = postern_tag_list_get(tags, "l");

    chain->body_hash = decode(postern_tag_list_get(tags, "bh"));
    chain->body_length = -1;
    chain->canonicalisation_given = postern_tag_list_get(tags, "c") != NULL;
    if (!postern_canonical_parse(postern_tag_list_get(tags, "c"), &chain->canonicalisation))
        fail(chain, "c= of the newest " MESSAGE_FIELD " is not known");
    if (chain->body_hash == NULL)
        fail(chain, "bh= of the newest " MESSAGE_FIELD " is missing or not base64");
    if (names == NULL || postern_dkim_list_has(names, "arc-seal"))
        fail(chain, "h= of the newest " MESSAGE_FIELD " is missing or names " SEAL_FIELD);
    if (names != NULL && count_names(names) > POSTERN_ARC_SIGNED_FIELDS_MAX)
        fail(chain, "h= of the newest " MESSAGE_FIELD " has over %d names", POSTERN_ARC_SIGNED_FIELDS_MAX);
    if (covered != NULL && !postern_dkim_number(covered, &chain->body_length))
        fail(chain, "l= of the newest " MESSAGE_FIELD " is no number");
    chain->covers_from =
        postern_dkim_list_count(names, "from") >= MAX(postern_header_count(header, "From"), 1);
}

/* RFC 8617 5.2 step 3: every set is whole, and each says what those before it were. */
static void check_link(PosternArcChain *chain, guint instance)
{
    PosternArcLink *link = &chain->links[instance - 1];

    if (link->results == NULL || link->message.field == NULL || link->seal.field == NULL) {
        fail(chain, "the set with i=%u is not whole", instance);
        return;
    }
    const char *status = postern_tag_list_get(link->seal.tags, "cv");
    const char *expected = instance == 1 ? "none" : "pass";

    read_signature(chain, &link->seal, "seal", instance);
    read_signature(chain, &link->message, "message signature", instance);
    if (postern_tag_list_get(link->seal.tags, "h") != NULL)
        fail(chain, "the seal %u has h=", instance);
    if (status == NULL || g_ascii_strcasecmp(status, expected) != 0)
        fail(chain, "cv= of the seal %u is not %s", instance, expected);
}

PosternArcChain *postern_arc_chain_new(const PosternHeader *header)
{
    PosternArcChain *chain = g_new0(PosternArcChain, 1);
    g_autofree char *problem = postern_header_problem(header);

    gather(chain, header);
    if (chain->count > 0 && header->too_many)
        fail(chain, "the header is too large");
    if (chain->count > 0 && problem != NULL)
        fail(chain, "the header is ambiguous: %s", problem);
    for (guint instance = chain->count; instance > 0 && chain->problem == NULL; instance--)
        check_link(chain, instance);
    if (chain->count > 0 && chain->problem == NULL)
        read_newest(chain, header);
    return chain;
}

static void signature_clear(PosternArcSignature *signature)
{
    g_clear_pointer(&signature->tags, postern_tag_list_free);
    g_clear_pointer(&signature->signature, g_bytes_unref);
    g_free(signature->domain);
    g_free(signature->selector);
    g_free(signature->algorithm);
    g_free(signature->question);
}

void postern_arc_chain_free(PosternArcChain *chain)
{
    if (chain == NULL)
        return;
    for (guint i = 0; i < POSTERN_ARC_SETS_MAX; i++) {
        signature_clear(&chain->links[i].message);
        signature_clear(&chain->links[i].seal);
    }
    g_clear_pointer(&chain->body_hash, g_bytes_unref);
    g_free(chain->problem);
    g_free(chain);
}
