/* segbench._native: what `segbench.io.native` calls. Buffers in, buffers out; nothing here knows of NumPy.

   Every function checks the sizes that it is given against the buffers before it touches one, and lets other threads run
   while it works. */

#include "buffers.h"

#include <stdlib.h>

#include "count.h"
#include "cpu.h"
#include "measures.h"
#include "memory.h"
#include "quotients.h"
#include "unfilter.h"

/* Tables that nobody uses, one for each thread that has counted at the same time as others. They are taken and given
   back only by who holds the interpreter's lock. */
#define MAX_IDLE 16
static Tables *idle[MAX_IDLE];
static int idle_count = 0;

static Tables *take_tables(void) { return idle_count ? idle[--idle_count] : new_tables(); }

static void give_back(Tables *tables) {
    tidy(tables);
    if (idle_count < MAX_IDLE)
        idle[idle_count++] = tables;
    else
        free_tables(tables);
}

/* Labels of a buffer of one of the machine's own integer types; 0, with an exception set, for another. */
static int labels_of(const Py_buffer *buffer, Labels *labels) {
    const char *format = buffer->format == NULL ? "B" : buffer->format;
    if (*format == '@' || *format == '=') format++;
    const char *kinds = "?BbHhIiLlQqNn", *kind = *format && format[1] == 0 ? strchr(kinds, *format) : NULL;
    Py_ssize_t size = buffer->itemsize;
    if (kind == NULL || (size != 1 && size != 2 && size != 4 && size != 8)) {
        PyErr_Format(PyExc_TypeError, "labels are integers, not of the buffer format '%s'", format);
        return 0;
    }
    labels->values = buffer->buf;
    labels->size = (int)size;
    labels->is_signed = *kind >= 'a' && *kind <= 'z';
    if ((uintptr_t)buffer->buf % (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "labels are not aligned");
        return 0;
    }
    return 1;
}

static PyObject *columns_of(const Pair *pairs, size_t found) {
    PyObject *columns[3];
    for (int c = 0; c < 3; c++) {
        columns[c] = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(found * sizeof(int64_t)));
        if (columns[c] == NULL) {
            while (c--) Py_DECREF(columns[c]);
            return NULL;
        }
        char *column = PyByteArray_AsString(columns[c]);
        for (size_t k = 0; k < found; k++) {
            int64_t value = c == 0 ? pairs[k].first : c == 1 ? pairs[k].second : pairs[k].pixels;
            memcpy(column + k * sizeof(value), &value, sizeof(value));
        }
    }
    return Py_BuildValue("(NNN)", columns[0], columns[1], columns[2]);
}

static PyObject *counted(const Py_buffer *first, const Py_buffer *second) {
    Labels a, b;
    if (!labels_of(first, &a) || !labels_of(second, &b)) return NULL;
    Py_ssize_t pixels = first->len / first->itemsize;
    if (second->len / second->itemsize != pixels) {
        PyErr_SetString(PyExc_ValueError, "both label maps hold the same number of pixels");
        return NULL;
    }
    if ((uint64_t)pixels > MAX_COUNTED) Py_RETURN_NONE;
    Tables *tables = take_tables();
    if (tables == NULL) return PyErr_NoMemory();
    const Pair *pairs;
    size_t found;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = count_pairs(a, b, (size_t)pixels, tables, &pairs, &found);
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (failed == NO_MEMORY)
        PyErr_NoMemory();
    else if (failed == TOO_MANY_PAIRS)
        result = Py_NewRef(Py_None);
    else
        result = columns_of(pairs, found);
    give_back(tables);
    return result;
}

PyDoc_STRVAR(joint_counts_doc,
             "joint_counts(first, second, /)\n--\n\n"
             "The pairs of labels that occur at the same place of two C-contiguous buffers of integers, in ascending\n"
             "order, and their pixels: three bytearrays of int64. None where another way is quicker: very many pairs,\n"
             "or more pixels than 32 bits can count. A label of 64 bits is taken for one with a sign.");

