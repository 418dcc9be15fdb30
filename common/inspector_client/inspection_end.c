#include "base/error.h"
#include "base/limits.h"
#include "inspector_client/inspection_private.h"

static void fill_missing(PosternInspection *inspection, const char *reason, PosternChecks of_dns)
{
    inspection->failed = inspection->missing;
    inspection->findings->not_run |= (guint)(inspection->missing & ~of_dns);
    postern_findings_fail(inspection->findings, inspection->missing, reason);
    inspection->missing = 0;
}

static void on_greylist(const PosternGreylistFinding *finding, gpointer user_data)
{
    PosternInspection *inspection = user_data;
    PosternGreylistFinding *place = &inspection->findings->greylist;
    inspection->greylist_ask = NULL;
    place->result = finding->result;
    place->seconds = finding->seconds;
    postern_findings_replace(&place->identity, finding->identity);
    postern_findings_step(inspection->findings, POSTERN_CHECK_GREYLIST, "%s: %u seconds to wait",
                          finding->identity != NULL ? finding->identity : "nobody", finding->seconds);
    event_active(inspection->timer, EV_TIMEOUT, 1);
}

/* All else is known: TRUE if the store is asked now. Who is vouched for, has sent good mail, or sends a virus
 * is not looked for. */
static gboolean awaits_greylist(PosternInspection *inspection)
{
    const struct timeval wait = {.tv_sec = POSTERN_GREYLIST_WAIT_MS / 1000};
    PosternFindings *findings = inspection->findings;
    if (inspection->greylist_ask != NULL) {
        postern_greylist_cancel(g_steal_pointer(&inspection->greylist_ask));
        findings->greylist.result = POSTERN_GREYLIST_FAILED;
    }
    if (inspection->greylist_asked || (inspection->options.checks & POSTERN_CHECK_GREYLIST) == 0 ||
        findings->client.vouched || inspection->options.history.good ||
        findings->virus.result == POSTERN_VIRUS_INFECTED)
        return FALSE;
    inspection->greylist_asked = TRUE;
    evtimer_add(inspection->timer, &wait);
    inspection->greylist_ask =
        postern_greylist_ask(inspection->options.greylist, inspection->envelope, findings,
                             g_get_real_time() / G_USEC_PER_SEC, on_greylist, inspection);
    return TRUE;
}

void postern_inspection_on_timer(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternInspection *inspection = data;
    PosternChecks of_dns = 0; /* not done, but for want of an answer and not of an inspector */
    for (guint i = 0; i < TRACKS; i++) {
        if (inspection->tracks[i].ask != NULL)
            of_dns |= inspection->tracks[i].checks;
        postern_inspection_track_stop(&inspection->tracks[i]);
    }
    of_dns &= POSTERN_CHECKS_ASKING;
    if (inspection->missing != 0) {
        if (inspection->error == NULL) {
            g_set_error(&inspection->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT,
                        "the inspection took longer than %u ms%s", inspection->options.deadline_ms,
                        postern_inspector_client_is_loading(inspection->options.client)
                            ? ": signatures are being loaded"
                            : "");
        }
        fill_missing(inspection, inspection->error->message, of_dns);
    }
    postern_findings_conclude(inspection->findings);
    if (awaits_greylist(inspection))
        return;
    evtimer_del(inspection->timer);
    PosternFindings *findings = g_steal_pointer(&inspection->findings);
    g_autoptr(GError) error = g_steal_pointer(&inspection->error);
    inspection->done(findings, error, inspection->user_data);
}
