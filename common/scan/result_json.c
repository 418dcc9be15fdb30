#include <json-glib/json-glib.h>

#include "scan/result.h"
#include "verdict/check.h"

/* Text from elsewhere need not be UTF-8, JSON must (RFC 8259 8.1). NULL adds nothing. */
static void add_text(gpointer out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_builder_set_member_name(out, name);
    json_builder_add_string_value(out, valid);
}

static void begin(gpointer out, const char *name, gboolean list)
{
    if (name != NULL)
        json_builder_set_member_name(out, name);
    if (list)
        json_builder_begin_array(out);
    else
        json_builder_begin_object(out);
}

static void end(gpointer out, gboolean list)
{
    if (list)
        json_builder_end_array(out);
    else
        json_builder_end_object(out);
}

static void add_number(gpointer out, const char *name, gint64 number)
{
    json_builder_set_member_name(out, name);
    json_builder_add_int_value(out, number);
}

static void add_boolean(gpointer out, const char *name, gboolean value)
{
    json_builder_set_member_name(out, name);
    json_builder_add_boolean_value(out, value);
}

static PosternJson json_of(JsonBuilder *builder)
{
    return (PosternJson){begin, end, add_text, add_number, add_boolean, builder};
}

static void add_verdict(JsonBuilder *builder, const PosternVerdict *verdict)
{
    add_text(builder, "action", postern_action_name(verdict->action));
    add_text(builder, "reply", verdict->reply);
    add_text(builder, "check", verdict->check);
    if (verdict->would != verdict->action) {
        add_text(builder, "would", postern_action_name(verdict->would));
        add_text(builder, "would_reply", verdict->would_reply);
    }
}

static void add_today(JsonBuilder *builder, const PosternScanResult *result)
{
    if (result->today == NULL)
        return;
    PosternJson json = json_of(builder);
    begin(builder, "rescan", FALSE);
    add_boolean(builder, "differs", result->today_differs);
    postern_virus_finding_tell(&result->today->virus, &json);
    add_text(builder, "action", postern_action_name(result->today_verdict->action));
    add_text(builder, "reply", result->today_verdict->reply);
    json_builder_end_object(builder);
}

static void add_field(const char *key, const char *text, gint64 number, gpointer builder)
{
    if (text != NULL)
        add_text(builder, key, text);
    else
        add_number(builder, key, number);
}

/* What the verdict went by beside the message; behind trusted relays the client is whom they name. */
static void add_envelope(JsonBuilder *builder, const PosternCase *mail_case)
{
    const PosternEnvelope *envelope = postern_case_envelope(mail_case);
    const GPtrArray *recipients = mail_case->envelope->recipients;
    g_autofree char *client =
        envelope->client.family != AF_UNSPEC ? postern_address_to_string(&envelope->client) : NULL;
    begin(builder, "envelope", FALSE);
    add_text(builder, "client", client);
    add_text(builder, "helo", envelope->helo);
    add_text(builder, "sender", envelope->sender);
    begin(builder, "recipients", TRUE);
    for (guint i = 0; i < recipients->len; i++) {
        g_autofree char *valid = g_utf8_make_valid(recipients->pdata[i], -1);
        json_builder_add_string_value(builder, valid);
    }
    end(builder, TRUE);
    end(builder, FALSE);
}

/* What a daemon would say of the message in its closing line. */
static void add_record(JsonBuilder *builder, const PosternScanResult *result)
{
    PosternRecord record = {
        .to = result->mail_case->envelope->recipients,
        .recipients = result->mail_case->envelope->recipients->len,
        .recipients_accepted = -1,
        .size = (gint64)result->octets,
        .delivery = POSTERN_DELIVERY_NOT_OURS,
        .milliseconds = -1,
    };
    postern_case_record(result->mail_case, &record);
    begin(builder, "record", FALSE);
    postern_record_tell(&record, add_field, builder);
    end(builder, FALSE);
}

char *postern_scan_result_to_json(const PosternScanResult *result)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    PosternJson json = json_of(builder);
    json_builder_begin_object(builder);
    add_text(builder, "file", result->path);
    add_text(builder, "error", result->error);
    if (result->verdict != NULL) {
        add_verdict(builder, result->verdict);
        if (result->no_message)
            add_boolean(builder, "no_message", TRUE);
        add_envelope(builder, result->mail_case);
        postern_checks_json(result->findings, result->verdict, &json);
        add_text(builder, "authentication_results", result->verdict->authentication_results);
        add_text(builder, "problem", result->problem);
        add_today(builder, result);
        add_record(builder, result);
        json_builder_set_member_name(builder, "milliseconds");
        json_builder_add_double_value(builder, result->milliseconds);
    }
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}