static PyObject *joint_counts(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *first, *second;
    Py_buffer a, b;
    if (!PyArg_ParseTuple(args, "OO:joint_counts", &first, &second)) return NULL;
    if (PyObject_GetBuffer(first, &a, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) return NULL;
    if (PyObject_GetBuffer(second, &b, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyBuffer_Release(&a);
        return NULL;
    }
    PyObject *result = counted(&a, &b);
    PyBuffer_Release(&a);
    PyBuffer_Release(&b);
    return result;
}

static uint64_t bytes_of_row(Py_ssize_t columns, int bits) { return ((uint64_t)columns * (uint64_t)bits + 7) / 8; }

PyDoc_STRVAR(unfilter_doc,
             "unfilter(rows_of_file, rows, columns, bits, /)\n--\n\n"
             "Undo the filters of the rows of a PNG file with one channel of 1, 2, 4, 8 or 16 bits. They stand, as its\n"
             "inflated stream holds them, LEAD bytes from the buffer's beginning on; at its beginning there are the values\n"
             "then, packed as in the file, of 16 bits in the machine's order. False where a row has a filter that does not\n"
             "exist.");

static PyObject *unfilter_rows(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer buffer;
    Py_ssize_t rows, columns;
    int bits;
    if (!PyArg_ParseTuple(args, "w*nni:unfilter", &buffer, &rows, &columns, &bits)) return NULL;
    int known = 0, fits = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
    fits = fits && columns > 0 && holds(buffer.len - LEAD, rows, columns, 1 + bytes_of_row(columns, bits));
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        known = unfilter(buffer.buf, (size_t)rows, (size_t)bytes_of_row(columns, bits), bits == 16 ? 2 : 1);
        if (known && bits == 16) to_machine_order(buffer.buf, (size_t)rows * (size_t)columns);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&buffer);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffer does not fit an image of this size");
        return NULL;
    }
    return PyBool_FromLong(known);
}

PyDoc_STRVAR(unpack_doc,
             "unpack(packed, values, rows, columns, bits, /)\n--\n\n"
             "Values of 1, 2 or 4 bits each, as `unfilter` leaves them, to a byte each.");

static PyObject *unpack(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer packed, values;
    Py_ssize_t rows, columns;
    int bits;
    if (!PyArg_ParseTuple(args, "y*w*nni:unpack", &packed, &values, &rows, &columns, &bits)) return NULL;
    int fits = (bits == 1 || bits == 2 || bits == 4) && columns > 0;
    fits = fits && holds(packed.len, rows, columns, bytes_of_row(columns, bits));
    fits = fits && holds(values.len, rows, columns, (uint64_t)columns);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        unpack_bits(packed.buf, values.buf, (size_t)rows, (size_t)columns, bits);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&packed);
    PyBuffer_Release(&values);
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "the buffers do not fit an image of this size");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Whether a buffer holds `count` places, each below `limit`. */
static int holds_places(const Py_buffer *buffer, size_t count, size_t limit) {
    if (!holds_values(buffer, count)) return 0;
    const int64_t *places = buffer->buf;
    for (size_t k = 0; k < count; k++)
        if (places[k] < 0 || (uint64_t)places[k] >= limit) return 0;
    return 1;
}

/* Sums and pairs from buffers: moved, halves, first, second, nearby; 0 where they do not fit together. */
static int pairs_of(const Py_buffer *buffers, Py_ssize_t runs, Py_ssize_t quotients, Py_ssize_t rows, QuotientSums *sums,
                    RunPairs *pairs) {
    if (runs <= 0 || quotients <= 0 || rows <= 0 || runs > INT32_MAX || quotients > INT16_MAX || rows > INT16_MAX) return 0;
    const size_t each = 2 * (size_t)runs * (size_t)quotients, count = (size_t)buffers[2].len / 8;
    const QuotientSums found = {buffers[0].buf, buffers[1].buf, (size_t)runs, (size_t)quotients, (size_t)rows};
    const RunPairs pairs_found = {buffers[2].buf, buffers[3].buf, buffers[4].buf, count};
    *sums = found;
    *pairs = pairs_found;
    return holds_values(&buffers[0], each * (size_t)rows) && holds_values(&buffers[1], each) &&
           holds_places(&buffers[2], count, found.runs) && holds_places(&buffers[3], count, found.runs) &&
           holds_places(&buffers[4], count, count);
}

static PyObject *not_together(void) {
    PyErr_SetString(PyExc_ValueError, "the buffers of sums, pairs and results do not fit together");
    return NULL;
}

PyDoc_STRVAR(quotient_differences_doc,
             "quotient_differences(runs, quotients, rows, moved, halves, first, second, nearby, apart, /)\n--\n\n"
             "The differences of means of quotients of pairs of runs under patterns: see `quotients.h`. Buffers of float64\n"
             "and int64; `apart` is written.");

static PyObject *quotient_differences_of(PyObject *module, PyObject *args) {
    (void)module;
    enum { BUFFERS = 6 };
    Py_buffer b[BUFFERS];
    Py_ssize_t runs, quotients, rows;
    if (!PyArg_ParseTuple(args, "nnny*y*y*y*y*w*:quotient_differences", &runs, &quotients, &rows, &b[0], &b[1], &b[2],
                          &b[3], &b[4], &b[5]))
        return NULL;
    QuotientSums sums;
    RunPairs pairs;
    int fits = pairs_of(b, runs, quotients, rows, &sums, &pairs);
    fits = fits && (size_t)b[5].len / 8 / sums.rows == pairs.pairs && holds_values(&b[5], pairs.pairs * sums.rows);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        quotient_differences(&sums, &pairs, b[5].buf);
        Py_END_ALLOW_THREADS
    }
    for (int k = 0; k < BUFFERS; k++) PyBuffer_Release(&b[k]);
    return fits ? Py_NewRef(Py_None) : not_together();
}

