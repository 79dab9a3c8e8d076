#include "measures.h"

#include "bins.h"
#include "lines.h"
#include "nearest.h"
#include "thin.h"

const char nearest_squares_doc[] =
    "nearest_squares(points, others, squares, /)\n--\n\n"
    "Write the squared distance of each point to the nearest of the others, of which there is one at least. Points\n"
    "are a row and a column in int64, in ascending order and each once. False where they are not.";

PyObject *nearest_squares_of(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer points, others, squares;
    if (!PyArg_ParseTuple(args, "y*y*w*:nearest_squares", &points, &others, &squares)) return NULL;
    const size_t count = (size_t)points.len / sizeof(Point), other_count = (size_t)others.len / sizeof(Point);
    int fits = holds_values(&points, 2 * count) && holds_values(&others, 2 * other_count) && holds_values(&squares, count);
    int in_order = 0, failed = 0;
    if (fits && other_count > 0) {
        Py_BEGIN_ALLOW_THREADS
        in_order = are_in_order(points.buf, count) && are_in_order(others.buf, other_count);
        if (in_order) failed = nearest_squares(points.buf, count, others.buf, other_count, squares.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&points);
    PyBuffer_Release(&others);
    PyBuffer_Release(&squares);
    if (!fits || other_count == 0) {
        PyErr_SetString(PyExc_ValueError, "the buffers of points and distances do not fit together");
        return NULL;
    }
    return failed ? PyErr_NoMemory() : PyBool_FromLong(in_order);
}

const char add_to_bins_doc[] =
    "add_to_bins(kinds, bins, pixels, confidence, sums, /, *values)\n--\n\n"
    "Raise the pixels (kinds, bins) int64 and the sums (values, kinds, bins) float64 by those of the confidences\n"
    "(kinds, n) float64 and of the values, each of the same shape. False where a confidence is not in 0..1.";

/* The histograms of buffers: pixels, confidence, sums, and `number` of values; 0 where they do not fit together. */
static int histograms_of(const Py_buffer *buffers, size_t number, Py_ssize_t kinds, Py_ssize_t bins, Histograms *found) {
    if (kinds <= 0 || bins <= 0 || kinds > INT32_MAX || bins > INT16_MAX || number > MAX_SUMS) return 0;
    const size_t size = (size_t)buffers[1].len / 8, cells = (size_t)kinds * (size_t)bins;
    int fits = size % (size_t)kinds == 0 && holds_values(&buffers[0], cells) && holds_values(&buffers[1], size) &&
               holds_values(&buffers[2], number * cells);
    found->kinds = (size_t)kinds;
    found->bins = (size_t)bins;
    found->count = size / (size_t)kinds;
    found->number = number;
    found->pixels = buffers[0].buf;
    found->confidence = buffers[1].buf;
    for (size_t k = 0; k < number; k++) {
        fits = fits && holds_values(&buffers[3 + k], size);
        found->values[k] = buffers[3 + k].buf;
        found->sums[k] = (double *)buffers[2].buf + k * cells;
    }
    return fits;
}

PyObject *add_to_bins_of(PyObject *module, PyObject *args) {
    (void)module;
    Py_ssize_t kinds, bins, given = PyTuple_Size(args);
    Py_buffer b[3 + MAX_SUMS] = {0};
    int number = given < 5 ? 0 : given > 5 + MAX_SUMS ? MAX_SUMS + 1 : (int)given - 5;
    /* As many values as there are words; too many are refused by the parser. */
    static const char *const formats[] = {"nnw*y*w*:add_to_bins", "nnw*y*w*y*:add_to_bins", "nnw*y*w*y*y*:add_to_bins",
                                          "nnw*y*w*y*y*y*:add_to_bins", "nnw*y*w*y*y*y*y*:add_to_bins"};
    if (!PyArg_ParseTuple(args, formats[number > MAX_SUMS ? MAX_SUMS : number], &kinds, &bins, &b[0], &b[1], &b[2], &b[3],
                          &b[4], &b[5], &b[6]))
        return NULL;
    Histograms histograms;
    int fits = histograms_of(b, (size_t)number, kinds, bins, &histograms), inside = 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        inside = add_to_bins(&histograms);
        Py_END_ALLOW_THREADS
    }
    for (int k = 0; k < 3 + number; k++) PyBuffer_Release(&b[k]);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers of confidences and sums do not fit together");
        return NULL;
    }
    return PyBool_FromLong(inside);
}

const char grow_segments_doc[] =
    "grow_segments(numbers, waiting, rows, columns, /)\n--\n\n"
    "Number the pixels that wait (rows, columns) uint8 by the segments around them (rows, columns) int32, both in\n"
    "place: see `thin.h`.";

PyObject *grow_segments_of(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer numbers, waiting;
    Py_ssize_t rows, columns;
    if (!PyArg_ParseTuple(args, "w*w*nn:grow_segments", &numbers, &waiting, &rows, &columns)) return NULL;
    int done = 0;
    int fits = columns > 0 && columns <= INT32_MAX / 4 && holds(waiting.len, rows, columns, (uint64_t)columns) &&
               holds(numbers.len, rows, columns, 4 * (uint64_t)columns) && (uintptr_t)numbers.buf % 4 == 0;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        done = grow_segments(numbers.buf, waiting.buf, (size_t)rows, (size_t)columns);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&numbers);
    PyBuffer_Release(&waiting);
    if (done < 0) return PyErr_NoMemory();
    if (!done) {
        PyErr_SetString(PyExc_ValueError, "the buffers are no image with a frame around it");
        return NULL;
    }
    Py_RETURN_NONE;
}

const char thin_to_lines_doc[] =
    "thin_to_lines(labels, rows, columns, rules, /)\n--\n\n"
    "Thin the classes of labels (rows, columns) uint16 with a frame of 0, in place, by the rules of 256\n"
    "neighbourhoods, uint8: see `lines.h`.";

PyObject *thin_to_lines_of(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer labels, rules;
    Py_ssize_t rows, columns;
    if (!PyArg_ParseTuple(args, "w*nny*:thin_to_lines", &labels, &rows, &columns, &rules)) return NULL;
    int done = 0;
    int fits = columns > 0 && columns <= INT32_MAX / 2 && holds(labels.len, rows, columns, 2 * (uint64_t)columns) &&
               (uintptr_t)labels.buf % 2 == 0 && rules.len == NEIGHBOURHOODS;
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        done = thin_to_lines(labels.buf, (size_t)rows, (size_t)columns, rules.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&labels);
    PyBuffer_Release(&rules);
    if (done < 0) return PyErr_NoMemory();
    if (!done) {
        PyErr_SetString(PyExc_ValueError, "the buffers are no label map with an empty frame, and rules for it");
        return NULL;
    }
    Py_RETURN_NONE;
}
