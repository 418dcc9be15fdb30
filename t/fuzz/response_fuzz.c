#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "inspector_client/request.h"
#include "overlay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GBytes *sample(void)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    PosternDkimFinding *dkim = postern_dkim_finding_new();
    PosternAttachment *attachment = g_new0(PosternAttachment, 1);
    dkim->domain = g_strdup("example.com");
    dkim->selector = g_strdup("s");
    attachment->name = g_strdup("a.zip");
    attachment->type = g_strdup("application/zip");
    g_ptr_array_add(response->findings->dkim.signatures, dkim);
    g_ptr_array_add(response->findings->content.attachments, attachment);
    response->findings->dkim.checked = TRUE;
    response->findings->content.count = 1;
    response->findings->spf.result = POSTERN_SPF_FAIL;
    response->findings->spf.domain = g_strdup("example.com");
    response->findings->spf.explanation = g_strdup("no");
    postern_virus_finding_infected(&response->findings->virus, "Eicar");
    response->complete = POSTERN_CHECKS_ALL;
    g_ptr_array_add(response->questions, postern_question_new("s._domainkey.example.com", POSTERN_DNS_TXT));
    return postern_response_serialise(response);
}

/* A response that was taken is inside its bounds, and gives octets that give the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static GBytes *good;
    if (good == NULL)
        good = sample();
    g_autoptr(GBytes) octets = overlay_read(good, data, size);
    g_autoptr(GError) error = NULL;
    if (octets == NULL)
        return 0;
    g_autoptr(PosternResponse) response = postern_response_parse(octets, &error);
    g_assert_true((response == NULL) == (error != NULL));
    if (response == NULL)
        return 0;
    g_assert_cmpuint(response->complete & ~(guint)POSTERN_CHECKS_ALL, ==, 0);
    g_assert_cmpuint(response->questions->len, <=, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
    g_autoptr(GBytes) first = postern_response_serialise(response);
    g_autoptr(PosternResponse) again = postern_response_parse(first, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) second = postern_response_serialise(again);
    g_assert_true(g_bytes_equal(first, second));
    return 0;
}
