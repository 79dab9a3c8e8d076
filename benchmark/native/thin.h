/* Grow segments until lines are left between them. */

#ifndef SEGBENCH_THIN_H
#define SEGBENCH_THIN_H

#include <stddef.h>
#include <stdint.h>

/* Number the pixels that wait, of rows x columns with a frame of one pixel in which none does: first those beside a
   numbered pixel, in the order of memory, then first-in first-out their neighbours at -columns, -1, columns and 1. A pixel
   takes the number of its neighbours where they hold exactly one, else 0. 1 done, 0 a pixel of the frame waits, -1 no
   memory. */
int grow_segments(int32_t *numbers, uint8_t *waiting, size_t rows, size_t columns);

#endif
