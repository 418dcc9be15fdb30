#include "capsule/capsule.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/dictionary.h"

#define MAGIC_OCTETS (sizeof POSTERN_CAPSULE_MAGIC - 1)
#define FORM_AT (MAGIC_OCTETS - sizeof "2") /* where the number of the form stands */

G_STATIC_ASSERT(MAGIC_OCTETS == 24);

/* The texts of a capsule: key, where it stands, and its bound. */
static const struct {
    const char *key;
    gsize offset;
    gsize maximum;
    gboolean required;
} texts[] = {
    {"name", G_STRUCT_OFFSET(PosternCapsule, name), POSTERN_CAPSULE_TEXT_MAX_OCTETS, TRUE},
    {"client", G_STRUCT_OFFSET(PosternCapsule, client), POSTERN_CAPSULE_TEXT_MAX_OCTETS, FALSE},
    {"receiver", G_STRUCT_OFFSET(PosternCapsule, receiver), POSTERN_HELO_NAME_MAX_OCTETS, TRUE},
    {"problem", G_STRUCT_OFFSET(PosternCapsule, problem), POSTERN_CAPSULE_TEXT_MAX_OCTETS, FALSE},
    {"versions", G_STRUCT_OFFSET(PosternCapsule, versions), POSTERN_CAPSULE_TEXT_MAX_OCTETS, TRUE},
    {"configuration", G_STRUCT_OFFSET(PosternCapsule, configuration), POSTERN_CONFIGURATION_FILE_MAX_OCTETS,
     TRUE},
    {"policy", G_STRUCT_OFFSET(PosternCapsule, policy), POSTERN_CONFIGURATION_TEXT_MAX_OCTETS, TRUE},
    {"authserv_id", G_STRUCT_OFFSET(PosternCapsule, authserv_id), POSTERN_HELO_NAME_MAX_OCTETS, TRUE},
    {"reply", G_STRUCT_OFFSET(PosternCapsule, reply), POSTERN_CAPSULE_TEXT_MAX_OCTETS, FALSE},
    {"would_reply", G_STRUCT_OFFSET(PosternCapsule, would_reply), POSTERN_CAPSULE_TEXT_MAX_OCTETS, FALSE},
    {"check", G_STRUCT_OFFSET(PosternCapsule, check), POSTERN_CAPSULE_TEXT_MAX_OCTETS, FALSE},
};

static char **text_of(const PosternCapsule *capsule, guint index)
{
    return (char **)((guintptr)capsule + texts[index].offset);
}

PosternCapsule *postern_capsule_new(void)
{
    PosternCapsule *capsule = g_new0(PosternCapsule, 1);
    capsule->client_class = POSTERN_CLIENT_UNKNOWN;
    return capsule;
}

void postern_capsule_free(PosternCapsule *capsule)
{
    if (capsule == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*text_of(capsule, i));
    g_clear_pointer(&capsule->message, postern_message_unref);
    g_clear_pointer(&capsule->envelope, postern_envelope_free);
    g_clear_pointer(&capsule->answers, postern_answers_unref);
    g_clear_pointer(&capsule->findings, postern_findings_free);
    g_free(capsule);
}

static void replace(char **text, const char *new_text)
{
    g_free(*text);
    *text = g_strdup(new_text);
}

static GVariant *variant_of_findings(const PosternFindings *findings)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    postern_findings_encode(findings, octets);
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, octets->data, octets->len, 1);
}

void postern_capsule_set_inspection(PosternCapsule *capsule, PosternInspection *inspection)
{
    const PosternInspectionOptions *options = postern_inspection_options(inspection);
    g_clear_pointer(&capsule->answers, postern_answers_unref);
    capsule->answers = postern_answers_ref(postern_inspection_answers(inspection));
    capsule->now = options->now;
    replace(&capsule->receiver, options->receiver);
    capsule->scan_octets = options->scan_octets;
    capsule->checks = options->checks;
    capsule->failed = postern_inspection_failed(inspection);
}

