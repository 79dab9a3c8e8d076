/* Undo the filters of PNG's rows (PNG Specification, third edition, section 9). */

#ifndef SEGBENCH_UNFILTER_H
#define SEGBENCH_UNFILTER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes before the first filtered row: what is written at once is no longer, so that nothing is overwritten unread. */
#define LEAD 32

/* Rows of `rows` x (1 + `row_bytes`) bytes, each behind its filter, that begin LEAD bytes from `bytes` on, to `rows` x
   `row_bytes` values at `bytes`. `step` (1 or 2) is the number of bytes of a pixel; `row_bytes` is a multiple of it. Returns
   whether every filter exists. */
int unfilter(uint8_t *bytes, size_t rows, size_t row_bytes, size_t step);

/* Values of `bits` (1, 2 or 4) each to a byte each; `columns` of a row of (columns * bits + 7) / 8 bytes. */
void unpack_bits(const uint8_t *packed, uint8_t *values, size_t rows, size_t columns, int bits);

/* Values of 16 bits from the order of bytes of PNG to that of the machine, where they lie. */
void to_machine_order(uint8_t *values, size_t count);

#endif
