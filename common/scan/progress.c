#include "scan/progress.h"

#include <unistd.h>

#define WIDTH 40
#define FEW 10
#define MEBIBYTE (1024.0 * 1024.0)

static void draw_bar(char *bar, double fraction)
{
    guint full = (guint)(CLAMP(fraction, 0.0, 1.0) * WIDTH);
    for (guint i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '-';
    bar[WIDTH] = '\0';
}

void postern_scan_progress_show(const PosternScanProgress *progress, guint64 refused)
{
    if (progress->messages <= FEW || !isatty(STDERR_FILENO))
        return;
    char bar[WIDTH + 1];
    double octets = (double)progress->octets / MEBIBYTE;
    draw_bar(bar, progress->fraction);
    g_printerr("\r\033[K[%s] %" G_GUINT64_FORMAT " messages, %.1f MiB, %" G_GUINT64_FORMAT " not accepted ",
               bar, progress->messages, octets, refused);
}

void postern_scan_progress_clear(void)
{
    if (isatty(STDERR_FILENO))
        g_printerr("\r\033[K");
}