/* Of the beginning of a message no more is known than what is in the findings, whatever is in the rest. */
static void limit_to_beginning(PosternCapsule *capsule)
{
    capsule->checks &= ~(guint)(POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    capsule->failed |= POSTERN_CHECK_DMARC;
    capsule->failed &= capsule->checks;
}

/* Findings that did not come in time are what was decided by: none of them is found out again. */
static void set_no_inspection(PosternCapsule *capsule, const PosternCase *mail_case)
{
    capsule->answers = postern_answers_new();
    capsule->now = g_get_real_time() / G_USEC_PER_SEC;
    capsule->receiver = g_strdup(mail_case->receiver);
    capsule->checks = capsule->failed = postern_case_checks(mail_case);
}

void postern_capsule_set_case(PosternCapsule *capsule, const PosternCase *mail_case, PosternMessage *message,
                              const PosternFindings *findings, const char *configuration)
{
    const PosternVerdict *verdict = mail_case->verdict;
    const PosternPolicy policy = postern_case_policy(mail_case);
    if (mail_case->extent == POSTERN_CASE_BEGINNING)
        limit_to_beginning(capsule);
    else if (mail_case->extent == POSTERN_CASE_NOT_IN_TIME && capsule->answers == NULL)
        set_no_inspection(capsule, mail_case);
    g_clear_pointer(&capsule->message, postern_message_unref);
    capsule->message = postern_message_ref(message);
    g_clear_pointer(&capsule->envelope, postern_envelope_free);
    capsule->envelope = postern_envelope_copy(postern_case_envelope(mail_case));
    g_clear_pointer(&capsule->findings, postern_findings_free);
    capsule->findings = postern_findings_copy(findings);
    replace(&capsule->problem, mail_case->problem);
    replace(&capsule->configuration, configuration);
    replace(&capsule->policy, policy.name);
    replace(&capsule->authserv_id, policy.authserv_id);
    capsule->client_class = mail_case->client_class;
    capsule->observe = policy.observe;
    capsule->action = verdict->action;
    capsule->would = verdict->would;
    replace(&capsule->reply, verdict->reply);
    replace(&capsule->would_reply, verdict->would_reply);
    replace(&capsule->check, verdict->check);
}

static void add(GVariantBuilder *builder, const char *key, GVariant *value)
{
    g_variant_builder_add(builder, "{sv}", key, value);
}

static void add_octets(GVariantBuilder *builder, const char *key, const GByteArray *octets)
{
    add(builder, key, g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, octets->data, octets->len, 1));
}

static GVariant *dictionary_of(const PosternCapsule *capsule)
{
    GVariantBuilder builder;
    const char *configuration = capsule->configuration != NULL ? capsule->configuration : "";
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, configuration, -1);
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = *text_of(capsule, i);
        postern_dictionary_add_text(&builder, texts[i].key, text == NULL && texts[i].required ? "" : text,
                                    texts[i].maximum);
    }
    postern_dictionary_add_text(&builder, "digest", digest, POSTERN_CAPSULE_TEXT_MAX_OCTETS);
    add(&builder, "size", g_variant_new_uint64(postern_message_size(capsule->message)));
    add(&builder, "now", g_variant_new_int64(capsule->now));
    add(&builder, "scan_octets", g_variant_new_uint64(capsule->scan_octets));
    add(&builder, "checks", g_variant_new_uint32((guint32)capsule->checks));
    add(&builder, "failed", g_variant_new_uint32((guint32)capsule->failed));
    add(&builder, "action", g_variant_new_uint32((guint32)capsule->action));
    add(&builder, "would", g_variant_new_uint32((guint32)capsule->would));
    if (capsule->client_class != POSTERN_CLIENT_UNKNOWN)
        add(&builder, "client_class", g_variant_new_uint32((guint32)capsule->client_class));
    add(&builder, "observe", g_variant_new_boolean(capsule->observe));
    g_autoptr(GByteArray) envelope = g_byte_array_new();
    g_autoptr(GByteArray) answers = g_byte_array_new();
    postern_envelope_encode(capsule->envelope, envelope);
    postern_answers_encode(capsule->answers, answers);
    add_octets(&builder, "envelope", envelope);
    add_octets(&builder, "answers", answers);
    add(&builder, "findings", variant_of_findings(capsule->findings));
    return g_variant_builder_end(&builder);
}

/*
 * A tuple of two of variable size is, in its serialised form, both, then the end of the first as an offset
 * from the start, little-endian, in as few octets (1, 2, 4, 8) as can address the whole.
 */