PyDoc_STRVAR(tally_quotients_doc,
             "tally_quotients(runs, quotients, rows, moved, halves, first, second, nearby, order, size, least,\n"
             "least_measured, reached, largest, known, /)\n--\n\n"
             "Count in how many patterns pairs are as far apart: see `quotients.h`. The last three buffers are raised.");

static PyObject *tally_quotients_of(PyObject *module, PyObject *args) {
    (void)module;
    enum { BUFFERS = 12 };
    Py_buffer b[BUFFERS];
    Py_ssize_t runs, quotients, rows;
    if (!PyArg_ParseTuple(args, "nnny*y*y*y*y*y*y*y*y*w*w*w*:tally_quotients", &runs, &quotients, &rows, &b[0], &b[1],
                          &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10], &b[11]))
        return NULL;
    QuotientSums sums;
    RunPairs pairs;
    int fits = pairs_of(b, runs, quotients, rows, &sums, &pairs) && holds_places(&b[5], pairs.pairs, pairs.pairs);
    for (int k = 6; fits && k < BUFFERS; k++) fits = holds_values(&b[k], pairs.pairs);
    int failed = 0;
    if (fits) {
        const Extremes extremes = {b[5].buf, b[6].buf, b[7].buf, b[8].buf, b[9].buf, b[10].buf, b[11].buf};
        Py_BEGIN_ALLOW_THREADS
        failed = tally_quotients(&sums, &pairs, &extremes);
        Py_END_ALLOW_THREADS
    }
    for (int k = 0; k < BUFFERS; k++) PyBuffer_Release(&b[k]);
    if (!fits) return not_together();
    return failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
}

PyDoc_STRVAR(memory_doc,
             "memory(size, /)\n--\n\nAn object with a writable buffer of this many bytes, of any content, which is used again.");

PyDoc_STRVAR(release_memory_doc,
             "release_memory()\n--\n\nGive the system back what `memory` keeps for the next image.");

PyDoc_STRVAR(instructions_doc, "instructions()\n--\n\nThe instructions in use: 'AVX2', or 'portable'.");

static PyObject *instructions(PyObject *module, PyObject *args) {
    (void)module;
    (void)args;
    return PyUnicode_FromString(use_avx2() ? "AVX2" : "portable");
}

PyDoc_STRVAR(portable_doc,
             "portable(only, /)\n--\n\nKeep to instructions that every processor has, or take what this one has.");

static PyObject *portable(PyObject *module, PyObject *only) {
    (void)module;
    int wanted = PyObject_IsTrue(only);
    if (wanted < 0) return NULL;
    keep_portable(wanted);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"joint_counts", joint_counts, METH_VARARGS, joint_counts_doc},
    {"add_to_bins", add_to_bins_of, METH_VARARGS, add_to_bins_doc},
    {"grow_segments", grow_segments_of, METH_VARARGS, grow_segments_doc},
    {"thin_to_lines", thin_to_lines_of, METH_VARARGS, thin_to_lines_doc},
    {"nearest_squares", nearest_squares_of, METH_VARARGS, nearest_squares_doc},
    {"memory", memory, METH_O, memory_doc},
    {"release_memory", release_memory, METH_NOARGS, release_memory_doc},
    {"quotient_differences", quotient_differences_of, METH_VARARGS, quotient_differences_doc},
    {"tally_quotients", tally_quotients_of, METH_VARARGS, tally_quotients_doc},
    {"unfilter", unfilter_rows, METH_VARARGS, unfilter_doc},
    {"unpack", unpack, METH_VARARGS, unpack_doc},
    {"instructions", instructions, METH_NOARGS, instructions_doc},
    {"portable", portable, METH_O, portable_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "segbench._native", "Label maps are counted and decoded, boundaries and confidences measured, and pairs of runs tested, in compiled code.", -1, functions,
    NULL, NULL, NULL, NULL,
};

/* Raised whenever a function here takes or gives something else: `segbench.io.native` uses no other build than its own. */
#define INTERFACE 5

PyMODINIT_FUNC PyInit__native(void) {
    if (make_memory_type() < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0 ||
                           PyModule_AddIntConstant(module, "LEAD", LEAD) < 0))
        Py_CLEAR(module);
    return module;
}
