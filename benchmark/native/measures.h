/* Functions of segbench._native that measure: distances of boundaries, histograms of confidences, grown segments,
   lines. */

#ifndef SEGBENCH_MEASURES_H
#define SEGBENCH_MEASURES_H

#include "buffers.h"

extern const char nearest_squares_doc[], add_to_bins_doc[], grow_segments_doc[], thin_to_lines_doc[];

PyObject *nearest_squares_of(PyObject *module, PyObject *args);
PyObject *add_to_bins_of(PyObject *module, PyObject *args);
PyObject *grow_segments_of(PyObject *module, PyObject *args);
PyObject *thin_to_lines_of(PyObject *module, PyObject *args);

#endif