static GBytes *tail_of(gsize first, guint64 second)
{
    guint64 body = first + second;
    gsize width = 8;
    guint8 octets[8];
    if (body + 1 <= G_MAXUINT8)
        width = 1;
    else if (body + 2 <= G_MAXUINT16)
        width = 2;
    else if (body + 4 <= G_MAXUINT32)
        width = 4;
    for (gsize i = 0; i < width; i++)
        octets[i] = (guint8)((guint64)first >> (8 * i));
    return g_bytes_new(octets, width);
}

static GVariant *in_file_order(GVariant *variant)
{
    return G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(variant) : g_variant_byteswap(variant);
}

void postern_capsule_serialise(const PosternCapsule *capsule, GBytes **ret_head, GBytes **ret_tail)
{
    g_autoptr(GVariant) native = g_variant_ref_sink(dictionary_of(capsule));
    g_autoptr(GVariant) normal = g_variant_get_normal_form(native);
    g_autoptr(GVariant) dictionary = in_file_order(normal);
    gsize length = g_variant_get_size(dictionary);
    char *octets = g_malloc(MAGIC_OCTETS + length);
    memcpy(octets, POSTERN_CAPSULE_MAGIC, MAGIC_OCTETS);
    g_variant_store(dictionary, octets + MAGIC_OCTETS);
    *ret_head = g_bytes_new_take(octets, MAGIC_OCTETS + length);
    *ret_tail = tail_of(length, postern_message_size(capsule->message));
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, text);
    return FALSE;
}

static gboolean get_texts(PosternCapsule *capsule, GVariant *dictionary, GError **error)
{
    g_autofree char *digest = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!postern_dictionary_get_text(dictionary, texts[i].key, texts[i].maximum, text_of(capsule, i),
                                         error))
            return FALSE;
        if (texts[i].required && *text_of(capsule, i) == NULL)
            return postern_error_set(error, POSTERN_ERROR_INPUT, "the capsule has no '%s'", texts[i].key);
    }
    if (!postern_dictionary_get_text(dictionary, "digest", POSTERN_CAPSULE_TEXT_MAX_OCTETS, &digest, error))
        return FALSE;
    g_autofree char *expected = g_compute_checksum_for_string(G_CHECKSUM_SHA256, capsule->configuration, -1);
    return g_strcmp0(digest, expected) == 0 ||
           refuse(error, "the capsule's configuration is not the one that its digest is of");
}

static gboolean get_wide(GVariant *dictionary, const char *key, const char *type, gpointer ret_number,
                         GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autoptr(GVariant) value = postern_dictionary_get(dictionary, key, G_VARIANT_TYPE(type), &problem);
    if (value != NULL) {
        g_variant_get(value, type, ret_number);
        return TRUE;
    }
    return postern_error_set(error, POSTERN_ERROR_INPUT, "the capsule has no number '%s'", key);
}

static gboolean get_numbers(PosternCapsule *capsule, GVariant *dictionary, guint64 *ret_size, GError **error)
{
    guint32 checks = 0;
    guint32 failed = 0;
    guint32 action = 0;
    guint32 would = 0;
    guint32 client_class = POSTERN_CLIENT_UNKNOWN;
    if (!get_wide(dictionary, "size", "t", ret_size, error) ||
        !get_wide(dictionary, "now", "x", &capsule->now, error) ||
        !get_wide(dictionary, "scan_octets", "t", &capsule->scan_octets, error) ||
        !postern_dictionary_get_number(dictionary, "checks", POSTERN_CHECKS_ALL, &checks, error) ||
        !postern_dictionary_get_number(dictionary, "failed", POSTERN_CHECKS_ALL, &failed, error) ||
        !postern_dictionary_get_number(dictionary, "action", POSTERN_ACTION_REJECT, &action, error) ||
        !postern_dictionary_get_number(dictionary, "would", POSTERN_ACTION_REJECT, &would, error) ||
        !postern_dictionary_get_number(dictionary, "client_class", POSTERN_CLIENT_UNKNOWN, &client_class,
                                       error) ||
        !postern_dictionary_get_boolean(dictionary, "observe", &capsule->observe, error))
        return FALSE;
    capsule->checks = (PosternChecks)checks;
    capsule->failed = (PosternChecks)failed;
    capsule->client_class = (PosternClientClass)client_class;
    capsule->action = (PosternAction)action;
    capsule->would = (PosternAction)would;
    return (capsule->scan_octets <= POSTERN_MESSAGE_MAX_OCTETS && (failed & ~checks) == 0) ||
           refuse(error, "the capsule's numbers contradict one another");
}

