#include "base/identifier.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

/* 62^7 ids a run: a hundred years at a thousand a second. */
#define COUNTER_LENGTH 7
#define RANDOM_LENGTH (POSTERN_IDENTIFIER_LENGTH - POSTERN_IDENTIFIER_RUN_LENGTH - COUNTER_LENGTH)

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const guint64 alphabet_size = sizeof alphabet - 1;

/* The system is asked for many at once. */
static guint64 random_number(void)
{
    static _Thread_local guint64 numbers[32];
    static _Thread_local guint left;
    if (left == 0 && getrandom(numbers, sizeof numbers, 0) == sizeof numbers)
        left = G_N_ELEMENTS(numbers);
    if (left == 0)
        return (guint64)g_random_int() << 32 | g_random_int();
    return numbers[--left];
}

static void encode(char *out, gsize length, guint64 number)
{
    while (length > 0) {
        out[--length] = alphabet[number % alphabet_size];
        number /= alphabet_size;
    }
}

static gboolean decode(const char *text, gsize length, guint64 *ret_number)
{
    guint64 number = 0;
    for (gsize i = 0; i < length; i++) {
        const char *digit = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (digit == NULL)
            return FALSE;
        number = number * alphabet_size + (guint64)(digit - alphabet);
    }
    *ret_number = number;
    return TRUE;
}

/* The name of this run; the number is chosen at the first use. */
static guint64 run_number(void)
{
    static gsize run;
    if (g_once_init_enter(&run)) {
        guint64 runs = 1;
        for (guint i = 0; i < POSTERN_IDENTIFIER_RUN_LENGTH; i++)
            runs *= alphabet_size;
        g_once_init_leave(&run, (gsize)(random_number() % (runs - 1)) + 1);
    }
    return run;
}

static _Atomic guint64 *counter(void)
{
    static _Atomic guint64 given_out;
    return &given_out;
}

PosternIdentifier postern_identifier_new(void)
{
    PosternIdentifier identifier = {0};
    char *text = identifier.text;
    encode(text, POSTERN_IDENTIFIER_RUN_LENGTH, run_number());
    text += POSTERN_IDENTIFIER_RUN_LENGTH;
    encode(text, COUNTER_LENGTH, atomic_fetch_add(counter(), 1));
    encode(text + COUNTER_LENGTH, RANDOM_LENGTH, random_number());
    return identifier;
}

gboolean postern_identifier_is_ours(const char *text, gsize length)
{
    guint64 run, count, noise;
    if (text == NULL || length != POSTERN_IDENTIFIER_LENGTH)
        return FALSE;
    if (!decode(text, POSTERN_IDENTIFIER_RUN_LENGTH, &run) || run != run_number())
        return FALSE;
    text += POSTERN_IDENTIFIER_RUN_LENGTH;
    return decode(text, COUNTER_LENGTH, &count) && count < atomic_load(counter()) &&
           decode(text + COUNTER_LENGTH, RANDOM_LENGTH, &noise);
}
