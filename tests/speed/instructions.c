/* Counts or unfilters one drawn image so many times: `tests/io/test_native_speed.py` counts the instructions that takes. */

#include <stdio.h>
#include <stdlib.h>

#include "count.h"
#include "cpu.h"
#include "unfilter.h"

enum { HEIGHT = 256, WIDTH = 1024, PIXELS = HEIGHT * WIDTH, MAX_DECODED = 3 };

static uint32_t state = 1;

static uint32_t drawn(uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

/* Cells of about 60 x 30 pixels with oblique borders; of noise every pixel is drawn. */
static void draw(uint8_t *labels, int shift, int noise) {
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            uint32_t cell = (uint32_t)((x + shift + y / 3) / 60 * 7 + (y + x / 8) / 30 * 13);
            labels[y * WIDTH + x] = (uint8_t)(noise ? drawn(19) : cell % 19);
        }
}

static int count(int size, int noise, int repeats) {
    static uint8_t narrow[2][PIXELS];
    static int32_t wide[PIXELS];
    draw(narrow[0], 0, noise);
    draw(narrow[1], 3, noise);
    for (int k = 0; k < PIXELS; k++) wide[k] = narrow[0][k] * 1000 + k / PIXELS;
    Labels first = {size == 1 ? (void *)narrow[0] : (void *)wide, size, size == 4}, second = {narrow[1], 1, 0};
    Tables *tables = new_tables();
    const Pair *pairs;
    size_t found = 0;
    for (int k = 0; tables && k < repeats; k++)
        if (count_pairs(first, second, PIXELS, tables, &pairs, &found) != COUNTED) return 1;
    free_tables(tables);
    return found == 0;
}

static int decode(int repeats) {
    static uint8_t labels[PIXELS], rows[HEIGHT * (WIDTH + 1)], bytes[MAX_DECODED][LEAD + HEIGHT * (WIDTH + 1)];
    draw(labels, 0, 0);
    for (int y = 0; y < HEIGHT; y++) { /* Sub and Up in turn */
        uint8_t *row = rows + y * (WIDTH + 1), *here = labels + y * WIDTH;
        row[0] = y % 2 ? 2 : 1;
        for (int x = 0; x < WIDTH; x++) row[x + 1] = (uint8_t)(here[x] - (y % 2 ? here[x - WIDTH] : x ? here[x - 1] : 0));
    }
    /* However many are decoded, all are copied: so this does not show in the difference of two runs. */
    for (int k = 0; k < MAX_DECODED; k++) memcpy(bytes[k] + LEAD, rows, sizeof(rows));
    for (int k = 0; k < repeats && k < MAX_DECODED; k++)
        if (!unfilter(bytes[k], HEIGHT, WIDTH, 1) || memcmp(labels, bytes[k], PIXELS)) return 1;
    return 0;
}

int main(int number, char **words) {
    int repeats = number == 3 ? atoi(words[2]) : 0;
    switch (number == 3 ? words[1][0] : 0) {
    case 'd':
        return decode(repeats);
    case 'r':
        return count(1, 0, repeats);
    case 'n':
        return count(1, 1, repeats);
    case 'w':
        return count(4, 0, repeats);
    default:
        return 2;
    }
}
