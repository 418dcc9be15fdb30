#include "scan/progress.h"

#include <unistd.h>

#define WIDTH 40
#define FEW 10

static gboolean is_shown(guint total)
{
    return total > FEW && isatty(STDERR_FILENO);
}

void postern_scan_progress_show(guint done, guint total, guint refused)
{
    if (!is_shown(total))
        return;
    char bar[WIDTH + 1];
    guint full = (guint)((guint64)done * WIDTH / total);
    for (guint i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '-';
    bar[WIDTH] = '\0';
    g_printerr("\r[%s] %u of %u, %u not accepted ", bar, done, total, refused);
}

void postern_scan_progress_clear(guint total)
{
    if (is_shown(total))
        g_printerr("\r\033[K");
}
