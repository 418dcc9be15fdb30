#include "inspector_client/inspection_private.h"

static void look(PosternInspection *inspection);

static void on_answers(gpointer user_data)
{
    Track *track = user_data;
    track->ask = NULL;
    look(track->inspection);
}

static void look(PosternInspection *inspection)
{
    Track *track = &inspection->tracks[TRACK_CLIENT];
    const PosternInspectionOptions *options = &inspection->options;
    guint64 client = postern_address_client_number(&inspection->envelope->client);
    if (postern_client_check(options->client_rules, inspection->envelope, options->receiver, options->history,
                             g_get_monotonic_time() / 1000, inspection->answers, inspection->findings) == 0) {
        track->ask = postern_resolver_ask(options->resolver, client, inspection->answers, on_answers, track);
        return;
    }
    track->checks = 0;
    inspection->missing &= ~POSTERN_CHECK_CLIENT;
    postern_inspection_track_over(inspection);
}

void postern_inspection_look_at_client(PosternInspection *inspection)
{
    Track *track = &inspection->tracks[TRACK_CLIENT];
    track->checks = inspection->missing & POSTERN_CHECK_CLIENT;
    if (track->checks != 0)
        look(inspection);
}
