/* Grow segments until lines are left between them: a queue of pixels, as `metrics.partition.thin_borders` defines it. */

#include "thin.h"

#include <stdlib.h>

static int frame_waits(const uint8_t *waiting, size_t rows, size_t columns) {
    for (size_t x = 0; x < columns; x++)
        if (waiting[x] || waiting[(rows - 1) * columns + x]) return 1;
    for (size_t y = 0; y < rows; y++)
        if (waiting[y * columns] || waiting[y * columns + columns - 1]) return 1;
    return 0;
}

/* The one number above 0 that four neighbours hold; 0 where they hold none, or several. */
static int32_t number_around(const int32_t *number, size_t columns) {
    const int32_t around[4] = {number[-(ptrdiff_t)columns], number[-1], number[columns], number[1]};
    int32_t found = 0;
    for (int k = 0; k < 4; k++) {
        if (around[k] <= 0) continue;
        if (found && around[k] != found) return 0;
        found = around[k];
    }
    return found;
}

int grow_segments(int32_t *numbers, uint8_t *waiting, size_t rows, size_t columns) {
    if (frame_waits(waiting, rows, columns)) return 0;
    const size_t size = rows * columns;
    size_t all = 0, queued = 0;
    for (size_t i = 0; i < size; i++) all += waiting[i] != 0;
    if (all == 0) return 1;
    size_t *queue = malloc(all * sizeof(*queue));
    if (queue == NULL) return -1;
    for (size_t i = 0; i < size; i++) {
        if (!waiting[i]) continue;
        const int32_t *here = numbers + i;
        if (here[-(ptrdiff_t)columns] > 0 || here[-1] > 0 || here[columns] > 0 || here[1] > 0) queue[queued++] = i;
    }
    for (size_t k = 0; k < queued; k++) waiting[queue[k]] = 0;
    for (size_t k = 0; k < queued; k++) {
        const size_t i = queue[k], next[4] = {i - columns, i - 1, i + columns, i + 1};
        numbers[i] = number_around(numbers + i, columns);
        for (int n = 0; n < 4; n++) {
            if (!waiting[next[n]]) continue;
            waiting[next[n]] = 0;
            queue[queued++] = next[n];
        }
    }
    free(queue);
    return 1;
}
