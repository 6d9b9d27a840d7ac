/* The key=value words of the command line. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **words;
static int word_count;
static uint64_t asked_for;

void options_read(int count, char **first)
{
    words = first;
    word_count = count;
}

const char *option_text(const char *key, const char *fallback)
{
    size_t length = strlen(key);
    for (int i = 0; i < word_count; i++)
        if (strncmp(words[i], key, length) == 0 && words[i][length] == '=') {
            asked_for |= UINT64_C(1) << i;
            return words[i] + length + 1;
        }
    return fallback;
}

bool option_is(const char *key, const char *value, const char *fallback)
{
    return strcmp(option_text(key, fallback), value) == 0;
}

double option_decimal(const char *key, double fallback)
{
    const char *text = option_text(key, NULL);
    if (text == NULL)
        return fallback;
    char *end;
    double value = strtod(text, &end);
    check(end != text && *end == '\0', key);
    return value;
}

long option_number(const char *key, long fallback)
{
    return (long)option_decimal(key, (double)fallback);
}

/* A misspelt option must not quietly measure something else. */
void options_done(void)
{
    for (int i = 0; i < word_count; i++)
        if (!(asked_for >> i & 1)) {
            fprintf(stderr, "zmqbench: what is %s?\n", words[i]);
            exit(2);
        }
}