static gboolean get_parts(PosternCapsule *capsule, GVariant *dictionary, GError **error)
{
    g_autoptr(GVariant) envelope =
        postern_dictionary_get(dictionary, "envelope", G_VARIANT_TYPE_BYTESTRING, NULL);
    g_autoptr(GVariant) answers =
        postern_dictionary_get(dictionary, "answers", G_VARIANT_TYPE_BYTESTRING, NULL);
    g_autoptr(GVariant) findings =
        postern_dictionary_get(dictionary, "findings", G_VARIANT_TYPE_BYTESTRING, NULL);
    gsize length = 0;
    if (envelope == NULL || answers == NULL || findings == NULL)
        return refuse(error, "the capsule lacks envelope, answers or findings");
    g_autoptr(GBytes) envelope_octets = g_variant_get_data_as_bytes(envelope);
    g_autoptr(GBytes) answers_octets = g_variant_get_data_as_bytes(answers);
    PosternOctets of_envelope = postern_octets_of(envelope_octets);
    PosternOctets of_answers = postern_octets_of(answers_octets);
    capsule->envelope = postern_envelope_decode(&of_envelope, error);
    if (capsule->envelope == NULL || !postern_octets_end(&of_envelope, "an envelope", error))
        return FALSE;
    capsule->answers = postern_answers_new();
    if (!postern_answers_decode(capsule->answers, &of_answers, error) ||
        !postern_octets_end(&of_answers, "a table of answers", error))
        return FALSE;
    const guint8 *octets = g_variant_get_fixed_array(findings, &length, 1);
    capsule->findings = postern_findings_decode(octets, length, error);
    return capsule->findings != NULL;
}

static gboolean get_message(PosternCapsule *capsule, GVariant *octets, guint64 size, GError **error)
{
    gsize length = 0;
    const void *start = g_variant_get_fixed_array(octets, &length, 1);
    if (length != size || length > POSTERN_MESSAGE_MAX_OCTETS)
        return refuse(error, "the capsule's message is not of the size that it should be");
    capsule->message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, error);
    if (capsule->message == NULL ||
        (length > 0 && !postern_message_append(capsule->message, start, length, error)))
        return FALSE;
    return postern_message_seal(capsule->message, error);
}

/* The variant behind the magic line, aligned, or NULL and error. */
static GVariant *variant_of_file(GBytes *octets, GError **error)
{
    gsize length = 0;
    const char *start = g_bytes_get_data(octets, &length);
    if (length < MAGIC_OCTETS || memcmp(start, POSTERN_CAPSULE_MAGIC, MAGIC_OCTETS) != 0) {
        refuse(error,
               length >= MAGIC_OCTETS && memcmp(start, POSTERN_CAPSULE_MAGIC, FORM_AT) == 0
                   ? "is a capsule of another form than this version reads: replay it with the version "
                     "that wrote it"
                   : "is no capsule");
        return NULL;
    }
    if (length > POSTERN_CAPSULE_MAX_OCTETS) {
        refuse(error, "is larger than a capsule may be");
        return NULL;
    }
    g_autoptr(GBytes) body = g_bytes_new_from_bytes(octets, MAGIC_OCTETS, length - MAGIC_OCTETS);
    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(POSTERN_CAPSULE_VARIANT), body, FALSE));
    if (!g_variant_is_normal_form(variant)) {
        refuse(error, "is cut off or garbled: it is not in normal form");
        return NULL;
    }
    return in_file_order(variant);
}

PosternCapsule *postern_capsule_parse(GBytes *octets, GError **error)
{
    guint64 size = 0;
    g_autoptr(GVariant) variant = variant_of_file(octets, error);
    if (variant == NULL)
        return NULL;
    g_autoptr(PosternCapsule) capsule = postern_capsule_new();
    g_autoptr(GVariant) dictionary = g_variant_get_child_value(variant, 0);
    g_autoptr(GVariant) message = g_variant_get_child_value(variant, 1);
    if (!get_texts(capsule, dictionary, error) || !get_numbers(capsule, dictionary, &size, error) ||
        !get_parts(capsule, dictionary, error) || !get_message(capsule, message, size, error))
        return NULL;
    return g_steal_pointer(&capsule);
}
