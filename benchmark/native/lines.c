/* Thin label maps to lines: only pixels whose neighbourhood has changed are looked at again. */

#include "lines.h"

#include <stdlib.h>

#include "cpu.h"

#define PASSES 2

/* Pixels whose neighbourhood changed since a pass looked at them; `waiting` has a bit for each pass in which a pixel is. */
typedef struct {
    uint32_t *places[PASSES];
    size_t lengths[PASSES];
    uint8_t *waiting;
} Changed;

static int frame_is_empty(const uint16_t *labels, size_t rows, size_t columns) {
    for (size_t x = 0; x < columns; x++)
        if (labels[x] || labels[(rows - 1) * columns + x]) return 0;
    for (size_t y = 0; y < rows; y++)
        if (labels[y * columns] || labels[y * columns + columns - 1]) return 0;
    return 1;
}

/* The neighbours of a pixel, clockwise from the upper left. */
static void set_steps(ptrdiff_t columns, ptrdiff_t steps[8]) {
    const ptrdiff_t found[8] = {-columns - 1, -columns, -columns + 1, 1, columns + 1, columns, columns - 1, -1};
    for (int k = 0; k < 8; k++) steps[k] = found[k];
}

INLINE unsigned neighbourhood(const uint16_t *here, const ptrdiff_t steps[8]) {
    unsigned found = 0;
    for (int k = 0; k < 8; k++) found |= (unsigned)(here[steps[k]] == *here) << k;
    return found;
}

INLINE void add(Changed *changed, size_t place) {
    const uint8_t waiting = changed->waiting[place];
    for (int pass = 0; pass < PASSES; pass++)
        if (!(waiting >> pass & 1)) changed->places[pass][changed->lengths[pass]++] = (uint32_t)place;
    changed->waiting[place] = (1 << PASSES) - 1;
}

static void thin(uint16_t *labels, const ptrdiff_t steps[8], const uint8_t *rules, Changed *changed, uint32_t *removed) {
    for (int pass = 0; changed->lengths[0] || changed->lengths[1]; pass = !pass) {
        size_t count = 0;
        for (size_t k = 0; k < changed->lengths[pass]; k++) {
            const size_t place = changed->places[pass][k];
            changed->waiting[place] &= (uint8_t) ~(1 << pass);
            if (labels[place] && rules[neighbourhood(labels + place, steps)] >> pass & 1)
                removed[count++] = (uint32_t)place;
        }
        changed->lengths[pass] = 0;
        for (size_t k = 0; k < count; k++) labels[removed[k]] = 0;
        for (size_t k = 0; k < count; k++)
            for (int step = 0; step < 8; step++) {
                const size_t next = (size_t)((ptrdiff_t)removed[k] + steps[step]);
                if (labels[next]) add(changed, next);
            }
    }
}

int thin_to_lines(uint16_t *labels, size_t rows, size_t columns, const uint8_t *rules) {
    const size_t size = rows * columns;
    if (size > UINT32_MAX || rules[NEIGHBOURHOODS - 1] || !frame_is_empty(labels, rows, columns)) return 0;
    size_t pixels = 0;
    for (size_t i = 0; i < size; i++) pixels += labels[i] != 0;
    if (pixels == 0) return 1;
    uint32_t *places = malloc((PASSES + 1) * pixels * sizeof(*places));
    Changed changed = {{places, places + pixels}, {0, 0}, calloc(size, 1)};
    const int fits = places != NULL && changed.waiting != NULL;
    if (fits) {
        ptrdiff_t steps[8];
        set_steps((ptrdiff_t)columns, steps);
        for (size_t i = 0; i < size; i++)
            if (labels[i] && neighbourhood(labels + i, steps) != NEIGHBOURHOODS - 1) add(&changed, i);
        thin(labels, steps, rules, &changed, places + PASSES * pixels);
    }
    free(places);
    free(changed.waiting);
    return fits ? 1 : -1;
}
