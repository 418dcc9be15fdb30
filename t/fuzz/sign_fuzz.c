/*
 * The signer over hostile messages: it neither fails nor makes a field that cannot be inserted; and where the
 * lines of a message end in CRLF, as those of SMTP do, its signature is found right by our verifier.
 */
#include <stdint.h>

#include "../unit/sign_fixture.h"
#include "mail/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    SignFixture fixture;
    PosternSignEngine *engine;
    PosternDkimEngine *dkim;
} Target;

static Target *target_new(void)
{
    g_autoptr(GError) error = NULL;
    Target *target = g_new0(Target, 1);
    sign_set_up(&target->fixture);
    sign_add_key(&target->fixture, "a.org", "s", dkim_signer_rsa(1024));
    target->engine = sign_load(&target->fixture, &error);
    g_assert_no_error(error);
    target->dkim = postern_dkim_engine_new(FALSE);
    return target;
}

static gboolean has_bare_line_ends(const char *message, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (message[i] == '\r' && i + 1 < length && message[i + 1] == '\n')
            i++;
        else if (message[i] == '\r' || message[i] == '\n')
            return TRUE;
    return FALSE;
}

static void check(Target *target, const char *message, gsize length)
{
    g_autoptr(PosternFindings) findings = sign_octets(target->engine, message, length);
    g_autoptr(PosternEdits) edits = postern_edits_new();
    GPtrArray *fields = findings->sign.fields;
    if (findings->sign.problem != NULL)
        g_assert_cmpstr(findings->sign.problem, ==, "none");
    g_assert_true((fields->len > 0) == (findings->sign.domain != NULL));
    for (guint i = 0; i < fields->len; i++)
        g_assert_true(postern_edits_insert(edits, "DKIM-Signature", g_ptr_array_index(fields, i)));
    if (fields->len == 0 || has_bare_line_ends(message, length))
        return;
    g_autoptr(GString) joined = sign_join(findings, message, length);
    g_assert_cmpuint(sign_count_right(&target->fixture, target->dkim, joined->str, joined->len), >=,
                     fields->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Target *target = NULL;
    static const char author[] = "From: x@a.org\r\n";
    if (target == NULL)
        target = target_new();
    g_autoptr(GString) message = g_string_new_len((const char *)data, (gssize)size);
    check(target, message->str, message->len);
    g_string_prepend(message, author);
    check(target, message->str, message->len);
    return 0;
}
