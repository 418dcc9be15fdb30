#include "scan/result.h"

PosternScanResult *postern_scan_result_new(const char *path)
{
    PosternScanResult *result = g_new0(PosternScanResult, 1);
    result->path = g_strdup(path);
    return result;
}

void postern_scan_result_free(PosternScanResult *result)
{
    if (result == NULL)
        return;
    postern_findings_free(result->findings);
    postern_case_free(result->mail_case);
    postern_envelope_free(result->envelope);
    g_free(result->path);
    g_free(result->error);
    g_free(result->problem);
    g_free(result->client);
    g_free(result->explanation);
    g_free(result->note);
    g_clear_pointer(&result->today, postern_findings_free);
    g_clear_pointer(&result->today_verdict, postern_verdict_free);
    g_free(result);
}

PosternScanStatus postern_scan_verdict_status(const PosternVerdict *verdict)
{
    switch (verdict->action) {
    case POSTERN_ACTION_ACCEPT:
    case POSTERN_ACTION_MARK:
        return POSTERN_SCAN_ACCEPT;
    case POSTERN_ACTION_QUARANTINE:
    case POSTERN_ACTION_DISCARD:
        return POSTERN_SCAN_QUARANTINE;
    case POSTERN_ACTION_TEMPFAIL:
        return POSTERN_SCAN_TEMPFAIL;
    case POSTERN_ACTION_REJECT:
        return POSTERN_SCAN_REJECT;
    }
    return POSTERN_SCAN_TEMPFAIL;
}

PosternScanStatus postern_scan_result_status(const PosternScanResult *result)
{
    if (result->verdict == NULL)
        return POSTERN_SCAN_NO_INPUT;
    if (result->incomplete)
        return POSTERN_SCAN_TEMPFAIL;
    PosternScanStatus status =
        postern_scan_verdict_status(result->today_verdict != NULL ? result->today_verdict : result->verdict);
    return status == POSTERN_SCAN_ACCEPT && result->no_message ? POSTERN_SCAN_NO_INPUT : status;
}

static guint severity(PosternScanStatus status)
{
    switch (status) {
    case POSTERN_SCAN_REJECT:
        return 4;
    case POSTERN_SCAN_QUARANTINE:
        return 3;
    case POSTERN_SCAN_TEMPFAIL:
        return 2;
    case POSTERN_SCAN_NO_INPUT:
    case POSTERN_SCAN_USAGE:
        return 1;
    case POSTERN_SCAN_ACCEPT:
        return 0;
    }
    return 0;
}

PosternScanStatus postern_scan_worse(PosternScanStatus a, PosternScanStatus b)
{
    return severity(a) >= severity(b) ? a : b;
}
