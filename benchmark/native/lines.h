/* Thin the classes of a label map to lines. */

#ifndef SEGBENCH_LINES_H
#define SEGBENCH_LINES_H

#include <stddef.h>
#include <stdint.h>

#define NEIGHBOURHOODS 256

/* Remove pixels of rows x columns labels in place, all classes at once, until none can be removed; 0 is no class, and the
   frame of one pixel holds nothing else. There are two passes in turn, in each of which all pixels are looked at as they
   stood at its beginning. A pixel goes in a pass where that bit is set of the rule for its neighbourhood: bit k of a
   neighbourhood is set where neighbour k, clockwise from the upper left, is of the same class. One that is surrounded by
   its class stays. 1 done, 0 there is a class in the frame, or the rules are none, -1 no memory. */
int thin_to_lines(uint16_t *labels, size_t rows, size_t columns, const uint8_t *rules);

#endif
